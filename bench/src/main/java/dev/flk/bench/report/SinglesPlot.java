// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.report;

import dev.flk.bench.report.Plot.Curve;
import dev.flk.bench.report.Plot.Point;
import dev.flk.bench.suite.Figures;
import dev.flk.bench.suite.Results;
import dev.flk.bench.suite.Sample;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Throughput and latency over connections, from subjects that are named {@code what, connections}. */
public final class SinglesPlot {
    private SinglesPlot() {}

    /** The plot of a suite. */
    public static Plot of(Results results) {
        return new Plot()
                .panel("submissions a second", curves(results, Sample::perSecond))
                .panel("99 of 100 are answered within, ms", curves(results, Sample::p99Millis));
    }

    private static List<Curve> curves(Results results, ToDoubleFunction<Sample> figure) {
        Map<String, List<Point>> points = new LinkedHashMap<>();
        for (Figures figures : results.figures()) {
            int comma = figures.subject().lastIndexOf(", ");
            if (comma >= 0) {
                points.computeIfAbsent(figures.subject().substring(0, comma), name -> new ArrayList<>())
                        .add(new Point(
                                Double.parseDouble(figures.subject().substring(comma + 2)), figures.median(figure)));
            }
        }
        return points.entrySet().stream()
                .map(entry -> new Curve(entry.getKey(), entry.getValue()))
                .toList();
    }
}
