// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.RateLimit;
import java.math.BigDecimal;
import java.math.RoundingMode;
import org.jspecify.annotations.Nullable;

/**
 * Who may send how much.
 *
 * @param tokensPerSecond certificates a second; 0.5 is one every two seconds
 * @param burstTokens certificates that may come at once
 * @param shardRate certificates a second of each shard whose key has no rate; null: any number
 * @param failuresPerSecond of an address, of what takes no key to send; 0: any number
 * @param failureBurst of an address, that may come at once
 * @param connectionsPerAddress that may be open at once
 */
public record LimitConfig(
        BigDecimal tokensPerSecond,
        long burstTokens,
        @Nullable BigDecimal shardRate,
        BigDecimal failuresPerSecond,
        long failureBurst,
        int connectionsPerAddress) {
    private static final BigDecimal LEAST = BigDecimal.ONE.movePointLeft(RateLimit.RATE_DECIMALS);
    private static final BigDecimal MOST = BigDecimal.valueOf(10_000_000);
    private static final long MOST_BURST = 20_000_000;
    private static final long MOST_FAILURE_BURST = 200_000_000;
    private static final int MOST_CONNECTIONS = 1_000_000;

    /** Throws {@link InvalidConfig} with every rule that the values break. */
    public LimitConfig {
        new Rules()
                .require(isRate(tokensPerSecond), "TOKEN_RATE: " + noRate(tokensPerSecond))
                .require(
                        shardRate == null || isRate(shardRate),
                        "SHARD_RATE: " + (shardRate == null ? "" : noRate(shardRate)))
                .range(Key.TOKEN_BURST, burstTokens, 1, MOST_BURST)
                .require(
                        failuresPerSecond.signum() == 0 || isRate(failuresPerSecond),
                        "ADDRESS_FAILURE_RATE: " + noRate(failuresPerSecond) + "; 0 switches it off")
                .range(Key.ADDRESS_FAILURE_BURST, failureBurst, 1, MOST_FAILURE_BURST)
                .range(Key.MAX_CONNECTIONS_PER_ADDRESS, connectionsPerAddress, 1, MOST_CONNECTIONS)
                .check();
    }

    private static boolean isRate(BigDecimal perSecond) {
        return perSecond.compareTo(LEAST) >= 0
                && perSecond.compareTo(MOST) <= 0
                && perSecond.stripTrailingZeros().scale() <= RateLimit.RATE_DECIMALS;
    }

    private static String noRate(BigDecimal perSecond) {
        return "%s is not from %s to %s with at most %d decimals"
                .formatted(perSecond, LEAST, MOST, RateLimit.RATE_DECIMALS);
    }

    /** The burst where none is set: what comes in two seconds, at least 1. */
    static long usualBurst(BigDecimal tokensPerSecond) {
        return tokensIn(2, tokensPerSecond, MOST_BURST);
    }

    /** The failures of an address where none are set: a tenth of what all may send, at least ten. */
    static BigDecimal usualFailures(BigDecimal tokensPerSecond) {
        return tokensPerSecond
                .movePointLeft(1)
                .setScale(RateLimit.RATE_DECIMALS, RoundingMode.CEILING)
                .max(BigDecimal.TEN);
    }

    /** Their burst where none is set: what comes in ten seconds, at least 1. So one address alone does not empty the bucket of all. */
    static long usualFailureBurst(BigDecimal failuresPerSecond) {
        return tokensIn(10, failuresPerSecond, MOST_FAILURE_BURST);
    }

    private static long tokensIn(int seconds, BigDecimal perSecond, long most) {
        return perSecond
                .multiply(BigDecimal.valueOf(seconds))
                .setScale(0, RoundingMode.CEILING)
                .max(BigDecimal.ONE)
                .min(BigDecimal.valueOf(most))
                .longValueExact();
    }

    /** The connections of an address where none are set: half of all, at least 1. */
    static int usualConnections(int maxConnections) {
        return Math.max(1, maxConnections / 2);
    }

    /** The same for those who enforce it. */
    public Limits.Sizes sizes() {
        return new Limits.Sizes(
                tokensPerSecond, burstTokens, shardRate, failuresPerSecond, failureBurst, connectionsPerAddress);
    }
}
