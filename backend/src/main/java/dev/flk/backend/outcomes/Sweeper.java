// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import dev.flk.backend.stores.StoreUnavailableException;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A timer that makes a store remove some of its expired entries once a second, on a thread of its own. If the store
 * fails repeatedly, only the first failure since the last successful sweep is logged. Must be closed before the store.
 */
public final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);
    private static final long FINISH_SECONDS = 1;

    private final Stretch stretch;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "dedup-sweeper"));

    /** Whether the last sweep failed; used by the timer's thread only. */
    private boolean failedBefore;

    /** The method of a store that removes expired entries, one portion per call. */
    public interface Stretch {
        /**
         * Removes some of the expired entries, about one second's worth.
         *
         * @param continues queried between batches; returns false once the sweeper is being closed
         * @throws StoreUnavailableException if the store fails; this exception may also be wrapped in a
         *     {@link CompletionException}
         */
        void sweep(BooleanSupplier continues);
    }

    private Sweeper(Stretch stretch) {
        this.stretch = stretch;
    }

    public static Sweeper start(Stretch stretch) {
        Sweeper sweeper = new Sweeper(stretch);
        sweeper.timer.scheduleWithFixedDelay(sweeper::sweep, 1, 1, TimeUnit.SECONDS);
        return sweeper;
    }

    private void sweep() {
        try {
            stretch.sweep(() -> !timer.isShutdown());
            failedBefore = false;
        } catch (StoreUnavailableException e) {
            report(e);
        } catch (CompletionException e) {
            report(e.getCause() == null ? e : e.getCause());
        } catch (RuntimeException e) { // if it propagated, the timer would end silently
            LOG.error("removing expired entries of the dedup store failed and will be retried", e);
        }
    }

    private void report(Throwable cause) {
        if (!failedBefore) {
            LOG.warn("removing expired entries of the dedup store failed and will be retried: {}", cause.getMessage());
        }
        failedBefore = true;
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("the removal of expired entries of the dedup store did not end in time for the shutdown");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
