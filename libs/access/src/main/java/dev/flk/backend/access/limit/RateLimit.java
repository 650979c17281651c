// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.limit;

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
 * A token bucket that starts full and is refilled evenly. A refused call takes no token. Lock-free and safe for any
 * thread.
 */
public final class RateLimit {
    /** The precision of rates: a thousandth of a token per second. */
    public static final int RATE_DECIMALS = 3;

    private static final OptionalLong ADMITTED = OptionalLong.empty();

    private final LocalBucket bucket;

    // guarded by this
    private BigDecimal tokensPerSecond;
    private long burstTokens;

    /** The number of backends among which the rate and the capacity are divided. */
    private volatile int backends = 1;

    /**
     * @param tokensPerSecond the rate, above 0 with at most {@value #RATE_DECIMALS} decimals; 0.5 is a token every two
     *     seconds
     * @param burstTokens the capacity of the bucket, at least 1
     * @param nanoTicker the monotonic time in nanoseconds
     */
    public RateLimit(BigDecimal tokensPerSecond, long burstTokens, LongSupplier nanoTicker) {
        this.tokensPerSecond = tokensPerSecond;
        this.burstTokens = burstTokens;
        this.bucket = Bucket.builder()
                .addLimit(bandwidth(tokensPerSecond, burstTokens, 1))
                .withCustomTimePrecision(new Monotonic(nanoTicker))
                .build();
    }

    private static Bandwidth bandwidth(BigDecimal tokensPerSecond, long burstTokens, int backends) {
        // the bucket needs whole numbers, so the rate is expressed as the tokens in 1000 seconds
        long tokensPerPeriod = tokensPerSecond.movePointRight(RATE_DECIMALS).longValueExact();
        Duration period = Duration.ofSeconds(BigDecimal.TEN.pow(RATE_DECIMALS).longValueExact())
                .multipliedBy(backends);
        return Bandwidth.builder()
                .capacity(Math.max(1, burstTokens / backends))
                .refillGreedy(tokensPerPeriod, period)
                .build();
    }

    /** Changes the rate and the capacity. The bucket stays full to the same proportion. */
    synchronized void change(BigDecimal rate, long burst) {
        tokensPerSecond = rate;
        burstTokens = burst;
        apply(backends);
    }

    /**
     * Divides the rate and the capacity, which is at least one token, by a number of backends. The bucket stays full to
     * the same proportion.
     */
    void divideBy(int number) {
        if (backends != number) {
            synchronized (this) {
                apply(number);
            }
        }
    }

    private synchronized void apply(int number) {
        bucket.replaceConfiguration(
                BucketConfiguration.builder()
                        .addLimit(bandwidth(tokensPerSecond, burstTokens, number))
                        .build(),
                TokensInheritanceStrategy.PROPORTIONALLY);
        backends = number;
    }

    /** Returns the capacity, after the division. */
    synchronized long burst() {
        return Math.max(1, burstTokens / backends);
    }

    /**
     * Returns a bucket that holds the tokens of two seconds, at least one token. The rate is rounded to {@value
     * #RATE_DECIMALS} decimals and is at least 0.001.
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

    /** Takes a token; returns empty on success, otherwise the nanoseconds until the next token. */
    public OptionalLong tryTake() {
        return tryTake(1);
    }

    /**
     * Takes all of these tokens or none; {@code tokens} must not exceed the capacity. Returns empty on success,
     * otherwise the nanoseconds until enough tokens are available.
     */
    public OptionalLong tryTake(long tokens) {
        return bucket.tryConsume(tokens) ? ADMITTED : OptionalLong.of(waitNanos(tokens));
    }

    /** Returns the nanoseconds until a token is available; 0 if one is. */
    long waitNanos() {
        return bucket.getAvailableTokens() > 0 ? 0 : waitNanos(1);
    }

    /**
     * Returns the nanoseconds until these tokens are available, plus one, because the bucket rounds down and a retry
     * that is a nanosecond early would be refused again.
     */
    private long waitNanos(long tokens) {
        return bucket.estimateAbilityToConsume(tokens).getNanosToWaitForRefill() + 1;
    }

    /** Takes these tokens even if the fill level becomes negative. */
    void takeAnyway(long tokens) {
        bucket.consumeIgnoringRateLimits(tokens);
    }

    /** Puts back a token that was taken; the capacity is never exceeded. */
    void giveBack() {
        bucket.addTokens(1);
    }

    /**
     * Returns the number of whole tokens available now; negative after {@link #takeAnyway} took more than were
     * available.
     */
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
