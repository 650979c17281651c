// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.serve.page.Outcome.Claim;
import dev.flk.backend.serve.page.ShardView.Drawn;
import dev.flk.backend.serve.page.ShardView.Range;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Area;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Mark;
import dev.flk.program.plot.Plot.Point;
import dev.flk.verification.Policy;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** The plots of the outcomes of a shard: D̂ and budget over time, and the path through the plane of regimes. */
final class ShardPlots {
    private static final int WIDTH = 620;
    private static final int HEIGHT = 230;
    private static final int PLANE_HEIGHT = 520;
    private static final int RIGHT = 46;
    private static final double LEAST_PLANE_D_HAT = 3;

    private final List<Outcome> outcomes;
    private final Range range;
    private final Policy policy;
    private final Axis time;
    private final List<String> texts;

    /** @param outcomes at least one outcome; sorted by arrival or by measurement, as the clock of {@code range} says */
    ShardPlots(List<Outcome> outcomes, Range range, Policy policy) {
        this.outcomes = outcomes;
        this.range = range;
        this.policy = policy;
        this.texts = outcomes.stream().map(this::text).toList();
        this.time = Axis.ofTime(
                range.clock() == ShardView.Clock.MEASURED ? "time of the last measurement" : "time of arrival",
                range.from(),
                range.to());
    }

    List<Drawn> all() {
        return List.of(dHat(), regimes(), budget());
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

    private String text(Outcome outcome) {
        return outcome.shortId() + " " + outcome.verdict() + ", D̂ claimed "
                + outcome.dHat().claimedText() + ", recomputed "
                + outcome.dHat().recomputedText() + ", coh★ "
                + outcome.cohStarText() + ", " + Pages.time(range.clock().of(outcome));
    }

    private List<Mark> marksOf(Function<Outcome, Claim> claim) {
        return marks(each -> {
            double x = Axis.seconds(range.clock().of(each));
            return List.of(
                    new Point(x, claim.apply(each).recomputed()),
                    new Point(x, claim.apply(each).claimed()));
        });
    }

    private List<Point> overTime(ToDoubleFunction<Outcome> value) {
        return outcomes.stream()
                .map(each -> new Point(Axis.seconds(range.clock().of(each)), value.applyAsDouble(each)))
                .toList();
    }

    private static double[] finite(List<Point> points) {
        return points.stream().mapToDouble(Point::y).filter(Double::isFinite).toArray();
    }

    private static Axis axisOf(String label, List<Point> first, List<Point> second) {
        double[] all = DoubleStream.concat(DoubleStream.of(finite(first)), DoubleStream.of(finite(second)))
                .toArray();
        return Axis.around(
                label,
                DoubleStream.of(all).min().orElse(0),
                DoubleStream.of(all).max().orElse(1));
    }

    private Drawn dHat() {
        List<Point> claimed = overTime(each -> each.dHat().claimed());
        List<Point> recomputed = overTime(each -> each.dHat().recomputed());
        List<Point> known =
                recomputed.stream().filter(point -> Double.isFinite(point.y())).toList();
        List<Point> low = known.stream()
                .map(point -> new Point(point.x(), point.y() - policy.tolD()))
                .toList();
        List<Point> high = known.stream()
                .map(point -> new Point(point.x(), point.y() + policy.tolD()))
                .toList();
        List<Point> all = new ArrayList<>(claimed);
        all.addAll(low);
        Plot plot = new Plot("D̂ (no unit)", time, axisOf("D̂", all, high), WIDTH, HEIGHT, RIGHT)
                .between(Area.FIRST, low, high)
                .axes()
                .line(Line.FIRST, recomputed)
                .line(Line.SECOND, claimed)
                .dots(
                        Line.SECOND,
                        4,
                        overTime(each ->
                                each.isAccepted() ? Double.NaN : each.dHat().claimed()));
        if (outcomes.size() <= 60) {
            plot.dots(Line.FIRST, 3, recomputed);
        }
        return new Drawn(
                plot.marks(marksOf(Outcome::dHat))
                        .embedded("Claimed and recomputed values over time; the table below has the newest."),
                "Recomputed as a solid line, with the tolerance of " + policy.tolD()
                        + " as a band; claimed as a dashed line, with a dot where the certificate was not accepted.",
                true);
    }

    private Drawn budget() {
        List<Point> claimed = overTime(each -> each.budget().claimed());
        List<Point> recomputed = overTime(each -> each.budget().recomputed());
        Plot plot = new Plot("Budget (no unit)", time, Axis.around("budget", 0, 1), WIDTH, HEIGHT, RIGHT)
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
        double top =
                Math.max(LEAST_PLANE_D_HAT, DoubleStream.of(finite(path)).max().orElse(0));
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
                .fadingLine(Line.FIRST, path)
                .dots(Line.SECOND, 6, List.of(newest))
                .text(newest, "newest");
        plot.legend(0, Area.FIRST, Regime.STICKY.wireName())
                .legend(1, Area.SECOND, Regime.MIXED.wireName())
                .legend(2, Area.THIRD, Regime.NON_STICKY.wireName());
        plot.marks(marks(each -> List.of(new Point(each.cohStar(), each.dHat().recomputed()))));
        return new Drawn(
                plot.embedded("The path of the outcomes through the regimes; the newest has coh★ "
                        + Outcome.decimals(newest.x()) + " and D̂ " + Outcome.decimals(newest.y()) + "."),
                "The path of the outcomes in the order of time, older ones fainter; the dot is the newest.",
                false);
    }
}
