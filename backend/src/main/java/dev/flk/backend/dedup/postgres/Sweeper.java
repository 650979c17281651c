// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.postgres;

import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Removes expired rows once a second, a batch after the other, between the reads of others; up to 20,000 a second and backend. Closed
 * before the store is.
 */
public final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");
    private static final int ROWS_AT_ONCE = 500;
    private static final int BATCHES_A_SECOND = 40;
    private static final long FINISH_SECONDS = 5;

    private final PostgresStore store;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "dedup-sweeper"));

    /** Of the timer's thread. */
    private boolean failedBefore;

    private Sweeper(PostgresStore store) {
        this.store = store;
    }

    /** Starts sweeping. */
    public static Sweeper start(PostgresStore store) {
        Sweeper sweeper = new Sweeper(store);
        Future<?> unused = sweeper.timer.scheduleWithFixedDelay(sweeper::sweep, 1, 1, TimeUnit.SECONDS);
        return sweeper;
    }

    private void sweep() {
        try {
            int removed = ROWS_AT_ONCE;
            for (int batch = 0; batch < BATCHES_A_SECOND && removed >= ROWS_AT_ONCE && !timer.isShutdown(); batch++) {
                removed = store.isConnected()
                        ? store.removeExpired(ROWS_AT_ONCE)
                                .toCompletableFuture()
                                .join()
                        : 0;
            }
            failedBefore = false;
        } catch (CompletionException e) {
            if (!failedBefore) {
                LOG.warn("expired rows can't be removed, it will be tried again: {}", String.valueOf(e.getCause()));
            }
            failedBefore = true;
        } catch (RuntimeException e) {
            LOG.error("removing expired rows failed", e); // else the timer would end without a word
        }
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("a removal of expired rows is still going on");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
