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
 * Housekeeping of a running outbox, once a second on a thread of its own: when its files near {@code OUTBOX_MAX_BYTES}, or the disk its
 * floor, settled segments are removed whatever their age; and records that the disk has refused are appended again.
 */
final class OutboxCare implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    /** A run that removed nothing is repeated only after this time, or when much more is settled. */
    private static final long FRUITLESS_NANOS = Duration.ofMinutes(1).toNanos();

    private static final long EVERY_NANOS = Duration.ofSeconds(1).toNanos();

    private final OutboxCompaction compaction;
    private final DiskQuota room;
    private final Pending pending;
    private final Notes notes;
    private final LineLimit limit;
    private final Thread thread = new Thread(this::run, "outbox-care");
    private final LongSupplier nanoTicker;
    private long nextTryNanos;
    private long settledWhenFruitless;
    private volatile boolean closing;

    OutboxCare(
            OutboxCompaction compaction,
            DiskQuota room,
            Pending pending,
            Notes notes,
            LineLimit limit,
            LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
        this.nextTryNanos = nanoTicker.getAsLong();
        this.compaction = compaction;
        this.room = room;
        this.pending = pending;
        this.notes = notes;
        this.limit = limit;
    }

    void start() {
        thread.start();
    }

    private void run() {
        while (!closing) {
            step();
            LockSupport.parkNanos(this, EVERY_NANOS);
        }
    }

    void step() {
        notes.retry();
        try {
            if (room.isTight()) {
                makeRoom();
            } else {
                boolean unused = compaction.keepReserve();
            }
        } catch (IOException | RuntimeException e) {
            limit.say("care", leftOut -> LOG.error("cannot look after the outbox: {}{}", e, leftOut));
        }
    }

    /** Removes settled segments if that is worth it. A second caller waits for the first, and mostly finds it done. */
    synchronized void makeRoom() throws IOException {
        long used = room.space().usedBytes();
        long needed = pending.bytes() + (long) pending.size() * DiskQuota.OVERHEAD_BYTES;
        long settled = used - needed - room.arrivingBytes();
        if (settled <= used / 8
                || (nanoTicker.getAsLong() < nextTryNanos && settled <= settledWhenFruitless + used / 8)) {
            return;
        }
        Report report = compaction.run(Duration.ZERO, Mode.RUN);
        if (report.removedSegments() == 0) {
            nextTryNanos = nanoTicker.getAsLong() + FRUITLESS_NANOS;
            settledWhenFruitless = settled;
        }
        room.look();
        if (report.removedSegments() > 0) {
            LOG.info(
                    "outbox: removed {} segments of settled certificates to make room, moved {} that wait",
                    report.removedSegments(),
                    report.movedEntries());
        }
    }

    /** Waits for a step that is under way. */
    @Override
    public void close() {
        closing = true;
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
