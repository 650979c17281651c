// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.operate.cli.KeysCommand.ListedKey;
import dev.flk.backend.operate.replay.LogReplay;
import dev.flk.backend.operate.replay.PolicyTrial;
import dev.flk.backend.operate.replay.PolicyTrial.Change;
import dev.flk.backend.operate.replay.PolicyTrial.Example;
import dev.flk.backend.operate.replay.PolicyTrial.Reason;
import dev.flk.backend.operate.replay.PolicyTrial.Shard;
import dev.flk.backend.operate.replay.PolicyTrial.Summary;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Quantities;
import dev.flk.verification.Verdict;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogInspector.SegmentSummary;
import dev.flk.wal.segment.Damage;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Supplier;
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
    private static final Table<Reason> REASONS = new Table<Reason>()
            .left("REASON", Reason::reason)
            .right("BEFORE", Reason::before)
            .right("AFTER", Reason::after)
            .right("CHANGE", reason -> signed(reason.after() - reason.before()));
    private static final Table<Shard> SHARDS = new Table<Shard>()
            .left("SHARD", PolicyTryCommand::name)
            .right("DECIDED", Shard::decided)
            .right("OTHERWISE", Shard::different)
            .right("ACCEPTED", shard -> signed(shard.acceptedChange()))
            .right("ESCALATED", shard -> signed(shard.escalatedChange()))
            .right("REJECTED", shard -> signed(shard.rejectedChange()));

    /**
     * The tolerance for clocks that were set back. Reading begins with a segment that was opened at least this long
     * before the start of the period.
     */
    private static final Duration CLOCK_SLACK = Duration.ofHours(1);

    private static final int MOST_LISTED = 1_000;
    private static final int BAR = 30;
    private static final int STEPS_BETWEEN_LINES = 2_000;

    @Mixin
    private final WalSource source;

    private final Supplier<RewrittenLine> lines;
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

    private PolicyTryCommand(WalSource source, Supplier<RewrittenLine> lines, InstantSource clock) {
        this.source = source;
        this.lines = lines;
        this.clock = clock;
    }

    /** Returns the command {@code policy}, whose only subcommand is {@code try}. */
    static CommandLine with(WalSource source, Supplier<RewrittenLine> lines, InstantSource clock) {
        CommandSpec policy = CommandSpec.create().name("policy");
        policy.usageMessage().description("Commands about the policy that decides certificates.");
        return new CommandLine(policy).addSubcommand(new PolicyTryCommand(source, lines, clock));
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
        PolicyTrial trial = new PolicyTrial(rules.policy(), start, examples);
        RewrittenLine line = lines.get();
        List<Damage> damages;
        try {
            damages = new LogReplay(
                            inspector,
                            new DecisionRules(rules.policy(), rules.dedupTtl()),
                            progress(line, segments, from))
                    .run(
                            from,
                            Long.MAX_VALUE,
                            record -> LoggedOutcomes.isSubmission(record)
                                    && record.arrivalMillis() >= start.toEpochMilli(),
                            trial::submission);
        } finally {
            line.clear();
        }
        print(trial, source.output(spec));
        return WalSource.report(damages, Long.MAX_VALUE, spec.commandLine().getErr());
    }

    private void print(PolicyTrial trial, Output output) {
        Summary summary = trial.summary();
        output.note(Paragraph.wrapped(9, heading(summary)));
        output.printAll("outcome", trial.changes(), changes -> matrix(changes, summary));
        output.printAll("reason", trial.reasons(), reasons -> belowABlankLine(REASONS.of(reasons)));
        Shard others = trial.otherShards(shards);
        output.printAll("shard", trial.shards(shards), listed -> {
            List<Shard> rows = new ArrayList<>(listed);
            rows.addAll(others.decided() == 0 ? List.of() : List.of(others));
            return belowABlankLine(SHARDS.of(rows));
        });
        output.print("other_shards", others, rest -> "");
        trial.examples().forEach(example -> output.print("example", example, PolicyTryCommand::asText));
        output.print("summary", summary, total -> "");
    }

    private String heading(Summary summary) {
        String since = summary.since().equals(Instant.EPOCH) ? "" : " since " + summary.since();
        String earlier = summary.answeredByAnEarlierOne() == 0
                ? ""
                : "; for " + summary.answeredByAnEarlierOne() + " of them an earlier outcome applies under any policy";
        return "policy\t" + summary.policy().replace(";", " ") + " (" + summary.policyHash() + ")\ndecided\t"
                + ErrorMessages.count(summary.decided(), "certificate") + since + " in " + source.directory() + earlier;
    }

    private static String matrix(List<Change> changes, Summary summary) {
        if (summary.decided() == 0) {
            return "";
        }
        Table<Verdict.Kind> matrix = new Table<Verdict.Kind>().left("AS RECORDED", PolicyTryCommand::name);
        for (Verdict.Kind after : Verdict.Kind.values()) {
            matrix.right(
                    (after == Verdict.Kind.ACCEPTED ? "WOULD BE " : "") + after.name(),
                    before -> changes.stream()
                            .filter(change -> change.before() == before && change.after() == after)
                            .mapToLong(Change::certificates)
                            .sum());
        }
        String reasons = summary.differentReason() == 0
                ? ""
                : ", " + summary.differentReason() + " as before for another reason";
        double percent = 100.0 * summary.different() / summary.decided();
        return "\n" + matrix.of(List.of(Verdict.Kind.values()))
                + String.format(
                        Locale.ROOT,
                        "%n%d of %d outcomes would change (%.2f %%)%s%n",
                        summary.different(),
                        summary.decided(),
                        percent,
                        reasons);
    }

    private static String asText(Example example) {
        return "\n%s, would be %s: record %d\n".formatted(name(example.before()), name(example.after()), example.seq())
                + Paragraph.wrapped(
                        12,
                        "    %s\n    shard\t%s\n    before\t%s\n    after\t%s"
                                .formatted(
                                        example.pcsId(),
                                        ListedKey.quoted(example.shard()),
                                        orDash(example.reasonBefore()),
                                        orDash(example.reasonAfter())));
    }

    private static String belowABlankLine(String table) {
        return table.isEmpty() ? "" : "\n" + table;
    }

    private static String orDash(String reason) {
        return reason.isEmpty() ? "-" : Printable.of(reason);
    }

    private static String name(Verdict.Kind kind) {
        return kind.name().toLowerCase(Locale.ROOT);
    }

    private static String name(Shard shard) {
        return shard.shard() != null
                ? shard.shard()
                : "and " + (Boolean.TRUE.equals(shard.andMore()) ? "at least " : "") + shard.shards() + " more";
    }

    private static String signed(long change) {
        return "%+d".formatted(change);
    }

    /** Returns a callback that shows a progress bar for the two passes over the log. */
    private static Consumer<String> progress(RewrittenLine line, List<SegmentSummary> segments, long from) {
        if (!line.isSeen()) {
            return step -> {};
        }
        long all = 2
                * segments.stream()
                        .mapToLong(segment -> segment.end() - Math.max(from, segment.first()))
                        .filter(records -> records > 0)
                        .sum();
        AtomicLong done = new AtomicLong();
        return step -> {
            long before = done.getAndIncrement();
            if (before % STEPS_BETWEEN_LINES == 0) {
                // a running backend may have appended records since the steps were counted
                double share = Math.min(1, (double) before / Math.max(1, all));
                int full = (int) (share * BAR);
                String bar = "#".repeat(full) + " ".repeat(BAR - full);
                line.show(String.format(Locale.ROOT, "%-9s [%s] %3.0f %%", step, bar, Math.floor(share * 100)));
            }
        };
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
            return clock.instant().truncatedTo(ChronoUnit.MILLIS).minus(Quantities.duration(since));
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

    /**
     * Returns the sequence of the first record to read. Reading begins with the newest segment that was opened at least
     * {@link #CLOCK_SLACK} before {@code start}, because all records of older segments arrived before it was opened.
     * Returns 1 if there is no such segment.
     */
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
}
