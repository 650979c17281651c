// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Log.Append;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.RecordFormat;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The queue of appends for the writer, bounded in bytes. Any thread may call {@link #offer}; only the writer calls
 * {@link #take} and {@link #await}.
 */
final class AppendQueue {
    private final long maxQueuedBytes;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition arrived = lock.newCondition();
    private final ArrayDeque<Append> queued = new ArrayDeque<>();
    private long queuedBytes;
    private boolean closed;
    private boolean nudged;

    AppendQueue(long maxQueuedBytes) {
        this.maxQueuedBytes = maxQueuedBytes;
    }

    /**
     * Adds an append. Returns false if the queue is closed, or if the append would make the queue exceed its bound. An
     * empty queue accepts an append that is larger than the bound.
     *
     * @throws IllegalArgumentException if the append has no entries, or too many bytes for one fsync
     */
    boolean offer(Append append) {
        if (append.entries().isEmpty()) {
            throw new IllegalArgumentException("an append without entries");
        }
        long bytes = bytesOf(append);
        if (bytes > RecordFormat.MAX_GROUP_BYTES) {
            throw new IllegalArgumentException("an append has " + bytes + " bytes; at most "
                    + RecordFormat.MAX_GROUP_BYTES + " can share an fsync: split it");
        }
        lock.lock();
        try {
            if (closed || (queuedBytes > 0 && queuedBytes + bytes > maxQueuedBytes)) {
                return false;
            }
            queued.add(append);
            queuedBytes += bytes;
            arrived.signal();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Removes and returns the oldest appends: at most {@code maxBytes} bytes, but at least one append if any is queued.
     * Does not block.
     */
    List<Append> take(long maxBytes) {
        List<Append> group = new ArrayList<>();
        lock.lock();
        try {
            long taken = 0;
            while (!queued.isEmpty()) {
                long bytes = bytesOf(queued.getFirst());
                if (!group.isEmpty() && taken + bytes > maxBytes) {
                    break;
                }
                group.add(queued.removeFirst());
                taken += bytes;
            }
            queuedBytes -= taken;
        } finally {
            lock.unlock();
        }
        return group;
    }

    /**
     * Blocks until an append is queued, {@link #nudge} is called or the queue is closed; returns false once the queue
     * is closed and empty.
     */
    boolean await() {
        lock.lock();
        try {
            while (queued.isEmpty() && !closed && !nudged) {
                arrived.awaitUninterruptibly();
            }
            nudged = false;
            return !queued.isEmpty() || !closed;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Wakes the writer, even if nothing is queued. Returns false if the queue is closed; the writer may then have
     * ended.
     */
    boolean nudge() {
        lock.lock();
        try {
            nudged = true;
            arrived.signalAll();
            return !closed;
        } finally {
            lock.unlock();
        }
    }

    long queuedBytes() {
        lock.lock();
        try {
            return queuedBytes;
        } finally {
            lock.unlock();
        }
    }

    int queuedAppends() {
        lock.lock();
        try {
            return queued.size();
        } finally {
            lock.unlock();
        }
    }

    /** Makes the queue reject further appends. Appends that are already queued can still be taken. */
    void close() {
        lock.lock();
        try {
            closed = true;
            arrived.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private static long bytesOf(Append append) {
        long bytes = 0;
        for (Entry entry : append.entries()) {
            bytes += entry.body().length + RecordFormat.MAX_OVERHEAD_BYTES;
        }
        return bytes;
    }
}
