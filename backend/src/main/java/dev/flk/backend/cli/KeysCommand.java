// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.inbox.RecordKind.LoggedId;
import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.keys.KeyEntry.KeyState;
import dev.flk.backend.keys.KeysFile;
import dev.flk.backend.keys.KeysFile.InvalidKeysException;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.program.config.InvalidConfig;
import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command {@code keys}, which checks and lists the keys file and reports what a key has signed. */
@Command(
        name = "keys",
        description = {
            "Commands about the keys file: who may sign for which shard.",
            "",
            "Edit the file with any editor, and check it with keys check. A running backend",
            "loads a change within two seconds, and keeps its keys if the file has a mistake.",
            ""
        })
final class KeysCommand implements Runnable {
    private static final int COLUMNS = 80;
    private static final String ROW = "%-32s  %-7s  %-8s  %s\n";
    private static final String INDENT = "    ";

    private final Map<String, String> environment;
    private final ConfigOption config;
    private final WalSource log;
    private final InstantSource clock;

    @Option(
            names = "--file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "The keys file (default: KEYS_FILE of the configuration).")
    private @Nullable Path file;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    KeysCommand(Map<String, String> environment, ConfigOption config, InstantSource clock) {
        this.environment = environment;
        this.config = config;
        this.log = new WalSource(environment, config);
        this.clock = clock;
    }

    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "Missing command: keys list, check or signed");
    }

    @Command(
            name = "list",
            description = {
                "Lists the keys and the shards that each may sign for.",
                "",
                "Keys are listed in the order of the file.",
                "",
                "  active    may sign",
                "  retiring  may sign; its submissions are counted, to see who still uses it",
                "  revoked   may not sign",
                "  early     its valid_from is in the future",
                "  expired   its valid_until has passed",
                "",
                "An asterisk after a name stands for all shards that begin with it.",
                ""
            })
    void list(@Option(names = "--json", description = "One JSON object per line.") boolean json) {
        PrintWriter out = spec.commandLine().getOut();
        if (!json) {
            out.print(ROW.formatted("KEY", "ALG", "STATE", "VALID UNTIL"));
        }
        for (KeyEntry key : entries()) {
            ListedKey listed = new ListedKey(key, clock.millis());
            out.print(json ? Json.line(listed.forPrograms()) : asText(listed));
        }
        out.flush();
    }

    @Command(
            name = "check",
            description = {
                "Reports every problem of the keys file.",
                "",
                "It reads the file and its secret files as a backend does.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {"0:the file is valid", "2:the file is not valid, or wrong usage"})
    void check() {
        List<KeyEntry> keys = entries();
        PrintWriter out = spec.commandLine().getOut();
        out.println(path() + " is valid: " + ErrorMessages.count(keys.size(), "key"));
        keys.stream()
                .filter(key -> key.shardPrefixes().contains(""))
                .forEach(key -> out.println("key " + key.id() + " may sign for every shard"));
        out.flush();
    }

    @Command(
            name = "signed",
            description = {
                "Reports what a key has signed, according to the log.",
                "",
                "It prints the number of records, when they arrived, and their shards. It only",
                "reads, and may run while a backend does.",
                ""
            },
            exitCodeListHeading = "%nExit codes:%n",
            exitCodeList = {"0:done", "1:the log can't be read", "2:wrong usage or configuration"})
    void signed(
            @Parameters(paramLabel = "KEY", description = "The id of the key, which need not be in the file.")
                    String id,
            @Option(
                            names = "--dir",
                            paramLabel = "DIR",
                            description = "Directory of the log (default: WAL_DIR of the configuration).")
                    @Nullable
                    Path dir,
            @Option(names = "--list", description = "First print the id of each certificate, one per line.")
                    boolean list)
            throws IOException {
        log.dir = dir;
        log.requireLog();
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter summary = list ? spec.commandLine().getErr() : out;
        SignedByKey signed = new SignedByKey(id);
        signed.read(log.inspector(), out, list);
        out.flush();
        summary.print(signed.text());
        summary.flush();
    }

    /** A key of the keys file as commands show it at a given time. */
    record ListedKey(KeyEntry key, long nowMillis) {
        /** Returns {@code revoked}, {@code expired} or {@code early} if one applies, otherwise the key's state. */
        String standing() {
            if (key.state() == KeyState.REVOKED) {
                return key.state().label();
            }
            return key.isLate(nowMillis)
                    ? "expired"
                    : key.isEarly(nowMillis) ? "early" : key.state().label();
        }

        /** Returns whether the key may sign for its shards. */
        boolean maySign() {
            return key.state() != KeyState.REVOKED && !key.isEarly(nowMillis) && !key.isLate(nowMillis);
        }

        /** Returns the shards that the key may sign for; an asterisk after a prefix means all shards that begin with it. */
        List<String> shards() {
            List<String> names =
                    new ArrayList<>(key.shards().stream().map(ListedKey::quoted).toList());
            key.shardPrefixes().forEach(prefix -> names.add(prefix.isEmpty() ? "every shard" : quoted(prefix) + "*"));
            return names;
        }

        /** Quotes a name as JSON unless it is plain ASCII, so that no name can send control sequences to a terminal. */
        static String quoted(String name) {
            return name.matches("[A-Za-z0-9._:/-]+") ? name : CanonicalString.quote(name);
        }

        /** The JSON line; members that are null are left out. */
        private record KeyLine(
                String id,
                String algorithm,
                String state,
                boolean maySign,
                List<String> shards,
                List<String> shardPrefixes,
                @Nullable String validFrom,
                @Nullable String validUntil,
                @Nullable String publicKey,
                @Nullable String secretFile,
                @Nullable BigDecimal rate) {}

        Object forPrograms() {
            return new KeyLine(
                    key.id(),
                    key.algorithm().configName(),
                    key.state().label(),
                    maySign(),
                    key.shards(),
                    key.shardPrefixes(),
                    key.validFrom() == null ? null : key.validFrom().toString(),
                    key.validUntil() == null ? null : key.validUntil().toString(),
                    key.publicKey(),
                    key.secretFile(),
                    key.rate());
        }
    }

    private Path path() {
        return file == null ? BackendConfig.keysFile(environment, config.file) : file;
    }

    private List<KeyEntry> entries() {
        try {
            return KeysFile.read(path(), null).entries();
        } catch (InvalidKeysException e) {
            throw new InvalidConfig(e.problems().stream()
                    .map(problem -> path() + ": " + problem)
                    .toList());
        }
    }

    private static String asText(ListedKey listed) {
        KeyEntry key = listed.key();
        Instant until = key.validUntil();
        StringBuilder text = new StringBuilder(ROW.formatted(
                key.id(), key.algorithm().configName(), listed.standing(), until == null ? "-" : until.toString()));
        if (key.isEarly(listed.nowMillis())) {
            text.append(INDENT).append("from ").append(key.validFrom()).append('\n');
        }
        StringBuilder line = new StringBuilder(INDENT);
        for (String name : String.join(", ", listed.shards()).split("(?<=,) ", -1)) {
            if (line.length() > INDENT.length() && line.length() + 1 + name.length() > COLUMNS) {
                text.append(line).append('\n');
                line = new StringBuilder(INDENT);
            }
            line.append(line.length() == INDENT.length() ? "" : " ").append(name);
        }
        return text.append(line).append('\n').toString();
    }

    /** The records in the log that a key has signed. Keeps at most {@value #MAX_SHARDS} names of shards in memory. */
    private static final class SignedByKey {
        private static final int MAX_SHARDS = 1_000;
        private static final int SHOWN_SHARDS = 20;

        private final String keyId;
        private final Map<String, Long> shards = new TreeMap<>();
        private long records;
        private long ofOtherShards;
        private long firstMillis = Long.MAX_VALUE;
        private long lastMillis = Long.MIN_VALUE;
        private boolean isWhole = true;

        SignedByKey(String keyId) {
            this.keyId = keyId;
        }

        /** Reads the log; if {@code withIds}, prints the id of each record to {@code ids} as it is read. */
        void read(LogInspector log, PrintWriter ids, boolean withIds) throws IOException {
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    if (record.keyId().equals(keyId)) {
                        add(record, ids, withIds);
                    }
                }
                isWhole = walk.damages().isEmpty();
            }
        }

        private void add(LogRecord record, PrintWriter ids, boolean withIds) {
            records++;
            firstMillis = Math.min(firstMillis, record.arrivalMillis());
            lastMillis = Math.max(lastMillis, record.arrivalMillis());
            String shard = shardOf(record);
            if (shards.containsKey(shard) || shards.size() < MAX_SHARDS) {
                shards.merge(shard, 1L, Long::sum);
            } else {
                ofOtherShards++;
            }
            if (withIds) {
                String id = LoggedId.of(record).map(Object::toString).orElse("-");
                ids.println(id);
            }
        }

        private static String shardOf(LogRecord record) {
            try {
                return CertificateReader.parse(record.body()).signed().shardId();
            } catch (MalformedCertificate e) {
                return "";
            }
        }

        /** Renders the report. */
        String text() {
            if (records == 0) {
                return "it has signed nothing that the log still has\n" + (isWhole ? "" : missing());
            }
            StringBuilder text = new StringBuilder()
                    .append("it has signed   ")
                    .append(ErrorMessages.count(records, "record"))
                    .append(" that the log still has\nfirst arrival   ")
                    .append(ErrorMessages.time(firstMillis))
                    .append("\nlast arrival    ")
                    .append(ErrorMessages.time(lastMillis))
                    .append('\n');
            String label = "shards          ";
            int shown = 0;
            for (Map.Entry<String, Long> shard : shards.entrySet()) {
                if (shown++ < SHOWN_SHARDS) {
                    text.append(label)
                            .append(ListedKey.quoted(shard.getKey()))
                            .append(": ")
                            .append(shard.getValue())
                            .append('\n');
                    label = " ".repeat(label.length());
                }
            }
            if (shards.size() > SHOWN_SHARDS || ofOtherShards > 0) {
                text.append(label)
                        .append("and ")
                        .append(ofOtherShards > 0 ? "more than " : "")
                        .append(shards.size() - SHOWN_SHARDS)
                        .append(" more\n");
            }
            return text.append(isWhole ? "" : missing()).toString();
        }

        private static String missing() {
            return "records of the log are missing, see wal verify: there may have been more\n";
        }
    }
}
