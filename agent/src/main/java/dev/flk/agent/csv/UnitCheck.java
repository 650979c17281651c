// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import dev.flk.agent.csv.CsvTimes.NotATime;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalTime;
import java.time.format.DateTimeFormatter;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The check that numeric times without {@code --time-unit} are seconds or milliseconds since 1970. Numbers that start
 * below 20,000 count as seconds since the start of a measurement. All other numbers must be times from 1973 to 2038; a
 * number that is not is refused with the unit that it seems to have.
 */
final class UnitCheck {
    /** The lowest number that counts as milliseconds since 1970; as seconds, it would be a time in the year 5138. */
    private static final double LEAST_MILLIS = 1e11;

    static final double MOST_MILLIS = 1e14;
    private static final double MOST_ELAPSED_SECONDS = 20_000;
    private static final double LEAST_SECONDS = 1e8;
    /** 2038-01-19, the first second that a signed number of 32 bits cannot count. */
    private static final double MOST_SECONDS = 1L << 31;

    private static final double EARLIEST_SECONDS = -2_208_988_800.0; // 1900
    private static final double SEEMS_FROM =
            Instant.parse("1990-01-01T00:00:00Z").getEpochSecond();
    private static final double FIRST_YEAR = 1900;
    private static final double LAST_YEAR = 2100;
    private static final double DAY_MILLIS = 86_400_000;
    private static final double DAY_SECONDS = 86_400;

    private static final Pattern WHOLE = Pattern.compile("\\d+");
    private static final Map<Integer, String> DIGITS = Map.of(8, "yyyyMMdd", 12, "yyyyMMddHHmm", 14, "yyyyMMddHHmmss");
    private static final Pattern UNIT_IN_NAME = Pattern.compile(
            "(?i).*(?:^|[^\\p{L}\\d])(ms|msec|msecs|milliseconds?|millis|us|µs|μs|usec|microseconds?|ns|nsec|nanoseconds?"
                    + "|min|mins|minutes?|h|hrs?|hours?|days?)[\\])]?\\s*");

    private final Optional<TimeUnit> named;

    UnitCheck(String name) {
        named = unitIn(name);
    }

    private static Optional<TimeUnit> unitIn(String name) {
        Matcher matcher = UNIT_IN_NAME.matcher(name);
        if (!matcher.matches()) {
            return Optional.empty();
        }
        String unit = matcher.group(1).toLowerCase(Locale.ROOT);
        return Optional.of(
                unit.startsWith("ms") || unit.startsWith("milli")
                        ? TimeUnit.MS
                        : unit.startsWith("min")
                                ? TimeUnit.MIN
                                : unit.startsWith("n")
                                        ? TimeUnit.NS
                                        : unit.startsWith("h")
                                                ? TimeUnit.H
                                                : unit.startsWith("d") ? TimeUnit.D : TimeUnit.US);
    }

    /** Returns whether a number without a unit counts as milliseconds, not as seconds. */
    static boolean isMillis(double number) {
        return Math.abs(number) >= LEAST_MILLIS;
    }

    /** Refuses the first number of a file if it is no plausible time. */
    void first(String plain, double number) throws NotATime {
        boolean isMillis = isMillis(number);
        double seconds = isMillis ? number / 1e3 : number;
        if (named.isPresent() && !(isMillis && named.get() == TimeUnit.MS)) {
            throw new NotATime(wouldBe(seconds, isMillis) + "; the name of the column says "
                    + described(named.get(), plain) + with(named.get(), isMillis));
        }
        Optional<String> pattern = datePattern(plain);
        if (pattern.isPresent()) {
            throw new NotATime(wouldBe(seconds, isMillis) + "; it seems to be a date: read it with --time-format "
                    + pattern.get() + ", or as a number with --time-unit " + (isMillis ? "ms" : "s"));
        }
        if (!isMillis && number >= FIRST_YEAR && number <= LAST_YEAR) {
            throw new NotATime(wouldBe(seconds, false)
                    + "; it seems to be a year: write a date, or read it as seconds with --time-unit s");
        }
        boolean isElapsed = number >= 0 && number < MOST_ELAPSED_SECONDS;
        boolean isBefore1970 = number < 0 && seconds >= EARLIEST_SECONDS;
        if (!isElapsed && !isBefore1970 && (seconds < LEAST_SECONDS || seconds >= MOST_SECONDS)) {
            throw new NotATime(wouldBe(seconds, isMillis) + seems(plain, number, isMillis));
        }
    }

    /** Refuses any number of a file that would be a time after 2038. */
    void each(String plain, double number) throws NotATime {
        boolean isMillis = isMillis(number);
        double seconds = isMillis ? number / 1e3 : number;
        if (seconds >= MOST_SECONDS) {
            throw new NotATime(wouldBe(seconds, isMillis) + seems(plain, number, isMillis));
        }
    }

    private String seems(String plain, double number, boolean isMillis) {
        boolean isWhole = number % 1 == 0 && number >= 0;
        String units = candidates(plain)
                .map(unit -> described(unit, plain) + ", with --time-unit " + unit.wireName())
                .collect(Collectors.joining("; or "));
        if (units.isEmpty() && isWhole && number < DAY_SECONDS) {
            units = "seconds since midnight (" + LocalTime.ofSecondOfDay((long) number) + "), without the date";
        } else if (units.isEmpty() && isWhole && number < DAY_MILLIS) {
            units = "milliseconds since midnight (" + LocalTime.ofNanoOfDay(((long) number) * 1_000_000)
                    + "), without the date, with --time-unit ms";
        }
        return (units.isEmpty() ? "; give the unit: --time-unit " + TimeUnit.names() : "; it seems to be " + units)
                + (number >= MOST_MILLIS ? "" : otherwise(isMillis));
    }

    /** Returns the units in which a number would be a time from 1990 to 2038. */
    static Stream<TimeUnit> candidates(String plain) {
        return Arrays.stream(TimeUnit.values())
                .filter(unit -> unit.compareTo(TimeUnit.MIN) < 0 || unit.compareTo(TimeUnit.D) > 0)
                .filter(unit -> seconds(unit, plain) >= SEEMS_FROM && seconds(unit, plain) < MOST_SECONDS);
    }

    private static String otherwise(boolean isMillis) {
        return ". To read it as " + (isMillis ? "milliseconds, give --time-unit ms" : "seconds, give --time-unit s");
    }

    private static double seconds(TimeUnit unit, String plain) {
        return unit.seconds(new BigDecimal(plain)).doubleValue();
    }

    private static String described(TimeUnit unit, String plain) {
        return unit.meaning() + " (" + instant(seconds(unit, plain)) + ")";
    }

    private static String with(TimeUnit unit, boolean isMillis) {
        return ": give --time-unit " + unit.wireName() + ", or --time-unit " + (isMillis ? "ms" : "s")
                + (isMillis ? " for milliseconds" : " for seconds");
    }

    private static String wouldBe(double seconds, boolean isMillis) {
        if (Math.abs(seconds) >= MOST_MILLIS / 1e3) {
            return "is no time in milliseconds since 1970";
        }
        return "would be " + instant(seconds) + " as " + (isMillis ? "milliseconds" : "seconds") + " since 1970";
    }

    private static String instant(double seconds) {
        try {
            return Instant.ofEpochMilli(BigDecimal.valueOf(seconds)
                            .movePointRight(3)
                            .setScale(0, RoundingMode.HALF_UP)
                            .longValueExact())
                    .toString();
        } catch (ArithmeticException | DateTimeException e) {
            return "no time";
        }
    }

    /** Returns the pattern of a number that consists of the digits of a date from 1970 to 2099. */
    private static Optional<String> datePattern(String plain) {
        String pattern = DIGITS.get(plain.length());
        if (pattern == null || !WHOLE.matcher(plain).matches() || !plain.matches("(19[7-9]|20)\\d+")) {
            return Optional.empty();
        }
        try {
            LocalDate.parse(plain.substring(0, 8), DateTimeFormatter.BASIC_ISO_DATE);
            LocalTime.parse((plain.substring(8) + "000000").substring(0, 6), DateTimeFormatter.ofPattern("HHmmss"));
            return Optional.of(pattern);
        } catch (DateTimeException e) {
            return Optional.empty();
        }
    }
}
