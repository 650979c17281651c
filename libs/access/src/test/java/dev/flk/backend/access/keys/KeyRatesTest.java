// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.keys;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.keys.KeyEntry.KeyState;
import dev.flk.backend.access.limit.RateLimit;
import dev.flk.signing.SigningAlgorithm;
import java.math.BigDecimal;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

final class KeyRatesTest {
    private final AtomicLong now = new AtomicLong();

    private static KeyEntry key(String id, @Nullable String rate) {
        return new KeyEntry(
                id,
                SigningAlgorithm.HMAC,
                null,
                id + ".secret",
                List.of("s"),
                List.of(),
                null,
                null,
                null,
                KeyState.ACTIVE,
                rate == null ? null : new BigDecimal(rate));
    }

    private KeyRates rates(KeyEntry... keys) {
        return KeyRates.none().of(List.of(keys), now::get);
    }

    private static long takes(RateLimit bucket) {
        return IntStream.range(0, 1_000).filter(i -> bucket.tryTake().isEmpty()).count();
    }

    private static RateLimit bucket(KeyRates rates, String keyId) {
        return Objects.requireNonNull(rates.of(keyId));
    }

    @Test
    void keyWithARate_burstIsTwiceTheRateAndAtLeastOne() {
        KeyRates rates = rates(key("fast", "7.5"), key("slow", "0.1"), key("slowest", "0.0000001"), key("any", null));
        assertThat(takes(bucket(rates, "fast"))).isEqualTo(15);
        assertThat(takes(bucket(rates, "slow"))).isEqualTo(1);
        assertThat(takes(bucket(rates, "slowest"))).isEqualTo(1);
        assertThat(rates.of("any")).isNull();
        assertThat(rates.of("unknown")).isNull();
        now.addAndGet(10_000_000_000L);
        assertThat(takes(bucket(rates, "slow"))).isEqualTo(1);
    }

    @Test
    void reload_sameRateKeepsItsBucket_anotherRateGetsANewOne() {
        KeyRates before = rates(key("a", "5"), key("b", "5"), key("gone", "5"));
        assertThat(takes(bucket(before, "a"))).isEqualTo(10);
        assertThat(takes(bucket(before, "b"))).isEqualTo(10);

        KeyRates after = before.of(List.of(key("a", "5.0"), key("b", "6")), now::get);

        assertThat(takes(bucket(after, "a"))).isZero();
        assertThat(takes(bucket(after, "b"))).isEqualTo(12);
        assertThat(after.of("gone")).isNull();
    }
}
