// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * Finds the shortest decimal that reads back as a given double by trying lengths on the double's exact value. JDK 17's
 * {@code Double.toString} is not used, because it sometimes has a digit too many.
 */
final class ShortestDecimal {
    /** Seventeen digits always read back (IEEE 754). */
    private static final int ENOUGH_DIGITS = 17;

    /** Among normal doubles a decimal of up to 15 digits that reads back is the only one of 15 digits that does. */
    private static final int UNIQUE_DIGITS = 15;

    private ShortestDecimal() {}

    /** For a finite {@code x > 0}: the decimal of the fewest digits, and among those the one nearest to {@code x}. */
    static BigDecimal of(double x) {
        BigDecimal exact = new BigDecimal(x);
        // Trying 15 digits first finds shorter ones too, as the same number with zeros at its end.
        for (int digits = x < Double.MIN_NORMAL ? 1 : UNIQUE_DIGITS; digits < ENOUGH_DIGITS; digits++) {
            // Both neighbours, since at a power of two the nearer one may not read back while the other does.
            BigDecimal below = exact.round(new MathContext(digits, RoundingMode.DOWN));
            BigDecimal above = exact.round(new MathContext(digits, RoundingMode.UP));
            boolean belowReadsBack = below.doubleValue() == x;
            boolean aboveReadsBack = above.doubleValue() == x;
            if (belowReadsBack && aboveReadsBack) {
                return exact.round(new MathContext(digits, RoundingMode.HALF_EVEN));
            }
            if (belowReadsBack || aboveReadsBack) {
                return belowReadsBack ? below : above;
            }
        }
        return exact.round(new MathContext(ENOUGH_DIGITS, RoundingMode.HALF_EVEN));
    }
}
