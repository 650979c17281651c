// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** A warning that strangers can cause at will, and that is logged once in a while. Safe for any thread. */
final class RareLine {
    private static final Logger log = LoggerFactory.getLogger(RareLine.class);

    private final String format;
    private final long everyNanos;
    private final AtomicLong leftOut = new AtomicLong();

    // guarded by this
    private boolean logged;
    private long loggedNanos;

    /** @param format with a place for what is told, and one for how often it was not */
    RareLine(String format, Duration every) {
        this.format = format;
        this.everyNanos = every.toNanos();
    }

    /** Logs the line, or counts it. */
    void warn(long nowNanos, Object told) {
        if (isDue(nowNanos)) {
            long more = leftOut.getAndSet(0);
            log.warn(format, told, more == 0 ? "" : " (" + more + " more like it were not logged)");
        } else {
            leftOut.incrementAndGet();
        }
    }

    private synchronized boolean isDue(long nowNanos) {
        if (logged && nowNanos - loggedNanos < everyNanos) {
            return false;
        }
        logged = true;
        loggedNanos = nowNanos;
        return true;
    }
}
