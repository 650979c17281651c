// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.limit.RateLimit;
import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * The token bucket.
 *
 * @param tokensPerSecond certificates a second; 0.5 is one every two seconds
 * @param burstTokens certificates that may come at once
 */
public record LimitConfig(BigDecimal tokensPerSecond, long burstTokens) {
    private static final BigDecimal LEAST = BigDecimal.ONE.movePointLeft(RateLimit.RATE_DECIMALS);
    private static final BigDecimal MOST = BigDecimal.valueOf(10_000_000);
    private static final long MOST_BURST = 20_000_000;

    /** Throws {@link InvalidConfig} with every rule that the values break. */
    public LimitConfig {
        new Rules()
                .require(
                        tokensPerSecond.compareTo(LEAST) >= 0
                                && tokensPerSecond.compareTo(MOST) <= 0
                                && tokensPerSecond.stripTrailingZeros().scale() <= RateLimit.RATE_DECIMALS,
                        "TOKEN_RATE: %s is not from %s to %s with at most %d decimals"
                                .formatted(tokensPerSecond, LEAST, MOST, RateLimit.RATE_DECIMALS))
                .range(Key.TOKEN_BURST, burstTokens, 1, MOST_BURST)
                .check();
    }

    /** The burst where none is set: what comes in two seconds, at least 1. */
    static long usualBurst(BigDecimal tokensPerSecond) {
        BigDecimal burst = tokensPerSecond.multiply(BigDecimal.valueOf(2)).setScale(0, RoundingMode.CEILING);
        return burst.max(BigDecimal.ONE).min(BigDecimal.valueOf(MOST_BURST)).longValueExact();
    }
}
