// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.backend.cli.LogReplay.ReplayWorkers;
import dev.flk.backend.inbox.LoggedOutcomes;
import dev.flk.backend.inbox.LoggedOutcomes.Compared;
import dev.flk.backend.inbox.LoggedOutcomes.ReplayedOutcome;
import dev.flk.backend.inbox.RecordKind;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The command {@code wal replay}, which decides the records in the log again. */
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
        LogReplay replay = new LogReplay(source.inspector(), null, LogReplay.Progress.none());
        Predicate<LogRecord> wanted = record -> {
            count.record(record);
            return LoggedOutcomes.isSubmission(record);
        };
        ReplayWorkers.OnDecided onDecided = (record, given, other) -> {
            count.given(given);
            if (outcomes) {
                out.print(asOutcome(record.sequence(), given));
            }
        };
        List<Damage> damages = outcomes
                ? replay.run(from, to, wanted, onDecided)
                : replay.runAtOnce(from, to, wanted, onDecided, count::overruled);
        printSummary(count);
        return WalSource.report(damages, to, spec.commandLine().getErr());
    }

    /** Prints the summary, to standard error if standard output has JSON lines and the summary is text. */
    private void printSummary(ReplayCount count) {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter target = outcomes && !source.json ? spec.commandLine().getErr() : out;
        target.print(source.json ? count.asJson() : count.asText(source.directory()));
        out.flush();
        target.flush();
    }

    private record Outcome(long seq, String pcsId, int status, RawValue body) {}

    private static String asOutcome(long sequence, ReplayedOutcome given) {
        return Json.line(new Outcome(sequence, given.id().toString(), given.status(), Json.raw(given.body())));
    }

    /** The counts of a replay. */
    private static final class ReplayCount {
        private static final String ROW = "%-28s %12d\n";

        private final Map<String, Long> byKind = new LinkedHashMap<>();
        private final Map<Verdict.Kind, Long> byEnding = new EnumMap<>(Verdict.Kind.class);
        private long records;
        private long first;
        private long last;
        private long overruled;

        ReplayCount() {
            RecordKind.names().forEach(kind -> byKind.put(kind, 0L));
            for (Verdict.Kind ending : Verdict.Kind.values()) {
                byEnding.put(ending, 0L);
            }
        }

        void record(LogRecord record) {
            first = records == 0 ? record.sequence() : first;
            last = record.sequence();
            records++;
            byKind.merge(RecordKind.nameOf(record.kind()), 1L, Long::sum);
        }

        void given(ReplayedOutcome given) {
            byEnding.merge(given.kind(), 1L, Long::sum);
            overruled += given.isOverruled() ? 1 : 0;
        }

        /** Corrects the counts for an overruled submission, which was counted with its own outcome before. */
        void overruled(Compared byItself, ReplayedOutcome stood) {
            byEnding.merge(byItself.given().kind(), -1L, Long::sum);
            given(stood);
        }

        String asText(Path directory) {
            StringBuilder text = new StringBuilder();
            byKind.forEach((kind, count) -> {
                text.append(ROW.formatted(kind, count));
                if (kind.equals(RecordKind.names().get(0))) {
                    byEnding.forEach((ending, ended) -> text.append(ROW.formatted("  " + lowerCase(ending), ended)));
                    text.append(ROW.formatted("  of these, by an earlier one", overruled));
                }
            });
            String range = records == 0 ? "" : " (" + first + " to " + last + ")";
            return text.append(ErrorMessages.count(records, "record"))
                    .append(range)
                    .append(" in ")
                    .append(directory)
                    .append('\n')
                    .toString();
        }

        String asJson() {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("type", "summary");
            line.put("records", records);
            line.put("first_sequence", first);
            line.put("last_sequence", last);
            line.putAll(byKind);
            byEnding.forEach((ending, count) -> line.put(lowerCase(ending), count));
            line.put("answered_by_an_earlier_one", overruled);
            return Json.line(line);
        }

        private static String lowerCase(Verdict.Kind ending) {
            return ending.name().toLowerCase(Locale.ROOT);
        }
    }
}
