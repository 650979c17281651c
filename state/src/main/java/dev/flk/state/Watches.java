// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.concurrent.ConcurrentLinkedQueue;

/** Those who wait for a revision. Each is told once, on the thread that publishes, or at once. Any thread. */
final class Watches {
    private final ConcurrentLinkedQueue<Watch> waiting = new ConcurrentLinkedQueue<>();
    private volatile long published;

    /** Equal to no other, whatever it runs. */
    private static final class Watch {
        private final long beyond;
        private final Runnable told;

        Watch(long beyond, Runnable told) {
            this.beyond = beyond;
            this.told = told;
        }
    }

    /** See {@link StateEngine#whenBeyond}. */
    Runnable whenBeyond(long revision, Runnable told) {
        Watch watch = new Watch(revision, told);
        waiting.add(watch);
        if (published > revision && waiting.remove(watch)) {
            told.run();
        }
        return () -> waiting.remove(watch);
    }

    int count() {
        return waiting.size();
    }

    /** Everything up to this revision is durable. */
    void publish(long revision) {
        synchronized (waiting) {
            published = Math.max(published, revision);
        }
        for (Watch watch : waiting) {
            if (watch.beyond < revision && waiting.remove(watch)) {
                tell(watch);
            }
        }
    }

    /** One that fails must not end the thread that all commits depend on. */
    private static void tell(Watch watch) {
        try {
            watch.told.run();
        } catch (RuntimeException e) {
            Thread thread = Thread.currentThread();
            thread.getUncaughtExceptionHandler().uncaughtException(thread, e);
        }
    }
}
