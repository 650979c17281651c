// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyState;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.JsonLine;
import java.io.PrintWriter;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
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
        keys.forEach(key -> out.print(json ? asJson(key) : asText(key)));
        out.flush();
    }

    private String state(KeyEntry key) {
        if (key.state() == KeyState.REVOKED) {
            return key.state().label();
        }
        long now = clock.millis();
        return key.isLate(now)
                ? "expired"
                : key.isEarly(now) ? "early" : key.state().label();
    }

    private String asText(KeyEntry key) {
        StringBuilder text = new StringBuilder();
        Instant until = key.validUntil();
        text.append(ROW.formatted(
                        key.id(), key.algorithm().configName(), state(key), until == null ? "-" : until.toString()))
                .append('\n');
        if (key.isEarly(clock.millis())) {
            text.append(INDENT).append("from ").append(key.validFrom()).append('\n');
        }
        List<String> names = new ArrayList<>(
                key.shards().stream().map(KeysListCommand::quoted).toList());
        key.shardPrefixes().forEach(prefix -> names.add(prefix.isEmpty() ? "every shard" : quoted(prefix) + "*"));
        appendWrapped(text, names);
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

    /** In JSON's quotes if it is not plain, so that no name speaks to a terminal. */
    static String quoted(String name) {
        return name.matches("[A-Za-z0-9._:/-]+") ? name : quote(name);
    }

    private static String quote(String name) {
        StringBuilder out = new StringBuilder();
        CanonicalString.appendQuoted(out, name);
        return out.toString();
    }

    private String asJson(KeyEntry key) {
        JsonLine line = new JsonLine()
                .text("id", key.id())
                .text("algorithm", key.algorithm().configName())
                .text("state", key.state().label())
                .truth("may_sign", state(key).equals(key.state().label()) && key.state() != KeyState.REVOKED)
                .json("shards", array(key.shards()))
                .json("shard_prefixes", array(key.shardPrefixes()));
        optional(line, "valid_from", key.validFrom());
        optional(line, "valid_until", key.validUntil());
        optional(line, "public_key", key.publicKey());
        optional(line, "secret_file", key.secretFile());
        if (key.rate() != null) {
            line.json("rate", key.rate().toPlainString());
        }
        return line.end();
    }

    private static void optional(JsonLine line, String name, @Nullable Object value) {
        if (value != null) {
            line.text(name, value.toString());
        }
    }

    private static String array(List<String> names) {
        return names.stream().map(KeysListCommand::quote).collect(Collectors.joining(",", "[", "]"));
    }
}
