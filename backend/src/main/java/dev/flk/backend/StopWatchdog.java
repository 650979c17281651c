// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Ends the process if stopping takes for ever, whatever stands in the way: a thread that does not come back, or classes that can't be
 * loaded any more since somebody has overwritten the jar. What was answered is on disk by then. All that it needs is loaded when it is
 * made. A process that waits for a disk in the kernel nobody can end.
 */
final class StopWatchdog extends Thread {
    /** What is under way has 10 s; the store and the log have the rest to be closed. */
    private static final long LONGEST_STOP_SECONDS = 15;

    private static final int ENDED_BY_SIGTERM = 143;

    private final CountDownLatch stopped = new CountDownLatch(1);

    StopWatchdog() {
        super("stop-watchdog");
        setDaemon(true);
    }

    /** Everything was closed. */
    void stopped() {
        stopped.countDown();
    }

    @Override
    public void run() {
        try {
            if (stopped.await(LONGEST_STOP_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            return; // nobody does that
        }
        System.err.println("flk-backend: stopping does not end; ending without it. What was answered is on disk");
        Runtime.getRuntime().halt(ENDED_BY_SIGTERM);
    }
}
