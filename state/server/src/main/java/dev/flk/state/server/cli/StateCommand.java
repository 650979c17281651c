// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.annotation.JsonRawValue;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.StateDump;
import dev.flk.client.Replay;
import dev.flk.client.Search;
import dev.flk.client.StateCare;
import dev.flk.client.StateCare.Dump;
import dev.flk.client.StateClient;
import dev.flk.client.StateEvent;
import dev.flk.client.StateInfo;
import dev.flk.client.Transaction;
import dev.flk.client.Versioned;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Subcommands;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.Storage;
import dev.flk.state.Storage.Head;
import java.io.IOException;
import java.lang.reflect.Method;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * The commands that read and write the state of agents, through the running program or offline. They are methods that
 * the root command inherits, so that users write them without another word.
 */
class StateCommand {
    private static final Table<StateDump.VersionLine> HISTORY = new Table<StateDump.VersionLine>()
            .left("", 6, version -> "v" + version.version())
            .left("", version -> seconds(version.committedAt()))
            .left("", version -> version.deleted() ? "deleted" : version.value());

    private static final int LABEL_COLUMNS = 19;

    private final StateConnection state;

    StateCommand(Configuration config) {
        this.state = new StateConnection(config);
    }

    /** Adds the commands, all of which have the options of the connection, to those of the program. */
    final void addTo(Subcommands subcommands) {
        for (Method command : CommandLine.getCommandMethods(StateCommand.class, null)) {
            subcommands.add(
                    command.getAnnotation(Command.class).name(), () -> withConnection(new CommandLine(command)));
        }
        subcommands.add("schema", () -> withConnection(new CommandLine(new StateSchemaCommand(state))));
    }

    private CommandLine withConnection(CommandLine command) {
        state.addTo(command);
        return command;
    }

    @Command(name = "info", description = "Describes the state as a whole.")
    int info() throws IOException {
        return state.with(client -> state.print(client.info(), StateCommand::asText));
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
                    Long version,
            // picocli adds none of the inherited options to a command that has one of the same name
            @Option(
                            names = {"-h", "--help"},
                            usageHelp = true,
                            description = "Show this help message and exit.")
                    boolean help,
            @Option(names = "-V", versionHelp = true, description = "Print version information and exit.")
                    boolean programVersion)
            throws IOException {
        if (at != null && version != null) {
            throw state.usage("--at and --version can't be combined; give at most one of them");
        }
        return state.with(client -> {
            Optional<Versioned> found = version != null
                    ? client.getVersion(agent, key, version)
                    : at == null
                            ? client.get(agent, key)
                            : state.at(
                                    "--at",
                                    at,
                                    revision -> client.getAt(agent, key, revision),
                                    time -> client.getAt(agent, key, time));
            Versioned value = StateConnection.require(
                    found,
                    version == null
                            ? "no such key: " + agent + " " + key
                            : "version " + version + " of " + agent + " " + key
                                    + " does not exist, or is no longer kept");
            StateConnection.require(
                    !value.isDeleted(), "version " + version + " of " + agent + " " + key + " is a deletion");
            state.printValue(value);
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
                    Long ifVersion,
            @Option(
                            names = "--ttl",
                            paramLabel = "DURATION",
                            description = "The lifetime of the key, 1s to 30d; then it is deleted.")
                    @Nullable
                    String ttlText)
            throws IOException {
        String text = value.equals("-") ? StateConnection.standardInput() : value;
        Duration ttl = ttlText == null ? null : state.parsed("--ttl", ttlText, Quantities::duration);
        return state.commit(tx -> {
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
            throw state.usage("give one of KEY, --prefix and --all");
        }
        if (key != null ? ifRevision != null : ifVersion != null) {
            throw state.usage(key != null ? "--if-revision needs --prefix or --all" : "--if-version needs KEY");
        }
        if (key != null) {
            return state.commit(tx -> {
                Transaction unused = ifVersion == null ? tx.delete(agent, key) : tx.deleteIf(agent, key, ifVersion);
            });
        }
        OptionalLong condition = ifRevision == null ? OptionalLong.empty() : OptionalLong.of(ifRevision);
        return state.with(client -> state.printCommit(
                prefix == null ? client.deleteAgent(agent, condition) : client.deletePrefix(agent, prefix, condition),
                commit -> ErrorMessages.count(commit.versions().size(), "key") + " deleted, revision "
                        + commit.revision() + "\n"));
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
        return state.with(client -> client.keys(agent, prefix).forEach(key -> print("key", key)));
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
        return state.with(client -> client.agents(prefix).forEach(agent -> print("agent_id", agent)));
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
        return state.with(client -> client.namespaces(prefix).forEach(name -> print("namespace", name)));
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
            throw state.usage("give PATH or --contains");
        }
        Search search = Search.path(path).andContaining(contains).ofAgent(agent);
        return state.with(client -> client.find(
                        switch (order) {
                            case key -> search;
                            case newest -> search.newestFirst();
                            case oldest -> search.oldestFirst();
                        })
                .forEach(match -> state.print(
                        FoundLine.of(state.namespaceOr(StateConnection.DEFAULT_NAMESPACE), match),
                        found -> Printable.of(found.agentId() + " " + found.key() + "  " + found.value()) + "\n")));
    }

    /** The values of {@code --order}, as a user writes them. */
    private enum Order {
        key,
        newest,
        oldest
    }

    private void print(String member, String name) {
        state.print(Map.of(member, name), any -> Printable.of(name) + "\n");
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
        return state.with(client -> {
            Dump dump = agent == null
                    ? client.care().dump(state.namespaceOr(""), "")
                    : client.care().dump(state.namespaceOr(StateConnection.DEFAULT_NAMESPACE), agent);
            if (file == null) {
                long unused = StateDump.write(dump, state.out());
                return;
            }
            state.print(
                    new Written(file.toString(), StateDump.writeNew(dump, file)),
                    written -> written.events() + " events in " + file + "\n");
        });
    }

    private record Written(String file, long events) {}

    @Command(
            name = "restore",
            description = {
                "Fills an empty state from a dump, under a new history id.",
                "",
                "It fills the state of the configuration; the program must be stopped.",
                ""
            })
    int restore(@Parameters(paramLabel = "FILE") Path file) throws IOException {
        Configuration.logOnlyErrors(LogConfig.Format.TEXT);
        StateConfig known = state.configured("restore");
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
            state.print(
                    new Restored(head.revision(), head.historyId()),
                    restored -> "restored up to revision " + head.revision() + ", history " + head.historyId() + "\n");
            return ExitCode.OK;
        } catch (StateException e) {
            throw new IOException(e.getMessage(), e);
        }
    }

    private record Restored(long revision, String historyId) {}

    @Command(name = "backup", description = "Copies the embedded state next to its directory while the program runs.")
    int backup() throws IOException {
        return state.with(client ->
                state.print(client.care().backup(), made -> made.path() + ", at revision " + made.revision() + "\n"));
    }

    @Command(
            name = "compact",
            description = "Removes versions that were overwritten or deleted before a time or a revision.")
    int compact(
            @Option(names = "--before", required = true, paramLabel = "WHEN", description = "A revision, or a time.")
                    String before)
            throws IOException {
        return state.with(client -> {
            StateCare care = client.care();
            long oldest = state.at("--before", before, care::compact, care::compact);
            state.print(Map.of("oldest_revision", oldest), any -> "replayable from revision " + oldest + "\n");
        });
    }

    @Command(name = "history", description = "Lists the versions of a key, newest first.")
    int history(@Parameters(paramLabel = "AGENT") String agent, @Parameters(paramLabel = "KEY") String key)
            throws IOException {
        return state.with(client -> client.history(agent, key)
                .forEach(version -> state.print(StateDump.VersionLine.of(version), HISTORY::row)));
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
        String in = state.namespaceOr(StateConnection.DEFAULT_NAMESPACE);
        Replay all = Replay.of(in, agent == null ? "" : agent);
        Replay begun = from == null ? all : state.at("--from", from, all::from, all::from);
        Replay wanted = to == null ? begun : state.at("--to", to, begun::to, begun::to);
        state.output().note("namespace " + in + (agent == null ? "" : ", agent " + Printable.of(agent)) + "\n");
        return state.with(client -> {
            try (Stream<StateEvent> events = client.replay(follow ? wanted.follow() : wanted)) {
                // the command ends when its output fails, for example when head closes the pipe
                for (Iterator<StateEvent> each = events.iterator(); !state.out().checkError() && each.hasNext(); ) {
                    StateEvent event = each.next();
                    state.print(StateDump.EventLine.of(event, event.resumeToken()), StateCommand::asText);
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

    private static String seconds(Instant time) {
        return time.truncatedTo(ChronoUnit.SECONDS).toString().replace('T', ' ').replace("Z", "");
    }
}
