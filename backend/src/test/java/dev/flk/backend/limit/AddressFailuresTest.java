// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class AddressFailuresTest {
    private static final long SECOND = 1_000_000_000;

    private final AddressFailures failures = new AddressFailures(BigDecimal.TEN, 20, 7, 99);

    @Test
    void failed_untilTheBurstIsUsedUp_thenWaitsForAToken() {
        for (int i = 0; i < 20; i++) {
            assertThat(failures.waitNanos(1, 7)).isZero();
            failures.failed(1, 7, 1);
        }
        assertThat(failures.waitNanos(1, 7)).isEqualTo(SECOND / 10);
        assertThat(failures.waitNanos(2, 7)).as("another address").isZero();
        assertThat(failures.held(7)).isEqualTo(1);
        assertThat(failures.waitNanos(1, 7 + SECOND / 10)).isZero();
        failures.failed(1, 7 + SECOND / 10, 1);
        assertThat(failures.waitNanos(1, 7 + SECOND / 10)).isEqualTo(SECOND / 10);
    }

    @Test
    void failed_howeverOften_isForgivenInTheTimeOfTheBurst() {
        for (int i = 0; i < 10_000; i++) {
            failures.failed(1, 7, 1);
        }
        assertThat(failures.waitNanos(1, 7)).isEqualTo(SECOND / 10);
        assertThat(failures.waitNanos(1, 7 + 2 * SECOND)).isZero();
    }

    @Test
    void longestRatesAndBursts_doNotOverflow() {
        AddressFailures slow = new AddressFailures(new BigDecimal("0.001"), 200_000_000, 0, 1);
        slow.failed(1, 0, 1);
        assertThat(slow.waitNanos(1, 0)).isZero();
        AddressFailures single = new AddressFailures(new BigDecimal("0.001"), 1, 0, 1);
        single.failed(1, 0, 1);
        assertThat(single.waitNanos(1, 0)).isEqualTo(1_000 * SECOND);
    }

    /** Each failure has taken a token of the bucket of all, here 100 a second: that is what bounds the harm. */
    @Test
    void manyAddresses_holdFewBucketsEmpty_soThatOthersAreNotHeld() {
        AddressFailures usual = new AddressFailures(BigDecimal.TEN, 200, 0, 3);
        Random random = new Random(1);
        long now = 0;
        long address = 0;
        for (int token = 0; token < 60_000; token++) {
            now += SECOND / 100;
            if (usual.waitNanos(address, now) > 0) {
                address = random.nextLong(); // the attacker goes on with the next of his addresses
            }
            usual.failed(address, now, 1);
        }
        assertThat(usual.held(now)).isLessThanOrEqualTo(10);
        long held = 0;
        for (int i = 0; i < 10_000; i++) {
            held += usual.waitNanos(random.nextLong(), now) > 0 ? 1 : 0;
        }
        assertThat(held).isLessThanOrEqualTo(10);
    }
}
