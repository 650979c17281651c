// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.certificate.Field.Problems;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Reads single values of known fields. The input stands on the last token of the value, which a scalar's is. Each method adds
 * a problem and returns nothing where the value is of the wrong type. One thread's own.
 */
final class FieldValues {
    /** No 64-bit integer has more characters. */
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

    /** As with a field, but what is wrong is the caller's to note. */
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

    /** An integer of any size; one beyond 64 bits counts as the nearest there is. */
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

    /** A finite number, correctly rounded however long its literal is; as in CPython the integer -0 is 0.0. */
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

    /** Reads the literals of JSON numbers as doubles. Pure, safe from any thread. */
    static final class Reals {
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
}
