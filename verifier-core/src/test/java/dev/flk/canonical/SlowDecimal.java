// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A slow but obviously correct reference: it derives the text of a double from its definition, with exact arithmetic,
 * and never lets the platform parse or print a double.
 */
final class SlowDecimal {
    private static final Pattern NUMBER = Pattern.compile("(-?)([0-9]+)(?:\\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?");

    private SlowDecimal() {}

    /** Returns the double nearest to a JSON number, ties to even; infinite if the number is out of range. */
    static double nearest(String literal) {
        Matcher parts = NUMBER.matcher(literal);
        if (!parts.matches()) {
            throw new IllegalArgumentException("no JSON number: " + literal);
        }
        String fraction = parts.group(3) == null ? "" : parts.group(3);
        BigInteger digits = new BigInteger(parts.group(2) + fraction);
        BigInteger exponent = new BigInteger(parts.group(4) == null ? "0" : parts.group(4))
                .subtract(BigInteger.valueOf(fraction.length()));
        double sign = literal.startsWith("-") ? -1 : 1;
        int length = digits.toString().length();
        BigInteger leading = exponent.add(BigInteger.valueOf(length));
        if (digits.signum() == 0 || leading.compareTo(BigInteger.valueOf(-400)) < 0) {
            return sign * 0.0;
        }
        if (leading.compareTo(BigInteger.valueOf(400)) > 0) {
            return sign * Double.POSITIVE_INFINITY;
        }
        BigDecimal target = new BigDecimal(digits, exponent.negate().intValueExact());
        if (!Interval.of(Double.MAX_VALUE).contains(target) && target.compareTo(new BigDecimal(Double.MAX_VALUE)) > 0) {
            return sign * Double.POSITIVE_INFINITY;
        }
        // A binary search: positive doubles are ordered like their bits.
        long low = 0;
        long high = Double.doubleToRawLongBits(Double.MAX_VALUE);
        while (low < high) {
            long middle = (low + high) >>> 1;
            Interval interval = Interval.of(Double.longBitsToDouble(middle));
            if (interval.contains(target)) {
                return sign * Double.longBitsToDouble(middle);
            }
            if (target.compareTo(interval.high()) < 0) {
                high = middle - 1;
            } else {
                low = middle + 1;
            }
        }
        return sign * Double.longBitsToDouble(low);
    }

    /** Returns the double nearest to the multiple of 1e-9 that is nearest to x. */
    static double round9(double x) {
        BigDecimal target =
                new BigDecimal(x).setScale(9, RoundingMode.HALF_EVEN).abs();
        // Any start near the target would do.
        double best =
                target.unscaledValue().bitLength() < 63 ? target.unscaledValue().longValueExact() / 1e9 : Math.abs(x);
        while (!Interval.of(best).contains(target)) {
            best = new BigDecimal(best).compareTo(target) < 0 ? Math.nextUp(best) : Math.nextDown(best);
        }
        return Math.copySign(best, x);
    }

    /**
     * Returns the shortest decimal within the rounding interval of x > 0; among several, the nearest one, ties to even.
     */
    static BigDecimal shortest(double x) {
        Interval interval = Interval.of(x);
        BigDecimal exact = new BigDecimal(x);
        int leadingExponent = exact.precision() - exact.scale();
        for (int digits = 1; ; digits++) {
            int scale = digits - leadingExponent;
            BigDecimal below = exact.setScale(scale, RoundingMode.FLOOR);
            BigDecimal above = below.add(new BigDecimal(BigInteger.ONE, scale));
            boolean containsBelow = below.signum() > 0 && interval.contains(below);
            boolean containsAbove = interval.contains(above);
            if (containsBelow && containsAbove) {
                return exact.setScale(scale, RoundingMode.HALF_EVEN);
            }
            if (containsBelow || containsAbove) {
                return containsBelow ? below : above;
            }
        }
    }

    /** The decimals that read back as a given double under rounding to nearest, ties to even. */
    private record Interval(BigDecimal low, BigDecimal high, boolean withEnds) {
        static Interval of(double x) {
            boolean even = (Double.doubleToRawLongBits(x) & 1) == 0;
            return new Interval(middle(x, Math.nextDown(x)), middle(x, Math.nextUp(x)), even);
        }

        boolean contains(BigDecimal decimal) {
            int fromLow = decimal.compareTo(low);
            int fromHigh = decimal.compareTo(high);
            return withEnds ? fromLow >= 0 && fromHigh <= 0 : fromLow > 0 && fromHigh < 0;
        }

        private static BigDecimal middle(double a, double b) {
            // The interval of the greatest double extends as if there were a greater double after it.
            BigDecimal next = Double.isInfinite(b) ? new BigDecimal(BigInteger.TWO.pow(1024)) : new BigDecimal(b);
            return new BigDecimal(a).add(next).multiply(new BigDecimal("0.5"));
        }
    }

    /** Formats a double as CPython's {@code repr} does. */
    static String print(double x) {
        String sign = Double.doubleToRawLongBits(x) < 0 ? "-" : "";
        if (x == 0) {
            return sign + "0.0";
        }
        BigDecimal shortest = shortest(Math.abs(x)).stripTrailingZeros();
        String digits = shortest.unscaledValue().toString();
        int exponent = digits.length() - shortest.scale() - 1;
        if (exponent < -4 || exponent >= 16) {
            String fraction = digits.length() == 1 ? "" : "." + digits.substring(1);
            return sign + digits.charAt(0) + fraction + String.format("e%+03d", exponent);
        }
        String plain = shortest.toPlainString();
        return sign + plain + (plain.contains(".") ? "" : ".0");
    }
}
