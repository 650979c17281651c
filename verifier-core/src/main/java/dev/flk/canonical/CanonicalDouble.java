// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.RoundingMode;

/**
 * Rounds and prints reals exactly as CPython's {@code round(x, 9)}, {@code repr(x)} and {@code format(x, '.4f')} do. Pure
 * functions, safe from any thread.
 */
public final class CanonicalDouble {
    private static final double UNITS_PER_ONE = 1e9;
    private static final int DECIMALS = 9;

    /** From here on neighbouring doubles are 2^-29 > 1e-9 apart. */
    private static final double NOTHING_TO_ROUND = 0x1p23;

    /** Below it a product with 1e9 is below 2^51, so that neighbouring products are at most a quarter apart. */
    private static final double FAST_ROUND_LIMIT = 0x1p21;

    /** Every decimal of at most 15 significant digits has a (normal) double of its own. */
    private static final double FIFTEEN_DIGITS = 1e15;

    private CanonicalDouble() {}

    /**
     * {@code x} rounded to 9 decimals: the multiple of 1e-9 nearest to the exact value of {@code x}, ties to the even
     * multiple, then the double nearest to that. Keeps the sign of a zero; infinities and NaN come back as they are.
     */
    public static double round9(double x) {
        double magnitude = Math.abs(x);
        if (magnitude < FAST_ROUND_LIMIT) {
            return nearestUnits(x) / UNITS_PER_ONE;
        }
        if (magnitude < NOTHING_TO_ROUND) {
            return new BigDecimal(x).setScale(DECIMALS, RoundingMode.HALF_EVEN).doubleValue();
        }
        // The nearest multiple is at most 0.5e-9 off, less than half the distance to the next double: it reads back as
        // x.
        return x;
    }

    /**
     * The integer nearest to the exact product x * 1e9, ties to even, for |x| < 2^21.
     *
     * <p>Why it is exact: let p be the rounded product and e the error, so that x * 1e9 = p + e with |e| <= ulp(p)/2; e is a
     * double and {@code fma} gives it without error. With n = rint(p), p - n is exact and, like 0.5, a multiple of ulp(p)
     * (|p| < 2^51, so ulp(p) <= 1/4). If |p - n| is not 0.5, it is at most 0.5 - ulp(p), hence |p + e - n| < 0.5 and n is
     * right. If it is 0.5, p lies in the middle: the sign of e says on which side the exact product lies, and e = 0 is a
     * true tie, which rint has sent to the even side.
     *
     * <p>The result is an integer below 2^53 and 1e9 is a double, so the caller's division is a single, correct rounding of
     * the decimal fraction: what reading its text would give.
     */
    private static double nearestUnits(double x) {
        double product = x * UNITS_PER_ONE;
        double nearest = Math.rint(product);
        if (Math.abs(product - nearest) != 0.5) {
            return nearest;
        }
        double error = Math.fma(x, UNITS_PER_ONE, -product);
        if (error == 0) {
            return nearest;
        }
        return error > 0 ? Math.ceil(product) : Math.floor(product);
    }

    /**
     * The shortest decimal text that reads back as {@code x}, the one nearest to {@code x} if there are several, with an
     * exponent below 1e-4 and from 1e16: {@code 1.0}, {@code -0.0}, {@code 5.8e-05}, {@code 1e+16}.
     *
     * @throws IllegalArgumentException if {@code x} is infinite or not a number
     */
    public static String print(double x) {
        if (!Double.isFinite(x)) {
            throw new IllegalArgumentException("only a finite number has a canonical text, this is " + x);
        }
        boolean negative = Double.doubleToRawLongBits(x) < 0;
        double magnitude = Math.abs(x);
        double units = Math.rint(magnitude * UNITS_PER_ONE);
        // If dividing (one correct rounding) gives x back, x is what the decimal units * 1e-9 reads back as. It has at
        // most
        // 15 digits; were there a shorter one, two decimals of at most 15 digits would share a double, and no two do.
        if (units < FIFTEEN_DIGITS && units / UNITS_PER_ONE == magnitude) {
            return DecimalText.of(negative, (long) units, -DECIMALS);
        }
        BigDecimal shortest = ShortestDecimal.of(magnitude);
        return DecimalText.of(negative, shortest.unscaledValue().longValueExact(), -shortest.scale());
    }

    /**
     * {@code x} with exactly four decimals, rounded on its exact value, ties to even; a negative number keeps its sign even
     * where only zeros are left of it.
     *
     * @throws IllegalArgumentException if {@code x} is infinite or not a number
     */
    public static String printFourDecimals(double x) {
        if (!Double.isFinite(x)) {
            throw new IllegalArgumentException("only a finite number can be printed, this is " + x);
        }
        String magnitude =
                new BigDecimal(Math.abs(x)).setScale(4, RoundingMode.HALF_EVEN).toPlainString();
        return Double.doubleToRawLongBits(x) < 0 ? "-" + magnitude : magnitude;
    }
}
