// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.serve.page.Pages;
import dev.flk.backend.serve.page.now.Rates.Counted;
import dev.flk.backend.serve.page.now.Rates.Minute;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Point;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.ToDoubleFunction;

/** The plots of the view <i>Now</i>, over the last hour or the last day. Time before the start of the process is grey. */
public final class Trends {
    private static final int WIDTH = 400;
    private static final int HEIGHT = 190;
    private static final int RIGHT = 36;
    private static final int MINUTES_OF_BIN = 6;
    /** A longer time between the ends of two minutes is shown as a gap. */
    private static final Duration LONG_MINUTE = Duration.ofSeconds(90);
    /** The burn at the top of its plot; the critical alert fires at 14.4. */
    private static final double MOST_BURN = 20;

    /** A line of at most this number of points also shows its points, as a line of one point is invisible. */
    private static final int FEW_POINTS = 10;

    /** The least number of points of a plot. */
    private static final int LEAST_POINTS = 3;

    private static final List<Line> LINES = List.of(Line.FIRST, Line.SECOND, Line.THIRD);
    private static final double MILLIS = 1e3;

    private final Instant at;
    private final Rates rates;
    private final VerdictMinutes verdicts;
    private final boolean isDay;
    private final Axis time;
    private final List<Minute> minutes;
    private final List<Bin> bins;

    /**
     * A plot.
     *
     * @param svg the plot, as SVG
     * @param caption what its lines are
     */
    public record Drawn(String svg, String caption) {}

    /** Minutes that are shown as one point: those at the indexes from {@code from}, inclusive, to {@code to}, exclusive. */
    private record Bin(Instant end, int from, int to, boolean followsGap) {}

    private Trends(Instant at, Rates rates, VerdictMinutes verdicts, boolean isDay) {
        this.at = at;
        this.rates = rates;
        this.verdicts = verdicts;
        this.isDay = isDay;
        Instant from = at.minus(isDay ? Duration.ofDays(1) : Duration.ofHours(1));
        this.time = Axis.ofTimeOfDay("time", from, at);
        this.minutes = rates.minutes();
        this.bins = bins(from);
    }

    /** Draws what has at least three points, over the last day or the last hour. */
    static List<Drawn> of(Instant at, Rates rates, VerdictMinutes verdicts, boolean isDay) {
        return new Trends(at, rates, verdicts, isDay)
                .all().stream().flatMap(Optional::stream).toList();
    }

    private List<Bin> bins(Instant from) {
        List<Bin> found = new ArrayList<>();
        int most = isDay ? MINUTES_OF_BIN : 1;
        for (int i = 0; i < minutes.size(); ) {
            int begin = i;
            Instant end = minutes.get(i++).end();
            while (i < minutes.size()
                    && i - begin < most
                    && !isGap(end, minutes.get(i).end())) {
                end = minutes.get(i++).end();
            }
            if (!end.isBefore(from)) {
                found.add(new Bin(
                        end,
                        begin,
                        i,
                        begin > 0
                                && isGap(
                                        minutes.get(begin - 1).end(),
                                        minutes.get(begin).end())));
            }
        }
        return found;
    }

    private static boolean isGap(Instant end, Instant next) {
        return Duration.between(end, next).compareTo(LONG_MINUTE) > 0;
    }

    private List<Optional<Drawn>> all() {
        return List.of(accepted(), doubted(), unanswered(), latency(), waiting(), burn());
    }

    private Optional<Drawn> accepted() {
        List<Point> accepted = outcomes(Kind.ACCEPTED, Counted.ACCEPTED);
        return drawn(plot("Accepted (per minute)", countedSince(), 0, List.of(accepted)), accepted, source());
    }

    private Optional<Drawn> doubted() {
        List<Point> escalated = outcomes(Kind.ESCALATED, Counted.ESCALATED);
        List<Point> rejected = outcomes(Kind.REJECTED, Counted.REJECTED);
        return drawn(
                plot("Escalated, rejected (per minute)", countedSince(), 0, List.of(escalated, rejected)),
                escalated,
                "Escalated solid, rejected dashed. " + source());
    }

    private String source() {
        return verdicts.isCounted() ? "From the record." : "From memory.";
    }

    /** Returns the numbers of the record; those in memory if nothing of the record is counted. */
    private List<Point> outcomes(Kind verdict, Counted counted) {
        if (!verdicts.isCounted()) {
            return perMinute(counted);
        }
        int most = isDay ? VerdictMinutes.MINUTES : Rates.MINUTES_OF_HOUR;
        int step = isDay ? MINUTES_OF_BIN : 1;
        double[] values = verdicts.newest(verdict, most);
        double end = Axis.seconds(verdicts.end());
        List<Point> points = new ArrayList<>();
        for (int i = 0; i < most; i += step) {
            double mean = Arrays.stream(values, i, i + step).average().orElse(Double.NaN);
            points.add(new Point(end - 60.0 * (most - i - step), mean));
        }
        return points;
    }

    private Optional<Drawn> unanswered() {
        List<Point> refused = perMinute(Counted.REFUSED);
        List<Point> throttled = perMinute(Counted.THROTTLED);
        List<Point> failed = perMinute(Counted.FAILED);
        return drawn(
                plot(
                        "Refused, throttled, failed (per minute)",
                        rememberedSince(),
                        0,
                        List.of(refused, throttled, failed)),
                failed,
                "Refused solid, throttled dashed, failed dotted.");
    }

    private Optional<Drawn> latency() {
        List<Point> p99 = points(bin -> highest(bin, Minute::p99Seconds) * MILLIS);
        return drawn(
                plot("Answered within, p99 (ms)", rememberedSince(), 0, List.of(p99)),
                p99,
                "99 % of submissions were answered within this time; 250 ms is promised.");
    }

    private Optional<Drawn> waiting() {
        List<Point> oldest = points(bin -> highest(bin, Minute::oldestSeconds));
        return drawn(
                plot("Oldest certificate without a decision (s)", rememberedSince(), 0, List.of(oldest)),
                oldest,
                "Its age at the end of each minute; 60 s are promised.");
    }

    private Optional<Drawn> burn() {
        int window = isDay ? Rates.MINUTES_OF_HOUR : MINUTES_OF_BIN;
        List<Point> escalations = burn(ServiceLevel.ESCALATIONS, window);
        Plot plot = plot(
                        "Budget burn (times the permitted)",
                        rememberedSince(),
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
        return points(bin ->
                Math.min(MOST_BURN, level.burn(minutes.subList(Math.max(0, bin.to() - window), bin.to()))));
    }

    private List<Point> perMinute(Counted counted) {
        return points(bin -> Rates.sum(minutes.subList(bin.from(), bin.to()), counted) / (bin.to() - bin.from()));
    }

    private double highest(Bin bin, ToDoubleFunction<Minute> value) {
        return minutes.subList(bin.from(), bin.to()).stream()
                .mapToDouble(value)
                .filter(Double::isFinite)
                .max()
                .orElse(Double.NaN);
    }

    private List<Point> points(ToDoubleFunction<Bin> value) {
        List<Point> points = new ArrayList<>();
        for (Bin bin : bins) {
            double end = Axis.seconds(bin.end());
            if (bin.followsGap()) {
                points.add(new Point(end, Double.NaN));
            }
            points.add(new Point(end, value.applyAsDouble(bin)));
        }
        return points;
    }

    /** Returns the time since which this process remembers rates. */
    private double rememberedSince() {
        return Axis.seconds(rates.began());
    }

    /** Returns the time since which outcomes are counted. */
    private double countedSince() {
        return verdicts.isCounted() ? Axis.seconds(verdicts.end()) - 60.0 * verdicts.size() : rememberedSince();
    }

    /**
     * Returns a plot of at most three lines, which are grey before a time.
     *
     * @param top the least value at the top of the plot
     */
    private Plot plot(String title, double known, double top, List<List<Point>> lines) {
        double most = lines.stream()
                .flatMap(List::stream)
                .mapToDouble(Point::y)
                .filter(Double::isFinite)
                .max()
                .orElse(0);
        most = Math.max(top, most);
        Axis vertical = Axis.around("", 0, most > 0 ? most : 1);
        Plot plot = new Plot(title, time, vertical, WIDTH, HEIGHT, RIGHT);
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
