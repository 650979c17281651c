// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup.embedded;

import dev.flk.backend.dedup.StoreUnavailableException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Gives the space of expired outcomes back, a bounded stretch a second. Closed before the store is. */
public final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");
    private static final int ENTRIES_A_SECOND = 2_000;
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
            store.sweep(ENTRIES_A_SECOND);
        } catch (StoreUnavailableException e) {
            LOG.error("sweeping expired outcomes failed: {}", e.getMessage());
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
