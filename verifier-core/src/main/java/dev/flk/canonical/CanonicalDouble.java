// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/**
 * Functions that round and print reals exactly as CPython's {@code round(x, 9)}, {@code repr(x)} and {@code format(x,
 * '.4f')} do. All functions are pure.
 */
public final class CanonicalDouble {
    private static final double UNITS_PER_ONE = 1e9;
    private static final int DECIMALS = 9;

    /**
     * The magnitude from which rounding to 9 decimals changes nothing, because neighbouring doubles are at least 2^-29
     * apart, which is more than 1e-9.
     */
    private static final double ALREADY_ROUNDED_FROM = 0x1p23;

    /**
     * The magnitude below which {@link #nearestUnits} is exact. The product of such a number with 1e9 is below 2^51,
     * and doubles below 2^51 are at most 0.25 apart.
     */
    private static final double FAST_ROUND_LIMIT = 0x1p21;

    /**
     * The least integer with more than 15 digits. No two decimals of at most 15 significant digits read as the same
     * double.
     */
    private static final double FIFTEEN_DIGITS = 1e15;

    private CanonicalDouble() {}

    /**
     * Rounds {@code x} to 9 decimals. The exact value of {@code x} is rounded to the nearest multiple of 1e-9, ties to
     * the even multiple; returns the double nearest to that multiple. The sign of a zero is kept, and infinities and
     * NaN are returned unchanged.
     */
    public static double round9(double x) {
        double magnitude = Math.abs(x);
        if (magnitude < FAST_ROUND_LIMIT) {
            return nearestUnits(x) / UNITS_PER_ONE;
        }
        if (magnitude < ALREADY_ROUNDED_FROM) {
            return new BigDecimal(x).setScale(DECIMALS, RoundingMode.HALF_EVEN).doubleValue();
        }
        // The nearest multiple of 1e-9 differs from x by at most 0.5e-9, which is less than half the distance to the
        // next double. Therefore, this multiple reads back as x.
        return x;
    }

    /**
     * Returns the integer nearest to the exact product x * 1e9, ties to even, for |x| < 2^21.
     *
     * <p>The result is exact for the following reason. Let p be the rounded product and e the error, so that x * 1e9 =
     * p + e with |e| <= ulp(p)/2; e is a double, and {@code fma} computes it without error. With n = rint(p), p - n is
     * exact and, like 0.5, a multiple of ulp(p), because |p| < 2^51 and thus ulp(p) <= 1/4. If |p - n| is not 0.5, it
     * is at most 0.5 - ulp(p), hence |p + e - n| < 0.5 and n is correct. If |p - n| is 0.5, p is halfway between two
     * integers: the sign of e shows on which side the exact product is, and e = 0 means a true tie, which rint has
     * rounded to the even side.
     *
     * <p>The result is an integer below 2^53 and 1e9 is a double, so the caller's division is a single, correct
     * rounding of the decimal fraction. The division yields the same double as parsing the text of that fraction.
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
     * Returns the shortest decimal text that reads back as {@code x}; if several are equally short, returns the one
     * nearest to {@code x}. Magnitudes below 1e-4 and from 1e16 have an exponent: {@code 1.0}, {@code -0.0}, {@code
     * 5.8e-05}, {@code 1e+16}.
     *
     * @throws IllegalArgumentException if {@code x} is infinite or not a number
     */
    public static String print(double x) {
        return print(x, new Utf8Buffer(32)).toString();
    }

    /** Appends {@link #print(double)} to a text, and returns the text. */
    public static Utf8Buffer print(double x, Utf8Buffer out) {
        if (!Double.isFinite(x)) {
            throw new IllegalArgumentException("only a finite number has a canonical text, not " + x);
        }
        if (Double.doubleToRawLongBits(x) < 0) {
            out.append('-');
        }
        double magnitude = Math.abs(x);
        double units = Math.rint(magnitude * UNITS_PER_ONE);
        // If the division, which rounds only once and correctly, yields |x|, the decimal units * 1e-9 reads back as
        // |x|. This decimal has at most 15 digits, and no two decimals of at most 15 digits read as the same double.
        // Therefore, no shorter decimal reads back as |x|.
        if (units < FIFTEEN_DIGITS && units / UNITS_PER_ONE == magnitude) {
            return DecimalText.append(out, (long) units, -DECIMALS);
        }
        BigDecimal shortest = ShortestDecimal.of(magnitude);
        return DecimalText.append(out, shortest.unscaledValue().longValueExact(), -shortest.scale());
    }

    /**
     * Returns {@code x} with exactly four decimals. The exact value of {@code x} is rounded, ties to even. A negative
     * number keeps its sign even if all remaining digits are zero.
     *
     * @throws IllegalArgumentException if {@code x} is infinite or not a number
     */
    public static String printFourDecimals(double x) {
        if (!Double.isFinite(x)) {
            throw new IllegalArgumentException("only a finite number can be printed, not " + x);
        }
        String magnitude =
                new BigDecimal(Math.abs(x)).setScale(4, RoundingMode.HALF_EVEN).toPlainString();
        return Double.doubleToRawLongBits(x) < 0 ? "-" + magnitude : magnitude;
    }

    /**
     * A search for the shortest decimal that reads back as a given double. The search rounds the double's exact value
     * to more and more digits. JDK 17's {@code Double.toString} is not used, because its result sometimes has a digit
     * too many.
     */
    private static final class ShortestDecimal {
        /**
         * The number of significant digits that is enough for the decimal of any double to read back as the same double
         * (IEEE 754).
         */
        private static final int ENOUGH_DIGITS = 17;

        /**
         * The greatest number of digits for which at most one decimal of that length reads back as a given normal
         * double.
         */
        private static final int UNIQUE_DIGITS = 15;

        private ShortestDecimal() {}

        /**
         * Returns the decimal with the fewest digits that reads back as {@code x}. If several have equally few digits,
         * returns the decimal nearest to {@code x}. {@code x} must be finite and above 0.
         */
        static BigDecimal of(double x) {
            BigDecimal exact = new BigDecimal(x);
            // For a normal double, the search begins with 15 digits: it finds a shorter decimal as 15 digits with
            // trailing zeros.
            for (int digits = x < Double.MIN_NORMAL ? 1 : UNIQUE_DIGITS; digits < ENOUGH_DIGITS; digits++) {
                // Both neighbouring decimals are tried: at a power of two, the nearer decimal may not read back as x
                // although the farther decimal does.
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

    /** The layout of a decimal in CPython's {@code repr}: the position of the point and the use of an exponent. */
    private static final class DecimalText {
        /**
         * The greatest number of integer digits of a text without an exponent; values from 1e16 on have an exponent.
         */
        private static final int MAX_PLAIN_INTEGER_DIGITS = 16;

        /**
         * The greatest number of zeros between the point and the first other digit in a text without an exponent;
         * values below 1e-4 have an exponent.
         */
        private static final int MAX_PLAIN_LEADING_ZEROS = 3;

        private DecimalText() {}

        /** Appends the text of {@code significand * 10^exponent}; {@code significand} is not negative. */
        static Utf8Buffer append(Utf8Buffer out, long significand, int exponent) {
            if (significand == 0) {
                return out.append("0.0");
            }
            long digits = significand;
            int integerDigits = Utf8Buffer.digits(significand) + exponent;
            while (digits % 1_000 == 0) { // removes most of the zeros with a third of the divisions
                digits /= 1_000;
            }
            while (digits % 10 == 0) {
                digits /= 10;
            }
            if (integerDigits > MAX_PLAIN_INTEGER_DIGITS || integerDigits < -MAX_PLAIN_LEADING_ZEROS) {
                appendWithPoint(out, digits, 1, "");
                int size = integerDigits - 1;
                return out.append(size < 0 ? "e-" : "e+").append(Math.abs(size), Math.abs(size) < 10 ? 2 : 1);
            }
            return appendWithPoint(out, digits, integerDigits, ".0");
        }

        /**
         * Appends digits with a point before, between or after them.
         *
         * @param before the number of digits before the point; if negative, that many zeros follow the point
         * @param end the end of a text without a fraction
         */
        private static Utf8Buffer appendWithPoint(Utf8Buffer out, long digits, int before, String end) {
            int after = Utf8Buffer.digits(digits) - before;
            if (after <= 0) {
                out.append(digits);
                for (int zeros = after; zeros < 0; zeros++) {
                    out.append('0');
                }
                return out.append(end);
            }
            long one = 1;
            for (int i = 0; i < after && one <= digits; i++) {
                one *= 10;
            }
            return out.append(digits / one).append('.').append(digits % one, after);
        }
    }
}
