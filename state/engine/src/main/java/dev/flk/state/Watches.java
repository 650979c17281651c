// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Callbacks that wait for a revision of a history. Each callback is called at most once, either immediately or by an
 * executor, so that the thread that publishes a revision waits for no callback. Safe for any thread.
 */
final class Watches {
    private final ConcurrentLinkedQueue<Watch> waiting = new ConcurrentLinkedQueue<>();
    private final Executor executor;
    /** Whether the executor will compare all callbacks with the published revision. */
    private final AtomicBoolean isDue = new AtomicBoolean();

    private volatile Published published = new Published("", 0);

    private record Published(String historyId, long revision) {}

    /**
     * A callback and the revision above which it is called. Watches with the same callback are not equal, so that each
     * can be removed alone.
     */
    private static final class Watch {
        private final String historyId;
        private final long beyond;
        private final Runnable callback;

        Watch(String historyId, long beyond, Runnable callback) {
            this.historyId = historyId;
            this.beyond = beyond;
            this.callback = callback;
        }

        /**
         * Returns whether the callback must be called, because its revision was exceeded or its history was replaced.
         */
        boolean isDue(Published now) {
            return now.revision() > beyond || !now.historyId().equals(historyId);
        }
    }

    Watches(Executor executor) {
        this.executor = executor;
    }

    /** Adds a callback; see {@link History#whenBeyond}. */
    Runnable whenBeyond(String historyId, long revision, Runnable callback) {
        Watch watch = new Watch(historyId, revision, callback);
        waiting.add(watch);
        if (watch.isDue(published) && waiting.remove(watch)) {
            callback.run();
        }
        return () -> waiting.remove(watch);
    }

    int count() {
        return waiting.size();
    }

    /** Returns the id of the history that was published last; empty if nothing was published. */
    String historyId() {
        return published.historyId();
    }

    /** Announces that, in the history that was published last, everything up to this revision is durable. */
    void publish(long revision) {
        publish(historyId(), revision);
    }

    /**
     * Announces that, in this history, everything up to this revision is durable. Returns the id of the history that
     * was published before; empty if nothing was.
     */
    String publish(String historyId, long revision) {
        Published before;
        Published now;
        synchronized (waiting) {
            before = published;
            boolean isSame = historyId.equals(before.historyId());
            now = new Published(historyId, isSame ? Math.max(before.revision(), revision) : revision);
            published = now;
        }
        if (!waiting.isEmpty() && isDue.compareAndSet(false, true)) {
            executor.execute(this::callDue);
        }
        return before.historyId();
    }

    private void callDue() {
        isDue.set(false);
        Published now = published;
        for (Watch watch : waiting) {
            if (watch.isDue(now) && waiting.remove(watch)) {
                call(watch);
            }
        }
    }

    /**
     * Calls a watch. Passes an exception of the callback to the thread's handler, so that the exception does not end
     * the thread.
     */
    private static void call(Watch watch) {
        try {
            watch.callback.run();
        } catch (RuntimeException e) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
        }
    }
}
