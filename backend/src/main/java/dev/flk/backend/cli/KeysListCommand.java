// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code keys list}: every key with what it may do. */
@Command(
        name = "list",
        description = {
            "Lists the keys, in the order of the file, with the shards that each may sign for.",
            "",
            "  active    may sign",
            "  retiring  may sign; whoever uses it is to change to another key",
            "  revoked   may not sign",
            "  early     its valid_from has not come",
            "  expired   its valid_until is over",
            "",
            "A shard with an asterisk behind it stands for all that begin so.",
            ""
        },
        versionProvider = BuildVersion.class,
        mixinStandardHelpOptions = true)
final class KeysListCommand implements Runnable {
    private static final int COLUMNS = 80;
    private static final String ROW = "%-32s  %-7s  %-8s  %s";
    private static final String INDENT = "    ";

    private final InstantSource clock;

    @Mixin
    private final KeysSource source;

    @Option(names = "--json", description = "For programs: one JSON object a line.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    KeysListCommand(KeysSource source, InstantSource clock) {
        this.source = source;
        this.clock = clock;
    }

    @Override
    public void run() {
        List<KeyEntry> keys = source.entries();
        PrintWriter out = spec.commandLine().getOut();
        if (!json) {
            out.println(ROW.formatted("KEY", "ALG", "STATE", "VALID UNTIL"));
        }
        keys.stream()
                .map(key -> new ListedKey(key, clock.millis()))
                .forEach(key -> out.print(json ? key.json() : asText(key)));
        out.flush();
    }

    private static String asText(ListedKey listed) {
        KeyEntry key = listed.key();
        StringBuilder text = new StringBuilder();
        Instant until = key.validUntil();
        text.append(ROW.formatted(
                        key.id(),
                        key.algorithm().configName(),
                        listed.standing(),
                        until == null ? "-" : until.toString()))
                .append('\n');
        if (key.isEarly(listed.nowMillis())) {
            text.append(INDENT).append("from ").append(key.validFrom()).append('\n');
        }
        appendWrapped(text, listed.shards());
        return text.toString();
    }

    private static void appendWrapped(StringBuilder text, List<String> names) {
        StringBuilder line = new StringBuilder(INDENT);
        for (int i = 0; i < names.size(); i++) {
            String name = names.get(i) + (i == names.size() - 1 ? "" : ",");
            if (line.length() > INDENT.length() && line.length() + 1 + name.length() > COLUMNS) {
                text.append(line).append('\n');
                line = new StringBuilder(INDENT);
            }
            line.append(line.length() == INDENT.length() ? "" : " ").append(name);
        }
        text.append(line).append('\n');
    }
}
