// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.plot;

import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * An axis of a plot.
 *
 * @param label what the axis shows, with its unit
 * @param least the value at the beginning of the axis
 * @param most the value at the end of the axis, greater than {@code least}
 * @param ticks the values that are marked
 */
public record Axis(String label, double least, double most, List<Tick> ticks) {
    private static final int STEPS = 5;
    private static final String ZONE = " (UTC)";
    private static final double MILLIS = 1e3;
    private static final DateTimeFormatter DAY = formatter("yyyy-MM-dd");
    private static final DateTimeFormatter MINUTE = formatter("MM-dd HH:mm");
    private static final DateTimeFormatter CLOCK = formatter("HH:mm");
    private static final DateTimeFormatter SECOND = formatter("HH:mm:ss");
    private static final DateTimeFormatter MILLI = formatter("HH:mm:ss.SSS");

    /** Returns an attribute with the time of a tick, which a page's script shows in the reader's zone; otherwise empty. */
    public String attribute(Tick tick) {
        return label.endsWith(ZONE) ? String.format(Locale.ROOT, " data-at=\"%.3f\"", tick.value()) : "";
    }

    /** A value with its text. */
    public record Tick(double value, String text) {}

    private static DateTimeFormatter formatter(String pattern) {
        return DateTimeFormatter.ofPattern(pattern, Locale.ROOT).withZone(ZoneOffset.UTC);
    }

    /**
     * Returns an axis with about five ticks at round numbers. The axis begins and ends at a tick, and contains {@code
     * least} and {@code most}.
     */
    public static Axis around(String label, double least, double most) {
        double span = Math.max(most - least, Math.max(Math.abs(least), Math.abs(most)) * 1e-6);
        double step = roundedUp((span > 0 ? span : 1) / STEPS);
        double from = Math.floor(least / step) * step;
        double to = Math.max(from + step, Math.ceil(most / step) * step);
        List<Tick> ticks = new ArrayList<>();
        for (long i = 0; from + i * step <= to + step / 2; i++) {
            ticks.add(new Tick(from + i * step, text(from + i * step, step)));
        }
        return new Axis(label, from, to, ticks);
    }

    /** Returns an axis of base-2 logarithms, with a tick at the logarithm of each number. */
    public static Axis ofLogarithms(String label, double least, double most, Stream<? extends Number> marked) {
        return new Axis(
                label,
                least,
                most,
                marked.map(number -> new Tick(log2(number.doubleValue()), number.toString()))
                        .toList());
    }

    /** Returns the base-2 logarithm. */
    public static double log2(double value) {
        return Math.log(value) / Math.log(2);
    }

    /** Returns an axis of times in seconds since the epoch, from a time to a later one, with labels in UTC. */
    public static Axis ofTime(String label, Instant from, Instant to) {
        Duration span = Duration.between(from, to);
        DateTimeFormatter format = span.compareTo(Duration.ofDays(STEPS)) >= 0
                ? DAY
                : span.compareTo(Duration.ofMinutes(STEPS)) >= 0
                        ? MINUTE
                        : span.compareTo(Duration.ofSeconds(STEPS)) >= 0 ? SECOND : MILLI;
        return ofTime(label, from, to, format);
    }

    /** Returns an axis as {@link #ofTime} for a range of at most a day, with labels that leave out the date. */
    public static Axis ofTimeOfDay(String label, Instant from, Instant to) {
        return ofTime(label, from, to, CLOCK);
    }

    private static Axis ofTime(String label, Instant from, Instant to, DateTimeFormatter format) {
        double least = seconds(from);
        double most = Math.max(least + 1 / MILLIS, seconds(to));
        List<Tick> ticks = new ArrayList<>();
        for (int i = 0; i < STEPS; i++) {
            double at = least + (most - least) * i / (STEPS - 1);
            ticks.add(new Tick(at, format.format(Instant.ofEpochMilli(Math.round(at * MILLIS)))));
        }
        return new Axis(label + ZONE, least, most, ticks);
    }

    /** Returns a time in seconds since the epoch. */
    public static double seconds(Instant time) {
        return time.toEpochMilli() / MILLIS;
    }

    /** Returns the smallest number that is 1, 2 or 5 times a power of ten and not below {@code value}. */
    private static double roundedUp(double value) {
        double power = Math.pow(10, Math.floor(Math.log10(value)));
        return Stream.of(1, 2, 5)
                        .filter(factor -> value <= factor * power * (1 + 1e-9))
                        .findFirst()
                        .orElse(10)
                * power;
    }

    private static String text(double value, double step) {
        int decimals = (int) Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
        String text = String.format(Locale.ROOT, "%,." + decimals + "f", value);
        return text.matches("-0(\\.0*)?") ? text.substring(1) : text;
    }
}
