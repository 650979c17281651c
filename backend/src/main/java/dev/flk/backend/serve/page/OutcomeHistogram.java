// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.program.plot.Axis;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * The numbers of certificates over time, by verdict.
 *
 * @param bounds the beginning of each bar, and the end of the last one, in milliseconds since the epoch
 */
public record OutcomeHistogram(OutcomeFilter filter, long[] bounds, Counts counts) {
    private static final int MOST_BARS = 60;
    private static final int WIDTH = 1_000;
    private static final int HEIGHT = 170;
    private static final int LEFT = 64;
    private static final int RIGHT = 16;
    private static final int TOP = 12;
    private static final int BOTTOM = 40;
    /** The least height of a part of a bar, so that one certificate of many is visible. */
    private static final double LEAST = 2;

    /** The least range that can be halved or moved by a part of its length. */
    private static final long LEAST_MILLIS = 4;

    /** The usual lengths of bars, in milliseconds. */
    private static final long[] STEPS = {
        1, 2, 5, 10, 20, 50, 100, 200, 500,
        1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000,
        600_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000
    };

    /**
     * The number of certificates with a verdict.
     *
     * @param path the address of these certificates
     */
    public record Total(String text, String path) {}

    /** Returns the bounds of at most {@value #MOST_BARS} bars, which begin at round times except for the first one. */
    static long[] bounds(Instant from, Instant to) {
        long begin = from.toEpochMilli();
        long end = to.toEpochMilli();
        long span = end - begin;
        long day = STEPS[STEPS.length - 1];
        long step = Arrays.stream(STEPS)
                .filter(each -> span / each < MOST_BARS - 1)
                .findFirst()
                .orElse(day * (span / day / (MOST_BARS - 2) + 1));
        List<Long> bounds = new ArrayList<>();
        bounds.add(begin);
        for (long next = (Math.floorDiv(begin, step) + 1) * step; next < end; next += step) {
            bounds.add(next);
        }
        bounds.add(end);
        return bounds.stream().mapToLong(Long::longValue).toArray();
    }

    /** Returns the beginning of the range. */
    public Instant from() {
        return time(0);
    }

    /** Returns the end of the range. */
    public Instant to() {
        return time(bounds.length - 1);
    }

    private Instant time(int bound) {
        return Instant.ofEpochMilli(bounds[bound]);
    }

    /** Returns the address to which a range of time can be added. */
    public String zoom() {
        return filter.zoom(filter.isMeasured());
    }

    /** Returns the number of certificates. */
    public String total() {
        return Pages.number((double) counts.total());
    }

    /** Returns the numbers of the verdicts that some of the certificates have. */
    public List<Total> totals() {
        return counts.byVerdict().entrySet().stream()
                .map(each ->
                        Map.entry(each.getKey(), Arrays.stream(each.getValue()).sum()))
                .filter(each -> each.getValue() > 0)
                .map(each -> new Total(
                        Pages.number(each.getValue()) + " " + each.getKey().label(),
                        filter.with("verdict", each.getKey().label())))
                .toList();
    }

    /** Returns the address of the view with a part of the range, or a longer range. */
    private String moved(double before, double after) {
        long span = Math.max(LEAST_MILLIS, bounds[bounds.length - 1] - bounds[0]);
        return within(
                from().plus(Duration.ofMillis(Math.round(before * span))),
                to().plus(Duration.ofMillis(Math.round(after * span))));
    }

    private String within(Instant from, Instant to) {
        return filter.with("from", from.toString(), "to", to.toString());
    }

    /** Returns the address of the middle half of the range; empty if the range is too short for it. */
    public String closer() {
        return bounds[bounds.length - 1] - bounds[0] < LEAST_MILLIS ? "" : moved(0.25, -0.25);
    }

    public String wider() {
        return moved(-0.5, 0.5);
    }

    public String earlier() {
        return moved(-0.5, -0.5);
    }

    public String later() {
        return moved(0.5, 0.5);
    }

    /** Returns the histogram as SVG. Each bar is a link to the certificates of its time. */
    public String svg() {
        double most = 1;
        for (int i = 0; i < bounds.length - 1; i++) {
            most = Math.max(most, (double) sum(i));
        }
        Axis vertical = Axis.around("", 0, most);
        Axis horizontal =
                Axis.ofTime(filter.isMeasured() ? "time of the last measurement" : "time of arrival", from(), to());
        StringBuilder svg = new StringBuilder(text(
                "<svg class=\"plot bars\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"group\""
                        + " aria-label=\"Certificates over time\" data-left=\"%d\" data-right=\"%d\">%n",
                WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT, WIDTH - RIGHT));
        for (Axis.Tick tick : vertical.ticks()) {
            double y = y(tick.value() / vertical.most());
            if (tick.value() == Math.rint(tick.value())) {
                svg.append(text(
                        "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                                + "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>%n",
                        LEFT, WIDTH - RIGHT, y, y, LEFT - 8, y + 4, tick.text()));
            }
        }
        for (int i = 0; i < bounds.length - 1; i++) {
            if (sum(i) > 0) {
                svg.append(bar(i, vertical.most()));
            }
        }
        for (int i = 0; i < horizontal.ticks().size(); i++) {
            Axis.Tick tick = horizontal.ticks().get(i);
            String anchor = i == 0 ? "start" : i == horizontal.ticks().size() - 1 ? "end" : "middle";
            svg.append(text(
                    "<text%s x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">%s</text>%n",
                    horizontal.attribute(tick),
                    x(Math.round(tick.value() * 1e3)),
                    HEIGHT - BOTTOM + 16,
                    anchor,
                    tick.text()));
        }
        return svg.append(text("<text x=\"%d\" y=\"%d\">%s</text>%n", LEFT, HEIGHT - 6, horizontal.label()))
                .append(text("</svg>%n"))
                .toString();
    }

    private String bar(int index, double top) {
        double left = x(bounds[index]);
        double width = Math.max(1, x(bounds[index + 1]) - left - 1);
        String description = description(index);
        StringBuilder bar = new StringBuilder(text(
                "<a href=\"%s\" aria-label=\"%s\"><title>%s</title>"
                        + "<rect class=\"space\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                within(time(index), time(index + 1)).replace("&", "&amp;"),
                description,
                description,
                left,
                TOP,
                width,
                HEIGHT - BOTTOM - TOP));
        double bottom = HEIGHT - BOTTOM;
        for (Map.Entry<Kind, long[]> each : counts.byVerdict().entrySet()) {
            long number = each.getValue()[index];
            if (number > 0) {
                double height = Math.min(bottom - TOP, Math.max(LEAST, number / top * (HEIGHT - BOTTOM - TOP)));
                bottom -= height;
                bar.append(text(
                        "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>",
                        each.getKey().label(), left, bottom, width, height));
            }
        }
        return bar.append(text("</a>%n")).toString();
    }

    private String description(int index) {
        String numbers = counts.byVerdict().entrySet().stream()
                .filter(each -> each.getValue()[index] > 0)
                .map(each -> Pages.number((double) each.getValue()[index]) + " "
                        + each.getKey().label())
                .reduce((one, other) -> one + ", " + other)
                .orElse("none");
        return numbers + " from " + Pages.time(time(index)) + " until " + Pages.time(time(index + 1));
    }

    private long sum(int index) {
        return counts.byVerdict().values().stream()
                .mapToLong(numbers -> numbers[index])
                .sum();
    }

    private double x(long millis) {
        return LEFT + (WIDTH - RIGHT - LEFT) * (double) (millis - bounds[0]) / (bounds[bounds.length - 1] - bounds[0]);
    }

    private static double y(double share) {
        return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP);
    }

    private static String text(String format, Object... values) {
        return String.format(Locale.ROOT, format, values);
    }
}
