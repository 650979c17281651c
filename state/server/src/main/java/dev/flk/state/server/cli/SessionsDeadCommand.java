// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.redis.DeadChanges;
import dev.flk.backend.sessions.redis.DeadChanges.DeadChange;
import dev.flk.backend.sessions.redis.DeadChanges.Requeued;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Printable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** The command {@code sessions dead}, which reads and changes Redis without a backend. */
@Command(
        name = "dead",
        description = {
            "Shows the changes that Postgres has refused, and puts them back.",
            "",
            "It connects to the Redis of the configuration; --url and --token-file do not",
            "apply.",
            ""
        })
final class SessionsDeadCommand {
    private final Configuration config;
    private final Supplier<Output> output;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** @param output returns the output in the form that the options of {@code sessions} select */
    SessionsDeadCommand(Configuration config, Supplier<Output> output) {
        this.config = config;
        this.output = output;
    }

    @Command(name = "list", description = "Lists the changes, oldest first.")
    void list() throws IOException {
        List<DeadChange> found = new ArrayList<>();
        try (DeadChanges changes = DeadChanges.connect(server())) {
            changes.forEach(found::add);
        }
        found.forEach(each -> output.get().print(each, SessionsDeadCommand::text));
        if (found.isEmpty()) {
            output.get().note("no dead change" + System.lineSeparator());
        }
    }

    private static String text(DeadChange change) {
        String what = change.session() == null
                ? "a change that is lost"
                : change.session() + " version " + change.version() + ", " + change.kind();
        return Printable.of(change.entry() + "  " + change.refusedAt() + "  " + what)
                + System.lineSeparator()
                + Printable.of("    " + change.error())
                + System.lineSeparator();
    }

    @Command(
            name = "requeue",
            description = {
                "Puts changes back, so that they are written to Postgres again.",
                "",
                "Do this once the reason for the error is removed. Older versions do not replace",
                "newer ones.",
                ""
            })
    int requeue(
            @Parameters(
                            paramLabel = "ENTRY",
                            arity = "0..*",
                            description = "The entries, as list prints them; or --all.")
                    @Nullable
                    List<String> entries,
            @Option(names = "--all", description = "All changes.") boolean all)
            throws IOException {
        List<String> chosen = new ArrayList<>(entries == null ? List.of() : entries);
        if (chosen.isEmpty() != all) {
            throw new ParameterException(spec.commandLine(), "name entries, or give --all, but not both");
        }
        for (String entry : chosen) {
            if (!DeadChanges.isEntry(entry)) {
                throw new ParameterException(
                        spec.commandLine(), "'" + entry + "' is not an entry; sessions dead list prints them");
            }
        }
        Requeued result;
        try (DeadChanges changes = DeadChanges.connect(server())) {
            if (all) {
                changes.forEach(change -> chosen.add(change.entry()));
            }
            result = changes.requeue(chosen);
        }
        long missing = chosen.size() - result.requeued() - result.empty();
        output.get()
                .print(
                        new Put(result.requeued(), result.empty(), missing),
                        done -> String.format(
                                "requeued  %,d%nempty     %,d, which stay because only their error is left%nmissing   %,d%n",
                                done.requeued(), done.empty(), done.missing()));
        return missing == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private RedisConfig server() {
        return config.load()
                .sessions()
                .flatMap(SessionConfig::redis)
                .orElseThrow(() -> new ParameterException(
                        spec.commandLine(), "SESSION_STORE is not redis, so there are no dead changes"));
    }

    /** The output of {@code dead requeue --json}. */
    private record Put(long requeued, long empty, long missing) {}
}
