// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

/** Lays out a decimal the way CPython's {@code repr} does: where the point stands, and when there is an exponent. */
final class DecimalText {
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
