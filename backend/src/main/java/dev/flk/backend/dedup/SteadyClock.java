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
 * The one clock of arrivals, expiry and retention: wall time that no jump of the system's clock reaches within a process. While the wall
 * clock keeps step with the monotonic one, this clock shows it. When the two part, nobody knows which of the wall clock's times was right:
 * this clock then continues in elapsed time, and believes the wall clock again once it has kept step for an hour. Every further jump
 * restarts the hour.
 *
 * <p>An outcome must stand for its whole life in elapsed time, whatever this clock came to believe meanwhile. {@link #expiry} therefore
 * never runs ahead of a time that was given to an arrival: it follows the clock back at once, and forward only when everything that arrived
 * by the earlier time has reached the end of its life. Safe for any thread.
 */
public final class SteadyClock implements InstantSource {
    private static final Logger LOG = LoggerFactory.getLogger(SteadyClock.class);
    private static final Duration DOUBTED_FOR = Duration.ofHours(1);
    private static final Duration MAX_STEP = Duration.ofMinutes(5);
    private static final int LIFE_IN_STEPS = 8;

    private final InstantSource wall;
    private final LongSupplier nanoTicker;
    private final long maxStepMillis;
    private final long lifeNanos;

    // guarded by this; an offset is by how many milliseconds a clock is ahead of the monotonic one

    /** The offset with which the wall clock keeps step. */
    private long stepOffset;

    /** The offset of the last reading that was believed. */
    private long believedOffset;

    private boolean inDoubt;
    private long doubtedSinceNanos;

    /** The time of expiry when the doubt began. */
    private long heldExpiryMillis;

    /** The lowest offset by which anything arrived that may still be alive. */
    private long lowestOffset;

    private long lowestUntilNanos;

    /**
     * A clock that believes the wall clock as it is now.
     *
     * @param nanoTicker monotonic time
     * @param maxStep how far the wall clock may depart from elapsed time without being doubted; see {@link #maxStep}
     * @param life the longest life of an outcome
     */
    public SteadyClock(InstantSource wall, LongSupplier nanoTicker, Duration maxStep, Duration life) {
        this.wall = wall;
        this.nanoTicker = nanoTicker;
        this.maxStepMillis = maxStep.toMillis();
        this.lifeNanos = life.toNanos();
        long nanos = nanoTicker.getAsLong();
        this.stepOffset = wall.millis() - millis(nanos);
        this.believedOffset = stepOffset;
        this.lowestOffset = stepOffset;
        this.lowestUntilNanos = nanos + lifeNanos;
    }

    /** Returns five minutes, or an eighth of the life of an outcome if that is less, so that no accepted step shortens a life much. */
    public static Duration maxStep(Duration life) {
        Duration part = life.dividedBy(LIFE_IN_STEPS);
        return part.compareTo(MAX_STEP) < 0 ? part : MAX_STEP;
    }

    @Override
    public Instant instant() {
        return Instant.ofEpochMilli(millis());
    }

    @Override
    public synchronized long millis() {
        return millis(read()) + believedOffset;
    }

    /** The time by which outcomes expire and segments are removed. It stands still while the wall clock is in doubt. */
    public InstantSource expiry() {
        return () -> Instant.ofEpochMilli(expiryMillis());
    }

    private synchronized long expiryMillis() {
        long nanos = read();
        return inDoubt ? heldExpiryMillis : expiryMillis(nanos);
    }

    private long expiryMillis(long nanos) {
        return millis(nanos) + (isAtLowest() ? believedOffset : lowestOffset);
    }

    /** Whether the wall clock jumped less than an hour ago, so that nothing expires or is removed at present. */
    public synchronized boolean isInDoubt() {
        long unused = read();
        return inDoubt;
    }

    /** Reads both clocks, and returns the monotonic one. */
    private long read() {
        long nanos = nanoTicker.getAsLong();
        long offset = wall.millis() - millis(nanos);
        long jump = offset - stepOffset;
        if (Math.abs(jump) > maxStepMillis) {
            LOG.warn(
                    "the system's clock jumped by {} s: it is not believed until it has kept step for an hour; until then"
                            + " nothing expires and nothing is removed from the log",
                    TimeUnit.MILLISECONDS.toSeconds(jump));
            if (!inDoubt) {
                heldExpiryMillis = expiryMillis(nanos);
            }
            inDoubt = true;
            doubtedSinceNanos = nanos;
            stepOffset = offset;
        } else if (inDoubt && nanos - doubtedSinceNanos >= DOUBTED_FOR.toNanos()) {
            LOG.info("the system's clock has kept step for an hour: it is believed again");
            inDoubt = false;
        }
        if (!inDoubt) {
            believedOffset = offset;
        }
        if (isAtLowest()) {
            lowestOffset = Math.min(lowestOffset, believedOffset);
            lowestUntilNanos = nanos + lifeNanos;
        } else if (nanos - lowestUntilNanos >= 0) {
            lowestOffset = believedOffset;
            lowestUntilNanos = nanos + lifeNanos;
        }
        return nanos;
    }

    private boolean isAtLowest() {
        return believedOffset - lowestOffset <= maxStepMillis;
    }

    private static long millis(long nanos) {
        return TimeUnit.NANOSECONDS.toMillis(nanos);
    }
}
