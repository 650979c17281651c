// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads durations ({@code 250ms}, {@code 30s}, {@code 5m}, {@code 12h}, {@code 14d}), sizes ({@code 64MiB}) and counts. */
public final class Quantities {
    private static final Pattern NUMBER_AND_UNIT = Pattern.compile("(\\d{1,18})([A-Za-z]*)");
    private static final Map<String, ChronoUnit> DURATION_UNITS = Map.of(
            "ms", ChronoUnit.MILLIS,
            "s", ChronoUnit.SECONDS,
            "m", ChronoUnit.MINUTES,
            "h", ChronoUnit.HOURS,
            "d", ChronoUnit.DAYS);
    private static final Map<String, Long> SIZE_UNITS =
            Map.of("", 1L, "B", 1L, "KiB", 1L << 10, "MiB", 1L << 20, "GiB", 1L << 30, "TiB", 1L << 40);
    /** Far beyond any use, and still a long in nanoseconds. */
    private static final Duration LONGEST = Duration.ofDays(36_500);

    private Quantities() {}

    /** Reads a duration. The message of the exception says how one looks. */
    public static Duration duration(String text) {
        Matcher matcher = NUMBER_AND_UNIT.matcher(text);
        ChronoUnit unit = matcher.matches() ? DURATION_UNITS.get(matcher.group(2)) : null;
        if (text.equals("0")) {
            return Duration.ZERO;
        }
        if (unit == null) {
            throw new IllegalArgumentException(
                    "is \"" + text + "\"; write a duration such as 250ms, 30s, 5m, 12h or 14d");
        }
        long number = Long.parseLong(matcher.group(1));
        if (number > LONGEST.toMillis() / unit.getDuration().toMillis()) {
            throw new IllegalArgumentException(
                    "is \"" + text + "\"; the longest duration is " + LONGEST.toDays() + "d");
        }
        return Duration.of(number, unit);
    }

    /** Reads a size, in bytes. */
    static long bytes(String text) {
        Matcher matcher = NUMBER_AND_UNIT.matcher(text);
        Long unit = matcher.matches() ? SIZE_UNITS.get(matcher.group(2)) : null;
        if (unit == null) {
            throw new IllegalArgumentException("is \"" + text + "\"; write a size such as 512KiB, 64MiB or 1GiB");
        }
        try {
            return Math.multiplyExact(Long.parseLong(matcher.group(1)), unit);
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("is \"" + text + "\", more bytes than there are", e);
        }
    }

    /** Reads a whole number within bounds. */
    static int count(String text, int min, int max) {
        if (text.matches("\\d{1,10}")) {
            long number = Long.parseLong(text);
            if (number >= min && number <= max) {
                return (int) number;
            }
        }
        throw new IllegalArgumentException("is \"" + text + "\"; write a whole number from " + min + " to " + max);
    }
}
