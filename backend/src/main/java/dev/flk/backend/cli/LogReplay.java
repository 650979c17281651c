// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.program.cli.RewrittenLine;
import dev.flk.wal.Damage;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogRecord;
import dev.flk.wal.LogWalk;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Decides a stretch of the log again, and only reads it: twice, since what overruled a submission stands somewhere behind it. One thread,
 * with {@link ReplayWorkers} behind it.
 */
final class LogReplay {
    private final LogInspector inspector;
    private final @Nullable DecisionRules other;
    private final Progress progress;

    /** @param other to be decided by as well; or null */
    LogReplay(LogInspector inspector, @Nullable DecisionRules other, Progress progress) {
        this.inspector = inspector;
        this.other = other;
        this.progress = progress;
    }

    /**
     * Decides the records from {@code from} to {@code to}.
     *
     * @param wanted is shown each record, and says whether it is a submission to be decided
     * @param told hears of those that were, in the order of the log
     * @return what was met as missing
     * @throws IOException if a record can't be decided; those before it were told
     */
    List<Damage> run(long from, long to, Predicate<LogRecord> wanted, ReplayWorkers.Told told) throws IOException {
        LoggedOutcomes logged = new LoggedOutcomes();
        try (LogWalk walk = inspector.walk(from)) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                logged.note(record);
                progress.step("reading");
            }
        }
        try (LogWalk walk = inspector.walk(from);
                ReplayWorkers workers = new ReplayWorkers(logged, other, told)) {
            for (LogRecord record = walk.next(); record != null && record.sequence() <= to; record = walk.next()) {
                if (wanted.test(record)) {
                    workers.add(record);
                }
                progress.step("deciding");
            }
            workers.finish();
            return walk.damages();
        } finally {
            progress.line.clear();
        }
    }

    /** A bar that tells how far a replay is. One thread. */
    static final class Progress {
        private static final int BAR = 30;
        private static final int STEPS_BETWEEN_LINES = 2_000;

        private final RewrittenLine line;
        private final long all;
        private long done;

        /** @param all steps, two for each record */
        Progress(RewrittenLine line, long all) {
            this.line = line;
            this.all = Math.max(1, all);
        }

        /** One that shows nothing. */
        static Progress none() {
            return new Progress(new RewrittenLine(null), 1);
        }

        private void step(String what) {
            if (line.isSeen() && done++ % STEPS_BETWEEN_LINES == 0) {
                // more may have come since the steps were counted
                double share = Math.min(1, (double) done / all);
                int full = (int) (share * BAR);
                line.show(String.format(
                        Locale.ROOT,
                        "%-9s [%s%s] %3.0f %%",
                        what,
                        "#".repeat(full),
                        " ".repeat(BAR - full),
                        Math.floor(share * 100)));
            }
        }
    }
}
