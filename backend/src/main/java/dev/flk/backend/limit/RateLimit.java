// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import io.github.bucket4j.Bucket;
import io.github.bucket4j.ConsumptionProbe;
import io.github.bucket4j.TimeMeter;
import io.github.bucket4j.local.LocalBucket;
import java.math.BigDecimal;
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
        // an exact number of tokens in a longer period stands for a fraction of a token in a second
        long tokensPerPeriod = tokensPerSecond.movePointRight(RATE_DECIMALS).longValueExact();
        Duration period = Duration.ofSeconds(BigDecimal.TEN.pow(RATE_DECIMALS).longValueExact());
        this.bucket = Bucket.builder()
                .addLimit(limit -> limit.capacity(burstTokens).refillGreedy(tokensPerPeriod, period))
                .withCustomTimePrecision(new Monotonic(nanoTicker))
                .build();
    }

    /** Takes a token; empty if there was one, else the nanoseconds until the next. */
    public OptionalLong tryTake() {
        return tryTake(1);
    }

    /** Takes so many tokens, not more than the bucket can hold, or none; empty if they were there, else the nanoseconds until they are. */
    public OptionalLong tryTake(long tokens) {
        if (bucket.tryConsume(tokens)) {
            return ADMITTED;
        }
        // the bucket rounds down, and a wait that is a nanosecond short would be refused once more
        return OptionalLong.of(bucket.estimateAbilityToConsume(tokens).getNanosToWaitForRefill() + 1);
    }

    /** Takes a token if there is one, and tells what is left then. */
    ConsumptionProbe take() {
        return bucket.tryConsumeAndReturnRemaining(1);
    }

    /** Puts a token back that was taken; never more than the bucket can hold. */
    void giveBack() {
        bucket.addTokens(1);
    }

    /** Whole tokens that are there just now. */
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
