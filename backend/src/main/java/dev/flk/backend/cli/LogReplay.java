// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.backend.ingest.LoggedOutcomes.Compared;
import dev.flk.backend.ingest.LoggedOutcomes.ReplayedOutcome;
import dev.flk.program.cli.Terminal.RewrittenLine;
import dev.flk.wal.Damage;
import dev.flk.wal.LogInspector;
import dev.flk.wal.LogReader.LogWalk;
import dev.flk.wal.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Decides a range of the log again, read-only. A record that overrules a submission comes after it, so that the log is
 * read twice where each outcome is wanted in its place, and once where they are only counted. One thread, and {@link
 * ReplayWorkers}.
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
     * @param wanted sees each record; true if it is a submission to decide
     * @param told gets the decided submissions in log order
     * @return the damage found
     * @throws IOException if a record can't be decided; those before it were reported
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

    /**
     * The same in any order: first each submission as if no other outcome stood for its id, then those for which one did.
     *
     * @param overruled gets what was told before of a submission, and what stood
     */
    List<Damage> runAtOnce(
            long from, long to, Predicate<LogRecord> wanted, ReplayWorkers.Told told, Overruled overruled)
            throws IOException {
        LoggedOutcomes logged = new LoggedOutcomes();
        LoggedOutcomes byItself = new LoggedOutcomes();
        List<Damage> damages;
        try (LogWalk walk = inspector.walk(from);
                ReplayWorkers workers = new ReplayWorkers(byItself, other, told)) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                logged.note(record);
                if (record.sequence() <= to && wanted.test(record)) {
                    workers.add(record);
                }
            }
            workers.finish();
            damages = walk.damages();
        }
        OptionalLong first = logged.firstOverruled(from);
        if (first.isPresent()) {
            try (LogWalk walk = inspector.walk(first.getAsLong())) {
                for (LogRecord record = walk.next(); record != null && record.sequence() <= to; record = walk.next()) {
                    if (logged.isOverruled(record)) {
                        overruled.submission(
                                byItself.compare(record, other),
                                logged.compare(record, null).given());
                    }
                }
            }
        }
        return damages;
    }

    /** Gets a submission that another outcome stood for. */
    @FunctionalInterface
    interface Overruled {
        void submission(Compared byItself, ReplayedOutcome stood);
    }

    /** A progress bar. One thread. */
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
     * Decides records again on all cores, chunk by chunk, and reports the outcomes in log order, up to the first record
     * that can't be decided. Memory: three chunks. For one thread.
     */
    static final class ReplayWorkers implements Closeable {
        private static final int CHUNK_RECORDS = 4_096;
        private static final int CHUNK_BYTES = 8 << 20;

        private final LoggedOutcomes logged;
        private final @Nullable DecisionRules other;
        private final Told told;
        private final ForkJoinPool cores = new ForkJoinPool(Runtime.getRuntime().availableProcessors());
        private Future<List<Decided>> underWay = CompletableFuture.completedFuture(List.of());
        private List<LogRecord> chunk = new ArrayList<>();
        private int chunkBytes;

        /** Gets each decided submission, in log order. */
        @FunctionalInterface
        interface Told {
            /**
             * One submission.
             *
             * @param underOther what it would have come to under the other rules; null if there are none
             */
            void submission(LogRecord record, ReplayedOutcome given, @Nullable ReplayedOutcome underOther);
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
                send();
            }
        }

        /** Waits for everything that was added. */
        void finish() throws IOException {
            send();
            report();
        }

        /** A chunk is decided while the one before it is reported, and the next one read. */
        private void send() throws IOException {
            List<LogRecord> records = chunk;
            chunk = new ArrayList<>();
            chunkBytes = 0;
            Future<List<Decided>> next = cores.submit(
                    () -> records.parallelStream().map(this::decide).toList());
            report();
            underWay = next;
        }

        private void report() throws IOException {
            for (Decided one : await(underWay)) {
                IOException failure = one.failure();
                if (failure != null) {
                    throw failure;
                }
                Compared compared = Objects.requireNonNull(one.compared());
                told.submission(one.record(), compared.given(), compared.underOther());
            }
        }

        private static List<Decided> await(Future<List<Decided>> chunk) throws IOException {
            try {
                return chunk.get();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw (IOException) new InterruptedIOException("interrupted while deciding").initCause(e);
            } catch (ExecutionException e) {
                throw new IllegalStateException("deciding again failed", e.getCause());
            }
        }

        private Decided decide(LogRecord record) {
            try {
                return new Decided(record, logged.compare(record, other), null);
            } catch (IOException e) {
                return new Decided(record, null, e);
            }
        }

        /** Ends the threads; what was not reported is dropped. */
        @Override
        public void close() {
            cores.shutdownNow();
        }
    }
}
