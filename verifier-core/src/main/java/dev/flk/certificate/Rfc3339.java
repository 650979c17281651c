// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Reads a time as RFC 3339, section 5.6 has it, and nothing else that ISO 8601 would allow. Digits of the fraction beyond
 * nanoseconds are dropped. A leap second, which only the end of a UTC day can have, counts as the second after it. The JDK's
 * parsers know no leap seconds and no offsets beyond 18 hours.
 */
final class Rfc3339 {
    // Bounded, so that a long text is refused without being walked through.
    private static final int MAX_CHARS = 64;

    private static final int NANO_DIGITS = 9;

    private static final Pattern TIME = Pattern.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]"
            + "([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\\.([0-9]+))?(?:[Zz]|([+-][0-9]{2}):([0-9]{2}))");

    private Rfc3339() {}

    static Optional<Instant> parse(String text) {
        Matcher time = TIME.matcher(text);
        if (text.length() > MAX_CHARS || !time.matches()) {
            return Optional.empty();
        }
        int second = number(time, 6);
        boolean leapSecond = second == 60;
        try {
            LocalDateTime local = LocalDateTime.of(
                    number(time, 1),
                    number(time, 2),
                    number(time, 3),
                    number(time, 4),
                    number(time, 5),
                    leapSecond ? 59 : second,
                    nanos(time.group(7)));
            Instant instant = local.toInstant(ZoneOffset.UTC).minusSeconds(offsetSeconds(time));
            if (!leapSecond) {
                return Optional.of(instant);
            }
            Instant next = instant.plusSeconds(1);
            return next.getEpochSecond() % 86_400 == 0 ? Optional.of(next) : Optional.empty();
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }

    private static int number(Matcher time, int group) {
        return Integer.parseInt(time.group(group));
    }

    private static int nanos(@Nullable String fraction) {
        return fraction == null ? 0 : Integer.parseInt((fraction + "0".repeat(NANO_DIGITS)).substring(0, NANO_DIGITS));
    }

    private static int offsetSeconds(Matcher time) {
        if (time.group(8) == null) {
            return 0;
        }
        int hours = number(time, 8);
        int minutes = number(time, 9);
        if (Math.abs(hours) > 23 || minutes > 59) {
            throw new DateTimeException("no such offset");
        }
        int sign = time.group(8).charAt(0) == '-' ? -1 : 1;
        return hours * 3600 + sign * minutes * 60;
    }
}
