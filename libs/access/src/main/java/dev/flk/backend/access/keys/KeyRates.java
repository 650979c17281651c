// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import dev.flk.backend.access.limit.RateLimit;
import java.math.BigDecimal;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The token buckets of the keys that have a rate. The capacity of a bucket is the number of tokens that it gains in two
 * seconds, but at least one. When the file is read again, each key whose rate is unchanged keeps its bucket, so that
 * reloading does not refill this bucket. Immutable except for the buckets.
 */
final class KeyRates {
    private final Map<String, Rate> rates;

    private record Rate(BigDecimal perSecond, RateLimit bucket) {}

    private KeyRates(Map<String, Rate> rates) {
        this.rates = rates;
    }

    static KeyRates none() {
        return new KeyRates(Map.of());
    }

    /**
     * Returns the buckets for {@code keys}, which were read from the file again. Each key whose rate is unchanged keeps
     * its bucket.
     */
    KeyRates of(List<KeyEntry> keys, LongSupplier nanoTicker) {
        Map<String, Rate> next = new HashMap<>();
        for (KeyEntry key : keys) {
            BigDecimal perSecond = key.rate();
            if (perSecond == null) {
                continue;
            }
            Rate known = rates.get(key.id());
            next.put(
                    key.id(),
                    known != null && known.perSecond().compareTo(perSecond) == 0
                            ? known
                            : new Rate(perSecond, RateLimit.ofTwoSeconds(perSecond, nanoTicker)));
        }
        return new KeyRates(next);
    }

    @Nullable
    RateLimit of(String keyId) {
        Rate rate = rates.get(keyId);
        return rate == null ? null : rate.bucket();
    }
}
