// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BudgetTest {
    @ParameterizedTest
    @CsvSource({
        // The exact sum of the doubles would yield 0.628720529.
        "2.851689755, 0.908516751, 0.929425664, 0.628720528",
        // Exact decimals, ties to even, would yield 0.375811238.
        "3.010553521, -1.094943629, 0.701589324, 0.375811237",
        // Both would yield 0.517730998.
        "2.112800913, 0.907536646, 0.212587769, 0.517730999",
    })
    void budget_tieOfTheTenthDecimal_addsDoublesFromLeftToRight(double dHat, double cohStar, double r, double budget) {
        assertThat(Policy.defaults().budget(dHat, cohStar, r)).isEqualTo(budget);
    }

    @Test
    void budget_claimsOutOfAllBounds_isStillFrom0To1() {
        Policy steep = new Policy(0.15, 0.05, 0.01, 0.1, 100, 0.5, 100, 2.2);

        assertThat(steep.budget(1, Double.MAX_VALUE, Double.MAX_VALUE)).isBetween(0.0, 1.0);
        assertThat(steep.budget(1, Double.MAX_VALUE, 0)).isEqualTo(1.0);
        assertThat(steep.budget(1, -Double.MAX_VALUE, 0)).isZero();
    }
}
