// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.keys.KeysFixture;
import dev.flk.backend.keys.KeysFixture.KeyText;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code keys …}: what is written, what is refused, what a person reads. */
final class KeysCommandsTest {
    @TempDir
    private Path directory;

    private KeysFixture keys;

    private record Run(int exitCode, String out, String err) {}

    @BeforeEach
    void fixture() {
        keys = new KeysFixture(directory);
    }

    private Run run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        List<String> all = new ArrayList<>(List.of("keys"));
        all.addAll(List.of(args));
        int exitCode = new CommandLineProgram(
                        Map.of(
                                "KEYS_FILE",
                                keys.file().toString(),
                                "WAL_DIR",
                                directory.resolve("wal").toString()),
                        config -> {},
                        new PrintWriter(out),
                        new PrintWriter(err))
                .run(all.toArray(String[]::new));
        return new Run(exitCode, out.toString(), err.toString());
    }

    @Test
    void list_fits80ColumnsAndTellsWhatMaySign() throws IOException {
        keys.write(
                KeyText.ed25519("a-key-with-the-longest-id-of-all", 1)
                        .shards(Stream.iterate(1, i -> i + 1)
                                .limit(12)
                                .map(i -> "plant-of-some-name-" + i)
                                .toArray(String[]::new)),
                KeyText.ed25519("late", 2).prefixes("line/").with("valid_until", "\"2020-01-01T00:00:00Z\""),
                KeyText.ed25519("early", 3)
                        .shards("with a\\u001b space")
                        .with("valid_from", "\"2999-01-01T00:00:00Z\""),
                KeyText.ed25519("gone", 4).state("revoked").prefixes(""));
        Run list = run("list");
        assertThat(list.out().lines())
                .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80))
                .contains(
                        "KEY                               ALG      STATE     VALID UNTIL",
                        "late                              ed25519  expired   2020-01-01T00:00:00Z",
                        "    line/*",
                        "early                             ed25519  early     -",
                        "    from 2999-01-01T00:00:00Z",
                        "    \"with a\\u001b space\"",
                        "gone                              ed25519  revoked   -",
                        "    every shard");
        assertThat(run("list", "--json").out().lines())
                .hasSize(4)
                .element(1)
                .asString()
                .startsWith("{\"id\":\"late\",\"algorithm\":\"ed25519\",\"state\":\"active\",\"may_sign\":false,");
    }

    @Test
    void check_saysWhatIsWrong_andNamesKeysForEveryShard() throws IOException {
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2).prefixes(""));
        assertThat(run("check").out()).isEqualTo(keys.file() + " is valid: 2 keys\nkey b may sign for every shard\n");
        keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2).with("colour", "1"));
        Run run = run("check");
        assertThat(run.exitCode()).isEqualTo(2);
        assertThat(run.err()).contains(keys.file() + ": key b: unknown member colour");
    }

    @Test
    void signed_withoutALog_namesIt() throws IOException {
        Run run = run("signed", "a");
        assertThat(run.exitCode()).isEqualTo(1);
        assertThat(run.err()).contains("wal: there is no such file or directory");
        assertThat(run("signed").exitCode()).isEqualTo(2);
    }
}
