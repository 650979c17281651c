// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.replay;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.LoggedOutcomes.Compared;
import dev.flk.backend.decide.LoggedOutcomes.ReplayedOutcome;
import dev.flk.wal.LogInspector;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.LogReader.LogWalk;
import dev.flk.wal.segment.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.Future;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A replay: decides a range of the log again, and changes nothing. An overruled record comes after the submission that
 * it names. Therefore {@link #run}, which reports outcomes in log order, reads the log twice. {@link #runAtOnce}, which
 * is sufficient for counting outcomes, reads the log once; if submissions were overruled, it then reads the log again
 * from the first overruled submission on. Only one thread may use a replay; {@link ReplayWorkers} starts threads of its
 * own.
 */
public final class LogReplay {
    private final LogInspector inspector;
    private final @Nullable DecisionRules other;
    private final Consumer<String> onRecord;

    /**
     * Creates a replay.
     *
     * @param other the rules for a second decision of each submission; null for none
     * @param onRecord a callback that {@link #run} calls for each record it reads, with {@code reading} in the first
     *     pass and {@code deciding} in the second
     */
    public LogReplay(LogInspector inspector, @Nullable DecisionRules other, Consumer<String> onRecord) {
        this.inspector = inspector;
        this.other = other;
        this.onRecord = onRecord;
    }

    /**
     * Decides the records from {@code from} to {@code to}, both inclusive.
     *
     * @param wanted a predicate that receives each record and returns true for a submission to decide
     * @param onDecided a callback that receives the decided submissions in log order
     * @return the damage found
     * @throws IOException if a submission can't be decided; all earlier selected submissions have been reported
     */
    public List<Damage> run(long from, long to, Predicate<LogRecord> wanted, ReplayWorkers.OnDecided onDecided)
            throws IOException {
        LoggedOutcomes logged = new LoggedOutcomes();
        try (LogWalk walk = inspector.walk(from)) {
            for (LogRecord record = walk.next(); record != null; record = walk.next()) {
                logged.note(record);
                onRecord.accept("reading");
            }
        }
        try (LogWalk walk = inspector.walk(from);
                ReplayWorkers workers = new ReplayWorkers(logged, other, onDecided)) {
            for (LogRecord record = walk.next(); record != null && record.sequence() <= to; record = walk.next()) {
                if (wanted.test(record)) {
                    workers.add(record);
                }
                onRecord.accept("deciding");
            }
            workers.finish();
            return walk.damages();
        }
    }

    /**
     * Decides the records from {@code from} to {@code to}, both inclusive. First reads the log to its end, and reports
     * each submission of the range that {@code wanted} selects to {@code onDecided}, as if it were not overruled. If
     * submissions were overruled, then reads the log again from the first overruled submission on, and reports the
     * overruled submissions of the range to {@code overruled}.
     *
     * @param overruled a callback for each overruled submission, whether or not {@code wanted} selects it; receives the
     *     outcome as if it were not overruled, and the outcome that applies instead
     */
    public List<Damage> runAtOnce(
            long from,
            long to,
            Predicate<LogRecord> wanted,
            ReplayWorkers.OnDecided onDecided,
            BiConsumer<Compared, ReplayedOutcome> overruled)
            throws IOException {
        LoggedOutcomes logged = new LoggedOutcomes();
        LoggedOutcomes byItself = new LoggedOutcomes();
        List<Damage> damages;
        try (LogWalk walk = inspector.walk(from);
                ReplayWorkers workers = new ReplayWorkers(byItself, other, onDecided)) {
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
                        overruled.accept(
                                byItself.compare(record, other),
                                logged.compare(record, null).given());
                    }
                }
            }
        }
        return damages;
    }

    /**
     * A pool that decides records again on all cores, chunk by chunk, and reports the outcomes in log order, up to the
     * first record that can't be decided. Keeps at most three chunks in memory. Only one thread may use it.
     */
    public static final class ReplayWorkers implements Closeable {
        private static final int CHUNK_RECORDS = 4_096;
        private static final int CHUNK_BYTES = 8 << 20;

        private final LoggedOutcomes logged;
        private final @Nullable DecisionRules other;
        private final OnDecided onDecided;
        private final ForkJoinPool cores = new ForkJoinPool(Runtime.getRuntime().availableProcessors());
        private Future<List<Decided>> underWay = CompletableFuture.completedFuture(List.of());
        private List<LogRecord> chunk = new ArrayList<>();
        private int chunkBytes;

        /** A callback that receives each decided submission in log order. */
        @FunctionalInterface
        public interface OnDecided {
            /**
             * Receives one submission.
             *
             * @param given the outcome that was answered; in {@link LogReplay#runAtOnce}, the outcome as if the
             *     submission were not overruled
             * @param underOther the outcome under the other rules; null without other rules
             */
            void submission(LogRecord record, ReplayedOutcome given, @Nullable ReplayedOutcome underOther);
        }

        private record Decided(
                LogRecord record,
                @Nullable Compared compared,
                @Nullable IOException failure) {}

        /**
         * @param logged the overruled records to apply; a submission that one of them names gets the outcome in that
         *     record, and every other submission is decided again
         * @param other the rules for a second decision of each submission; null for none
         */
        ReplayWorkers(LoggedOutcomes logged, @Nullable DecisionRules other, OnDecided onDecided) {
            this.logged = logged;
            this.other = other;
            this.onDecided = onDecided;
        }

        /**
         * Adds a submission.
         *
         * @throws IOException if a submission of an earlier chunk can't be decided
         */
        void add(LogRecord submission) throws IOException {
            chunk.add(submission);
            chunkBytes += submission.body().length;
            if (chunk.size() == CHUNK_RECORDS || chunkBytes >= CHUNK_BYTES) {
                send();
            }
        }

        /**
         * Waits until every added submission is decided and reported.
         *
         * @throws IOException if one of the submissions that were not yet reported can't be decided
         */
        void finish() throws IOException {
            send();
            report();
        }

        /**
         * Hands the chunk to the pool, which decides it while the previous chunk is reported and the next one is read.
         */
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
                onDecided.submission(one.record(), compared.given(), compared.underOther());
            }
        }

        private static List<Decided> await(Future<List<Decided>> chunk) throws IOException {
            try {
                return chunk.get();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw (IOException) new InterruptedIOException("interrupted while deciding").initCause(e);
            } catch (ExecutionException e) {
                throw new IllegalStateException("records of the log could not be decided again", e.getCause());
            }
        }

        private Decided decide(LogRecord record) {
            try {
                return new Decided(record, logged.compare(record, other), null);
            } catch (IOException e) {
                return new Decided(record, null, e);
            }
        }

        /** Ends the threads and drops outcomes that were not reported. */
        @Override
        public void close() {
            cores.shutdownNow();
        }
    }
}
