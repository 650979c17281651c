// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Optional;

/**
 * Reads a time as RFC 3339, section 5.6 has it, and nothing else that ISO 8601 would allow. Digits of the fraction beyond
 * nanoseconds are dropped. A leap second, which only the end of a UTC day can have, counts as the second after it.
 */
final class Rfc3339 {
    // Bounded, so that a long text is refused without being walked through.
    private static final int MAX_CHARS = 64;

    /** Where the fraction or the offset begins. */
    private static final int SECONDS_END = 19;

    private static final int NANO_DIGITS = 9;

    private Rfc3339() {}

    static Optional<Instant> parse(String text) {
        if (text.length() > MAX_CHARS || !hasForm(text)) {
            return Optional.empty();
        }
        int offsetAt = fractionEnd(text);
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
                    nanos(text, offsetAt));
            Instant instant = local.toInstant(ZoneOffset.UTC).minusSeconds(offsetSeconds(text, offsetAt));
            if (!leapSecond) {
                return Optional.of(instant);
            }
            Instant next = instant.plusSeconds(1);
            return next.getEpochSecond() % 86_400 == 0 ? Optional.of(next) : Optional.empty();
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    /** {@code dddd-dd-ddTdd:dd:dd}, a fraction or none, and {@code Z} or {@code +dd:dd}. */
    private static boolean hasForm(String text) {
        if (text.length() <= SECONDS_END || !fits(text, 0, "0000-00-00T00:00:00")) {
            return false;
        }
        int offsetAt = fractionEnd(text);
        if (offsetAt == SECONDS_END + 1 || offsetAt == text.length()) {
            return false; // a point without digits; no offset
        }
        return switch (text.charAt(offsetAt)) {
            case 'Z', 'z' -> text.length() == offsetAt + 1;
            case '+', '-' -> text.length() == offsetAt + 6 && fits(text, offsetAt + 1, "00:00");
            default -> false;
        };
    }

    /** Whether a text goes on like a form, in which each 0 stands for a digit, and T for t as well. */
    private static boolean fits(String text, int from, String form) {
        for (int i = 0; i < form.length(); i++) {
            char c = text.charAt(from + i);
            char wanted = form.charAt(i);
            if (wanted == '0' ? !isDigit(c) : c != wanted && !(wanted == 'T' && c == 't')) {
                return false;
            }
        }
        return true;
    }

    private static int fractionEnd(String text) {
        int at = SECONDS_END;
        if (text.charAt(at) == '.') {
            at++;
            while (at < text.length() && isDigit(text.charAt(at))) {
                at++;
            }
        }
        return at;
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }

    private static int number(String text, int from, int end) {
        int value = 0;
        for (int i = from; i < end; i++) {
            value = 10 * value + text.charAt(i) - '0';
        }
        return value;
    }

    private static int nanos(String text, int offsetAt) {
        int nanos = 0;
        for (int i = 0; i < NANO_DIGITS; i++) {
            int at = SECONDS_END + 1 + i;
            nanos = 10 * nanos + (at < offsetAt ? text.charAt(at) - '0' : 0);
        }
        return nanos;
    }

    private static int offsetSeconds(String text, int offsetAt) {
        char sign = text.charAt(offsetAt);
        if (sign == 'Z' || sign == 'z') {
            return 0;
        }
        int hours = number(text, offsetAt + 1, offsetAt + 3);
        int minutes = number(text, offsetAt + 4, offsetAt + 6);
        if (hours > 23 || minutes > 59) {
            throw new DateTimeException("no such offset");
        }
        int seconds = hours * 3600 + minutes * 60;
        return sign == '-' ? -seconds : seconds;
    }
}
