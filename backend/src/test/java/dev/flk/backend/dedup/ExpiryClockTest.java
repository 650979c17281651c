// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

final class ExpiryClockTest {
    private static final Instant START = Instant.parse("2026-11-20T10:00:00Z");

    private Duration elapsed = Duration.ZERO;
    private Duration set = Duration.ZERO;
    private final ExpiryClock clock = clock(Duration.ofMinutes(5));

    private ExpiryClock clock(Duration maxStep) {
        return new ExpiryClock(() -> START.plus(elapsed).plus(set), () -> elapsed.toNanos(), maxStep);
    }

    private void pass(Duration time) {
        elapsed = elapsed.plus(time);
    }

    @Test
    void instant_nobodySetTheClock_isTheWallClock() {
        pass(Duration.ofDays(20));
        assertThat(clock.instant()).isEqualTo(START.plus(Duration.ofDays(20)));
        assertThat(clock.isHalted()).isFalse();
    }

    @Test
    void instant_setByLess_isTheWallClock() {
        set = Duration.ofMinutes(5);
        assertThat(clock.instant()).isEqualTo(START.plus(set));
    }

    @Test
    void instant_setAhead_standsForAnHour_thenBelievesIt() {
        pass(Duration.ofMinutes(1));
        set = Duration.ofDays(15);
        assertThat(clock.instant()).isEqualTo(START.plus(Duration.ofMinutes(1)));
        pass(Duration.ofMinutes(59));
        assertThat(clock.instant()).isEqualTo(START.plus(Duration.ofMinutes(1)));
        assertThat(clock.isHalted()).isTrue();
        pass(Duration.ofMinutes(1));
        assertThat(clock.isHalted()).isFalse();
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed).plus(set));
    }

    @Test
    void instant_setBack_isTheWallClock_sinceThatExpiresLess() {
        set = Duration.ofDays(-15);
        assertThat(clock.isHalted()).isTrue();
        assertThat(clock.instant()).isEqualTo(START.plus(set));
    }

    @Test
    void instant_setAheadAndPutRight_standsForAnHourAfterTheSecondStep() {
        set = Duration.ofDays(15);
        assertThat(clock.instant()).isEqualTo(START);
        pass(Duration.ofMinutes(30));
        set = Duration.ZERO;
        assertThat(clock.instant()).isEqualTo(START);
        pass(Duration.ofMinutes(59));
        assertThat(clock.isHalted()).isTrue();
        pass(Duration.ofMinutes(1));
        assertThat(clock.instant()).isEqualTo(START.plus(elapsed));
    }

    @Test
    void instant_skewZero_believesEverything() {
        ExpiryClock trusting = clock(Duration.ZERO);
        set = Duration.ofDays(15);
        assertThat(trusting.instant()).isEqualTo(START.plus(set));
        assertThat(trusting.isHalted()).isFalse();
    }
}
