// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import dev.flk.wal.Log.Append;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/** What waits for the writer, bounded in bytes. Any thread hands over; the writer takes. */
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

    /** Takes an append, unless that would exceed the bound and something is queued already, or the log is closed. */
    boolean offer(Append append) {
        if (append.entries().isEmpty()) {
            throw new IllegalArgumentException("an append without entries");
        }
        long bytes = bytesOf(append);
        if (bytes > RecordFormat.MAX_GROUP_BYTES) {
            throw new IllegalArgumentException("an append of " + bytes + " bytes; at most "
                    + RecordFormat.MAX_GROUP_BYTES + " can share a force, hand it over in parts");
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

    /** At least one append if there is any, and no more than {@code maxBytes} beyond the first; never waits. */
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

    /** Waits until something is queued, or it is nudged; false once the queue is closed and empty. */
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

    /** The writer has something to do, though nothing is queued; false if the queue is closed, and the writer may be gone. */
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

    /** Bytes that wait just now. */
    long queuedBytes() {
        lock.lock();
        try {
            return queuedBytes;
        } finally {
            lock.unlock();
        }
    }

    /** Appends that wait just now. */
    int queuedAppends() {
        lock.lock();
        try {
            return queued.size();
        } finally {
            lock.unlock();
        }
    }

    /** Nothing more is taken; what is queued still can be. */
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
