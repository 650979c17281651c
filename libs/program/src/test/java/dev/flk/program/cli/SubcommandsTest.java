// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Command;

class SubcommandsTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "''            | ''",
                "serve         | ''",
                "wal           | wal",
                "wal ls        | wal",
                "keys wal      | keys",
                "--config wal  | keys wal",
                "--help        | keys wal",
                "wla           | keys wal"
            })
    void addTo_createsOnlyTheNamedCommand(String args, String created) {
        List<String> names = new ArrayList<>();
        CommandLine program = new CommandLine(new Empty()).addSubcommand("serve", new Empty());

        new Subcommands()
                .add("keys", () -> named("keys", names))
                .add("wal", () -> named("wal", names))
                .addTo(program, args.isEmpty() ? new String[0] : args.split(" "));

        assertThat(String.join(" ", names)).isEqualTo(created);
        assertThat(program.getSubcommands())
                .containsOnlyKeys(("serve " + created).strip().split(" "));
    }

    private static Object named(String name, List<String> created) {
        created.add(name);
        return new Empty();
    }

    @Command
    private static final class Empty {}
}
