// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The time by which outcomes expire: the wall clock, as long as it keeps step with the monotonic one. When they part, the
 * wall clock was set, and which of its times was right is not known yet: for an hour this clock stands still (and follows the wall
 * clock where that is behind), so that nothing expires too early. Every further step restarts the hour. Safe for any thread.
 */
public final class ExpiryClock implements InstantSource {
    private static final Logger LOG = LoggerFactory.getLogger(ExpiryClock.class);
    private static final Duration HALTED_FOR = Duration.ofHours(1);

    private final InstantSource wall;
    private final LongSupplier nanoTicker;
    private final long maxStepMillis;
    /** How far the wall clock is before the monotonic one. */
    private long offsetMillis;

    private boolean halted;
    private long haltedAtMillis;
    private long haltedSinceNanos;

    /**
     * A clock that believes the wall clock as it is now.
     *
     * @param nanoTicker monotonic time
     * @param maxStep how far the clocks may part; zero: as far as they like
     */
    public ExpiryClock(InstantSource wall, LongSupplier nanoTicker, Duration maxStep) {
        this.wall = wall;
        this.nanoTicker = nanoTicker;
        this.maxStepMillis = maxStep.toMillis();
        this.offsetMillis = wall.millis() - millis(nanoTicker.getAsLong());
    }

    @Override
    public Instant instant() {
        return Instant.ofEpochMilli(millis());
    }

    @Override
    public synchronized long millis() {
        long now = wall.millis();
        look(now);
        return halted ? Math.min(haltedAtMillis, now) : now;
    }

    /** Whether nothing expires at present, since the wall clock was set. */
    public synchronized boolean isHalted() {
        look(wall.millis());
        return halted;
    }

    private void look(long now) {
        long nanos = nanoTicker.getAsLong();
        long expected = millis(nanos) + offsetMillis;
        long step = now - expected;
        if (maxStepMillis > 0 && Math.abs(step) > maxStepMillis) {
            LOG.warn("the wall clock was set by {} ms: for an hour nothing expires or is removed from the log", step);
            haltedAtMillis = halted ? haltedAtMillis : expected;
            halted = true;
            haltedSinceNanos = nanos;
            offsetMillis += step;
        } else if (halted && nanos - haltedSinceNanos >= HALTED_FOR.toNanos()) {
            LOG.info("the wall clock has kept step for an hour: outcomes expire by it again");
            halted = false;
        }
    }

    private static long millis(long nanos) {
        return TimeUnit.NANOSECONDS.toMillis(nanos);
    }
}
