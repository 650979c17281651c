// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.databind.util.RawValue;
import dev.flk.backend.cli.LogReplay.ReplayWorkers;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.backend.ingest.LoggedOutcomes.Compared;
import dev.flk.backend.ingest.LoggedOutcomes.OutcomeKind;
import dev.flk.backend.ingest.LoggedOutcomes.ReplayedOutcome;
import dev.flk.backend.ingest.RecordKind;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.cli.Json;
import dev.flk.wal.Damage;
import dev.flk.wal.LogRecord;
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
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code wal replay}: decides what is in the log again. */
@Command(
        name = "replay",
        description = {
            "Decides the certificates in the log again, and counts the outcomes.",
            "",
            "Each is decided by the policy that it was logged with, so that the answers are",
            "those that were given, to the byte. It only reads.",
            "",
            "With --policy current it also decides by the policy of the configuration, and",
            "says which certificates would be accepted, escalated or rejected otherwise.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:records are missing in between, or can't be decided", "2:wrong usage"})
final class WalReplayCommand implements Callable<Integer> {
    private final WalSource source;

    @Option(names = "--from", paramLabel = "SEQ", description = "The first record to be decided.")
    private long from = 1;

    @Option(names = "--to", paramLabel = "SEQ", description = "The last record to be decided.")
    private long to = Long.MAX_VALUE;

    @Option(
            names = "--policy",
            paramLabel = "POLICY",
            description = "'current': also decide by the policy of the configuration.")
    private @Nullable String policy;

    @Option(names = "--outcomes", description = "Print each outcome, one JSON object a line.")
    private boolean outcomes;

    @Option(
            names = "--diff",
            description = "With --policy: print each outcome that would change, one JSON object a line.")
    private boolean diff;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    WalReplayCommand(WalSource source) {
        this.source = source;
    }

    @Override
    public Integer call() throws IOException {
        checkUsage();
        source.requireLog();
        ReplayCount count = new ReplayCount();
        DecisionRules current = policy == null ? null : currentRules();
        PrintWriter out = spec.commandLine().getOut();
        LogReplay replay = new LogReplay(source.inspector(), current, LogReplay.Progress.none());
        Predicate<LogRecord> wanted = record -> {
            count.record(record);
            return LoggedOutcomes.isSubmission(record);
        };
        ReplayWorkers.Told told = (record, given, other) -> tell(record, given, other, count, out);
        List<Damage> damages = outcomes || diff
                ? replay.run(from, to, wanted, told)
                : replay.runAtOnce(from, to, wanted, told, count::overruled);
        printSummary(count, current != null);
        return WalSource.report(damages, to, spec.commandLine().getErr());
    }

    /** Beside lines for programs, what people read goes elsewhere. */
    private void printSummary(ReplayCount count, boolean compared) {
        PrintWriter out = spec.commandLine().getOut();
        PrintWriter target =
                (outcomes || diff) && !source.json ? spec.commandLine().getErr() : out;
        target.print(source.json ? count.asJson(compared) : count.asText(compared, source.directory()));
        out.flush();
        target.flush();
    }

    private void tell(
            LogRecord record,
            ReplayedOutcome given,
            @Nullable ReplayedOutcome other,
            ReplayCount count,
            PrintWriter out) {
        count.given(given, other);
        // what stood for the id already stands under any policy
        ReplayedOutcome shown = other == null || given.isOverruled() ? given : other;
        if (diff && isDifferent(given, shown)) {
            out.print(asDifference(record.sequence(), given, shown));
        }
        if (outcomes) {
            out.print(asOutcome(record.sequence(), shown));
        }
    }

    private static boolean isDifferent(ReplayedOutcome given, @Nullable ReplayedOutcome other) {
        return other != null && !given.isOverruled() && other.ending() != given.ending();
    }

    private record Outcome(long seq, String pcsId, int status, RawValue body) {}

    private record Difference(long seq, String pcsId, OutcomeKind was, OutcomeKind wouldBe, RawValue body) {}

    private static String asOutcome(long sequence, ReplayedOutcome given) {
        return Json.line(new Outcome(sequence, given.id().toString(), given.status(), Json.raw(given.body())));
    }

    private static String asDifference(long sequence, ReplayedOutcome was, ReplayedOutcome wouldBe) {
        return Json.line(new Difference(
                sequence, was.id().toString(), was.ending(), wouldBe.ending(), Json.raw(wouldBe.body())));
    }

    private DecisionRules currentRules() {
        LogRules rules = source.rules();
        return new DecisionRules(rules.policy(), rules.dedupTtl());
    }

    private void checkUsage() {
        WalSource.checkRange(spec.commandLine(), from, to);
        if (policy != null && !policy.equals("current")) {
            throw wrong("--policy: '" + policy + "' is none; the only one is 'current', that of the configuration");
        }
        if (diff && policy == null) {
            throw wrong("--diff: differs from what? Add --policy current");
        }
    }

    private ParameterException wrong(String what) {
        return new ParameterException(spec.commandLine(), what);
    }

    /** What a replay counted. */
    private static final class ReplayCount {
        private static final String ROW = "%-28s %12d\n";

        private final Map<String, Long> byKind = new LinkedHashMap<>();
        private final Map<OutcomeKind, Long> byEnding = new EnumMap<>(OutcomeKind.class);
        private long records;
        private long first;
        private long last;
        private long overruled;
        private long different;

        ReplayCount() {
            RecordKind.names().forEach(kind -> byKind.put(kind, 0L));
            for (OutcomeKind ending : OutcomeKind.values()) {
                byEnding.put(ending, 0L);
            }
        }

        void record(LogRecord record) {
            first = records == 0 ? record.sequence() : first;
            last = record.sequence();
            records++;
            byKind.merge(RecordKind.nameOf(record.kind()), 1L, Long::sum);
        }

        void given(ReplayedOutcome given, @Nullable ReplayedOutcome other) {
            byEnding.merge(given.ending(), 1L, Long::sum);
            overruled += given.isOverruled() ? 1 : 0;
            different += isDifferent(given, other) ? 1 : 0;
        }

        /** It was counted by itself before. */
        void overruled(Compared byItself, ReplayedOutcome stood) {
            byEnding.merge(byItself.given().ending(), -1L, Long::sum);
            different -= isDifferent(byItself.given(), byItself.underOther()) ? 1 : 0;
            given(stood, null);
        }

        String asText(boolean compared, Path directory) {
            StringBuilder text = new StringBuilder();
            byKind.forEach((kind, count) -> {
                text.append(ROW.formatted(kind, count));
                if (kind.equals(RecordKind.names().get(0))) {
                    byEnding.forEach((ending, ended) -> text.append(ROW.formatted("  " + lowerCase(ending), ended)));
                    text.append(ROW.formatted("  of these, by an earlier one", overruled));
                }
            });
            if (compared) {
                text.append(ROW.formatted("otherwise by current policy", different));
            }
            String range = records == 0 ? "" : " (" + first + " to " + last + ")";
            return text.append(ErrorMessages.count(records, "record"))
                    .append(range)
                    .append(" in ")
                    .append(directory)
                    .append('\n')
                    .toString();
        }

        String asJson(boolean compared) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("type", "summary");
            line.put("records", records);
            line.put("first_sequence", first);
            line.put("last_sequence", last);
            line.putAll(byKind);
            byEnding.forEach((ending, count) -> line.put(lowerCase(ending), count));
            line.put("answered_by_an_earlier_one", overruled);
            if (compared) {
                line.put("different", different);
            }
            return Json.line(line);
        }

        private static String lowerCase(OutcomeKind ending) {
            return ending.name().toLowerCase(Locale.ROOT);
        }
    }
}
