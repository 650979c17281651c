// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.backend.cli.RunningBackend.StateTarget;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.files.ConfiguredFile;
import dev.flk.backend.files.ConfiguredFile.Unusable;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.StoppedState;
import dev.flk.client.Commit;
import dev.flk.client.Replay;
import dev.flk.client.StateCallException;
import dev.flk.client.StateCare;
import dev.flk.client.StateCare.Dump;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.StateInfo;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LogOutput;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.state.StateException;
import dev.flk.state.Storage;
import dev.flk.state.Storage.Head;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
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
final class StateCommand implements Runnable {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int COLUMNS = 80;
    private static final int MAX_TOKEN_BYTES = 8_192;
    /** The character that Java substitutes for bytes that it can't decode. */
    private static final char LOST = '\uFFFD';

    private static final String DEFAULT_NAMESPACE = "default";
    /** The time limit of a call with its retries; short because a person waits for it. */
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private final Map<String, String> environment;
    private final ConfigOption config;

    @Option(
            names = "--url",
            scope = ScopeType.INHERIT,
            paramLabel = "URL",
            description = "The URL of the state's port, such as http://127.0.0.1:50051; https for TLS.")
    private @Nullable String url;

    @Option(
            names = "--ca",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the authorities that signed the backend's certificate.")
    private @Nullable Path authorities;

    @Option(
            names = "--cert",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of the client certificate, if the backend asks for one.")
    private @Nullable Path certificate;

    @Option(
            names = "--key",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "PEM file of its private key.")
    private @Nullable Path certificateKey;

    @Option(
            names = "--token-file",
            scope = ScopeType.INHERIT,
            paramLabel = "FILE",
            description = "The file with the access token.")
    private @Nullable Path tokenFile;

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

    StateCommand(Map<String, String> environment, ConfigOption config) {
        this.environment = environment;
        this.config = config;
    }

    @Override
    public void run() {
        throw new ParameterException(
                spec.commandLine(),
                "Missing command: state health, info, get, set, delete, keys, agents, history, replay, dump, restore,"
                        + " backup or compact");
    }

    @Command(name = "health", description = "Says whether the state can be read and written; exit code 1 if not.")
    int health() throws IOException {
        return with(client -> {
            StateInfo info = client.info();
            if (info.notServing().isEmpty()) {
                out().println(json ? node().put("serving", true) : "serving, at revision " + info.newestRevision());
                return;
            }
            if (json) {
                out().println(node().put("serving", false).put("reason", info.notServing()));
            }
            throw new NotThere("not serving: " + info.notServing());
        });
    }

    @Command(name = "info", description = "Describes the state as a whole.")
    int info() throws IOException {
        return with(client -> {
            StateInfo info = client.info();
            if (json) {
                out().println(node().put("format", info.format())
                        .put("engine", info.engine())
                        .put("history_id", info.historyId())
                        .put("newest_revision", info.newestRevision())
                        .put("oldest_revision", info.oldestRevision())
                        .put("open_transactions", info.openTransactions())
                        .put("keys", info.keys())
                        .put("bytes", info.bytes()));
                return;
            }
            out().println("engine             " + info.engine() + ", format " + info.format());
            out().println("history            " + info.historyId());
            out().println("newest revision    " + info.newestRevision());
            out().println("replayable from    " + info.oldestRevision());
            out().println("open transactions  " + info.openTransactions());
            out().println("keys, about        " + info.keys());
            out().println("on disk            " + ErrorMessages.bytes(info.bytes()));
        });
    }

    @Command(name = "get", description = "Prints a value; exit code 1 if the key does not exist.")
    int get(
            @Parameters(paramLabel = "AGENT") String agent,
            @Parameters(paramLabel = "KEY") String key,
            @Option(names = "--at", paramLabel = "WHEN", description = "The value at a revision or a time.") @Nullable
                    String at)
            throws IOException {
        return with(client -> {
            Versioned found = (at == null
                            ? client.get(agent, key)
                            : at.matches("[0-9]{1,18}")
                                    ? client.getAt(agent, key, Long.parseLong(at))
                                    : client.getAt(agent, key, time("--at", at)))
                    .orElseThrow(() -> new NotThere("no such key: " + agent + " " + key));
            out().println(json ? version(found) : found.json());
        });
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
                    Long ifVersion)
            throws IOException {
        String text = value.equals("-") ? standardInput() : value;
        return commit(tx -> {
            Transaction unused =
                    ifVersion == null ? tx.write(agent, key, text) : tx.writeIf(agent, key, text, ifVersion);
        });
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
            @Parameters(paramLabel = "KEY") String key,
            @Option(names = "--if-version", paramLabel = "N", description = "Only if the key has this version.")
                    @Nullable
                    Long ifVersion)
            throws IOException {
        return commit(tx -> {
            Transaction unused = ifVersion == null ? tx.delete(agent, key) : tx.deleteIf(agent, key, ifVersion);
        });
    }

    private int commit(Consumer<Transaction> staged) throws IOException {
        return with(client -> {
            try (Transaction tx = client.begin()) {
                staged.accept(tx);
                Commit commit = tx.commit();
                if (json) {
                    ObjectNode line = node().put("revision", commit.revision());
                    commit.versions().forEach(line.putArray("versions")::add);
                    out().println(line);
                } else {
                    out().println(
                                    commit.revision() == 0
                                            ? "nothing to do"
                                            : "version " + commit.versions().get(0) + ", revision "
                                                    + commit.revision());
                }
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
        return with(client -> client.keys(agent, prefix).forEach(key -> name("key", key)));
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
        return with(client -> client.agents(prefix).forEach(agent -> name("agent_id", agent)));
    }

    private void name(String what, String name) {
        out().println(json ? node().put(what, name) : Printable.of(name));
    }

    @Command(name = "history", description = "Lists the versions of a key, newest first.")
    int history(@Parameters(paramLabel = "AGENT") String agent, @Parameters(paramLabel = "KEY") String key)
            throws IOException {
        return with(client -> client.history(agent, key)
                .forEach(version -> out().println(
                                json
                                        ? version(version)
                                        : cut("%-6s %s  %s"
                                                .formatted(
                                                        "v" + version.version(),
                                                        seconds(version.committedAt()),
                                                        version.isDeleted() ? "deleted" : version.json())))));
    }

    @Command(
            name = "replay",
            description = {
                "Prints the commits in order.",
                "",
                "It prints those of one agent, or of all. With --follow, it runs until stopped.",
                ""
            })
    int replay(
            @Parameters(paramLabel = "AGENT", arity = "0..1") @Nullable String agent,
            @Option(names = "--from", paramLabel = "REVISION", description = "The first revision.") @Nullable Long from,
            @Option(names = "--follow", description = "Wait for new commits and print them.") boolean follow)
            throws IOException {
        Replay wanted = Replay.of(namespaceOr(DEFAULT_NAMESPACE), agent == null ? "" : agent);
        Replay begun = from == null ? wanted : wanted.from(from);
        return with(client -> {
            try (Stream<StateEvent> events = client.replay(follow ? begun.follow() : begun)) {
                events.forEach(event -> {
                    event(event);
                    out().flush();
                });
            }
        });
    }

    private void event(StateEvent event) {
        if (!json) {
            for (StateEvent.Change change : event.changes()) {
                out().println(cut("%-6d %s  %s %s v%d  %s"
                        .formatted(
                                event.revision(),
                                seconds(event.committedAt()),
                                change.agentId(),
                                change.key(),
                                change.version(),
                                change.isDeleted() ? "deleted" : change.json())));
            }
            return;
        }
        out().println(line(event).put("resume_token", event.resumeToken()));
    }

    private static ObjectNode line(StateEvent event) {
        ObjectNode line = node().put("revision", event.revision())
                .put("committed_at", event.committedAt().toString())
                .put("operations_total", event.operationsTotal());
        ArrayNode changes = line.putArray("changes");
        for (StateEvent.Change change : event.changes()) {
            ObjectNode one = changes.addObject()
                    .put("namespace", change.namespace())
                    .put("agent_id", change.agentId())
                    .put("key", change.key())
                    .put("version", change.version())
                    .put("kind", change.isDeleted() ? "DELETE" : "WRITE");
            if (!change.isDeleted()) {
                one.putRawValue("value", new RawValue(change.json()));
            }
        }
        return line;
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
            try {
                if (file == null) {
                    long unused = StateDump.write(dump, StateCommand::line, out());
                } else {
                    long events = writeNew(file, dump);
                    out().println(
                                    json
                                            ? node().put("file", file.toString())
                                                    .put("events", events)
                                            : events + " events in " + file);
                }
            } catch (FileAlreadyExistsException e) {
                throw new NotThere(file + " exists already; name another file");
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** Writes a dump to a new file with mode 0600 and forces it; deletes the file if this fails. */
    private static long writeNew(Path file, Dump dump) throws IOException {
        FileChannel channel = FileChannel.open(
                file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), OwnerOnly.file(file));
        try (channel;
                PrintWriter lines = new PrintWriter(Channels.newWriter(channel, StandardCharsets.UTF_8))) {
            long events = StateDump.write(dump, StateCommand::line, lines);
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
        sayFailuresOnce();
        requireNoBackend("restore");
        StateConfig known = configured();
        if (known.engineName().equals("memory")) {
            throw new IOException("STATE_ENGINE is memory: the restored state would be lost at once");
        }
        StateDump dump = StateDump.open(file);
        try (Storage storage = ServedState.storage(known);
                StateDump.Events events = dump.events()) {
            storage.open();
            storage.requireEmpty(storage.head());
            storage.restore(dump.floor(), dump.floorAtMicros(), events);
            Head head = storage.head();
            out().println(
                            json
                                    ? node().put("revision", head.revision()).put("history_id", head.historyId())
                                    : "restored up to revision " + head.revision() + ", history " + head.historyId());
            out().flush();
            return ExitCode.OK;
        } catch (StateException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    @Command(name = "backup", description = "Copies the embedded state next to its directory while the backend runs.")
    int backup() throws IOException {
        return with(client -> {
            StateCare.Backup made = client.care().backup();
            out().println(
                            json
                                    ? node().put("path", made.path()).put("revision", made.revision())
                                    : made.path() + ", at revision " + made.revision());
        });
    }

    @Command(
            name = "compact",
            description = "Removes versions that were overwritten or deleted before a time or a revision.")
    int compact(
            @Option(names = "--before", required = true, paramLabel = "WHEN", description = "A revision, or a time.")
                    String before)
            throws IOException {
        return with(client -> {
            long oldest = before.matches("[0-9]{1,18}")
                    ? client.care().compact(Long.parseLong(before))
                    : client.care().compact(time("--before", before));
            out().println(json ? node().put("oldest_revision", oldest) : "replayable from revision " + oldest);
        });
    }

    private static ObjectNode version(Versioned version) {
        ObjectNode line = node().put("version", version.version())
                .put("revision", version.revision())
                .put("committed_at", version.committedAt().toString())
                .put("deleted", version.isDeleted());
        if (!version.isDeleted()) {
            line.putRawValue("value", new RawValue(version.json()));
        }
        return line;
    }

    private static ObjectNode node() {
        return JSON.createObjectNode();
    }

    private static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString().replace('T', ' ').replace("Z", "");
    }

    /** Truncates the text to the width of the terminal. */
    private static String cut(String line) {
        String shown = Printable.of(line);
        return shown.length() <= COLUMNS ? shown : shown.substring(0, COLUMNS - 1) + "…";
    }

    private Instant time(String option, String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeException e) {
            throw new ParameterException(
                    spec.commandLine(), option + ": neither a revision nor a time like 2026-01-31T12:00:00Z", e);
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

    private static final class NotThere extends RuntimeException {
        private static final long serialVersionUID = 1;

        NotThere(String message) {
            super(message, null, false, false);
        }
    }

    /** Rejects arguments that Java could not decode, since they would name another key or change a value. */
    private void requireDecodedArguments() {
        if (spec.root().commandLine().getParseResult().originalArgs().stream()
                .anyMatch(text -> text.indexOf(LOST) >= 0)) {
            throw new ParameterException(
                    spec.commandLine(),
                    "an argument is not UTF-8, or the locale has ASCII only; if so, start with LC_ALL=C.UTF-8");
        }
    }

    private int with(Consumer<StateClient> work) throws IOException {
        requireDecodedArguments();
        sayFailuresOnce();
        if (!offline) {
            try (StateClient client = connect()) {
                return with(client, work);
            }
        }
        requireNoBackend("--offline");
        try (StoppedState stopped = StoppedState.open(configured())) {
            return with(stopped.client(), work);
        }
    }

    private void requireNoBackend(String what) {
        if (url != null || authorities != null || certificate != null || certificateKey != null || tokenFile != null) {
            throw new ParameterException(
                    spec.commandLine(),
                    what + " asks no backend: leave out --url, --ca, --cert, --key and --token-file");
        }
    }

    private int with(StateClient client, Consumer<StateClient> work) throws IOException {
        try {
            work.accept(client.namespace(namespaceOr(DEFAULT_NAMESPACE)));
            out().flush();
            return ExitCode.OK;
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } catch (StateCallException | NotThere e) {
            out().flush();
            throw new IOException(e.getMessage(), e);
        }
    }

    /** Raises the log level, so that failures are reported only by the exception and not also in the log. */
    private static void sayFailuresOnce() {
        LogOutput.configure(new LogConfig(Level.ERROR, LogConfig.Format.TEXT), CommandLineProgram.LOG_STYLE);
    }

    private StateConfig configured() {
        return RunningBackend.served(BackendConfig.load(environment, config.file));
    }

    private StateClient connect() throws IOException {
        StateTarget target = url == null
                ? RunningBackend.state(environment, config.file)
                : new StateTarget(address(url), scheme(url).equals("https"));
        if ((certificate == null) != (certificateKey == null)) {
            throw new ParameterException(spec.commandLine(), "--cert and --key: give both or neither");
        }
        StateClient.Connector connector = StateClient.to(target.address()).timeout(TIMEOUT);
        try {
            if (authorities != null) {
                connector = connector.tls(authorities);
            } else if (target.isTls() || certificate != null) {
                connector = connector.tls();
            }
            if (certificate != null && certificateKey != null) {
                connector = connector.certificate(certificate, certificateKey);
            }
            if (tokenFile != null) {
                connector = connector.token(token(tokenFile));
            }
            return connector.connect();
        } catch (FileNotFoundException | IllegalArgumentException e) {
            throw new IOException("--ca, --cert or --key: " + e.getMessage(), e);
        }
    }

    private String address(String text) {
        try {
            URI parsed = URI.create(text.contains("://") ? text : "http://" + text);
            boolean isKnown = scheme(text).equals("http") || scheme(text).equals("https");
            if (isKnown && parsed.getHost() != null && parsed.getPort() > 0) {
                return parsed.getHost() + ":" + parsed.getPort();
            }
        } catch (IllegalArgumentException e) {
            // reported below
        }
        throw new ParameterException(spec.commandLine(), "--url: write it like http://127.0.0.1:50051");
    }

    private static String scheme(String text) {
        int end = text.indexOf("://");
        return end < 0 ? "http" : text.substring(0, end).toLowerCase(Locale.ROOT);
    }

    private static String token(Path file) throws IOException {
        try {
            return new String(ConfiguredFile.bytes(file, MAX_TOKEN_BYTES), StandardCharsets.UTF_8).strip();
        } catch (Unusable e) {
            throw new IOException("--token-file: " + file + " " + e.getMessage(), e);
        }
    }
}
