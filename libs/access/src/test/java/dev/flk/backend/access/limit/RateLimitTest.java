// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.limit;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class RateLimitTest {
    private final AtomicLong nowNanos = new AtomicLong(Long.MIN_VALUE / 2);

    @Test
    void tryTake_afterTheReportedWait_admits() {
        RateLimit limit = limit("7", 1);
        admitted(limit, 1);
        long wait = limit.tryTake().orElseThrow();

        nowNanos.addAndGet(wait);

        assertThat(limit.tryTake()).isEmpty();
    }

    @Test
    void tryTake_rateBelowOne_reportsAWaitOfSeconds() {
        RateLimit limit = limit("0.5", 1);
        admitted(limit, 1);

        assertThat(limit.tryTake()).hasValue(Duration.ofSeconds(2).toNanos() + 1);
    }

    @Test
    void tryTake_overAnHour_admitsTheRate() {
        RateLimit limit = limit("0.333", 10);
        int admitted = 0;
        for (int i = 0; i < 3600; i++) {
            admitted += admitted(limit, 20);
            nowNanos.addAndGet(Duration.ofSeconds(1).toNanos());
        }

        assertThat(admitted).isBetween(1208, 1210);
    }

    @Test
    void divideBy_takesAShareOfRateAndBurst_andGivesItBack() {
        RateLimit limit = limit("10", 20);
        limit.divideBy(4);

        assertThat(admitted(limit, 100)).isEqualTo(5);
        nowNanos.addAndGet(Duration.ofSeconds(2).toNanos());
        assertThat(admitted(limit, 100)).isEqualTo(5);
        assertThat(limit.tryTake()).hasValue(Duration.ofMillis(400).toNanos() + 1);

        nowNanos.addAndGet(Duration.ofHours(1).toNanos());
        limit.divideBy(1);
        assertThat(admitted(limit, 100)).as("a full bucket stays full").isEqualTo(20);
        limit.change(new BigDecimal("1"), 40);
        limit.divideBy(2);
        nowNanos.addAndGet(Duration.ofHours(1).toNanos());
        assertThat(admitted(limit, 100)).isEqualTo(20);
        assertThat(limit.tryTake()).hasValue(Duration.ofSeconds(2).toNanos() + 1);
    }

    @Test
    void divideBy_moreThanTheBurst_keepsABurstOfOne_andTheExactRate() {
        RateLimit limit = limit("0.001", 2);
        limit.divideBy(3);

        assertThat(admitted(limit, 10)).isEqualTo(1);
        assertThat(limit.tryTake()).hasValue(Duration.ofMinutes(50).toNanos() + 1);
    }

    @Test
    void divideBy_bucketThatOwesTokens_owesTheSameTime() {
        RateLimit limit = limit("1", 20);
        limit.takeAnyway(40);
        limit.divideBy(2);

        assertThat(limit.availableTokens()).isEqualTo(-10);
        assertThat(limit.tryTake()).hasValue(Duration.ofSeconds(22).toNanos() + 1);
    }

    private RateLimit limit(String tokensPerSecond, long burst) {
        return new RateLimit(new BigDecimal(tokensPerSecond), burst, nowNanos::get);
    }

    private static int admitted(RateLimit limit, int tries) {
        int admitted = 0;
        for (int i = 0; i < tries; i++) {
            admitted += limit.tryTake().isEmpty() ? 1 : 0;
        }
        return admitted;
    }
}
