// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;

/**
 * The slow, obvious reference: what a double's text is by definition, in exact arithmetic, without asking the platform to
 * read or print a double.
 */
final class SlowDecimal {
    private SlowDecimal() {}

    /** The double nearest to the multiple of 1e-9 nearest to x. */
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

    /** The shortest decimal that lies within the rounding interval of x > 0, the nearest among several, ties to even. */
    static BigDecimal shortest(double x) {
        Interval interval = Interval.of(x);
        BigDecimal exact = new BigDecimal(x);
        int leadingExponent = exact.precision() - exact.scale();
        for (int digits = 1; ; digits++) {
            int scale = digits - leadingExponent;
            BigDecimal below = exact.setScale(scale, RoundingMode.FLOOR);
            BigDecimal above = below.add(new BigDecimal(BigInteger.ONE, scale));
            boolean takesBelow = below.signum() > 0 && interval.contains(below);
            boolean takesAbove = interval.contains(above);
            if (takesBelow && takesAbove) {
                return exact.setScale(scale, RoundingMode.HALF_EVEN);
            }
            if (takesBelow || takesAbove) {
                return takesBelow ? below : above;
            }
        }
    }

    /** The decimals that read back as one double when read to nearest, ties to even. */
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
            // Beyond the greatest double the interval goes on as if there were a next one.
            BigDecimal next = Double.isInfinite(b) ? new BigDecimal(BigInteger.TWO.pow(1024)) : new BigDecimal(b);
            return new BigDecimal(a).add(next).multiply(new BigDecimal("0.5"));
        }
    }

    /** Lays out as CPython's {@code repr} does. */
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
