// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.backend.ingest.LoggedOutcomes.Compared;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.program.cli.RewrittenLine;
import dev.flk.wal.Damage;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
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
        ReplayWorkers workers = new ReplayWorkers(logged, other, told);
        try (LogWalk walk = inspector.walk(from)) {
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

    /**
     * Decides records again on all cores, chunk by chunk, and tells the outcomes in the order of the log: those before a record that can't be
     * decided are told, those behind it are not. Memory: some MiB of records. One thread uses it.
     */
    static final class ReplayWorkers {
        private static final int CHUNK_RECORDS = 8_192;
        private static final int CHUNK_BYTES = 16 << 20;

        private final LoggedOutcomes logged;
        private final @Nullable DecisionRules other;
        private final Told told;
        private final List<LogRecord> chunk = new ArrayList<>();
        private int chunkBytes;

        /** Hears of each submission, in order. */
        @FunctionalInterface
        interface Told {
            /**
             * One submission.
             *
             * @param underOther what it would have come to under the other rules; null if there are none
             */
            void submission(LogRecord record, Given given, @Nullable Given underOther);
        }

        private record Decided(
                LogRecord record,
                @Nullable Compared compared,
                @Nullable IOException failure) {}

        /**
         * @param logged has taken note of the whole log
         * @param other to be decided by as well; or null
         */
        ReplayWorkers(LoggedOutcomes logged, @Nullable DecisionRules other, Told told) {
            this.logged = logged;
            this.other = other;
            this.told = told;
        }

        /**
         * Takes a submission.
         *
         * @throws IOException if it, or one before it, can't be decided
         */
        void add(LogRecord submission) throws IOException {
            chunk.add(submission);
            chunkBytes += submission.body().length;
            if (chunk.size() == CHUNK_RECORDS || chunkBytes >= CHUNK_BYTES) {
                finish();
            }
        }

        /** Decides all that was added, and tells it. */
        void finish() throws IOException {
            List<Decided> all = chunk.parallelStream().map(this::decide).toList();
            chunk.clear();
            chunkBytes = 0;
            for (Decided one : all) {
                IOException failure = one.failure();
                if (failure != null) {
                    throw failure;
                }
                Compared compared = Objects.requireNonNull(one.compared());
                told.submission(one.record(), compared.given(), compared.underOther());
            }
        }

        private Decided decide(LogRecord record) {
            try {
                return new Decided(record, logged.compare(record, other), null);
            } catch (IOException e) {
                return new Decided(record, null, e);
            }
        }
    }
}
