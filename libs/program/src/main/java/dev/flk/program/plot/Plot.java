// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.plot;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A plot with two axes, drawn as SVG in the order of the calls. The colours come from the stylesheet that {@link
 * #style} returns. The text that {@link #svg} returns includes this stylesheet; a page with an {@link #embedded} plot
 * must include the stylesheet itself. A value outside an axis is drawn at the end of the axis. A value that is not
 * finite interrupts a line. Used by one thread.
 */
public final class Plot {
    private static final int LEFT = 64;
    private static final int TOP = 34;
    private static final int BOTTOM = 44;
    private static final int MARK_RADIUS = 6;
    private static final int FADING_PARTS = 12;

    /** The width of a letter and the height of a line of a note on a narrow screen, where its font is largest. */
    private static final double NOTE_CHAR = 10;

    private static final double NOTE_LINE = 20;
    private static final double FAINTEST = 0.12;

    private final String title;
    private final Axis horizontal;
    private final Axis vertical;
    private final int width;
    private final int height;
    private final int right;
    private final StringBuilder svg = new StringBuilder();
    private final StringBuilder links = new StringBuilder();
    /** The notes: the left end, the height and the right end of each. */
    private final List<double[]> notes = new ArrayList<>();

    /** A point in the units of the axes. */
    public record Point(double x, double y) {}

    /**
     * A thing in a plot that has a page of its own.
     *
     * @param at its points, one above the other; those that are not finite, or close to the one before, are left out
     * @param address the URL of its page
     * @param text its description, which a browser shows next to the pointer
     */
    public record Mark(List<Point> at, String address, String text) {}

    /** The style of a line: its colour and dashes. */
    public enum Line {
        FIRST,
        SECOND,
        THIRD,
        LIMIT;

        private String css() {
            return "line-" + name().toLowerCase(Locale.ROOT);
        }
    }

    /** The colour of an area. */
    public enum Area {
        FIRST,
        SECOND,
        THIRD;

        private String css() {
            return "area-" + name().toLowerCase(Locale.ROOT);
        }
    }

    /**
     * Creates an empty plot of a size in pixels.
     *
     * @param right the width of the margin on the right, for the names of lines
     */
    public Plot(String title, Axis horizontal, Axis vertical, int width, int height, int right) {
        this.title = title;
        this.horizontal = horizontal;
        this.vertical = vertical;
        this.width = width;
        this.height = height;
        this.right = right;
        add("<text class=\"title\" x=\"%d\" y=\"%d\">%s</text>%n", LEFT, TOP - 14, escaped(title));
    }

    /** Draws the grid and the labels of the axes. */
    public Plot axes() {
        for (Axis.Tick tick : vertical.ticks()) {
            double y = y(tick.value());
            add("<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>%n", LEFT, width - right, y, y);
            text(LEFT - 8, y + 4, "end", tick.text());
        }
        int bottom = height - BOTTOM;
        add(
                "<rect class=\"frame\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>%n",
                LEFT, TOP, width - right - LEFT, bottom - TOP);
        for (int i = 0; i < horizontal.ticks().size(); i++) {
            Axis.Tick tick = horizontal.ticks().get(i);
            double x = x(tick.value());
            add("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>%n", x, x, bottom, bottom + 4);
            // where the plot is narrow, a page may leave out every second text, and shift the last one
            boolean isLast = i == horizontal.ticks().size() - 1;
            String css = i % 2 == 1 ? " class=\"odd\"" : isLast ? " class=\"last\"" : "";
            text(x, bottom + 18, "middle", tick.text(), css + horizontal.attribute(tick));
        }
        text(LEFT, bottom + 36, "start", horizontal.label());
        add(
                "<text text-anchor=\"end\" transform=\"translate(14 %d) rotate(-90)\">%s</text>%n",
                TOP, escaped(vertical.label()));
        return this;
    }

    /** Fills a rectangle. */
    public Plot area(Area area, double fromX, double toX, double fromY, double toY) {
        add(
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>%n",
                area.css(), x(fromX), y(toY), x(toX) - x(fromX) + 0.1, y(fromY) - y(toY));
        return this;
    }

    /** Fills the area between two lines that have points at the same horizontal positions. */
    public Plot between(Area area, List<Point> low, List<Point> high) {
        StringBuilder points = new StringBuilder();
        for (Point point : low) {
            points.append(place(point)).append(' ');
        }
        for (int i = high.size() - 1; i >= 0; i--) {
            points.append(place(high.get(i))).append(' ');
        }
        add(
                "<polygon class=\"%s\" points=\"%s\"/>%n",
                area.css(), points.toString().strip());
        return this;
    }

    /** Draws a line through points. */
    public Plot line(Line line, List<Point> points) {
        add("<path class=\"%s\" d=\"%s\"/>%n", line.css(), path(points));
        return this;
    }

    /** Draws a line through points whose beginning is faint, so that its direction can be seen where it crosses itself. */
    public Plot fadingLine(Line line, List<Point> points) {
        int parts = Math.max(1, Math.min(FADING_PARTS, points.size() - 1));
        for (int i = 0; i < parts; i++) {
            int from = (points.size() - 1) * i / parts;
            int to = (points.size() - 1) * (i + 1) / parts;
            double opacity = FAINTEST + (1 - FAINTEST) * (i + 1) * (i + 1) / (parts * parts);
            add(
                    "<path class=\"%s\" stroke-opacity=\"%.2f\" d=\"%s\"/>%n",
                    line.css(), opacity, path(points.subList(from, to + 1)));
        }
        return this;
    }

    private String path(List<Point> points) {
        StringBuilder path = new StringBuilder();
        boolean isDown = false;
        for (Point point : points) {
            boolean isPlace = isFinite(point);
            if (isPlace) {
                path.append(isDown ? " L" : path.isEmpty() ? "M" : " M").append(place(point));
            }
            isDown = isPlace;
        }
        return path.toString();
    }

    /** Draws a horizontal line over the whole width. */
    public Plot limit(double y) {
        return line(Line.LIMIT, List.of(new Point(horizontal.least(), y), new Point(horizontal.most(), y)));
    }

    /** Draws a dot for each point. */
    public Plot dots(Line line, int radius, List<Point> points) {
        for (Point point : points) {
            if (isFinite(point)) {
                add(
                        "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%d\"/>%n",
                        line.css(), x(point.x()), y(point.y()), radius);
            }
        }
        return this;
    }

    /**
     * Makes points links in an {@link #embedded} plot, which are visible only under the pointer. They can't be reached
     * with the keyboard or a screen reader, because hundreds of stops would be in the way; the page must have the same
     * links elsewhere.
     */
    public Plot marks(List<Mark> marks) {
        for (Mark mark : marks) {
            links.append("<a href=\"")
                    .append(escaped(mark.address()))
                    .append("\" tabindex=\"-1\"><title>")
                    .append(escaped(mark.text()))
                    .append("</title>");
            // claims are usually so close to what was recomputed that one circle covers both
            double lastY = Double.NaN;
            for (Point point : mark.at()) {
                if (isFinite(point) && !(Math.abs(y(point.y()) - lastY) < 2)) {
                    lastY = y(point.y());
                    links.append("<circle cx=\"")
                            .append(tenths(x(point.x())))
                            .append("\" cy=\"")
                            .append(tenths(lastY));
                    links.append("\" r=\"").append(MARK_RADIUS).append("\"/>");
                }
            }
            links.append("</a>\n");
        }
        return this;
    }

    /** Rounds a position to a tenth of a pixel, much faster than a format does. */
    private static double tenths(double pixels) {
        return Math.round(pixels * 10) / 10.0;
    }

    private static boolean isFinite(Point point) {
        return Double.isFinite(point.x()) && Double.isFinite(point.y());
    }

    /**
     * Writes text below a point, to the right, where a rising line through the point does not cross it; where there is
     * no room, above it or to the left. Leaves out a text that would cover another one.
     */
    public Plot text(Point at, String text) {
        double length = NOTE_CHAR * text.length();
        boolean isLeft = x(at.x()) + 8 + length > width;
        double x = isLeft ? x(at.x()) - 8 - length : x(at.x()) + 8;
        double y = y(at.y()) + (y(at.y()) + NOTE_LINE > height - BOTTOM ? -8 : 15);
        for (double[] other : notes) {
            if (Math.abs(other[1] - y) < NOTE_LINE && x < other[2] && other[0] < x + length) {
                return this;
            }
        }
        notes.add(new double[] {x, y, x + length});
        text(isLeft ? x(at.x()) - 8 : x, y, isLeft ? "end" : "start", text, " class=\"note\"");
        return this;
    }

    /** Adds an entry to the legend below the plot: a field with the colour of an area, and the meaning of the area. */
    public Plot legend(int place, Area area, String text) {
        double x = width - right - 375 + 125 * place;
        int y = height - BOTTOM + 25;
        add("<rect class=\"%s\" x=\"%.1f\" y=\"%d\" width=\"14\" height=\"14\"/>%n", area.css(), x, y);
        text(x + 20, y + 12, "start", text, " class=\"legend\"");
        return this;
    }

    /**
     * Returns the plot as an element for a page, which must include the stylesheet that {@link #style} returns.
     *
     * @param description the text for readers who can't see it
     */
    public String embedded(String description) {
        String described = "role=\"img\" aria-label=\"" + escaped(title + ". " + description) + "\"";
        String begin = String.format(
                Locale.ROOT,
                "<svg class=\"plot\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" data-left=\"%d\" data-right=\"%d\"",
                width,
                height,
                width,
                height,
                LEFT,
                width - right);
        // an image can't contain links
        return links.isEmpty()
                ? begin + " " + described + ">\n" + svg + "</svg>\n"
                : begin + ">\n<g " + described + ">\n" + svg + "</g>\n<g class=\"marks\" aria-hidden=\"true\">\n"
                        + links + "</g>\n</svg>\n";
    }

    /**
     * Returns a small plot without axes for a page: a line through the values, from left to right at equal distances.
     *
     * @param low the value at the bottom, at most the least of the values
     * @param high the value at the top, at least the greatest of the values
     */
    public static String sparkline(
            List<Double> values, double low, double high, int width, int height, String description) {
        double range = high > low ? high - low : 1;
        double step = (width - 2.0) / Math.max(1, values.size() - 1);
        StringBuilder path = new StringBuilder();
        boolean isDown = false;
        for (int i = 0; i < values.size(); i++) {
            double value = values.get(i);
            if (Double.isFinite(value)) {
                path.append(String.format(
                        Locale.ROOT,
                        isDown ? " L%.1f %.1f" : " M%.1f %.1f",
                        1 + i * step,
                        height - 1 - (value - low) / range * (height - 2)));
            }
            isDown = Double.isFinite(value);
        }
        return String.format(
                Locale.ROOT,
                "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"%s\"><path class=\"line-first\" d=\"%s\"/></svg>",
                width,
                height,
                width,
                height,
                escaped(description),
                path.toString().strip());
    }

    /** Returns plots of the same width, one above the other, as the text of a file. */
    public static String svg(List<Plot> plots) {
        int height = plots.stream().mapToInt(plot -> plot.height).sum();
        StringBuilder file = new StringBuilder(String.format(
                Locale.ROOT,
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">%n"
                        + "<style>%n%s</style>%n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n",
                plots.get(0).width,
                height,
                plots.get(0).width,
                height,
                style()));
        int top = 0;
        for (Plot plot : plots) {
            file.append(String.format(Locale.ROOT, "<g class=\"plot\" transform=\"translate(0 %d)\">%n", top))
                    .append(plot.svg)
                    .append(String.format("</g>%n"));
            top += plot.height;
        }
        return file.append(String.format("</svg>%n")).toString();
    }

    /** Returns the stylesheet of plots. */
    public static String style() {
        try (InputStream in = Plot.class.getResourceAsStream("plot.css")) {
            if (in == null) {
                throw new IllegalStateException("plot.css is missing in this build");
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private double x(double value) {
        return LEFT
                + (width - right - LEFT)
                        * (clamped(horizontal, value) - horizontal.least())
                        / (horizontal.most() - horizontal.least());
    }

    private double y(double value) {
        return height
                - BOTTOM
                - (height - BOTTOM - TOP)
                        * (clamped(vertical, value) - vertical.least())
                        / (vertical.most() - vertical.least());
    }

    private static double clamped(Axis axis, double value) {
        return Math.max(axis.least(), Math.min(axis.most(), value));
    }

    private String place(Point point) {
        return tenths(x(point.x())) + " " + tenths(y(point.y()));
    }

    private void text(double x, double y, String anchor, String text) {
        text(x, y, anchor, text, "");
    }

    private void text(double x, double y, String anchor, String text, String attributes) {
        add("<text%s x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n", attributes, x, y, anchor, escaped(text));
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;");
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }
}
