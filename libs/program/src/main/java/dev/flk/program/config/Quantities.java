// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.config;

import dev.flk.program.files.PathNames;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Parsers of values: durations {@code 250ms}, {@code 30s}, {@code 5m}, {@code 12h}, {@code 14d}; sizes {@code 512},
 * {@code 64KiB}, {@code 1GiB}; rates {@code 100} or {@code 100/s}. Each parser throws an {@link
 * IllegalArgumentException} whose message completes "the value is …".
 */
public final class Quantities {
    /** The length of the longest address of a page. */
    public static final int MOST_URL_CHARS = 200;

    private static final Pattern URL = Pattern.compile("https?://[!-~]{1," + (MOST_URL_CHARS - 8) + "}");

    private static final Pattern WITH_UNIT = Pattern.compile("([0-9]{1,15})([A-Za-z]*)");
    private static final Pattern DECIMAL = Pattern.compile("-?[0-9]{1,15}(\\.[0-9]{1,20})?([eE]-?[0-9]{1,3})?");
    private static final Map<String, Duration> DURATIONS = Map.of(
            "ms", Duration.ofMillis(1),
            "s", Duration.ofSeconds(1),
            "m", Duration.ofMinutes(1),
            "h", Duration.ofHours(1),
            "d", Duration.ofDays(1));
    private static final Map<String, Long> SIZES =
            Map.of("", 1L, "B", 1L, "KiB", 1L << 10, "MiB", 1L << 20, "GiB", 1L << 30, "TiB", 1L << 40);
    /** The maximum duration. It is far longer than any useful duration, and its nanoseconds fit into a {@code long}. */
    public static final Duration LONGEST = Duration.ofDays(36_500);

    private Quantities() {}

    /** Parses a duration from 0 to a hundred years. */
    public static Duration duration(String text) {
        if (text.equals("0")) {
            return Duration.ZERO;
        }
        Matcher parts = WITH_UNIT.matcher(text);
        Duration unit = parts.matches() ? DURATIONS.get(parts.group(2)) : null;
        if (unit == null) {
            throw new IllegalArgumentException("not a duration; write it like 250ms, 30s, 5m, 12h or 14d");
        }
        long number = Long.parseLong(parts.group(1));
        if (number > LONGEST.toMillis() / unit.toMillis()) {
            throw new IllegalArgumentException("longer than 36500d");
        }
        return unit.multipliedBy(number);
    }

    /** Parses a duration above 0. */
    public static Duration positive(String text) {
        Duration duration = duration(text);
        if (duration.isZero()) {
            throw new IllegalArgumentException("not a duration above 0");
        }
        return duration;
    }

    /** Returns a parser of durations within inclusive limits. */
    public static Function<String, Duration> duration(Duration least, Duration most) {
        return text -> {
            Duration duration = duration(text);
            if (duration.compareTo(least) < 0 || duration.compareTo(most) > 0) {
                throw new IllegalArgumentException(
                        "not between " + least.toMillis() + "ms and " + most.toMillis() + "ms");
            }
            return duration;
        };
    }

    /** Parses a size in bytes. */
    public static long bytes(String text) {
        Matcher parts = WITH_UNIT.matcher(text);
        Long unit = parts.matches() ? SIZES.get(parts.group(2)) : null;
        if (unit == null) {
            throw new IllegalArgumentException("not a size; write it like 4096, 64KiB, 256MiB or 1GiB");
        }
        try {
            return Math.multiplyExact(unit, Long.parseLong(parts.group(1)));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("too large a size", e);
        }
    }

    /** Returns a parser of sizes in bytes within inclusive limits. */
    public static Function<String, Integer> bytes(int least, int most) {
        return text -> (int) within(bytes(text), least, most);
    }

    /** Returns a parser of whole numbers within inclusive limits. */
    public static Function<String, Long> count(long least, long most) {
        return text -> {
            if (!text.matches("[0-9]{1,15}")) {
                throw new IllegalArgumentException("not a whole number");
            }
            return within(Long.parseLong(text), least, most);
        };
    }

    /** Returns a parser of whole numbers within inclusive limits. */
    public static Function<String, Integer> count(int least, int most) {
        return text -> count((long) least, most).apply(text).intValue();
    }

    /** Parses a port; 0 means any free port. */
    public static int port(String text) {
        return count(0, 65_535).apply(text);
    }

    private static long within(long value, long least, long most) {
        if (value < least || value > most) {
            throw new IllegalArgumentException("not between " + least + " and " + most);
        }
        return value;
    }

    /** Parses a rate per second. */
    public static BigDecimal perSecond(String text) {
        String number = text.endsWith("/s") ? text.substring(0, text.length() - 2) : text;
        if (!DECIMAL.matcher(number).matches()) {
            throw new IllegalArgumentException("not a rate; write it like 100, 0.5 or 100/s");
        }
        return new BigDecimal(number);
    }

    /** Parses a finite number. */
    public static double real(String text) {
        if (!DECIMAL.matcher(text).matches()) {
            throw new IllegalArgumentException("not a decimal number");
        }
        double value = Double.parseDouble(text);
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("a number that is too large");
        }
        return value;
    }

    /** Parses a finite number that is not negative. */
    public static double notNegative(String text) {
        double value = real(text);
        if (value < 0) {
            throw new IllegalArgumentException("below 0");
        }
        return value;
    }

    /** Parses the name of a file or directory. */
    public static Path path(String text) {
        return PathNames.parse(text);
    }

    /** Returns the text unchanged. */
    public static String text(String text) {
        return text;
    }

    /**
     * Returns a parser that accepts text matching {@code form}. For any other text, the parser throws an exception with
     * the message {@code otherwise}.
     */
    public static Function<String, String> matching(Pattern form, String otherwise) {
        return text -> {
            if (!form.matcher(text).matches()) {
                throw new IllegalArgumentException(otherwise);
            }
            return text;
        };
    }

    /** Returns a parser of enum constants that ignores case. */
    public static <E extends Enum<E>> Function<String, E> oneOf(Class<E> type) {
        return text -> Arrays.stream(type.getEnumConstants())
                .filter(constant -> constant.name().equalsIgnoreCase(text))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("not one of "
                        + Arrays.stream(type.getEnumConstants())
                                .map(constant -> constant.name().toLowerCase(Locale.ROOT))
                                .collect(Collectors.joining(", "))));
    }

    /** Parses {@code on} or {@code off}, ignoring case. */
    public static boolean onOrOff(String text) {
        return matching(Pattern.compile("(?i)on|off"), "not one of on, off")
                .apply(text)
                .equalsIgnoreCase("on");
    }

    /** Returns whether a text may be the address of a page, and so the target of a link. */
    public static boolean isUrl(String text) {
        return URL.matcher(text).matches();
    }

    /** Splits the text at commas, keeping empty parts. */
    public static List<String> commaSeparated(String text) {
        return List.of(text.split(",", -1));
    }
}
