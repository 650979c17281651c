// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.ShardChange;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.backend.serve.page.Outcome.Claim;
import dev.flk.backend.serve.page.Outcome.Part;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Mark;
import dev.flk.program.plot.Plot.Point;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.DoubleSummaryStatistics;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The plots of the newest outcomes of a shard in a range of time: D̂ and budget over time, and the path through the
 * plane of regimes.
 *
 * @param outcomes at least one outcome, the oldest first
 * @param texts a description of each outcome
 * @param isMeasured whether time means the time of the last measurement instead of the arrival
 * @param zoom the address to which the script adds a range of time
 * @param isCut whether the range has older outcomes, which are not drawn
 */
public record ShardPlots(
        List<Outcome> outcomes,
        List<String> texts,
        boolean isMeasured,
        Instant from,
        Instant to,
        String zoom,
        boolean isCut) {
    private static final int WIDTH = 620;
    private static final int HEIGHT = 230;
    private static final int PLANE_HEIGHT = 520;
    private static final int RIGHT = 46;
    private static final double LEAST_PLANE_D_HAT = 3;
    private static final int MOST_DRAWN = 400;
    /** The maximum number of neighbours on each side. */
    static final int NEIGHBOURS = 20;

    /** The number of the newest outcomes that the plane joins with a line. */
    private static final int MOST_JOINED = 30;

    private static final int LEAST_USUAL = 10;
    private static final double USUAL_DEVIATIONS = 3;

    /**
     * A plot.
     *
     * @param svg the plot for a page
     * @param caption a description of the plot and its lines
     * @param isOverTime whether its horizontal axis is the range of time
     */
    public record Drawn(String svg, String caption, boolean isOverTime) {}

    /** Reads the outcomes of a filter's shard in its range of time, ignoring other conditions; null if none exist. */
    static @Nullable ShardPlots read(RecordedOutcomes record, OutcomeFilter filter) {
        OutcomeQuery wanted = OutcomeQuery.ALL
                .withShard(filter.value("shard"))
                .withReceived(filter.query().received())
                .withMeasured(filter.query().measured())
                .withOrder(Order.NEWEST);
        Part part = Outcome.read(record, wanted, MOST_DRAWN);
        List<Outcome> found = part.outcomes();
        if (found.isEmpty()) {
            return null;
        }
        boolean isMeasured = filter.isMeasured()
                || (filter.span().isOpen() && found.stream().allMatch(each -> each.measuredAt() != null));
        Instant from = filter.span().from();
        return of(
                found,
                isMeasured,
                part.isCut() ? null : from,
                filter.span().to(),
                filter.zoom(isMeasured),
                part.isCut());
    }

    private static ShardPlots of(
            List<Outcome> found,
            boolean isMeasured,
            @Nullable Instant from,
            @Nullable Instant to,
            String zoom,
            boolean isCut) {
        found.sort(Comparator.<Outcome, Instant>comparing(each -> time(each, isMeasured))
                .thenComparing(each -> each.key().epoch()));
        return new ShardPlots(
                found,
                found.stream().map(each -> text(each, isMeasured)).toList(),
                isMeasured,
                from != null ? from : time(found.get(0), isMeasured),
                to != null ? to : time(found.get(found.size() - 1), isMeasured).plusMillis(1),
                zoom,
                isCut);
    }

    /** Draws D̂ of an outcome and of its neighbours in its shard by arrival. */
    static String around(RecordedOutcomes record, Outcome outcome) {
        List<Outcome> found = neighbours(record, outcome);
        boolean isMeasured = found.stream().allMatch(each -> each.measuredAt() != null);
        return of(found, isMeasured, null, null, "", false).dHat(outcome).svg();
    }

    /** Returns the neighbours of an outcome in its shard by arrival, and the outcome itself. */
    private static List<Outcome> neighbours(RecordedOutcomes record, Outcome outcome) {
        List<Outcome> all =
                new ArrayList<>(read(record, outcome, new Span(null, outcome.receivedAt()), Order.NEWEST, NEIGHBOURS));
        all.addAll(read(record, outcome, new Span(outcome.receivedAt(), null), Order.OLDEST, NEIGHBOURS + 1));
        if (all.stream().noneMatch(each -> each.key().equals(outcome.key()))) {
            all.add(outcome); // more than twenty arrived in the same millisecond
        }
        return all;
    }

    private static List<Outcome> read(RecordedOutcomes record, Outcome outcome, Span received, Order order, int most) {
        OutcomeQuery wanted = OutcomeQuery.ALL
                .withShard(outcome.key().shard())
                .withReceived(received)
                .withOrder(order);
        return Outcome.read(record, wanted, most).outcomes();
    }

    private static Instant time(Outcome outcome, boolean isMeasured) {
        return isMeasured ? Objects.requireNonNull(outcome.measuredAt()) : outcome.receivedAt();
    }

    private double seconds(Outcome outcome) {
        return Axis.seconds(time(outcome, isMeasured));
    }

    private Axis time() {
        return Axis.ofTime(isMeasured ? "time of the last measurement" : "time of arrival", from, to);
    }

    /** Draws the plots. */
    public List<Drawn> all() {
        return List.of(dHat(null), regimes(), budget());
    }

    private List<Mark> marks(Function<Outcome, List<Point>> places) {
        List<Mark> marks = new ArrayList<>();
        for (int i = 0; i < outcomes.size(); i++) {
            Outcome each = outcomes.get(i);
            marks.add(new Mark(
                    places.apply(each), "/ui/certificate?id=" + each.key().pcsId(), texts.get(i)));
        }
        return marks;
    }

    private static String text(Outcome outcome, boolean isMeasured) {
        return outcome.shortId() + " " + outcome.verdict() + ", D̂ claimed "
                + outcome.dHat().claimedText() + ", recomputed "
                + outcome.dHat().recomputedText() + ", coh★ "
                + outcome.cohStarText() + ", " + Pages.time(time(outcome, isMeasured));
    }

    private List<Mark> marksOf(Function<Outcome, Claim> claim) {
        return marks(each -> {
            double x = seconds(each);
            return List.of(
                    new Point(x, claim.apply(each).recomputed()),
                    new Point(x, claim.apply(each).claimed()));
        });
    }

    private List<Point> overTime(ToDoubleFunction<Outcome> value) {
        return outcomes.stream()
                .map(each -> new Point(seconds(each), value.applyAsDouble(each)))
                .toList();
    }

    /**
     * Returns the part of an axis of D̂ that is at most three deviations away from the median of the accepted outcomes,
     * so that outcomes which drift are outside it; empty if fewer than ten were accepted.
     */
    static Optional<double[]> usual(List<Outcome> outcomes, Axis axis) {
        double[] values = outcomes.stream()
                .filter(Outcome::isAccepted)
                .mapToDouble(each -> each.dHat().recomputed())
                .filter(Double::isFinite)
                .toArray();
        if (values.length < LEAST_USUAL) {
            return Optional.empty();
        }
        double median = ShardChange.median(values);
        double deviation = USUAL_DEVIATIONS * Measure.D_HAT.deviation(values, median);
        return Optional.of(
                new double[] {Math.max(axis.least(), median - deviation), Math.min(axis.most(), median + deviation)});
    }

    private static DoubleStream finite(List<Point> points) {
        return points.stream().mapToDouble(Point::y).filter(Double::isFinite);
    }

    /** Returns an axis for the finite values of some points. */
    private static Axis axisOf(String label, Stream<List<Point>> points) {
        DoubleSummaryStatistics all = points.flatMapToDouble(ShardPlots::finite).summaryStatistics();
        return all.getCount() == 0 ? Axis.around(label, 0, 1) : Axis.around(label, all.getMin(), all.getMax());
    }

    /** @param marked the outcome with a large dot; null for none */
    private Drawn dHat(@Nullable Outcome marked) {
        List<Point> claimed = overTime(each -> each.dHat().claimed());
        List<Point> recomputed = overTime(each -> each.dHat().recomputed());
        Axis time = time();
        Axis values = axisOf("D̂", Stream.of(claimed, recomputed));
        Plot plot = new Plot("D̂ (no unit)", time, values, WIDTH, HEIGHT, RIGHT);
        Optional<double[]> usual = usual(outcomes, values);
        usual.ifPresent(range -> plot.area(Area.FIRST, time.least(), time.most(), range[0], range[1]));
        plot.axes().line(Line.FIRST, recomputed).line(Line.SECOND, claimed);
        if (outcomes.size() <= 60) {
            plot.dots(Line.FIRST, 3, recomputed);
        }
        plot.dots(
                Line.SECOND,
                4,
                overTime(each -> each.isAccepted() ? Double.NaN : each.dHat().claimed()));
        String text = "Claimed and recomputed values over time; the table below has the newest.";
        if (marked != null) {
            Point at = new Point(seconds(marked), marked.dHat().claimed());
            plot.dots(Line.THIRD, 7, List.of(at));
            if (Double.isFinite(at.y())) {
                plot.text(at, "this certificate");
            }
            text = "Claimed and recomputed values over time; this certificate claims "
                    + marked.dHat().claimedText() + ".";
        }
        return new Drawn(
                plot.marks(marksOf(Outcome::dHat)).embedded(text),
                "Recomputed as a solid line, claimed as a dashed line, with a large dot where the certificate was not accepted."
                        + (usual.isEmpty() ? "" : " The band is usual for this shard."),
                true);
    }

    private Drawn budget() {
        List<Point> claimed = overTime(each -> each.budget().claimed());
        List<Point> recomputed = overTime(each -> each.budget().recomputed());
        Plot plot = new Plot("Budget (no unit)", time(), Axis.around("budget", 0, 1), WIDTH, HEIGHT, RIGHT)
                .axes()
                .line(Line.FIRST, recomputed)
                .line(Line.SECOND, claimed)
                .marks(marksOf(Outcome::budget));
        return new Drawn(
                plot.embedded("Claimed and recomputed values over time; the table below has the newest."),
                "Recomputed as a solid line, claimed as a dashed line.",
                true);
    }

    private Drawn regimes() {
        List<Point> path = outcomes.stream()
                .map(each -> new Point(each.cohStar(), each.dHat().recomputed()))
                .toList();
        double top = Math.max(LEAST_PLANE_D_HAT, finite(path).max().orElse(0));
        Axis dHat = Axis.around("D̂", 0, top);
        Point newest = path.get(path.size() - 1);
        Plot plot = new Plot(
                        "Regimes: D̂ over coh★ (no units)",
                        Axis.around("coh★; regime:", 0, 1),
                        dHat,
                        WIDTH,
                        PLANE_HEIGHT,
                        RIGHT)
                .area(Area.SECOND, 0, 1, 0, dHat.most())
                .area(Area.THIRD, 0, 1, Regime.NON_STICKY_MIN_D_HAT, dHat.most())
                .area(Area.FIRST, Regime.STICKY_MIN_COH_STAR, 1, 0, Regime.STICKY_MAX_D_HAT)
                .axes()
                .dots(Line.FIRST, 1, path)
                .fadingLine(Line.FIRST, path.subList(Math.max(0, path.size() - MOST_JOINED), path.size()))
                .dots(Line.SECOND, 6, List.of(newest))
                .text(newest, "newest");
        plot.legend(0, Area.FIRST, Regime.STICKY.wireName())
                .legend(1, Area.SECOND, Regime.MIXED.wireName())
                .legend(2, Area.THIRD, Regime.NON_STICKY.wireName());
        plot.marks(marks(each -> List.of(new Point(each.cohStar(), each.dHat().recomputed()))));
        return new Drawn(
                plot.embedded("The path of the outcomes through the regimes; the newest has coh★ "
                        + Outcome.decimals(newest.x()) + " and D̂ " + Outcome.decimals(newest.y()) + "."),
                "The path of the newest " + MOST_JOINED
                        + " outcomes in the order of time, older ones fainter; earlier ones are"
                        + " dots, and the large dot is the newest.",
                false);
    }
}
