// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.LoggedOutcomes.ReplayedOutcome;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.operate.replay.LogReplay;
import dev.flk.backend.operate.replay.LogReplay.ReplayWorkers;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Table;
import dev.flk.program.json.Json;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code wal replay}, which decides the submissions in the log again and counts the outcomes. */
@Command(
        name = "replay",
        description = {
            "Decides the certificates in the log again and counts the outcomes.",
            "",
            "Each is decided under the policy that it was logged with, so the answers are",
            "exactly those that were given. The command only reads. To decide them under",
            "another policy, use 'policy try'.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:records are missing in between, or can't be decided", "2:wrong usage"})
final class WalReplayCommand implements Callable<Integer> {
    private static final Table<Map.Entry<String, Long>> COUNTS =
            new Table<Map.Entry<String, Long>>().left("", 29, Map.Entry::getKey).right("", 10, Map.Entry::getValue);

    private final WalSource source;

    @Option(names = "--from", paramLabel = "SEQ", description = "The first record to decide.")
    private long from = 1;

    @Option(names = "--to", paramLabel = "SEQ", description = "The last record to decide.")
    private long to = Long.MAX_VALUE;

    @Option(names = "--outcomes", description = "Print each outcome, one JSON object per line.")
    private boolean outcomes;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalReplayCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        WalSource.checkRange(spec.commandLine(), from, to);
        source.requireLog();
        ReplayCount count = new ReplayCount();
        PrintWriter out = spec.commandLine().getOut();
        LogReplay replay = new LogReplay(source.inspector(), null, step -> {});
        Predicate<LogRecord> wanted = record -> {
            count.record(record);
            return LoggedOutcomes.isSubmission(record);
        };
        ReplayWorkers.OnDecided onDecided = (record, given, other) -> {
            count.given(given, 1);
            if (outcomes) {
                Verdict verdict = given.verdict();
                out.print(Json.line(new Outcome(
                        record.sequence(), verdict.id().toString(), verdict.status(), Json.raw(given.body()))));
            }
        };
        List<Damage> damages = outcomes
                ? replay.run(from, to, wanted, onDecided)
                : replay.runAtOnce(from, to, wanted, onDecided, (byItself, existing) -> {
                    count.given(byItself.given(), -1);
                    count.given(existing, 1);
                });
        // a summary in text must not follow JSON lines on standard output
        PrintWriter target = outcomes && !source.json ? spec.commandLine().getErr() : out;
        new Output(target::print, source.json).print("summary", count.summary(), this::asText);
        return WalSource.report(damages, to, spec.commandLine().getErr());
    }

    private record Outcome(long seq, String pcsId, int status, RawValue body) {}

    private record Summary(
            long records,
            long firstSequence,
            long lastSequence,
            long submission,
            long evidence,
            long overruled,
            long review,
            long accepted,
            long escalated,
            long rejected,
            long answeredByAnEarlierOne) {}

    private String asText(Summary counted) {
        String range =
                counted.records() == 0 ? "" : " (" + counted.firstSequence() + " to " + counted.lastSequence() + ")";
        return row("submission", counted.submission())
                + row("  accepted", counted.accepted())
                + row("  escalated", counted.escalated())
                + row("  rejected", counted.rejected())
                + row("  of these, decided earlier", counted.answeredByAnEarlierOne())
                + row("evidence", counted.evidence())
                + row("overruled", counted.overruled())
                + row("review", counted.review())
                + ErrorMessages.count(counted.records(), "record") + range + " in " + source.directory() + "\n";
    }

    private static String row(String what, long count) {
        return COUNTS.row(Map.entry(what, count));
    }

    /** The counts of a replay. Confined to one thread. */
    private static final class ReplayCount {
        private final Map<String, Long> counts = new HashMap<>();
        private long records;
        private long first;
        private long last;
        private long byAnEarlierOne;

        void record(LogRecord record) {
            first = records == 0 ? record.sequence() : first;
            last = record.sequence();
            records++;
            counts.merge(RecordKind.nameOf(record.kind()), 1L, Long::sum);
        }

        /** Adds {@code change} to the counts of an outcome: 1 counts it; -1 removes it if another outcome applies. */
        void given(ReplayedOutcome given, long change) {
            counts.merge(given.kind().name(), change, Long::sum);
            byAnEarlierOne += given.isOverruled() ? change : 0;
        }

        private long count(String what) {
            return counts.getOrDefault(what, 0L);
        }

        Summary summary() {
            return new Summary(
                    records,
                    first,
                    last,
                    count("submission"),
                    count("evidence"),
                    count("overruled"),
                    count("review"),
                    count(Verdict.Kind.ACCEPTED.name()),
                    count(Verdict.Kind.ESCALATED.name()),
                    count(Verdict.Kind.REJECTED.name()),
                    byAnEarlierOne);
        }
    }
}
