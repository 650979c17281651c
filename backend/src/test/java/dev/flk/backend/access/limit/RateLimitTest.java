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
