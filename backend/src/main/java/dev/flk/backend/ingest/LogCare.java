// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.SteadyClock;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.wal.Retention;
import java.io.IOException;
import java.util.OptionalLong;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The maintenance of the inbox log: compresses closed segments after a day, removes them after the retention, and saves
 * the low-water mark. Before a segment is removed, its outcomes are made durable in the store. Maintenance pauses while
 * the clock is in doubt. The timer calls {@link #step}.
 */
public final class LogCare implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final long EVERY_SECONDS = 30;
    private static final long MARK_EVERY_SECONDS = 5;
    private static final long FINISH_SECONDS = 1;

    private final Inbox inbox;
    private final DedupStore store;
    private final StoreLink link;
    private final Retention retention;
    private final SteadyClock clock;
    private volatile LongSupplier needlessUpTo = () -> Long.MAX_VALUE;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "log-care"));

    /** Creates the maintenance; it takes steps on its own only after {@link #start}. */
    LogCare(Inbox inbox, DedupStore store, StoreLink link, Retention retention, SteadyClock clock) {
        this.inbox = inbox;
        this.store = store;
        this.link = link;
        this.retention = retention;
        this.clock = clock;
    }

    /**
     * Sets a sequence above which nothing is removed while the disk has room, because another reader still needs those
     * records.
     *
     * @param upTo a supplier of that sequence
     */
    public void waitFor(LongSupplier upTo) {
        needlessUpTo = upTo;
    }

    void start() {
        Future<?> unused =
                timer.scheduleWithFixedDelay(this::stepWhileDue, EVERY_SECONDS, EVERY_SECONDS, TimeUnit.SECONDS);
        Future<?> unusedToo = timer.scheduleWithFixedDelay(
                this::keepMarkWhileDue, MARK_EVERY_SECONDS, MARK_EVERY_SECONDS, TimeUnit.SECONDS);
    }

    private void stepWhileDue() {
        try {
            while (!timer.isShutdown() && step() != Retention.Done.NOTHING) {
                // one file per step
            }
        } catch (IOException | StoreUnavailableException e) {
            LOG.error("log maintenance failed and will be retried: {}", e.getMessage());
        } catch (RuntimeException e) {
            LOG.error("log maintenance failed and will be retried", e); // else the timer would end without a word
        }
    }

    private void keepMarkWhileDue() {
        try {
            keepMark();
        } catch (IOException e) {
            LOG.error("saving the low-water mark failed and will be retried: {}", e.getMessage());
        } catch (RuntimeException e) {
            LOG.error(
                    "saving the low-water mark failed and will be retried",
                    e); // an exception that leaves this method would end the timer silently
        }
    }

    /** Saves the current low-water mark. */
    void keepMark() throws IOException {
        inbox.keepMark();
    }

    /** Compresses or removes one segment if that is due. */
    Retention.Done step() throws IOException {
        if (clock.isInDoubt()) {
            return Retention.Done.NOTHING;
        }
        long finished =
                inbox.isDiskNearlyLow() ? link.recordedUpTo() : Math.min(link.recordedUpTo(), needlessUpTo.getAsLong());
        OptionalLong removed = retention.wouldRemoveUpTo(finished);
        if (removed.isPresent()) {
            inbox.keepRemoved(removed.getAsLong());
            store.sync();
        }
        Retention.Done done = retention.step(finished);
        if (done == Retention.Done.REMOVED) {
            LOG.info("removed the oldest segment of the log: everything in it is decided and past its retention");
        }
        return done;
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("a segment is still being compressed; the next start completes the compression");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
