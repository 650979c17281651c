// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import dev.flk.program.cli.ErrorMessages;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The source of time for arrivals, expiry and retention: wall time that is protected from jumps of the system clock
 * while the process runs. While the wall clock keeps pace with the monotonic clock, this clock shows the wall time.
 * When the wall clock jumps, it is unknown whether the time before or after the jump is right. This clock then
 * continues in elapsed time, and trusts the wall clock again once the wall clock has kept pace for an hour. Every
 * further jump restarts the hour. A start with a doubtful clock also begins such an hour ({@link #startedAfter}).
 *
 * <p>An outcome must remain valid for its whole life, measured in elapsed time, even if this clock adopts another wall
 * time meanwhile. Expiry and retention therefore use a second clock, {@link #expiry}. If this clock steps back, {@code
 * expiry} steps back at once. If this clock steps forward, {@code expiry} follows only after the longest life of an
 * outcome, when everything that arrived before the step has expired. Safe for any thread.
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

    // guarded by this; an offset is the number of milliseconds by which a clock is ahead of the monotonic clock

    /**
     * The offset of the wall clock after its last jump, or at the start. The wall clock keeps pace while its offset
     * stays close to {@code stepOffset}.
     */
    private long stepOffset;

    /** The offset of the wall clock when it was last trusted. */
    private long believedOffset;

    private boolean inDoubt;
    private long doubtedSinceNanos;

    /** The time that {@link #expiry} shows while the wall clock is in doubt. */
    private long heldExpiryMillis;

    /**
     * The lowest offset of this clock since the oldest outcome that may still be valid arrived. {@link #expiry} uses it
     * while the offset of this clock is more than {@code maxStepMillis} above it.
     */
    private long lowestOffset;

    private long lowestUntilNanos;

    /**
     * The lowest offset of this clock since it stepped ahead of {@link #lowestOffset}; later the new {@code
     * lowestOffset}.
     */
    private long lowestSinceStep = Long.MAX_VALUE;

    /** The last trusted time that {@link #startedAfter} received; the wall clock should not show an earlier time. */
    private long knownMillis = Long.MIN_VALUE;

    /**
     * Creates a clock that trusts the current wall time.
     *
     * @param nanoTicker monotonic time
     * @param maxStep the largest deviation from elapsed time at which the wall clock is still trusted; see
     *     {@link #maxStep}
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

    /**
     * Compares the wall clock with the times of the previous process. If the wall clock is far ahead of the time by
     * which outcomes expired, the backend was stopped that long, or the clock is wrong now or was late before; if it is
     * earlier than the time that was trusted last, it is wrong now or was wrong before. In both cases, the clock is in
     * doubt for an hour, and {@link #expiry} shows the earlier of the two times. Arrivals get the wall time: if the
     * backend was only stopped, an earlier time would shorten the lives of new outcomes. Must be called before anything
     * expires.
     *
     * @param lastTrustedMillis the time that the previous process trusted last
     * @param lastExpiryMillis the time of {@link #expiry} in the previous process, at most {@code lastTrustedMillis}
     * @param life the time for which an outcome is valid; an eighth of it is the longest stop that raises no doubt
     */
    public synchronized void startedAfter(long lastTrustedMillis, long lastExpiryMillis, Duration life) {
        long nanos = read();
        long now = millis(nanos) + believedOffset;
        long behind = lastTrustedMillis - now;
        long ahead = now - lastExpiryMillis;
        if (behind > maxStepMillis) {
            LOG.error(
                    "the clock is {} behind the time at which this backend last trusted it ({}): it is wrong, or it was"
                            + " wrong before; outcomes that are recorded with a late clock expire too early: check the"
                            + " clock of this machine; for an hour, nothing expires and nothing is removed from the log",
                    ErrorMessages.duration(Duration.ofMillis(behind)),
                    Instant.ofEpochMilli(lastTrustedMillis));
        } else if (ahead > part(life).toMillis()) {
            LOG.warn(
                    "the clock is {} ahead of the time by which outcomes last expired ({}): the backend stood still for"
                            + " that long, or the clock is wrong, or it was late before; for an hour, nothing expires"
                            + " and nothing is removed from the log",
                    ErrorMessages.duration(Duration.ofMillis(ahead)),
                    Instant.ofEpochMilli(lastExpiryMillis));
        } else {
            return;
        }
        knownMillis = lastTrustedMillis;
        inDoubt = true;
        doubtedSinceNanos = nanos;
        heldExpiryMillis = Math.min(lastExpiryMillis, now);
    }

    /**
     * Returns the amount by which the wall clock is behind the time that a previous process trusted, in milliseconds; 0
     * if it is not behind.
     */
    public synchronized long behindMillis() {
        long behind = knownMillis - wall.millis();
        return knownMillis != Long.MIN_VALUE && behind > maxStepMillis ? behind : 0;
    }

    /**
     * Returns the largest step of the wall clock to trust: five minutes, or an eighth of {@code life} if that is less.
     * A trusted step can shorten the life of an outcome, so trusted steps must be small.
     */
    public static Duration maxStep(Duration life) {
        return part(life).compareTo(MAX_STEP) < 0 ? part(life) : MAX_STEP;
    }

    private static Duration part(Duration life) {
        return life.dividedBy(LIFE_IN_STEPS);
    }

    /** Returns the wall clock, which may be wrong. */
    public InstantSource wall() {
        return wall;
    }

    @Override
    public Instant instant() {
        return Instant.ofEpochMilli(millis());
    }

    @Override
    public synchronized long millis() {
        return millis(read()) + believedOffset;
    }

    /**
     * Returns the clock by which outcomes expire and segments are removed. Its time does not advance while the wall
     * clock is in doubt.
     */
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

    /**
     * Returns whether, less than an hour ago, the wall clock jumped or the process started with a doubtful clock. In
     * that hour, nothing expires or is removed.
     */
    public synchronized boolean isInDoubt() {
        read();
        return inDoubt;
    }

    /** Reads both clocks, updates the offsets, and returns the monotonic time in nanoseconds. */
    private long read() {
        long nanos = nanoTicker.getAsLong();
        long offset = wall.millis() - millis(nanos);
        long jump = offset - stepOffset;
        if (Math.abs(jump) > maxStepMillis) {
            LOG.warn(
                    "the system's clock jumped by {} s: it is not trusted until it has kept pace with elapsed time"
                            + " for an hour; until then nothing expires and nothing is removed from the log",
                    TimeUnit.MILLISECONDS.toSeconds(jump));
            if (!inDoubt) {
                heldExpiryMillis = expiryMillis(nanos);
            }
            inDoubt = true;
            doubtedSinceNanos = nanos;
            stepOffset = offset;
        } else if (inDoubt && nanos - doubtedSinceNanos >= DOUBTED_FOR.toNanos()) {
            LOG.info("the system's clock has kept pace with elapsed time for an hour: it is trusted again");
            inDoubt = false;
        }
        if (!inDoubt) {
            believedOffset = offset;
        }
        if (isAtLowest()) {
            lowestOffset = Math.min(lowestOffset, believedOffset);
            lowestUntilNanos = nanos + lifeNanos;
            lowestSinceStep = Long.MAX_VALUE;
            return nanos;
        }
        lowestSinceStep = Math.min(lowestSinceStep, believedOffset);
        if (nanos - lowestUntilNanos >= 0) {
            // outcomes that arrived before the clock stepped ahead have expired; outcomes that arrived between this
            // step and a later step may still be valid
            lowestOffset = lowestSinceStep;
            lowestUntilNanos = nanos + lifeNanos;
            lowestSinceStep = Long.MAX_VALUE;
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
