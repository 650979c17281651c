// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import java.util.concurrent.TimeUnit;

/**
 * After how many seconds it is worth another try while the store can't be used: when the store is tried next, or a quarter of the
 * time that it has been away for already if that is longer, and then what the backlog takes at the pace that was measured. From 1
 * to {@value #MOST_SECONDS}. Safe for any thread.
 */
final class RetryAdvice {
    private static final long MOST_SECONDS = 30;
    private static final long NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);
    private static final double WEIGHT_OF_LATEST = 0.1;

    /** How long it takes to record one outcome, in nanoseconds, averaged; 0 until one was. */
    private volatile double nanosPerOutcome;

    /** So many outcomes were recorded in so much time. One thread at a time. */
    void recorded(int outcomes, long nanos) {
        if (outcomes > 0) {
            double latest = (double) nanos / outcomes;
            double before = nanosPerOutcome;
            nanosPerOutcome = before == 0 ? latest : before + WEIGHT_OF_LATEST * (latest - before);
        }
    }

    long seconds(long untilNextTryNanos, long lostForNanos, long pending) {
        double nanos = Math.max(untilNextTryNanos, lostForNanos / 4) + pending * nanosPerOutcome;
        return Math.max(1, Math.min(MOST_SECONDS, (long) Math.ceil(nanos / NANOS_PER_SECOND)));
    }
}
