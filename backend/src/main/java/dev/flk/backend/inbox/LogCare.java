// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.time.SteadyClock;
import dev.flk.wal.Retention;
import dev.flk.wal.files.FileOps;
import java.io.IOException;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The maintenance of the inbox log: compresses closed segments after a day, removes them after the retention, and saves
 * the low-water mark and the time. Before a segment is removed, its outcomes are made durable in the store. No segment
 * is compressed or removed while the clock is in doubt. The timer calls {@link #step}.
 */
public final class LogCare implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final Duration COMPRESS_AFTER = Duration.ofDays(1);
    private static final long EVERY_SECONDS = 30;
    private static final long MARK_EVERY_SECONDS = 5;
    private static final long FINISH_SECONDS = 1;

    private final Inbox inbox;
    private final Runnable makeDurable;
    private final LongSupplier recordedUpTo;
    private final Retention retention;
    private final SteadyClock clock;
    private volatile Reader reader = new Reader(() -> Long.MAX_VALUE, () -> {});
    private volatile LongSupplier copiedUpTo = () -> Long.MAX_VALUE;
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "log-care"));

    /** Another reader of the log. */
    private record Reader(LongSupplier upTo, Runnable makeDurable) {}

    /**
     * Creates the maintenance; it takes steps on its own only after {@link #start}.
     *
     * @param makeDurable makes the recorded outcomes durable; throws {@link StoreUnavailableException} if that fails
     * @param recordedUpTo a supplier of the sequence up to which the store has confirmed that it contains every outcome
     * @param keep the time that a closed, decided segment is kept
     */
    public LogCare(
            Inbox inbox,
            Runnable makeDurable,
            LongSupplier recordedUpTo,
            FileOps files,
            Duration keep,
            SteadyClock clock) {
        this.inbox = inbox;
        this.makeDurable = makeDurable;
        this.recordedUpTo = recordedUpTo;
        this.retention = inbox.retention(files, COMPRESS_AFTER, keep, clock.expiry());
        this.clock = clock;
    }

    /**
     * Makes the removal wait for another reader of the log: while the disk has room, the records that the reader still
     * needs are kept.
     *
     * @param upTo a supplier of the sequence up to which the reader needs no record any more
     * @param makeDurable makes durable what the reader has derived up to there
     */
    public void waitFor(LongSupplier upTo, Runnable makeDurable) {
        reader = new Reader(upTo, makeDurable);
    }

    /**
     * Makes the removal wait for an archive or a copy, even if the disk is nearly full.
     *
     * @param upTo a supplier of the sequence up to which all records are archived or copied
     */
    public void waitForCopy(LongSupplier upTo) {
        LongSupplier others = copiedUpTo;
        copiedUpTo = () -> Math.min(others.getAsLong(), upTo.getAsLong());
    }

    /** Starts the timer. */
    public LogCare start() {
        timer.scheduleWithFixedDelay(this::stepWhileDue, EVERY_SECONDS, EVERY_SECONDS, TimeUnit.SECONDS);
        timer.scheduleWithFixedDelay(this::keepMarkWhileDue, MARK_EVERY_SECONDS, MARK_EVERY_SECONDS, TimeUnit.SECONDS);
        return this;
    }

    private void stepWhileDue() {
        try {
            while (!timer.isShutdown() && step() != Retention.Done.NOTHING) {
                // one file per step
            }
        } catch (IOException | StoreUnavailableException e) {
            LOG.error("log maintenance failed and will be retried: {}", e.getMessage());
        } catch (RuntimeException | VirtualMachineError e) { // if it propagated, the timer would end silently
            LOG.error("log maintenance failed and will be retried", e);
        }
    }

    private void keepMarkWhileDue() {
        try {
            inbox.keepMark();
            inbox.keepTime();
        } catch (IOException e) {
            LOG.error("saving the low-water mark or the time failed and will be retried: {}", e.getMessage());
        } catch (RuntimeException | VirtualMachineError e) { // if it propagated, the timer would end silently
            LOG.error("saving the low-water mark or the time failed and will be retried", e);
        }
    }

    /** Compresses or removes one segment, if a segment is due. Returns what was done. */
    public Retention.Done step() throws IOException {
        if (clock.isInDoubt()) {
            return Retention.Done.NOTHING;
        }
        long recorded = Math.min(recordedUpTo.getAsLong(), copiedUpTo.getAsLong());
        boolean isShort = inbox.isDiskNearlyLow();
        long finished = isShort ? recorded : Math.min(recorded, reader.upTo().getAsLong());
        OptionalLong removed = retention.wouldRemoveUpTo(finished);
        if (removed.isPresent()) {
            inbox.keepRemoved(removed.getAsLong());
            makeDurable.run();
            if (!isShort) {
                reader.makeDurable().run();
            }
        }
        Retention.Done done = retention.step(finished);
        if (done == Retention.Done.REMOVED) {
            LOG.info("removed the oldest segment of the log: all its submissions are decided, and the retention time of"
                    + " the segment is over");
        }
        return done;
    }

    @Override
    public void close() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(FINISH_SECONDS, TimeUnit.SECONDS)) {
                LOG.warn("log maintenance did not end in time for the shutdown; it is repeated after the next start");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
