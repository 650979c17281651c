// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.plot;

import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Point;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The plot of the occupied boxes of a certificate at each scale, with a line whose slope is D̂. */
public final class BoxCountPlot {
    private static final int MOST_TICKS = 6;

    private BoxCountPlot() {}

    /**
     * Draws log2 of the number of occupied boxes against log2 of the scale, and a line with slope D̂. The intercept of
     * the line is the median of y − D̂·x over all points.
     *
     * @param scales at least one scale
     * @param boxes the number of occupied boxes at each scale, at least 1
     */
    public static Plot of(
            String title, List<Integer> scales, List<Long> boxes, double dHat, int width, int height, int right) {
        List<Point> points = new ArrayList<>();
        for (int i = 0; i < scales.size(); i++) {
            points.add(new Point(Axis.log2(scales.get(i)), Axis.log2(boxes.get(i))));
        }
        double[] intercepts = points.stream()
                .mapToDouble(point -> point.y() - dHat * point.x())
                .sorted()
                .toArray();
        double intercept = median(intercepts);
        double mostX = max(points.stream().mapToDouble(Point::x).toArray()) + 0.5;
        double top =
                Math.ceil(Math.max(max(points.stream().mapToDouble(Point::y).toArray()), intercept + dHat * mostX))
                        + 0.2;
        List<Long> powers = new ArrayList<>();
        double step = Math.max(1, Math.ceil(top / MOST_TICKS));
        for (double power = 0; power <= Math.min(top, Long.SIZE - 2); power += step) {
            powers.add(1L << (int) power);
        }
        double from = dHat > 0 ? Math.max(0, -intercept / dHat) : 0;
        Plot plot = new Plot(
                        title,
                        Axis.ofLogarithms("boxes along an edge, logarithmic", 0, mostX, scales.stream()),
                        Axis.ofLogarithms("occupied boxes, logarithmic", 0, top, powers.stream()),
                        width,
                        height,
                        right)
                .axes()
                .line(
                        Line.SECOND,
                        List.of(new Point(from, intercept + dHat * from), new Point(mostX, intercept + dHat * mostX)))
                .dots(Line.FIRST, 5, points);
        for (int i = 0; i < points.size(); i++) {
            plot.text(points.get(i), boxes.get(i).toString());
        }
        return plot;
    }

    private static double median(double[] sorted) {
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    private static double max(double[] values) {
        return Arrays.stream(values).max().orElseThrow();
    }
}
