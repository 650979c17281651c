// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonRawValue;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.operate.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.StateDump;
import dev.flk.backend.state.StoppedState;
import dev.flk.client.Commit;
import dev.flk.client.Replay;
import dev.flk.client.Search;
import dev.flk.client.StateCallException;
import dev.flk.client.StateCare.Dump;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.StateInfo;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.program.reload.ConfiguredFile;
import dev.flk.program.reload.ConfiguredFile.Unusable;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.Storage;
import dev.flk.state.Storage.Head;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The command {@code state}, which reads and writes the state of agents, through a running backend or offline. */
@Command(
        name = "state",
        description = {
            "Reads and writes the state of agents.",
            "",
            "It asks the backend of the configuration, or the one at --url. With --offline,",
            "it opens the state itself; the backend must be stopped.",
            ""
        })
final class StateCommand {
    private static final Table<StateDump.VersionLine> HISTORY = new Table<StateDump.VersionLine>()
            .left("", 6, version -> "v" + version.version())
            .left("", version -> seconds(version.committedAt()))
            .left("", version -> version.deleted() ? "deleted" : version.value());
    private static final int LABEL_COLUMNS = 19;

    private static final String DEFAULT_NAMESPACE = "default";
    private static final int MAX_SCHEMA_BYTES = 1 << 20;

    private final Map<String, String> environment;
    private final ConfigOption config;

    @Mixin
    private final StateConnection connection;

    @Option(
            names = "--offline",
            scope = ScopeType.INHERIT,
            description = "Open the state of the configuration; the backend must be stopped.")
    private boolean offline;

    @Option(
            names = "--namespace",
            scope = ScopeType.INHERIT,
            paramLabel = "NAME",
            description = "The namespace (default: " + DEFAULT_NAMESPACE + "; for a dump without AGENT, all).")
    private @Nullable String namespace;

    @Option(names = "--json", scope = ScopeType.INHERIT, description = "One JSON object per line.")
    private boolean json;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** Returns the command with its subcommands. */
    static CommandLine with(Map<String, String> environment, ConfigOption config) {
        StateCommand state = new StateCommand(environment, config);
        return new CommandLine(state).addSubcommand(state.new SchemaCommand());
    }

    private StateCommand(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
        this.connection = new StateConnection(environment, config);
    }

    @Command(name = "health", description = "Says whether the state can be read and written; exit code 1 if not.")
    int health() throws IOException {
        return with(client -> {
            StateInfo info = client.info();
            boolean serving = info.notServing().isEmpty();
            output().print(
                            new Health(serving, serving ? null : info.notServing()),
                            health -> serving ? "serving, at revision " + info.newestRevision() + "\n" : "");
            require(serving, "not serving: " + info.notServing());
        });
    }

    private record Health(boolean serving, @Nullable String reason) {}

    @Command(name = "info", description = "Describes the state as a whole.")
    int info() throws IOException {
        return with(client -> output().print(client.info(), StateCommand::asText));
    }

    private static String asText(StateInfo info) {
        return Paragraph.wrapped(
                LABEL_COLUMNS,
                "engine\t" + info.engine() + ", format " + info.format()
                        + "\nhistory\t" + info.historyId()
                        + "\nnewest revision\t" + info.newestRevision()
                        + "\nreplayable from\t" + info.oldestRevision()
                        + "\nopen transactions\t" + info.openTransactions()
                        + "\nkeys, about\t" + info.keys()
                        + "\non disk\t" + ErrorMessages.bytes(info.bytes()));
    }

    @Command(name = "get", description = "Prints a value; exit code 1 if the key does not exist.")
    int get(
            @Parameters(paramLabel = "AGENT") String agent,
            @Parameters(paramLabel = "KEY") String key,
            @Option(names = "--at", paramLabel = "WHEN", description = "The value at a revision or a time.") @Nullable
                    String at,
            @Option(names = "--version", paramLabel = "N", description = "This version of the key.") @Nullable
                    Long version)
            throws IOException {
        if (at != null && version != null) {
            throw new ParameterException(
                    spec.commandLine(), "--at and --version can't be combined; give at most one of them");
        }
        return with(client -> {
            Optional<Versioned> found = version != null
                    ? client.getVersion(agent, key, version)
                    : at == null
                            ? client.get(agent, key)
                            : isRevision(at)
                                    ? client.getAt(agent, key, Long.parseLong(at))
                                    : client.getAt(agent, key, time("--at", at));
            require(
                    found.isPresent(),
                    version == null
                            ? "no such key: " + agent + " " + key
                            : "version " + version + " of " + agent + " " + key
                                    + " does not exist, or is no longer kept");
            require(
                    !found.orElseThrow().isDeleted(),
                    "version " + version + " of " + agent + " " + key + " is a deletion");
            found.map(StateDump.VersionLine::of).ifPresent(line -> output().print(line, StateCommand::valueLine));
        });
    }

    private static boolean isRevision(String text) {
        return text.matches("[0-9]{1,18}");
    }

    @Command(name = "set", description = "Sets a key to a JSON value; - reads the value from standard input.")
    int set(
            @Parameters(paramLabel = "AGENT") String agent,
            @Parameters(paramLabel = "KEY") String key,
            @Parameters(paramLabel = "JSON") String value,
            @Option(
                            names = "--if-version",
                            paramLabel = "N",
                            description = "Only if the key has this version; 0: only if it does not exist.")
                    @Nullable
                    Long ifVersion,
            @Option(
                            names = "--ttl",
                            paramLabel = "DURATION",
                            description = "The lifetime of the key, 1s to 30d; then it is deleted.")
                    @Nullable
                    String ttlText)
            throws IOException {
        String text = value.equals("-") ? standardInput() : value;
        Duration ttl = ttlText == null ? null : ttl(ttlText);
        return commit(tx -> {
            Transaction unused;
            if (ifVersion == null) {
                unused = ttl == null ? tx.write(agent, key, text) : tx.write(agent, key, text, ttl);
            } else {
                unused = ttl == null
                        ? tx.writeIf(agent, key, text, ifVersion)
                        : tx.writeIf(agent, key, text, ifVersion, ttl);
            }
        });
    }

    private Duration ttl(String text) {
        try {
            return Quantities.duration(text);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--ttl: '" + text + "' is " + e.getMessage());
        }
    }

    /** Reads standard input strictly as UTF-8, since a lenient decoder would silently replace malformed bytes. */
    private static String standardInput() throws IOException {
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(System.in.readAllBytes()))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new IOException("the value on standard input is not UTF-8", e);
        }
    }

    @Command(name = "delete", description = "Deletes a key; does nothing if it does not exist.")
    int delete(
            @Parameters(paramLabel = "AGENT") String agent,
            @Parameters(paramLabel = "KEY", arity = "0..1") @Nullable String key,
            @Option(names = "--if-version", paramLabel = "N", description = "Only if the key has this version.")
                    @Nullable
                    Long ifVersion,
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            description = "All keys that begin with this text, in one commit.")
                    @Nullable
                    String prefix,
            @Option(names = "--all", description = "All keys of the agent, in one commit.") boolean all,
            @Option(
                            names = "--if-revision",
                            paramLabel = "N",
                            description = "With --prefix or --all: only if none was written after this revision.")
                    @Nullable
                    Long ifRevision)
            throws IOException {
        if ((key == null ? 0 : 1) + (prefix == null ? 0 : 1) + (all ? 1 : 0) != 1) {
            throw new ParameterException(spec.commandLine(), "give one of KEY, --prefix and --all");
        }
        if (key != null ? ifRevision != null : ifVersion != null) {
            throw new ParameterException(
                    spec.commandLine(),
                    key != null ? "--if-revision needs --prefix or --all" : "--if-version needs KEY");
        }
        if (key != null) {
            return commit(tx -> {
                Transaction unused = ifVersion == null ? tx.delete(agent, key) : tx.deleteIf(agent, key, ifVersion);
            });
        }
        OptionalLong condition = ifRevision == null ? OptionalLong.empty() : OptionalLong.of(ifRevision);
        return with(client -> output().print(
                        prefix == null
                                ? client.deleteAgent(agent, condition)
                                : client.deletePrefix(agent, prefix, condition),
                        commit -> commit.revision() == 0
                                ? "nothing to do\n"
                                : ErrorMessages.count(commit.versions().size(), "key") + " deleted, revision "
                                        + commit.revision() + "\n"));
    }

    private int commit(Consumer<Transaction> staged) throws IOException {
        return with(client -> {
            try (Transaction tx = client.begin()) {
                staged.accept(tx);
                output().print(
                                tx.commit(),
                                commit -> commit.revision() == 0
                                        ? "nothing to do\n"
                                        : "version " + commit.versions().get(0) + ", revision " + commit.revision()
                                                + "\n");
            }
        });
    }

    @Command(name = "keys", description = "Lists the keys of an agent.")
    int keys(
            @Parameters(paramLabel = "AGENT") String agent,
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            description = "Only keys that begin with this text.",
                            defaultValue = "")
                    String prefix)
            throws IOException {
        return with(client -> client.keys(agent, prefix).forEach(key -> print("key", key)));
    }

    @Command(name = "agents", description = "Lists the agents of the namespace.")
    int agents(
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            description = "Only agents that begin with this text.",
                            defaultValue = "")
                    String prefix)
            throws IOException {
        return with(client -> client.agents(prefix).forEach(agent -> print("agent_id", agent)));
    }

    @Command(name = "namespaces", description = "Lists the namespaces that have keys.")
    int namespaces(
            @Option(
                            names = "--prefix",
                            paramLabel = "TEXT",
                            description = "Only namespaces that begin with this text.",
                            defaultValue = "")
                    String prefix)
            throws IOException {
        return with(client -> client.namespaces(prefix).forEach(name -> print("namespace", name)));
    }

    @Command(
            name = "find",
            description = {
                "Prints the keys whose value matches an SQL/JSON path, contains a document, or both.",
                "",
                "It needs STATE_ENGINE=postgres. Examples: '$.fact ? (@ starts with \"P\")'",
                "for PATH, '$.score > 90', or --contains '{\"status\":\"open\"}'.",
                ""
            })
    int find(
            @Parameters(paramLabel = "PATH", arity = "0..1", defaultValue = "") String path,
            @Option(
                            names = "--contains",
                            paramLabel = "JSON",
                            description = "Only values that contain this document.",
                            defaultValue = "")
                    String contains,
            @Option(
                            names = "--order",
                            paramLabel = "ORDER",
                            description = "key (the default), newest or oldest first.",
                            defaultValue = "key")
                    Order order,
            @Option(
                            names = "--agent",
                            paramLabel = "AGENT",
                            description = "Only keys of this agent.",
                            defaultValue = "")
                    String agent)
            throws IOException {
        if (path.isEmpty() && contains.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "give PATH or --contains");
        }
        Search search = Search.path(path).andContaining(contains).ofAgent(agent);
        return with(client -> client.find(
                        switch (order) {
                            case key -> search;
                            case newest -> search.newestFirst();
                            case oldest -> search.oldestFirst();
                        })
                .forEach(match -> output().print(
                                FoundLine.of(namespaceOr(DEFAULT_NAMESPACE), match),
                                found -> Printable.of(found.agentId() + " " + found.key() + "  " + found.value())
                                        + "\n")));
    }

    /** The values of {@code --order}, as a user writes them. */
    private enum Order {
        key,
        newest,
        oldest
    }

    /** The commands about the JSON Schema of a namespace. */
    @Command(
            name = "schema",
            description = {
                "Commands about the JSON Schema (draft 2020-12) of the namespace.",
                "",
                "Writes that violate the schema of their namespace are rejected. Values that",
                "existed before are not; 'check' finds those that violate it.",
                ""
            })
    final class SchemaCommand {
        @Command(name = "get", description = "Prints the schema; exit code 1 if the namespace has none.")
        int get() throws IOException {
            return with(client -> {
                Optional<Versioned> schema = client.schema();
                require(schema.isPresent(), "the namespace has no schema");
                schema.map(StateDump.VersionLine::of).ifPresent(line -> output().print(line, StateCommand::valueLine));
            });
        }

        @Command(name = "set", description = "Sets the schema; - reads it from standard input.")
        int set(@Parameters(paramLabel = "FILE") String file) throws IOException {
            String json = schemaText(file);
            return with(client -> print(client.setSchema(json)));
        }

        @Command(name = "delete", description = "Removes the schema.")
        int delete() throws IOException {
            return with(client -> print(client.deleteSchema()));
        }

        @Command(
                name = "check",
                description = "Prints existing values that violate the schema in FILE, or the one in force; exit code 1"
                        + " if there are any.")
        int check(@Parameters(paramLabel = "FILE", arity = "0..1") @Nullable String file) throws IOException {
            String json = file == null ? "" : schemaText(file);
            return with(client -> {
                AtomicLong violations = new AtomicLong();
                long checked = client.checkSchema(json, violation -> {
                    violations.incrementAndGet();
                    output().print(
                                    violation,
                                    found -> Printable.of(found.agentId() + " " + found.key() + "  "
                                                    + (found.path().isEmpty() ? "the value" : found.path()) + " "
                                                    + found.message())
                                            + "\n");
                });
                require(
                        violations.get() == 0,
                        ErrorMessages.count(violations.get(), "value") + " of " + checked
                                + (violations.get() == 1 ? " violates" : " violate") + " the schema");
                output().note(ErrorMessages.count(checked, "value") + " checked, none violates the schema\n");
            });
        }

        private void print(Commit committed) {
            output().print(
                            committed,
                            commit -> commit.revision() == 0
                                    ? "nothing to do\n"
                                    : "version " + commit.versions().get(0) + ", revision " + commit.revision() + "\n");
        }
    }

    private String schemaText(String file) throws IOException {
        if (file.equals("-")) {
            return standardInput();
        }
        try {
            return new String(ConfiguredFile.bytes(Path.of(file), MAX_SCHEMA_BYTES), StandardCharsets.UTF_8);
        } catch (Unusable e) {
            throw new IOException(file + " " + e.getMessage(), e);
        }
    }

    private record FoundLine(
            String namespace,
            @JsonProperty("agent_id") String agentId,
            String key,
            long version,
            long revision,
            @JsonRawValue String value) {
        static FoundLine of(String namespace, StateClient.Match match) {
            Versioned found = match.value();
            return new FoundLine(
                    namespace, match.agentId(), match.key(), found.version(), found.revision(), found.json());
        }
    }

    private static String valueLine(StateDump.VersionLine shown) {
        return Json.inert(String.valueOf(shown.value())) + "\n";
    }

    private void print(String member, String name) {
        output().print(Map.of(member, name), any -> Printable.of(name) + "\n");
    }

    @Command(name = "history", description = "Lists the versions of a key, newest first.")
    int history(@Parameters(paramLabel = "AGENT") String agent, @Parameters(paramLabel = "KEY") String key)
            throws IOException {
        return with(client -> client.history(agent, key)
                .forEach(version -> output().print(StateDump.VersionLine.of(version), HISTORY::row)));
    }

    @Command(
            name = "replay",
            description = {
                "Prints the commits in order.",
                "",
                "It prints those of one agent, or of all, in the --namespace. With --follow, it",
                "runs until stopped. WHEN is a revision or a time.",
                ""
            })
    int replay(
            @Parameters(paramLabel = "AGENT", arity = "0..1") @Nullable String agent,
            @Option(names = "--from", paramLabel = "WHEN", description = "The first commit.") @Nullable String from,
            @Option(names = "--to", paramLabel = "WHEN", description = "Stop before this commit.") @Nullable String to,
            @Option(names = "--follow", description = "Wait for new commits and print them.") boolean follow)
            throws IOException {
        String in = namespaceOr(DEFAULT_NAMESPACE);
        Replay all = Replay.of(in, agent == null ? "" : agent);
        Replay begun =
                from == null ? all : isRevision(from) ? all.from(Long.parseLong(from)) : all.from(time("--from", from));
        Replay wanted = to == null ? begun : isRevision(to) ? begun.to(Long.parseLong(to)) : begun.to(time("--to", to));
        if (!json) {
            out().print("namespace " + in + (agent == null ? "" : ", agent " + Printable.of(agent)) + "\n");
        }
        return with(client -> {
            try (Stream<StateEvent> events = client.replay(follow ? wanted.follow() : wanted)) {
                // the command ends when its output fails, for example when head closes the pipe
                for (Iterator<StateEvent> each = events.iterator(); !out().checkError() && each.hasNext(); ) {
                    StateEvent event = each.next();
                    output().print(StateDump.EventLine.of(event, event.resumeToken()), StateCommand::asText);
                }
            }
        });
    }

    private static String asText(StateDump.EventLine event) {
        Table<StateDump.ChangeLine> changes = new Table<StateDump.ChangeLine>()
                .left("", 6, change -> event.revision())
                .left("", change -> seconds(event.committedAt()))
                .left(
                        "",
                        change -> change.agentId() + " " + change.key() + " v" + change.version() + "  "
                                + Objects.requireNonNullElse(change.value(), "deleted"));
        return event.changes().stream().map(changes::row).collect(Collectors.joining());
    }

    @Command(
            name = "dump",
            description = {
                "Writes all stored revisions to a dump, which restore reads.",
                "",
                "It covers one AGENT, the --namespace, or, if neither is given, all namespaces.",
                ""
            })
    int dump(
            @Parameters(paramLabel = "AGENT", arity = "0..1") @Nullable String agent,
            @Option(
                            names = {"-o", "--output"},
                            paramLabel = "FILE",
                            description = "A new file for the dump (default: standard output).")
                    @Nullable
                    Path file)
            throws IOException {
        return with(client -> {
            Dump dump = agent == null
                    ? client.care().dump(namespaceOr(""), "")
                    : client.care().dump(namespaceOr(DEFAULT_NAMESPACE), agent);
            if (file == null) {
                long unused = StateDump.write(dump, out());
                return;
            }
            output().print(
                            new Written(file.toString(), writeNew(file, dump)),
                            written -> written.events() + " events in " + file + "\n");
        });
    }

    private record Written(String file, long events) {}

    /**
     * Writes a dump to a new file with mode 0600, forces the file to disk and returns the number of events. Deletes the
     * file if writing or forcing fails.
     */
    private static long writeNew(Path file, Dump dump) throws IOException {
        require(Files.notExists(file, LinkOption.NOFOLLOW_LINKS), file + " exists already; name another file");
        FileChannel channel = FileChannel.open(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OwnerOnly.file(file));
        try (channel;
                PrintWriter lines = new PrintWriter(Channels.newWriter(channel, StandardCharsets.UTF_8))) {
            long events = StateDump.write(dump, lines);
            channel.force(true);
            return events;
        } catch (IOException | RuntimeException e) {
            Files.delete(file);
            throw e;
        }
    }

    @Command(
            name = "restore",
            description = {
                "Fills an empty state from a dump, under a new history id.",
                "",
                "It fills the state of the configuration; the backend must be stopped.",
                ""
            })
    int restore(@Parameters(paramLabel = "FILE") Path file) throws IOException {
        reportFailuresOnce();
        connection.requireNoBackend("restore");
        StateConfig known = configured();
        if (known.engineName().equals("memory")) {
            throw new IOException("STATE_ENGINE is memory: the restored state would be lost at once");
        }
        StateDump dump = StateDump.open(file);
        try (Storage storage = ServedState.storage(known);
                StateDump.Events events = dump.events()) {
            storage.open();
            storage.requireEmpty(storage.head());
            storage.restore(dump.floor(), dump.floorAtMicros(), events, StateEngine.micros(Instant.now()));
            Head head = storage.head();
            output().print(
                            new Restored(head.revision(), head.historyId()),
                            restored -> "restored up to revision " + head.revision() + ", history " + head.historyId()
                                    + "\n");
            return ExitCode.OK;
        } catch (StateException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private record Restored(long revision, String historyId) {}

    @Command(name = "backup", description = "Copies the embedded state next to its directory while the backend runs.")
    int backup() throws IOException {
        return with(client -> output().print(
                        client.care().backup(), made -> made.path() + ", at revision " + made.revision() + "\n"));
    }

    @Command(
            name = "compact",
            description = "Removes versions that were overwritten or deleted before a time or a revision.")
    int compact(
            @Option(names = "--before", required = true, paramLabel = "WHEN", description = "A revision, or a time.")
                    String before)
            throws IOException {
        return with(client -> {
            long oldest = isRevision(before)
                    ? client.care().compact(Long.parseLong(before))
                    : client.care().compact(time("--before", before));
            output().print(Map.of("oldest_revision", oldest), any -> "replayable from revision " + oldest + "\n");
        });
    }

    private static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString().replace('T', ' ').replace("Z", "");
    }

    private Instant time(String option, String text) {
        try {
            return RecordCommand.timeOrDate(text);
        } catch (DateTimeException e) {
            throw new ParameterException(
                    spec.commandLine(),
                    option + ": '" + text
                            + "' is neither a revision nor a time like 2026-01-31 or 2026-01-31T12:00:00Z",
                    e);
        }
    }

    private String namespaceOr(String other) {
        if (namespace != null && namespace.isEmpty()) {
            throw new ParameterException(spec.commandLine(), "--namespace: the name is empty; is a variable not set?");
        }
        return namespace == null ? other : namespace;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }

    private Output output() {
        return new Output(out()::print, json);
    }

    private static void require(boolean holds, String problem) throws IOException {
        if (!holds) {
            throw new IOException(problem);
        }
    }

    /** The part of a command that calls the state. */
    private interface Call {
        void on(StateClient client) throws IOException;
    }

    private int with(Call call) throws IOException {
        reportFailuresOnce();
        if (!offline) {
            try (StateClient client = connection.connect()) {
                return with(client, call);
            }
        }
        connection.requireNoBackend("--offline");
        try (StoppedState stopped = StoppedState.open(configured())) {
            return with(stopped.client(), call);
        }
    }

    private int with(StateClient client, Call call) throws IOException {
        try {
            call.on(client.namespace(namespaceOr(DEFAULT_NAMESPACE)));
            return ExitCode.OK;
        } catch (StateCallException.Unreachable e) {
            throw connection.unreachable(String.valueOf(e.getMessage()), e);
        } catch (StateCallException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    /** Raises the log level, so that failures are reported only by the exception and not also in the log. */
    private static void reportFailuresOnce() {
        LogOutput.configure(new LogConfig(Level.ERROR, LogConfig.Format.TEXT), CommandLineProgram.LOG_STYLE);
    }

    private StateConfig configured() {
        return RunningBackend.served(BackendConfig.load(environment, config.file));
    }
}
