// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.concurrent.ConcurrentLinkedQueue;

/** Callbacks that wait for a revision of a history. Each is called once, on the thread that publishes, or at once. Any thread. */
final class Watches {
    private final ConcurrentLinkedQueue<Watch> waiting = new ConcurrentLinkedQueue<>();
    private volatile Published published = new Published("", 0);

    private record Published(String historyId, long revision) {}

    /** Equal to no other, whatever it runs. */
    private static final class Watch {
        private final String historyId;
        private final long beyond;
        private final Runnable told;

        Watch(String historyId, long beyond, Runnable told) {
            this.historyId = historyId;
            this.beyond = beyond;
            this.told = told;
        }

        /** A watch of another history has waited for nothing, which its owner finds out when it is called. */
        boolean isDue(Published now) {
            return now.revision() > beyond || !now.historyId().equals(historyId);
        }
    }

    /** See {@link StateEngine#whenBeyond}. */
    Runnable whenBeyond(String historyId, long revision, Runnable told) {
        Watch watch = new Watch(historyId, revision, told);
        waiting.add(watch);
        if (watch.isDue(published) && waiting.remove(watch)) {
            told.run();
        }
        return () -> waiting.remove(watch);
    }

    int count() {
        return waiting.size();
    }

    /** The id of the history that was published last. */
    String historyId() {
        return published.historyId();
    }

    /** Everything up to this revision is durable, of the history that was published last. */
    void publish(long revision) {
        String unused = publish(historyId(), revision);
    }

    /** Everything up to this revision is durable; returns the id of the history that was published before, empty if none was. */
    String publish(String historyId, long revision) {
        Published before;
        Published now;
        synchronized (waiting) {
            before = published;
            boolean isSame = historyId.equals(before.historyId());
            now = new Published(historyId, isSame ? Math.max(before.revision(), revision) : revision);
            published = now;
        }
        for (Watch watch : waiting) {
            if (watch.isDue(now) && waiting.remove(watch)) {
                tell(watch);
            }
        }
        return before.historyId();
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
