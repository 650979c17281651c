// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads a time as RFC 3339, section 5.6 has it, and nothing else that ISO 8601 would allow. Digits of the fraction beyond
 * nanoseconds are dropped. A leap second, which only the end of a UTC day can have, counts as the second after it.
 */
final class Rfc3339 {
    // Bounded, so that a long text is refused without being walked through.
    private static final int MAX_CHARS = 64;

    private static final Pattern TIME = Pattern.compile("([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]"
            + "([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))");

    private Rfc3339() {}

    static Optional<Instant> parse(String text) {
        if (text.length() > MAX_CHARS) {
            return Optional.empty();
        }
        Matcher time = TIME.matcher(text);
        if (!time.matches()) {
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

    private static int nanos(String fraction) {
        return fraction == null ? 0 : Integer.parseInt((fraction + "000000000").substring(0, 9));
    }

    private static int offsetSeconds(Matcher time) {
        if (time.group(8) == null) {
            return 0;
        }
        int hours = number(time, 9);
        int minutes = number(time, 10);
        if (hours > 23 || minutes > 59) {
            throw new DateTimeException("no such offset");
        }
        int seconds = hours * 3600 + minutes * 60;
        return time.group(8).equals("-") ? -seconds : seconds;
    }
}
