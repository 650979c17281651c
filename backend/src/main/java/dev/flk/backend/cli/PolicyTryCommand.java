// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.cli.CommandLineProgram.Watched;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.inbox.DecisionRules;
import dev.flk.backend.inbox.LoggedOutcomes;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Quantities;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.segment.Damage;
import java.io.IOException;
import java.io.PrintWriter;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code policy try}, which decides the certificates in the log under another policy. */
@Command(
        name = "try",
        description = {
            "Reports how the certificates in the log would be decided under another policy.",
            "",
            "It decides the certificates in the log again. It only reads, and may run while a",
            "backend does.",
            "",
            "The policy is the configured one with the changes of --set. Each certificate is",
            "compared with its recorded outcome; an outcome that another backend had",
            "recorded first applies under any policy. Recorded outcomes never change.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:records are missing in between, or can't be decided",
            "2:wrong usage or configuration"
        })
final class PolicyTryCommand implements Callable<Integer> {
    /** A tolerance for clocks that were set back: segments opened up to this long after the start are also read. */
    private static final Duration CLOCK_SLACK = Duration.ofHours(1);

    private static final int MOST_LISTED = 1_000;

    @Mixin
    private final WalSource source;

    private final Watched watched;
    private final InstantSource clock;

    @Option(
            names = "--since",
            paramLabel = "DURATION",
            description = "Only certificates that arrived within this time, such as 12h or 7d (default: all).")
    private @Nullable String since;

    @Option(
            names = "--set",
            paramLabel = "NAME=VALUE",
            description = "A number of the policy, such as TOL_D=0.20; may be repeated.")
    private List<String> tried = List.of();

    @Option(
            names = "--examples",
            paramLabel = "N",
            description = "The number of examples of each kind of change (default: ${DEFAULT-VALUE}).")
    private int examples = 3;

    @Option(
            names = "--shards",
            paramLabel = "N",
            description = "The number of shards to show, most changed first (default: ${DEFAULT-VALUE}).")
    private int shards = 10;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    PolicyTryCommand(WalSource source, Watched watched, InstantSource clock) {
        this.source = source;
        this.watched = watched;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        checkUsage();
        List<String> problems = new ArrayList<>();
        Instant start = start(problems);
        LogRules rules = rules(problems);
        if (rules == null || !problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        source.requireLog();
        LogInspector inspector = source.inspector();
        List<SegmentSummary> segments = inspector.list().segments();
        long from = firstToRead(segments, start);
        PolicyTrial trial = new PolicyTrial(rules.policy(), start, examples, shards);
        LogReplay.Progress progress = new LogReplay.Progress(
                new RewrittenLine(watched.byPeople ? this::printOnTerminal : null),
                2
                        * segments.stream()
                                .mapToLong(segment -> segment.end() - Math.max(from, segment.first()))
                                .filter(records -> records > 0)
                                .sum());
        List<Damage> damages = new LogReplay(inspector, new DecisionRules(rules.policy(), rules.dedupTtl()), progress)
                .run(
                        from,
                        Long.MAX_VALUE,
                        record -> LoggedOutcomes.isSubmission(record) && record.arrivalMillis() >= start.toEpochMilli(),
                        trial::submission);
        PrintWriter out = spec.commandLine().getOut();
        out.print(source.json ? trial.asJson() : trial.asText(source.directory()));
        out.flush();
        return WalSource.report(damages, Long.MAX_VALUE, spec.commandLine().getErr());
    }

    private void printOnTerminal(String text) {
        PrintWriter terminal = spec.commandLine().getErr();
        terminal.print(text);
        terminal.flush();
    }

    private void checkUsage() {
        if (examples < 0 || examples > MOST_LISTED || shards < 0 || shards > MOST_LISTED) {
            throw new ParameterException(
                    spec.commandLine(), "--examples and --shards: a number from 0 to " + MOST_LISTED);
        }
    }

    private Instant start(List<String> problems) {
        if (since == null) {
            return Instant.EPOCH;
        }
        try {
            return clock.instant().minus(Quantities.duration(since));
        } catch (IllegalArgumentException | DateTimeException | ArithmeticException e) {
            problems.add("--since: '" + since + "' is " + e.getMessage());
            return Instant.EPOCH;
        }
    }

    private @Nullable LogRules rules(List<String> problems) {
        try {
            return source.rules(tried);
        } catch (InvalidConfig e) {
            problems.addAll(e.problems());
            return null;
        }
    }

    /** Returns the first record to read, based on the fact that records of a segment arrived before the next one was opened. */
    private static long firstToRead(List<SegmentSummary> segments, Instant start) {
        long from = 1;
        for (SegmentSummary segment : segments) {
            if (Instant.ofEpochMilli(segment.openedMillis()).plus(CLOCK_SLACK).isAfter(start)) {
                break;
            }
            from = segment.first();
        }
        return from;
    }

    /** The command {@code policy}, which only has subcommands. */
    @Command(name = "policy", description = "Commands about the policy that decides certificates.")
    static final class PolicyCommand implements Runnable {
        @Spec
        private CommandSpec spec = CommandSpec.create();

        private PolicyCommand() {}

        static CommandLine with(WalSource source, Watched watched, InstantSource clock) {
            return new CommandLine(new PolicyCommand()).addSubcommand(new PolicyTryCommand(source, watched, clock));
        }

        @Override
        public void run() {
            throw new ParameterException(spec.commandLine(), "Missing command: policy try");
        }
    }
}
