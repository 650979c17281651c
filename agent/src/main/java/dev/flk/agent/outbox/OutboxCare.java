// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The housekeeping of a running outbox, which takes place once a second on its own thread. The housekeeping repeats the
 * background appends that the disk has failed to write. When the size of the outbox approaches {@code
 * OUTBOX_MAX_BYTES}, the free space of the disk is below {@code OUTBOX_MIN_FREE_BYTES}, or certificates were refused for
 * lack of space, the housekeeping also frees the space of settled entries, regardless of the age of their segments.
 * Otherwise, it restores the reserve for a full disk if the reserve is missing.
 */
final class OutboxCare implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    /**
     * The minimum time between a compaction that removed nothing and the next compaction. The next compaction may come
     * earlier if many more entries have been settled since.
     */
    private static final long FRUITLESS_NANOS = Duration.ofMinutes(1).toNanos();

    private static final long EVERY_NANOS = Duration.ofSeconds(1).toNanos();

    private final OutboxCompaction compaction;
    private final DiskQuota quota;
    private final Pending pending;
    private final Runnable retryNotes;
    private final LineLimit limit;
    private final Thread thread = new Thread(this::run, "outbox-care");
    private final LongSupplier nanoTicker;
    private long nextTryNanos;
    private long settledWhenFruitless;
    private volatile boolean closing;

    OutboxCare(
            OutboxCompaction compaction,
            DiskQuota quota,
            Pending pending,
            Runnable retryNotes,
            LineLimit limit,
            LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.nextTryNanos = nanoTicker.getAsLong();
        this.compaction = compaction;
        this.quota = quota;
        this.pending = pending;
        this.retryNotes = retryNotes;
        this.limit = limit;
    }

    void start() {
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        while (!closing) {
            step();
            LockSupport.parkNanos(this, EVERY_NANOS);
        }
    }

    void step() {
        retryNotes.run();
        try {
            if (quota.needsRoom()) {
                makeRoom();
            } else {
                compaction.keepReserve();
            }
        } catch (IOException | RuntimeException e) {
            limit.say(
                    "care",
                    leftOut -> LOG.error(
                            "cannot check or free the disk space of the outbox: {}; trying again every second{}",
                            e,
                            leftOut));
        }
    }

    /**
     * Compacts the outbox if more than an eighth of its bytes belong to settled entries. After a compaction that
     * removed nothing, does nothing until the time described at {@link #FRUITLESS_NANOS} is over. Concurrent calls run
     * one after the other; a call that had to wait usually finds nothing to remove. Does nothing after {@link #close},
     * because the outbox may then belong to another process.
     */
    synchronized void makeRoom() throws IOException {
        if (closing) {
            return;
        }
        long used = quota.space().usedBytes();
        long needed = pending.bytes() + (long) pending.size() * DiskQuota.OVERHEAD_BYTES;
        long settled = used - needed - quota.arrivingBytes();
        if (settled <= used / 8
                || (nanoTicker.getAsLong() < nextTryNanos && settled <= settledWhenFruitless + used / 8)) {
            return;
        }
        Report report = compaction.run(Duration.ZERO, Mode.RUN);
        if (report.removedSegments() == 0) {
            nextTryNanos = nanoTicker.getAsLong() + FRUITLESS_NANOS;
            settledWhenFruitless = settled;
        }
        quota.refresh();
        if (report.removedSegments() > 0) {
            LOG.info(
                    "outbox: removed {} segments to free space, after copying their {} pending entries to a"
                            + " newer segment",
                    report.removedSegments(),
                    report.movedEntries());
        }
    }

    /** Makes the thread end after its current step, and waits until the thread and all compactions have ended. */
    @Override
    public void close() {
        synchronized (this) { // a compaction in progress ends first
            closing = true;
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            LockSupport.unpark(thread);
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
