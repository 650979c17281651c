// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.InvalidPathException;
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
 * How values are written: durations {@code 250ms}, {@code 30s}, {@code 5m}, {@code 12h}, {@code 14d}; sizes
 * {@code 512}, {@code 64KiB}, {@code 64MiB}, {@code 1GiB}; rates {@code 100} or {@code 100/s}. Each method throws
 * {@link IllegalArgumentException} whose message completes "the value is".
 */
final class Notation {
    private static final Pattern WITH_UNIT = Pattern.compile("([0-9]{1,15})([A-Za-z]*)");
    private static final Pattern DECIMAL = Pattern.compile("-?[0-9]{1,15}(\\.[0-9]{1,20})?([eE]-?[0-9]{1,3})?");
    private static final Pattern HOST_AND_PORT = Pattern.compile("[^\\s:/]+:[0-9]{1,5}");
    private static final Pattern REDIS_URI = Pattern.compile(
            "(rediss?|redis\\+(ssl|tls)|redis[-+]socket)://[^\\s#]+|rediss?-sentinel://[^\\s#]+(#[^\\s#]+|[?&]sentinelMasterId=\\S+)");
    private static final Map<String, Duration> DURATIONS = Map.of(
            "ms", Duration.ofMillis(1),
            "s", Duration.ofSeconds(1),
            "m", Duration.ofMinutes(1),
            "h", Duration.ofHours(1),
            "d", Duration.ofDays(1));
    private static final Map<String, Long> SIZES =
            Map.of("", 1L, "B", 1L, "KiB", 1L << 10, "MiB", 1L << 20, "GiB", 1L << 30, "TiB", 1L << 40);

    private Notation() {}

    static Duration duration(String text) {
        Matcher parts = WITH_UNIT.matcher(text);
        if (text.equals("0")) {
            return Duration.ZERO;
        }
        Duration unit = parts.matches() ? DURATIONS.get(parts.group(2)) : null;
        if (unit == null) {
            throw new IllegalArgumentException("no duration; write it like 250ms, 30s, 5m, 12h or 14d");
        }
        try {
            return unit.multipliedBy(Long.parseLong(parts.group(1)));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("too long a duration", e);
        }
    }

    static long bytes(String text) {
        Matcher parts = WITH_UNIT.matcher(text);
        Long unit = parts.matches() ? SIZES.get(parts.group(2)) : null;
        if (unit == null) {
            throw new IllegalArgumentException("no size; write it like 4096, 64KiB, 256MiB or 1GiB");
        }
        try {
            return Math.multiplyExact(unit, Long.parseLong(parts.group(1)));
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException("too large a size", e);
        }
    }

    static long wholeNumber(String text) {
        Matcher parts = WITH_UNIT.matcher(text);
        if (!parts.matches() || !parts.group(2).isEmpty()) {
            throw new IllegalArgumentException("no whole number");
        }
        return Long.parseLong(parts.group(1));
    }

    /** A whole number that an int holds. */
    static int smallNumber(String text) {
        return small(wholeNumber(text));
    }

    /** A size that an int holds. */
    static int smallSize(String text) {
        return small(bytes(text));
    }

    private static int small(long value) {
        if (value > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("too large");
        }
        return (int) value;
    }

    static BigDecimal perSecond(String text) {
        String number = text.endsWith("/s") ? text.substring(0, text.length() - 2) : text;
        if (!DECIMAL.matcher(number).matches()) {
            throw new IllegalArgumentException("no rate; write it like 100, 0.5 or 100/s");
        }
        return new BigDecimal(number);
    }

    static double real(String text) {
        if (!DECIMAL.matcher(text).matches()) {
            throw new IllegalArgumentException("no decimal number");
        }
        double value = Double.parseDouble(text);
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException("too large a number");
        }
        return value;
    }

    static double tolerance(String text) {
        double value = real(text);
        if (value < 0) {
            throw new IllegalArgumentException("below 0");
        }
        return value;
    }

    static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("no path: " + e.getReason(), e);
        }
    }

    /** The constant of that name, in upper or lower case. */
    static <E extends Enum<E>> Function<String, E> oneOf(Class<E> type) {
        return text -> Arrays.stream(type.getEnumConstants())
                .filter(constant -> constant.name().equalsIgnoreCase(text))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("none of " + names(type)));
    }

    static String hostAndPort(String text) {
        return matching(HOST_AND_PORT, text, "no host:port");
    }

    static String redisUri(String text) {
        String otherwise = "no Redis URI; write it like redis://host:6379, rediss://:password@host:6379 or "
                + "redis-sentinel://host1:26379,host2:26379#primary, with special characters as in %40 for @";
        try {
            URI unused = new URI(matching(REDIS_URI, text, otherwise));
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(otherwise, e);
        }
        return text;
    }

    private static String matching(Pattern form, String text, String otherwise) {
        if (!form.matcher(text).matches()) {
            throw new IllegalArgumentException(otherwise);
        }
        return text;
    }

    /** The comma-separated parts, as many as there are commas and one more. */
    static List<String> commaSeparated(String text) {
        return List.of(text.split(",", -1));
    }

    private static <E extends Enum<E>> String names(Class<E> type) {
        return Arrays.stream(type.getEnumConstants()).map(Notation::lowerCase).collect(Collectors.joining(", "));
    }

    static String lowerCase(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT);
    }
}
