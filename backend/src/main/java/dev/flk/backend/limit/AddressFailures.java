// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import java.math.BigDecimal;
import java.util.concurrent.atomic.AtomicLongArray;

/**
 * A bucket of failures for each address: what can be caused without a key takes a token, and an address without one is refused before
 * anything is read.
 *
 * <p>There is a fixed number of buckets, found by a hash with a secret. So there is nothing to fill, and nothing to be pushed out of. Two
 * addresses may share a bucket; but each failure also took a token of the bucket of all, so that at most (rate of that) / (rate of
 * these) buckets can be kept empty, by however many addresses: ten of 65,536 by default. Lock-free, safe for any thread.
 */
final class AddressFailures {
    private static final int BUCKETS = NetworkHash.PLACES;
    private static final double LONGEST_NANOS = 1e17;

    private final long startNanos;
    private final NetworkHash hash;
    private final long nanosPerToken;
    /** Of a bucket without a token, until it is full. */
    private final long fillNanos;
    /** When, since the start, the bucket will be full. */
    private final AtomicLongArray fullNanos = new AtomicLongArray(BUCKETS);

    AddressFailures(BigDecimal failuresPerSecond, long burst, long nowNanos, long secret) {
        this.startNanos = nowNanos;
        this.hash = new NetworkHash(secret);
        this.nanosPerToken = Math.max(1, (long) (1e9 / failuresPerSecond.doubleValue()));
        this.fillNanos = (long) Math.min(LONGEST_NANOS, (double) nanosPerToken * burst);
    }

    /** How long it takes until it has a token; 0 if it has one. */
    long waitNanos(long network, long nowNanos) {
        return waitOfBucket(bucket(network), nowNanos);
    }

    private long waitOfBucket(int bucket, long nowNanos) {
        long untilFull = fullNanos.get(bucket) - (nowNanos - startNanos);
        return Math.max(0, untilFull - (fillNanos - nanosPerToken));
    }

    /** Takes so many tokens of those that are there. */
    void failed(long network, long nowNanos, long tokens) {
        take(network, nowNanos, tokens, fillNanos);
    }

    /** Takes so many tokens, also some that are yet to come, but never more of those than the bucket can hold. */
    void owes(long network, long nowNanos, long tokens) {
        take(network, nowNanos, tokens, 2 * fillNanos);
    }

    private void take(long network, long nowNanos, long tokens, long mostNanos) {
        long now = nowNanos - startNanos;
        long moreNanos = (long) Math.min((double) nanosPerToken * tokens, (double) mostNanos);
        fullNanos.accumulateAndGet(
                bucket(network),
                moreNanos,
                (full, more) -> Math.min(Math.max(full, now) + more, Math.max(full, now + mostNanos)));
    }

    private int bucket(long network) {
        return hash.place(network);
    }

    /** How many buckets are without a token. */
    int held(long nowNanos) {
        int held = 0;
        for (int bucket = 0; bucket < BUCKETS; bucket++) {
            held += waitOfBucket(bucket, nowNanos) > 0 ? 1 : 0;
        }
        return held;
    }
}
