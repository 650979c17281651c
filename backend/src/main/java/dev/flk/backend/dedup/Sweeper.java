// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import java.util.concurrent.CompletionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has a store give back the space of what expired, a bounded stretch once a second, on a thread of its own. Tells once that it fails, until
 * it has succeeded. Closed before the store is.
 */
public final class Sweeper implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(Sweeper.class);
    private static final long FINISH_SECONDS = 1;

    private final Stretch stretch;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "dedup-sweeper"));

    /** Of the timer's thread. */
    private boolean failedBefore;

    /** What a store does in one second. */
    public interface Stretch {
        /**
         * Removes some of what expired, for about a second's worth.
         *
         * @param goesOn asked between batches: false once there is no time for another
         * @throws StoreUnavailableException if the store fails, also as the cause of a {@link CompletionException}
         */
        void sweep(BooleanSupplier goesOn);
    }

    private Sweeper(Stretch stretch) {
        this.stretch = stretch;
    }

    /** Starts sweeping. */
    public static Sweeper start(Stretch stretch) {
        Sweeper sweeper = new Sweeper(stretch);
        Future<?> unused = sweeper.timer.scheduleWithFixedDelay(sweeper::sweep, 1, 1, TimeUnit.SECONDS);
        return sweeper;
    }

    private void sweep() {
        try {
            stretch.sweep(() -> !timer.isShutdown());
            failedBefore = false;
        } catch (StoreUnavailableException e) {
            tell(e);
        } catch (CompletionException e) {
            tell(e.getCause() == null ? e : e.getCause());
        } catch (RuntimeException e) {
            LOG.error("removing what expired failed", e); // else the timer would end without a word
        }
    }

    private void tell(Throwable cause) {
        if (!failedBefore) {
            LOG.warn("what expired can't be removed, it will be tried again: {}", cause.getMessage());
        }
        failedBefore = true;
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("what expired is still being removed");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
