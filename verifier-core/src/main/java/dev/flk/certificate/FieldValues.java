// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.certificate.Field.Problems;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A reader of single values of known fields. When a method is called, the input is positioned at the last token of the
 * value; a scalar has only one token. If the value has the wrong type, a method adds a problem and returns null or 0.
 * Not thread-safe.
 */
final class FieldValues {
    private final Problems problems;

    FieldValues(Problems problems) {
        this.problems = problems;
    }

    @Nullable
    String string(JsonText in, Field field) {
        return isString(in, field) ? in.text() : null;
    }

    /** Returns whether the value is a string. */
    boolean isString(JsonText in, Field field) {
        boolean isString = in.token() == JsonToken.VALUE_STRING;
        if (!isString) {
            problems.add(field, "must be a string");
        }
        return isString;
    }

    long int64(JsonText in, Field field) {
        if (in.isInt64()) {
            return in.int64();
        }
        problems.add(field, "must be a 64-bit integer");
        return 0;
    }

    /** Reads an integer of any size; an integer beyond 64 bits counts as the nearest 64-bit integer. */
    @Nullable
    Long clampedInteger(JsonText in, Field field, String rule) {
        if (in.token() == JsonToken.VALUE_NUMBER_INT) {
            return in.int64();
        }
        problems.add(field, rule);
        return null;
    }

    /**
     * Reads a finite number as the nearest double, however long the literal is. As in CPython, the integer -0 is 0.0.
     */
    double real(JsonText in, Field field, String rule) {
        if (in.token().isNumeric()) {
            double value = in.real();
            if (!Double.isInfinite(value)) {
                return in.token() == JsonToken.VALUE_NUMBER_INT && value == 0 ? 0.0 : value;
            }
        }
        problems.add(field, rule);
        return 0;
    }

    /** A parser of JSON numbers as doubles. Pure and thread-safe. */
    static final class Reals {
        /** The number of digits up to which every integer is exactly representable as a double. */
        private static final int EXACT_DIGITS = 15;

        /** Powers of ten that are exactly representable as doubles, one for each possible number of decimal places. */
        private static final double[] POWERS_OF_TEN = {
            1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15
        };

        private Reals() {}

        /**
         * Returns the double nearest to the literal, ties to even, or an infinity if the literal is out of range. A
         * literal with few digits and without an exponent is an integer divided by a power of ten. The integer and the
         * power are exact doubles. Therefore, one correctly rounded division yields the same result as parsing the text
         * (W. D. Clinger, How to Read Floating Point Numbers Accurately, 1990).
         *
         * @param ascii a text that contains the literal of a JSON number, from index {@code from}, inclusive, to index
         *     {@code to}, exclusive
         */
        static double parse(byte[] ascii, int from, int to) {
            boolean negative = ascii[from] == '-';
            long digits = 0;
            int count = 0;
            int places = -1;
            for (int i = negative ? from + 1 : from; i < to; i++) {
                byte c = ascii[i];
                if (c == '.') {
                    places = 0;
                } else if (c >= '0' && c <= '9' && count < EXACT_DIGITS) {
                    digits = 10 * digits + (c - '0');
                    count++;
                    places += places < 0 ? 0 : 1;
                } else {
                    return Double.parseDouble(new String(ascii, from, to - from, StandardCharsets.US_ASCII));
                }
            }
            double magnitude = digits / POWERS_OF_TEN[Math.max(places, 0)];
            return negative ? -magnitude : magnitude;
        }
    }

    /**
     * A strict parser of times by RFC 3339, section 5.6, which rejects the other forms of ISO 8601. Digits beyond
     * nanoseconds are dropped. A leap second, which is possible only at the end of a UTC day, counts as the second
     * after it. The JDK's parsers reject a leap second or count it as the second before it, and reject offsets beyond
     * 18 hours.
     */
    static final class Rfc3339 {
        /** The shape of a time without its fraction and zone; each 0 matches any digit. */
        private static final String SHAPE = "0000-00-00T00:00:00";

        private static final String OFFSET_SHAPE = "+00:00";

        // A bound that rejects a long text without scanning it.
        private static final int MAX_CHARS = 64;

        private static final int NANO_DIGITS = 9;

        private Rfc3339() {}

        static Optional<Instant> parse(String text) {
            if (text.length() > MAX_CHARS || !isShaped(text, 0, SHAPE)) {
                return Optional.empty();
            }
            int zone = zoneAt(text);
            boolean isUtc = zone == text.length() - 1 && (text.charAt(zone) | 0x20) == 'z';
            if (!isUtc && !(zone == text.length() - OFFSET_SHAPE.length() && isShaped(text, zone, OFFSET_SHAPE))) {
                return Optional.empty();
            }
            int second = number(text, 17, 19);
            boolean leapSecond = second == 60;
            try {
                LocalDateTime local = LocalDateTime.of(
                        number(text, 0, 4),
                        number(text, 5, 7),
                        number(text, 8, 10),
                        number(text, 11, 13),
                        number(text, 14, 16),
                        leapSecond ? 59 : second,
                        nanos(text, zone));
                Instant instant = local.toInstant(ZoneOffset.UTC).minusSeconds(isUtc ? 0 : offsetSeconds(text, zone));
                if (!leapSecond) {
                    return Optional.of(instant);
                }
                Instant next = instant.plusSeconds(1);
                return next.getEpochSecond() % 86_400 == 0 ? Optional.of(next) : Optional.empty();
            } catch (DateTimeException e) {
                return Optional.empty();
            }
        }

        /**
         * Returns whether {@code text} matches {@code shape} at index {@code at}. A plus matches either sign; case is
         * ignored.
         */
        private static boolean isShaped(String text, int at, String shape) {
            if (text.length() < at + shape.length()) {
                return false;
            }
            for (int i = 0; i < shape.length(); i++) {
                char c = text.charAt(at + i);
                boolean fits = switch (shape.charAt(i)) {
                    case '0' -> isDigit(c);
                    case 'T' -> c == 'T' || c == 't';
                    case '+' -> c == '+' || c == '-';
                    default -> c == shape.charAt(i);
                };
                if (!fits) {
                    return false;
                }
            }
            return true;
        }

        /**
         * Returns the index at which the zone begins, after the fraction if there is one; -1 if the fraction has no
         * digit.
         */
        private static int zoneAt(String text) {
            int at = SHAPE.length();
            if (at == text.length() || text.charAt(at) != '.') {
                return at;
            }
            at++;
            while (at < text.length() && isDigit(text.charAt(at))) {
                at++;
            }
            return at > SHAPE.length() + 1 ? at : -1;
        }

        private static boolean isDigit(char c) {
            return c >= '0' && c <= '9';
        }

        private static int number(String text, int from, int to) {
            return Integer.parseInt(text, from, to, 10);
        }

        private static int nanos(String text, int zone) {
            int nanos = 0;
            int at = SHAPE.length() + 1;
            for (int digit = 0; digit < NANO_DIGITS; digit++, at++) {
                nanos = 10 * nanos + (at < zone ? text.charAt(at) - '0' : 0);
            }
            return nanos;
        }

        private static int offsetSeconds(String text, int zone) {
            int hours = number(text, zone + 1, zone + 3);
            int minutes = number(text, zone + 4, zone + 6);
            if (hours > 23 || minutes > 59) {
                throw new DateTimeException("an offset is at most 23:59");
            }
            int seconds = hours * 3600 + minutes * 60;
            return text.charAt(zone) == '-' ? -seconds : seconds;
        }
    }
}
