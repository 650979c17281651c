// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

/** Reads the literals of JSON numbers as doubles. Pure, safe from any thread. */
final class Reals {
    /** An integer of so many digits is a double. */
    private static final int EXACT_DIGITS = 15;

    /** Each is a double, up to as many places as digits are taken. */
    private static final double[] POWERS_OF_TEN = {
        1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
    };

    private Reals() {}

    /**
     * The double nearest to {@code literal}, ties to even; infinite if there is none. A literal of few digits without exponent is an
     * integer divided by a power of ten, both of them doubles: one division, rounded correctly, gives what reading it would
     * (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990).
     *
     * @param literal of a JSON number
     */
    static double parse(String literal) {
        boolean negative = literal.charAt(0) == '-';
        long digits = 0;
        int count = 0;
        int places = -1;
        for (int i = negative ? 1 : 0; i < literal.length(); i++) {
            char c = literal.charAt(i);
            if (c == '.') {
                places = 0;
            } else if (c >= '0' && c <= '9' && count < EXACT_DIGITS) {
                digits = 10 * digits + (c - '0');
                count++;
                places += places < 0 ? 0 : 1;
            } else {
                return Double.parseDouble(literal);
            }
        }
        double magnitude = digits / POWERS_OF_TEN[Math.max(places, 0)];
        return negative ? -magnitude : magnitude;
    }
}
