// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.time;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

final class SteadyClockTest {
    private static final Instant START = Instant.parse("2026-11-20T10:00:00Z");
    private static final Duration LIFE = Duration.ofDays(14);

    private Duration elapsed = Duration.ZERO;
    private Duration set = Duration.ZERO;
    private final SteadyClock clock = clock(Duration.ofMinutes(5));

    private SteadyClock clock(Duration maxStep) {
        return new SteadyClock(() -> START.plus(elapsed).plus(set), () -> elapsed.toNanos(), maxStep, LIFE);
    }

    private void pass(Duration time) {
        elapsed = elapsed.plus(time);
    }

    /** Sets the wall clock and immediately reads the steady clock, as a busy backend does. */
    private void set(Duration ahead) {
        set = ahead;
        assertThat(clock.isInDoubt()).isTrue();
    }

    private void startedAfter(Instant trusted) {
        clock.startedAfter(trusted.toEpochMilli(), trusted.toEpochMilli(), LIFE);
    }

    private Instant expiry() {
        return clock.expiry().instant();
    }

    @Test
    void instant_noJump_isTheWallClock() {
        pass(Duration.ofDays(20));
        assertThat(clock.instant()).isEqualTo(START.plus(Duration.ofDays(20)));
        assertThat(expiry()).isEqualTo(clock.instant());
        assertThat(clock.isInDoubt()).isFalse();
    }

    @Test
    void instant_setByMaxStep_isTheWallClock() {
        set = Duration.ofMinutes(5);
        assertThat(clock.instant()).isEqualTo(START.plus(set));
        assertThat(expiry()).isEqualTo(START.plus(set));
    }

    @Test
    void maxStep_isFiveMinutesOrAnEighthOfAShortLifetime() {
        assertThat(SteadyClock.maxStep(LIFE)).isEqualTo(Duration.ofMinutes(5));
        assertThat(SteadyClock.maxStep(Duration.ofMinutes(4))).isEqualTo(Duration.ofSeconds(30));
    }

    @Test
    void instant_brieflySet_continuesInElapsedTime() {
        for (int days : new int[] {-20, 20, -20, 20}) {
            set(Duration.ofDays(days));
            pass(Duration.ofSeconds(5));
            assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
            set(Duration.ZERO);
            assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
        }
        assertThat(expiry()).as("stands still in doubt").isEqualTo(START);
        pass(Duration.ofHours(1));
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
        assertThat(expiry()).isEqualTo(START.plus(elapsed));
    }

    @Test
    void instant_setAhead_isTrustedAfterAnHourAndExpiresNothingEarly() {
        set(Duration.ofDays(15));
        pass(Duration.ofMinutes(59));
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
        assertThat(expiry()).isEqualTo(START);
        pass(Duration.ofMinutes(1));
        assertThat(clock.isInDoubt()).isFalse();
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed).plus(set));
        assertThat(expiry()).as("what arrived before lives on").isEqualTo(START.plus(elapsed));
        pass(LIFE);
        assertThat(expiry()).as("nothing that arrived before is alive").isEqualTo(clock.instant());
    }

    /** Sets the clock ahead again before the outcomes that arrived after the first jump have expired. */
    @Test
    void instant_setAheadTwice_expiresNothingEarly() {
        pass(Duration.ofDays(1));
        set(Duration.ofDays(1));
        pass(Duration.ofDays(11));
        Instant end = clock.instant().plus(LIFE);
        pass(Duration.ofDays(1));
        set(Duration.ofDays(20));
        for (int hours = 13 * 24; hours < 26 * 24; hours++) {
            assertThat(expiry()).as("hour " + hours).isBefore(end);
            pass(Duration.ofHours(1));
        }
        pass(LIFE);
        assertThat(expiry()).as("follows in the end").isEqualTo(clock.instant());
    }

    @Test
    void instant_setBackForHours_laterOutcomesLiveTheFullTime() {
        set(Duration.ofDays(-15));
        assertThat(clock.instant()).isEqualTo(START);
        pass(Duration.ofHours(2));
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed).plus(set));
        Instant arrived = clock.instant();
        Duration arrivedAfter = elapsed;
        set(Duration.ZERO);
        pass(Duration.ofHours(2));
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
        assertThat(expiry()).isEqualTo(arrived.plus(elapsed).minus(arrivedAfter));
    }

    @Test
    void isInDoubt_secondJump_restartsTheHour() {
        set(Duration.ofDays(15));
        pass(Duration.ofMinutes(30));
        set(Duration.ZERO);
        pass(Duration.ofMinutes(59));
        assertThat(clock.isInDoubt()).isTrue();
        pass(Duration.ofMinutes(1));
        assertThat(clock.isInDoubt()).isFalse();
    }

    @Test
    void startedAfter_farAhead_expiresNothingForAnHour() {
        Instant trusted = START.minus(LIFE.dividedBy(8)).minusSeconds(1);
        startedAfter(trusted);
        pass(Duration.ofMinutes(59));
        assertThat(clock.isInDoubt()).isTrue();
        assertThat(expiry()).isEqualTo(trusted);
        assertThat(clock.instant()).as("arrivals").isEqualTo(START.plus(elapsed));
        pass(Duration.ofMinutes(1));
        assertThat(clock.isInDoubt()).isFalse();
        assertThat(expiry()).isEqualTo(START.plus(elapsed));
        assertThat(clock.behindMillis()).as("a stop raises no alarm").isZero();
    }

    @Test
    void startedAfter_correctedWithinTheHour_nothingExpires() {
        Instant trusted = START.minus(Duration.ofDays(21));
        startedAfter(trusted);
        pass(Duration.ofMinutes(10));
        set(Duration.ofDays(-21));
        assertThat(expiry()).isEqualTo(trusted);
        pass(Duration.ofHours(1));
        assertThat(expiry()).isEqualTo(trusted.plus(elapsed));
        assertThat(clock.instant()).isEqualTo(trusted.plus(elapsed));
    }

    @Test
    void startedAfter_shortStop_isTrusted() {
        for (Duration stop : new Duration[] {Duration.ZERO, LIFE.dividedBy(8), Duration.ofMinutes(-5)}) {
            startedAfter(START.minus(stop));
            assertThat(clock.isInDoubt()).as("stopped for %s", stop).isFalse();
            assertThat(clock.behindMillis()).isZero();
        }
    }

    /** Checks that outcomes which were recorded with a late clock do not expire when a start has the right clock. */
    @Test
    void startedAfter_expiryFarBehind_expiresNothingForAnHour() {
        Instant late = START.minus(Duration.ofDays(21));
        clock.startedAfter(START.toEpochMilli(), late.toEpochMilli(), LIFE);
        assertThat(clock.behindMillis()).isZero();
        pass(Duration.ofMinutes(59));
        assertThat(expiry()).isEqualTo(late);
        pass(Duration.ofMinutes(1));
        assertThat(expiry()).isEqualTo(START.plus(elapsed));
    }

    @Test
    void startedAfter_behind_isReportedUntilTheClockIsSet() {
        startedAfter(START.plus(Duration.ofDays(21)));
        assertThat(clock.isInDoubt()).isTrue();
        assertThat(expiry()).isEqualTo(START);
        pass(Duration.ofHours(2));
        assertThat(clock.behindMillis())
                .isEqualTo(Duration.ofDays(21).minusHours(2).toMillis());
        set(Duration.ofDays(21));
        assertThat(clock.behindMillis()).isZero();
    }
}
