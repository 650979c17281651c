// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Line;
import dev.flk.program.plot.Plot.Point;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;

/** An SVG plot of throughput and latency against the number of connections. */
final class ConnectionsPlot {
    private static final int WIDTH = 720;
    private static final int HEIGHT = 260;
    private static final int NAMES = 130;
    private static final List<Line> CURVES = List.of(Line.FIRST, Line.SECOND, Line.THIRD, Line.FOURTH);

    private ConnectionsPlot() {}

    /** Returns the plot of the subjects whose names have the form {@code what, connections}. */
    static String svg(Results results) {
        return Plot.svg(List.of(
                panel("submissions per second", curves(results, Sample::perSecond)),
                panel("99th percentile of latency, ms", curves(results, Sample::p99Millis))));
    }

    /** Returns the curves by name; the x coordinate of a point is the logarithm of the number of connections. */
    private static Map<String, List<Point>> curves(Results results, ToDoubleFunction<Sample> figure) {
        Map<String, List<Point>> curves = new LinkedHashMap<>();
        for (Figures figures : results.figures()) {
            int comma = figures.subject().lastIndexOf(", ");
            if (comma >= 0) {
                double connections = Double.parseDouble(figures.subject().substring(comma + 2));
                curves.computeIfAbsent(figures.subject().substring(0, comma), name -> new ArrayList<>())
                        .add(new Point(Axis.log2(connections), figures.median(figure)));
            }
        }
        return curves;
    }

    private static Plot panel(String title, Map<String, List<Point>> curves) {
        List<Point> all = curves.values().stream().flatMap(List::stream).toList();
        Stream<Long> connections =
                all.stream().map(point -> Math.round(Math.pow(2, point.x()))).distinct();
        double most = all.stream().mapToDouble(Point::x).max().orElseThrow();
        Plot plot = new Plot(
                        title,
                        Axis.ofLogarithms("connections, logarithmic", 0, Math.max(1, most), connections),
                        Axis.around(
                                "", 0, all.stream().mapToDouble(Point::y).max().orElseThrow()),
                        WIDTH,
                        HEIGHT,
                        NAMES)
                .axes();
        Iterator<Line> lines =
                Stream.generate(() -> CURVES).flatMap(List::stream).iterator();
        for (Map.Entry<String, List<Point>> curve : curves.entrySet()) {
            List<Point> points = curve.getValue();
            Line line = lines.next();
            plot.line(line, points).dots(line, 3, points).text(points.get(points.size() - 1), curve.getKey());
        }
        return plot;
    }
}
