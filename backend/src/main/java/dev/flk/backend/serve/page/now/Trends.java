// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Point;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.LongToDoubleFunction;

/** The plots of the view <i>Now</i>, over the last hour or the last day. Time before the start of the process is grey. */
public final class Trends {
    private static final int WIDTH = 400;
    private static final int HEIGHT = 190;
    private static final int RIGHT = 36;
    private static final int MINUTES_OF_BIN = 6;
    /** The burn at the top of its plot; the critical alert fires at 14.4. */
    private static final double MOST_BURN = 20;

    /** A line of at most this number of points also shows its points, as a line of one point is invisible. */
    private static final int FEW_POINTS = 10;

    /** The least number of points of a plot. */
    private static final int LEAST_POINTS = 3;

    private static final List<Line> LINES = List.of(Line.FIRST, Line.SECOND, Line.THIRD);
    private static final double MILLIS = 1e3;

    private final Instant at;
    private final Minutes minutes;
    private final boolean isDay;
    private final Axis time;

    /** The number of minutes that are shown as one point. */
    private final int step;

    /**
     * A plot.
     *
     * @param svg the plot, as SVG
     * @param caption what its lines are
     */
    public record Drawn(String svg, String caption) {}

    private Trends(Instant at, Minutes minutes, boolean isDay) {
        this.at = at;
        this.minutes = minutes;
        this.isDay = isDay;
        this.time = Axis.ofTimeOfDay("time", at.minus(isDay ? Duration.ofDays(1) : Duration.ofHours(1)), at);
        this.step = isDay ? MINUTES_OF_BIN : 1;
    }

    /** Draws what has at least three points, over the last day or the last hour. */
    static List<Drawn> of(Instant at, Minutes minutes, boolean isDay) {
        return new Trends(at, minutes, isDay)
                .all().stream().flatMap(Optional::stream).toList();
    }

    private List<Optional<Drawn>> all() {
        return List.of(accepted(), doubted(), unanswered(), latency(), waiting(), burn());
    }

    private Optional<Drawn> accepted() {
        List<Point> accepted = mean(Counted.ACCEPTED);
        return drawn(plot("Accepted (per minute)", Counted.ACCEPTED, 0, List.of(accepted)), accepted, source());
    }

    private Optional<Drawn> doubted() {
        List<Point> escalated = mean(Counted.ESCALATED);
        List<Point> rejected = mean(Counted.REJECTED);
        return drawn(
                plot("Escalated, rejected (per minute)", Counted.ESCALATED, 0, List.of(escalated, rejected)),
                escalated,
                "Escalated solid, rejected dashed. " + source());
    }

    private String source() {
        return minutes.recordedUntil() == null ? "From memory." : "From the record.";
    }

    private Optional<Drawn> unanswered() {
        List<Point> refused = mean(Counted.REFUSED);
        List<Point> throttled = mean(Counted.THROTTLED);
        List<Point> failed = mean(Counted.FAILED);
        return drawn(
                plot("Refused, throttled, failed (per minute)", Counted.FAILED, 0, List.of(refused, throttled, failed)),
                failed,
                "Refused solid, throttled dashed, failed dotted.");
    }

    private Optional<Drawn> latency() {
        List<Point> p99 = points(to -> highest(to, Counted.P99) * MILLIS);
        return drawn(
                plot("Answered within, p99 (ms)", Counted.P99, 0, List.of(p99)),
                p99,
                "99 % of submissions were answered within this time; 250 ms is promised.");
    }

    private Optional<Drawn> waiting() {
        List<Point> oldest = points(to -> highest(to, Counted.OLDEST));
        return drawn(
                plot("Oldest certificate without a decision (s)", Counted.OLDEST, 0, List.of(oldest)),
                oldest,
                "Its age at the end of each minute; 60 s are promised.");
    }

    private Optional<Drawn> burn() {
        int window = isDay ? Minutes.HOUR : MINUTES_OF_BIN;
        List<Point> escalations = burn(ServiceLevel.ESCALATIONS, window);
        Plot plot = plot(
                        "Budget burn (times the permitted)",
                        Counted.ESCALATED,
                        1,
                        List.of(
                                escalations,
                                burn(ServiceLevel.AVAILABILITY, window),
                                burn(ServiceLevel.LATENCY, window)))
                .limit(1);
        return drawn(
                plot,
                escalations,
                "Over " + window + " minutes each: escalations solid, failures dashed, slow answers dotted; at most "
                        + Math.round(MOST_BURN) + " is drawn. Above 1, a budget shrinks.");
    }

    private List<Point> burn(ServiceLevel level, int window) {
        return points(to -> Math.min(MOST_BURN, level.burn(minutes.part(to - window, to))));
    }

    private List<Point> mean(Counted counted) {
        return points(
                to -> minutes.part(to - step, to).values(counted).average().orElse(Double.NaN));
    }

    private double highest(long to, Counted counted) {
        return minutes.part(to - step, to).values(counted).max().orElse(Double.NaN);
    }

    /** Returns a point for the end of each step. */
    private List<Point> points(LongToDoubleFunction valueBefore) {
        List<Point> points = new ArrayList<>();
        for (long to = minutes.end() - (isDay ? Minutes.DAY : Minutes.HOUR) + step; to <= minutes.end(); to += step) {
            points.add(new Point(Axis.seconds(Minutes.beginning(to)), valueBefore.applyAsDouble(to)));
        }
        return points;
    }

    /**
     * Returns a plot of at most three lines, which is grey before the first minute in which something is counted.
     *
     * @param top the least value at the top of the plot
     */
    private Plot plot(String title, Counted counted, double top, List<List<Point>> lines) {
        double most = lines.stream()
                .flatMap(List::stream)
                .mapToDouble(Point::y)
                .filter(Double::isFinite)
                .max()
                .orElse(0);
        most = Math.max(top, most);
        Axis vertical = Axis.around("", 0, most > 0 ? most : 1);
        Plot plot = new Plot(title, time, vertical, WIDTH, HEIGHT, RIGHT);
        double known = minutes.since(counted).map(Axis::seconds).orElse(time.most());
        if (known > time.least()) {
            plot.area(Area.SECOND, time.least(), Math.min(known, time.most()), 0, vertical.most());
        }
        plot.axes();
        for (int i = 0; i < lines.size(); i++) {
            Line style = LINES.get(i);
            plot.line(style, lines.get(i));
            if (lines.get(i).size() <= FEW_POINTS) {
                plot.dots(style, 2, lines.get(i));
            }
        }
        return plot;
    }

    private Optional<Drawn> drawn(Plot plot, List<Point> line, String caption) {
        double[] known =
                line.stream().mapToDouble(Point::y).filter(Double::isFinite).toArray();
        if (known.length < LEAST_POINTS) {
            return Optional.empty();
        }
        String description = (isDay ? "The last 24 hours" : "The last hour") + " until " + Pages.time(at) + "; newest: "
                + String.format(Locale.ROOT, "%,.1f.", known[known.length - 1]);
        return Optional.of(new Drawn(plot.embedded(description), caption));
    }
}
