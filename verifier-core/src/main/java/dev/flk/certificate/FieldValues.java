// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.certificate.Field.Problems;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * A reader of single values of known fields. The input is positioned at the last token of the value, which is the only
 * token of a scalar. If the value has the wrong type, each method adds a problem and returns nothing. Confined to one
 * thread.
 */
final class FieldValues {
    /** The greatest number of characters in a 64-bit integer. */
    private static final int MAX_INT64_CHARS = 20;

    private final Problems problems;

    FieldValues(Problems problems) {
        this.problems = problems;
    }

    @Nullable
    String string(JsonText in, Field field) {
        if (in.token() == JsonToken.VALUE_STRING) {
            return in.text();
        }
        problems.add(field, "must be a string");
        return null;
    }

    OptionalLong int64(JsonText in, Field field) {
        OptionalLong value = int64(in);
        if (value.isEmpty()) {
            problems.add(field, "must be a 64-bit integer");
        }
        return value;
    }

    /** Reads a 64-bit integer; returns nothing, without adding a problem, if the value is not one. */
    OptionalLong int64(JsonText in) {
        if (in.token() != JsonToken.VALUE_NUMBER_INT || in.textLength() > MAX_INT64_CHARS) {
            return OptionalLong.empty();
        }
        try {
            return OptionalLong.of(Long.parseLong(in.text()));
        } catch (NumberFormatException e) {
            return OptionalLong.empty();
        }
    }

    /** Reads an integer of any size; one beyond 64 bits counts as the nearest 64-bit integer. */
    OptionalLong clampedInteger(JsonText in, Field field, String rule) {
        if (in.token() != JsonToken.VALUE_NUMBER_INT) {
            problems.add(field, rule);
            return OptionalLong.empty();
        }
        OptionalLong value = int64(in);
        if (value.isPresent()) {
            return value;
        }
        return OptionalLong.of(in.text().charAt(0) == '-' ? Long.MIN_VALUE : Long.MAX_VALUE);
    }

    /** Reads a finite number, correctly rounded for a literal of any length. As in CPython, the integer -0 is 0.0. */
    OptionalDouble real(JsonText in, Field field, String rule) {
        boolean integer = in.token() == JsonToken.VALUE_NUMBER_INT;
        if (!integer && in.token() != JsonToken.VALUE_NUMBER_FLOAT) {
            problems.add(field, rule);
            return OptionalDouble.empty();
        }
        double value = Reals.parse(in.text());
        if (Double.isInfinite(value)) {
            problems.add(field, rule);
            return OptionalDouble.empty();
        }
        return OptionalDouble.of(integer && value == 0 ? 0.0 : value);
    }

    /** A parser of JSON numbers as doubles. Pure and safe from any thread. */
    static final class Reals {
        /** The number of digits up to which every integer is exactly representable as a double. */
        private static final int EXACT_DIGITS = 15;

        /** Powers of ten that are exactly representable as doubles, one for each possible number of decimal places. */
        private static final double[] POWERS_OF_TEN = {
            1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
        };

        private Reals() {}

        /**
         * Returns the double nearest to {@code literal}, ties to even, or an infinity if the literal is out of range. A
         * literal with few digits and without an exponent is an integer divided by a power of ten. Both are exact
         * doubles, so that one correctly rounded division yields the same result as parsing the text (W. D. Clinger,
         * How to Read Floating Point Numbers Accurately, 1990).
         *
         * @param literal the literal of a JSON number
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
}
