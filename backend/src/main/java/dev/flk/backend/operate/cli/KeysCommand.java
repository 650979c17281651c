// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.annotation.JsonIgnore;
import dev.flk.backend.access.keys.KeyEntry;
import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.keys.KeysFile;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.LoggedId;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Table;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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
final class KeysCommand {
    private static final Table<ListedKey> KEYS = new Table<ListedKey>()
            .left("KEY", 32, ListedKey::id)
            .left("ALG", 7, ListedKey::algorithm)
            .left("STATE", 8, ListedKey::standing)
            .left("VALID UNTIL", key -> Objects.requireNonNullElse(key.validUntil(), "-"));

    private final Configuration config;
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

    KeysCommand(Configuration config, InstantSource clock) {
        this.config = config;
        this.log = new WalSource(config);
        this.clock = clock;
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
                "An asterisk after a name stands for all shards that begin with it. A key that",
                "may sign requests only for certain agents has a further line with their names.",
                ""
            })
    void list(@Option(names = "--json", description = "One JSON object per line.") boolean json) {
        Output output = new Output(spec.commandLine().getOut()::print, json);
        output.note(KEYS.heading());
        for (KeyEntry key : entries()) {
            output.print(ListedKey.of(key, clock.millis()), KeysCommand::asText);
        }
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
    }

    /**
     * A key of the keys file at a given time. JSON leaves out members that are null.
     *
     * @param state the state in the file
     * @param standing {@code revoked}, {@code expired} or {@code early} if one of these applies, otherwise the state in
     *     the file
     */
    record ListedKey(
            String id,
            String algorithm,
            String state,
            boolean maySign,
            List<String> shards,
            List<String> shardPrefixes,
            @Nullable List<String> agents,
            @Nullable Instant validFrom,
            @Nullable Instant validUntil,
            @Nullable String publicKey,
            @Nullable String secretFile,
            @Nullable BigDecimal rate,
            @JsonIgnore String standing) {
        static ListedKey of(KeyEntry key, long nowMillis) {
            boolean isRevoked = key.state() == KeyState.REVOKED;
            boolean isLate = key.isLate(nowMillis);
            boolean isEarly = key.isEarly(nowMillis);
            return new ListedKey(
                    key.id(),
                    key.algorithm().configName(),
                    key.state().label(),
                    !isRevoked && !isEarly && !isLate,
                    key.shards(),
                    key.shardPrefixes(),
                    key.agents(),
                    key.validFrom(),
                    key.validUntil(),
                    key.publicKey(),
                    key.secretFile(),
                    key.rate(),
                    isRevoked || !(isLate || isEarly) ? key.state().label() : isLate ? "expired" : "early");
        }

        /**
         * Returns the shards that the key may sign for, as text for the terminal. Names and prefixes are formatted by
         * {@link #quoted}. An asterisk after a prefix stands for all shards that begin with the prefix; the empty
         * prefix is returned as {@code every shard}.
         */
        List<String> allShards() {
            return Stream.concat(
                            shards.stream().map(ListedKey::quoted),
                            shardPrefixes.stream()
                                    .map(prefix -> prefix.isEmpty() ? "every shard" : quoted(prefix) + "*"))
                    .toList();
        }

        /** Returns the line with the agents, as text for the terminal; empty if the key is not limited to agents. */
        String agentsLine() {
            if (agents == null) {
                return "";
            }
            return "\n    agents: "
                    + (agents.isEmpty()
                            ? "none"
                            : agents.stream().map(ListedKey::quoted).collect(Collectors.joining(", ")));
        }

        /**
         * Returns the name unchanged if it has only ASCII letters, digits and {@code ._:/-}; otherwise quotes it as
         * JSON, so that no name can send control sequences to a terminal.
         */
        static String quoted(String name) {
            return name.matches("[A-Za-z0-9._:/-]+") ? name : CanonicalString.quote(name);
        }
    }

    private Path path() {
        return file == null ? config.read(BackendConfig::keysFile) : file;
    }

    private List<KeyEntry> entries() {
        try {
            return KeysFile.read(path(), null).entries();
        } catch (InvalidFileException e) {
            throw new InvalidConfig(e.problems().stream()
                    .map(problem -> path() + ": " + problem)
                    .toList());
        }
    }

    private static String asText(ListedKey key) {
        String from = key.standing().equals("early") ? "    from " + key.validFrom() + "\n" : "";
        return KEYS.row(key) + Paragraph.wrapped(from + "    " + String.join(", ", key.allShards()) + key.agentsLine());
    }

    /** The records in the log that a key has signed. Keeps at most {@value #MAX_SHARDS} names of shards in memory. */
    private static final class SignedByKey {
        private static final int MAX_SHARDS = 1_000;
        private static final int SHOWN_SHARDS = 20;
        private static final int LABEL_COLUMNS = 16;

        private final String keyId;
        private final Map<String, Long> shards = new TreeMap<>();
        private long records;
        private long ofOtherShards;
        private long firstMillis = Long.MAX_VALUE;
        private long lastMillis = Long.MIN_VALUE;
        private boolean isComplete = true;

        SignedByKey(String keyId) {
            this.keyId = keyId;
        }

        /**
         * Reads the log. If {@code withIds} is true, prints to {@code ids} the id of each record that the key has
         * signed.
         */
        void read(LogInspector log, PrintWriter ids, boolean withIds) throws IOException {
            try (LogWalk walk = log.walk(1)) {
                for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                    // a backend writes overruled records itself, under the key of the submission
                    if (record.keyId().equals(keyId)
                            && record.kind() != RecordKind.OVERRULED
                            && record.kind() != RecordKind.REVIEW) {
                        add(record, ids, withIds);
                    }
                }
                isComplete = walk.damages().isEmpty();
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

        String text() {
            String missing = isComplete
                    ? ""
                    : "records of the log are missing and may have been signed by this key; see wal verify\n";
            if (records == 0) {
                return "it has signed no record that is still in the log\n" + missing;
            }
            StringBuilder text = new StringBuilder("it has signed\t")
                    .append(ErrorMessages.count(records, "record"))
                    .append(records == 1 ? " that is" : " that are")
                    .append(" still in the log\nfirst arrival\t")
                    .append(ErrorMessages.time(firstMillis))
                    .append("\nlast arrival\t")
                    .append(ErrorMessages.time(lastMillis))
                    .append("\nshards");
            shards.entrySet().stream()
                    .limit(SHOWN_SHARDS)
                    .forEach(shard -> text.append('\t')
                            .append(ListedKey.quoted(shard.getKey()))
                            .append(": ")
                            .append(shard.getValue())
                            .append('\n'));
            if (shards.size() > SHOWN_SHARDS || ofOtherShards > 0) {
                text.append("\tand ")
                        .append(ofOtherShards > 0 ? "more than " : "")
                        .append(shards.size() - SHOWN_SHARDS)
                        .append(" more\n");
            }
            return Paragraph.wrapped(LABEL_COLUMNS, text + missing);
        }
    }
}
