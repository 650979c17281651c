// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Figures;
import dev.flk.bench.Results.Sample;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.ToDoubleFunction;

/** Curves over the number of connections as SVG, in panels stacked vertically. The horizontal axis is logarithmic. */
final class Plot {
    private static final int WIDTH = 720;
    private static final int PANEL_HEIGHT = 260;
    private static final int LEFT = 80;
    private static final int RIGHT = 130;
    private static final int TOP = 40;
    private static final int BOTTOM = 45;
    private static final int STEPS = 5;
    private static final List<String> COLOURS = List.of("#1f6feb", "#8b949e", "#bf3989", "#1a7f37");

    private final List<Panel> panels = new ArrayList<>();

    /**
     * Returns a plot of throughput and latency for the subjects whose names have the form {@code what, connections}.
     */
    public static Plot overConnections(Results results) {
        return new Plot()
                .panel("submissions per second", curves(results, Sample::perSecond))
                .panel("99th percentile of latency, ms", curves(results, Sample::p99Millis));
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

    /** A point of a curve. */
    record Point(double connections, double value) {}

    /** A curve. Its name is drawn next to its last point. */
    record Curve(String name, List<Point> points) {}

    private record Panel(String title, List<Curve> curves) {
        double largest(ToDoubleFunction<Point> coordinate) {
            return curves.stream()
                    .flatMap(curve -> curve.points().stream())
                    .mapToDouble(coordinate)
                    .max()
                    .orElseThrow();
        }
    }

    /** Adds a panel below the others; its vertical axis begins at 0. */
    Plot panel(String title, List<Curve> curves) {
        panels.add(new Panel(title, List.copyOf(curves)));
        return this;
    }

    /** Writes all panels to a file. */
    public void write(Path file) throws IOException {
        Files.writeString(file, svg());
    }

    /** Returns the image. */
    String svg() {
        StringBuilder svg = new StringBuilder();
        svg.append(
                ("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">%n"
                                + "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n")
                        .formatted(WIDTH, PANEL_HEIGHT * panels.size()));
        for (int i = 0; i < panels.size(); i++) {
            draw(svg, panels.get(i), PANEL_HEIGHT * i);
        }
        return svg.append("</svg>\n").toString();
    }

    private static void draw(StringBuilder svg, Panel panel, int top) {
        double axisLimit = axisLimit(panel.largest(Point::value));
        text(svg, LEFT, top + 22, "start", "<tspan font-weight=\"bold\">" + escaped(panel.title()) + "</tspan>");
        for (int step = 0; step <= STEPS; step++) {
            double value = axisLimit * step / STEPS;
            double y = y(top, value, axisLimit);
            svg.append("<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#d0d7de\"/>%n"
                    .formatted(LEFT, WIDTH - RIGHT, y, y));
            text(svg, LEFT - 8, y + 4, "end", value >= 100 ? "%,.0f".formatted(value) : "%.3g".formatted(value));
        }
        double maxConnections = panel.largest(Point::connections);
        for (Point point : panel.curves().get(0).points()) {
            text(
                    svg,
                    x(point.connections(), maxConnections),
                    top + PANEL_HEIGHT - BOTTOM + 18,
                    "middle",
                    "%.0f".formatted(point.connections()));
        }
        text(svg, (LEFT + WIDTH - RIGHT) / 2.0, top + PANEL_HEIGHT - 10, "middle", "connections");
        for (int i = 0; i < panel.curves().size(); i++) {
            draw(svg, panel.curves().get(i), COLOURS.get(i % COLOURS.size()), top, maxConnections, axisLimit);
        }
    }

    private static void draw(
            StringBuilder svg, Curve curve, String colour, int top, double maxConnections, double axisLimit) {
        StringBuilder path = new StringBuilder();
        for (Point point : curve.points()) {
            double x = x(point.connections(), maxConnections);
            double y = y(top, point.value(), axisLimit);
            path.append(path.isEmpty() ? "M" : " L").append("%.1f %.1f".formatted(x, y));
            svg.append("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>%n".formatted(x, y, colour));
        }
        svg.append("<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>%n".formatted(path, colour));
        Point last = curve.points().get(curve.points().size() - 1);
        text(
                svg,
                x(last.connections(), maxConnections) + 8,
                y(top, last.value(), axisLimit) + 4,
                "start",
                "<tspan fill=\"" + colour + "\">" + escaped(curve.name()) + "</tspan>");
    }

    private static void text(StringBuilder svg, double x, double y, String anchor, String text) {
        svg.append("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n".formatted(x, y, anchor, text));
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;");
    }

    private static double x(double connections, double maxConnections) {
        return LEFT + (WIDTH - RIGHT - LEFT) * Math.log(connections) / Math.log(maxConnections);
    }

    private static double y(int top, double value, double axisLimit) {
        return top + PANEL_HEIGHT - BOTTOM - (PANEL_HEIGHT - BOTTOM - TOP) * value / axisLimit;
    }

    /** Returns the smallest number that is 1, 2 or 5 times a power of ten and not below {@code largest}. */
    static double axisLimit(double largest) {
        double power = Math.pow(10, Math.floor(Math.log10(largest)));
        for (double factor : new double[] {1, 2, 5, 10}) {
            if (largest <= factor * power) {
                return factor * power;
            }
        }
        throw new IllegalArgumentException(String.format(Locale.ROOT, "no axis limit for %f", largest));
    }
}
