// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.MathContext;
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

    /**
     * Finds the shortest decimal that reads back as a given double by trying lengths on the double's exact value. JDK 17's
     * {@code Double.toString} is not used, because it sometimes has a digit too many.
     */
    private static final class ShortestDecimal {
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

    /** Lays out a decimal the way CPython's {@code repr} does: where the point stands, and when there is an exponent. */
    private static final class DecimalText {
        /** Values from 1e16 have an exponent. */
        private static final int MAX_PLAIN_INTEGER_DIGITS = 16;

        /** Values below 1e-4 have an exponent. */
        private static final int MAX_PLAIN_LEADING_ZEROS = 3;

        private DecimalText() {}

        /** The text of {@code significand * 10^exponent}; {@code significand} is not negative. */
        static String of(boolean negative, long significand, int exponent) {
            StringBuilder text = new StringBuilder(24);
            if (negative) {
                text.append('-');
            }
            if (significand == 0) {
                return text.append("0.0").toString();
            }
            long withoutZeros = significand;
            while (withoutZeros % 10 == 0) {
                withoutZeros /= 10;
            }
            String digits = Long.toString(withoutZeros);
            int integerDigits = Long.toString(significand).length() + exponent;
            if (integerDigits > MAX_PLAIN_INTEGER_DIGITS || integerDigits < -MAX_PLAIN_LEADING_ZEROS) {
                appendWithExponent(text, digits, integerDigits - 1);
            } else {
                appendPlain(text, digits, integerDigits);
            }
            return text.toString();
        }

        private static void appendPlain(StringBuilder text, String digits, int integerDigits) {
            if (integerDigits <= 0) {
                text.append("0.").append("0".repeat(-integerDigits)).append(digits);
            } else if (integerDigits >= digits.length()) {
                text.append(digits)
                        .append("0".repeat(integerDigits - digits.length()))
                        .append(".0");
            } else {
                text.append(digits, 0, integerDigits).append('.').append(digits, integerDigits, digits.length());
            }
        }

        private static void appendWithExponent(StringBuilder text, String digits, int exponent) {
            text.append(digits.charAt(0));
            if (digits.length() > 1) {
                text.append('.').append(digits, 1, digits.length());
            }
            text.append('e').append(exponent < 0 ? '-' : '+');
            int size = Math.abs(exponent);
            if (size < 10) {
                text.append('0');
            }
            text.append(size);
        }
    }
}
