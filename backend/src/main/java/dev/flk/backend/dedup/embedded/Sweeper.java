// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.embedded;

import dev.flk.backend.dedup.StoreUnavailableException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives the space of expired outcomes back, a bounded stretch a second, all of them in about six hours. Closed before the store is. */
public final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");
    private static final int ENTRIES_AT_ONCE = 500;
    private static final long LEAST_ENTRIES_A_SECOND = 2_000;
    private static final long ROUND_SECONDS = TimeUnit.HOURS.toSeconds(6);
    private static final long FINISH_SECONDS = 5;

    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "dedup-sweeper"));

    private Sweeper() {}

    /** Starts sweeping. */
    public static Sweeper start(EmbeddedStore store) {
        Sweeper sweeper = new Sweeper();
        Future<?> unused = sweeper.timer.scheduleWithFixedDelay(() -> sweep(store), 1, 1, TimeUnit.SECONDS);
        return sweeper;
    }

    private static void sweep(EmbeddedStore store) {
        try {
            long entries = Math.max(LEAST_ENTRIES_A_SECOND, store.estimatedEntries() / ROUND_SECONDS);
            for (long swept = 0; swept < entries; swept += ENTRIES_AT_ONCE) {
                store.sweep(ENTRIES_AT_ONCE);
            }
        } catch (StoreUnavailableException e) {
            LOG.error("sweeping expired outcomes failed: {}", e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("sweeping expired outcomes failed", e); // else the timer would end without a word
        }
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("a sweep of expired outcomes is still going on");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
