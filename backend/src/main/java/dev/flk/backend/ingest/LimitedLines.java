// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import io.github.bucket4j.Bucket;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicLong;

/** Keeps lines that could flood the log to a few a second; says how many were left out. Safe for any thread. */
final class LimitedLines {
    private static final int BURST = 20;

    private final Bucket bucket;
    private final AtomicLong leftOut = new AtomicLong();

    /** About one a second. */
    LimitedLines() {
        this(BURST, 1);
    }

    LimitedLines(int burst, int perSecond) {
        bucket = Bucket.builder()
                .addLimit(limit -> limit.capacity(burst).refillGreedy(perSecond, Duration.ofSeconds(1)))
                .build();
    }

    /** Empty if the line is to be left out; else how many were since the last one that was not. */
    OptionalLong next() {
        if (bucket.tryConsume(1)) {
            return OptionalLong.of(leftOut.getAndSet(0));
        }
        leftOut.incrementAndGet();
        return OptionalLong.empty();
    }

    /** What stands at the end of a line that follows some that were left out. */
    static String suffix(long leftOut) {
        return leftOut == 0 ? "" : " (" + leftOut + " more like it were not logged)";
    }
}
