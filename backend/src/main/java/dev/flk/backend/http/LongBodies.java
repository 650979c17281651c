// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The threads that parse long bodies, so that no event loop is held up by one. They come and go; at most {@value #MAX_WAITING} bodies wait
 * for them. Safe for any thread.
 */
final class LongBodies implements AutoCloseable {
    /** Longer than a usual batch of 100 certificates; parsing as much takes about two milliseconds. */
    static final long MIN_BYTES = 256 << 10;

    private static final int MAX_WAITING = 256;
    private static final long IDLE_SECONDS = 30;

    private final ThreadPoolExecutor threads;

    LongBodies(int threads) {
        this.threads = new ThreadPoolExecutor(
                threads, threads, IDLE_SECONDS, TimeUnit.SECONDS, new ArrayBlockingQueue<>(MAX_WAITING), task -> {
                    Thread thread = new Thread(task, "long-bodies");
                    thread.setDaemon(true);
                    return thread;
                });
        this.threads.allowCoreThreadTimeOut(true);
    }

    /** Runs {@code work} on one of the threads; false if too many bodies wait already. */
    boolean offer(Runnable work) {
        try {
            threads.execute(work);
            return true;
        } catch (RejectedExecutionException e) {
            return false;
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
