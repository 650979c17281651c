// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import io.github.bucket4j.Bandwidth;
import io.github.bucket4j.Bucket;
import io.github.bucket4j.BucketConfiguration;
import io.github.bucket4j.TimeMeter;
import io.github.bucket4j.TokensInheritanceStrategy;
import io.github.bucket4j.local.LocalBucket;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.OptionalLong;
import java.util.function.LongSupplier;

/**
 * A token bucket: full at the start, refilled evenly, one token a certificate. Lock-free and safe for any thread; a
 * refused call takes nothing.
 */
public final class RateLimit {
    /** Rates are exact to a thousandth of a token a second. */
    public static final int RATE_DECIMALS = 3;

    private static final OptionalLong ADMITTED = OptionalLong.empty();

    private final LocalBucket bucket;

    /**
     * @param tokensPerSecond above 0, with at most {@value #RATE_DECIMALS} decimals: 0.5 is a token every two seconds
     * @param burstTokens how many tokens the bucket holds, at least 1
     * @param nanoTicker monotonic time in nanoseconds
     */
    public RateLimit(BigDecimal tokensPerSecond, long burstTokens, LongSupplier nanoTicker) {
        this.bucket = Bucket.builder()
                .addLimit(bandwidth(tokensPerSecond, burstTokens))
                .withCustomTimePrecision(new Monotonic(nanoTicker))
                .build();
    }

    private static Bandwidth bandwidth(BigDecimal tokensPerSecond, long burstTokens) {
        // an exact number of tokens in a longer period stands for a fraction of a token in a second
        long tokensPerPeriod = tokensPerSecond.movePointRight(RATE_DECIMALS).longValueExact();
        Duration period = Duration.ofSeconds(BigDecimal.TEN.pow(RATE_DECIMALS).longValueExact());
        return Bandwidth.builder()
                .capacity(burstTokens)
                .refillGreedy(tokensPerPeriod, period)
                .build();
    }

    /** From now on has another rate and another size, and is as full as before. */
    void change(BigDecimal tokensPerSecond, long burstTokens) {
        bucket.replaceConfiguration(
                BucketConfiguration.builder()
                        .addLimit(bandwidth(tokensPerSecond, burstTokens))
                        .build(),
                TokensInheritanceStrategy.PROPORTIONALLY);
    }

    /**
     * Holds what comes in two seconds, at least one token; more decimals than {@value #RATE_DECIMALS} are rounded, to at least the smallest
     * rate.
     */
    public static RateLimit ofTwoSeconds(BigDecimal tokensPerSecond, LongSupplier nanoTicker) {
        BigDecimal exact = tokensPerSecond
                .max(BigDecimal.ONE.movePointLeft(RATE_DECIMALS))
                .setScale(RATE_DECIMALS, RoundingMode.HALF_UP);
        long burst = exact.multiply(BigDecimal.valueOf(2))
                .setScale(0, RoundingMode.CEILING)
                .longValueExact();
        return new RateLimit(exact, burst, nanoTicker);
    }

    /** Takes a token; empty if there was one, else the nanoseconds until the next. */
    public OptionalLong tryTake() {
        return tryTake(1);
    }

    /** Takes so many tokens, not more than the bucket can hold, or none; empty if they were there, else the nanoseconds until they are. */
    public OptionalLong tryTake(long tokens) {
        return bucket.tryConsume(tokens) ? ADMITTED : OptionalLong.of(waitNanos(tokens));
    }

    /** Nanoseconds until there is a token; 0 if there is one. */
    long waitNanos() {
        return bucket.getAvailableTokens() > 0 ? 0 : waitNanos(1);
    }

    /** The bucket rounds down, and a wait that is a nanosecond short would be refused once more. */
    private long waitNanos(long tokens) {
        return bucket.estimateAbilityToConsume(tokens).getNanosToWaitForRefill() + 1;
    }

    /** Takes so many tokens, also some that are yet to come. */
    void takeAnyway(long tokens) {
        bucket.consumeIgnoringRateLimits(tokens);
    }

    /** Puts a token back that was taken; never more than the bucket can hold. */
    void giveBack() {
        bucket.addTokens(1);
    }

    /** Whole tokens that are there now; below 0 if some were taken that are yet to come. */
    long availableTokens() {
        return bucket.getAvailableTokens();
    }

    private record Monotonic(LongSupplier nanoTicker) implements TimeMeter {
        @Override
        public long currentTimeNanos() {
            return nanoTicker.getAsLong();
        }

        @Override
        public boolean isWallClockBased() {
            return false;
        }
    }
}
