// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import dev.flk.backend.ingest.DecisionRules;
import dev.flk.backend.ingest.LoggedOutcomes;
import dev.flk.backend.ingest.LoggedOutcomes.Compared;
import dev.flk.backend.ingest.LoggedOutcomes.Given;
import dev.flk.wal.LogRecord;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;

/**
 * Decides records again on all cores, and tells the outcomes in the order of the log: those before a record that can't be decided are
 * told, those behind it are not. Memory: some MiB of records for each core. One thread uses it.
 */
final class ReplayWorkers implements Closeable {
    private static final int CHUNK_RECORDS = 256;
    private static final int CHUNK_BYTES = 1 << 20;

    private final LoggedOutcomes logged;
    private final @Nullable DecisionRules other;
    private final Told told;
    private final int mostChunks;
    private final ExecutorService threads;
    private final Deque<Future<List<Decided>>> underWay = new ArrayDeque<>();
    private List<LogRecord> chunk = new ArrayList<>();
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
        int cores = Runtime.getRuntime().availableProcessors();
        this.mostChunks = 2 * cores;
        this.threads = Executors.newFixedThreadPool(cores);
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

    /** Waits for all that was added, and tells it. */
    void finish() throws IOException {
        send();
        while (!underWay.isEmpty()) {
            tellFirst();
        }
    }

    private void send() throws IOException {
        while (underWay.size() >= mostChunks) {
            tellFirst();
        }
        List<LogRecord> records = chunk;
        underWay.add(threads.submit(() -> records.stream().map(this::decide).toList()));
        chunk = new ArrayList<>(CHUNK_RECORDS);
        chunkBytes = 0;
    }

    private Decided decide(LogRecord record) {
        try {
            return new Decided(record, logged.compare(record, other), null);
        } catch (IOException e) {
            return new Decided(record, null, e);
        }
    }

    private void tellFirst() throws IOException {
        for (Decided one : await(underWay.remove())) {
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

    /** Ends the threads; what was not told is dropped. */
    @Override
    public void close() {
        threads.shutdownNow();
    }
}
