// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.certificate.Certificate.Regime;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.apache.commons.math3.stat.StatUtils;

/**
 * An SVG plot of the claims of certificates: the fit of D̂ in the window with the median D̂, and the values of D̂ and
 * coh★ for all windows. The background colour of a window shows its regime. Pure.
 */
public final class CertificatePlot {
    private static final int WIDTH = 760;
    private static final int PANEL_HEIGHT = 250;
    private static final int LEFT = 62;
    private static final int RIGHT = 24;
    private static final int TOP = 44;
    private static final int BOTTOM = 44;
    private static final double MOST_D_HAT = 3;

    private static final JsonMapper JSON = new JsonMapper();
    private static final String DARK = "#0b3d66";
    private static final String LINE = "#c2410c";
    private static final String GRID = "#c9ced6";

    /** The first lines of every plot. {@link #isPlot} recognises a plot by these lines and by {@link #END}. */
    private static final String BEGINNING = String.format(
            Locale.ROOT,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\""
                    + " font-family=\"sans-serif\" font-size=\"12\" fill=\"#1f2328\">%n"
                    + "<!-- drawn by flk-agent certify -->%n",
            WIDTH,
            3 * PANEL_HEIGHT,
            WIDTH,
            3 * PANEL_HEIGHT);

    private static final String END =
            String.format(Locale.ROOT, "<!-- end of the plot by flk-agent certify -->%n</svg>%n");

    private final StringBuilder svg = new StringBuilder();

    private CertificatePlot() {}

    /**
     * Returns the plot of at least one certificate.
     *
     * @param certificates certificates computed by a {@link Certifier}
     */
    public static String svg(List<byte[]> certificates) {
        if (certificates.isEmpty()) {
            throw new IllegalArgumentException("there is no certificate to draw");
        }
        CertificatePlot plot = new CertificatePlot();
        plot.draw(certificates.stream().map(Claim::read).toList());
        return plot.svg.toString();
    }

    /** Returns whether a stream begins and ends like a plot that {@link #svg} returned. */
    public static boolean isPlot(InputStream in) throws IOException {
        String beginning = new String(in.readNBytes(BEGINNING.length()), StandardCharsets.UTF_8);
        return beginning.equals(BEGINNING) && new String(in.readAllBytes(), StandardCharsets.UTF_8).endsWith(END);
    }

    /**
     * The plotted claims of a certificate. {@code counts} contains the number of occupied boxes at each of {@code
     * scales}.
     */
    private record Claim(long epoch, double dHat, double cohStar, List<Integer> scales, List<Long> counts) {
        static Claim read(byte[] certificate) {
            try {
                JsonNode json = JSON.readTree(certificate);
                List<Integer> scales = new ArrayList<>();
                List<Long> counts = new ArrayList<>();
                for (JsonNode scale : json.path("scales")) {
                    scales.add(scale.asInt());
                    counts.add(json.path("N_j").path(scale.asText()).asLong());
                }
                return new Claim(
                        json.path("epoch").asLong(),
                        json.path("D_hat").asDouble(),
                        json.path("coh_star").asDouble(),
                        scales,
                        counts);
            } catch (IOException e) {
                throw new UncheckedIOException("reading from memory does not fail", e);
            }
        }

        Regime regime() {
            return Regime.of(dHat, cohStar);
        }
    }

    private void draw(List<Claim> all) {
        svg.append(BEGINNING);
        add("<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>%n");
        List<Claim> byDHat =
                all.stream().sorted(Comparator.comparingDouble(Claim::dHat)).toList();
        drawSlope(byDHat.get(byDHat.size() / 2));
        Panel dHat = new Panel(PANEL_HEIGHT, 0, all.size(), 0, MOST_D_HAT);
        drawOverWindows(dHat, "D̂ of each window", all, Claim::dHat, List.of(0.0, 1.0, 2.0, 3.0));
        threshold(dHat, Regime.STICKY_MAX_D_HAT);
        threshold(dHat, Regime.NON_STICKY_MIN_D_HAT);
        Panel cohStar = new Panel(2 * PANEL_HEIGHT, 0, all.size(), 0, 1);
        drawOverWindows(cohStar, "coh★ of each window", all, Claim::cohStar, List.of(0.0, 0.5, 1.0));
        threshold(cohStar, Regime.STICKY_MIN_COH_STAR);
        svg.append(END);
    }

    /**
     * Draws y, the log2 of the number of occupied boxes, over x, the log2 of the scale, and a line with slope D̂. The
     * intercept of the line is the median of y − D̂·x over all drawn points.
     */
    private void drawSlope(Claim one) {
        double[] x = one.scales().stream().mapToDouble(CertificatePlot::log2).toArray();
        double[] y = one.counts().stream().mapToDouble(CertificatePlot::log2).toArray();
        double slope = one.dHat();
        double intercept = StatUtils.percentile(
                IntStream.range(0, x.length)
                        .mapToDouble(i -> y[i] - slope * x[i])
                        .toArray(),
                50);
        double right = StatUtils.max(x) + 0.5;
        double top = Math.ceil(Math.max(StatUtils.max(y), intercept + slope * right)) + 0.2;
        Panel panel = new Panel(0, 0, right, 0, top);
        title(panel, String.format(Locale.ROOT, "Window %d: D̂ = %.3f is the slope of the line", one.epoch(), slope));
        for (int i = 0; i < x.length; i++) {
            text(
                    panel.x(x[i]),
                    panel.bottom() + 16,
                    "middle",
                    one.scales().get(i).toString());
        }
        axis(panel, "boxes along an edge, on a logarithmic scale");
        for (int power = 0; power <= top; power += Math.max(1, (int) (top / 5))) {
            grid(panel, power, Long.toString(1L << power));
        }
        double from = Math.max(0, -intercept / Math.max(slope, 1e-9));
        add(
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"/>%n",
                panel.x(from),
                panel.y(intercept + slope * from),
                panel.x(right),
                panel.y(intercept + slope * right),
                LINE);
        for (int i = 0; i < x.length; i++) {
            point(panel.x(x[i]), panel.y(y[i]), 5);
            text(panel.x(x[i]) + 8, panel.y(y[i]) + 14, "start", one.counts().get(i) + " occupied");
        }
    }

    private static double log2(Number value) {
        return Math.log(value.doubleValue()) / Math.log(2);
    }

    private void drawOverWindows(
            Panel panel, String title, List<Claim> all, ToDoubleFunction<Claim> figure, List<Double> ticks) {
        title(panel, title);
        double width = panel.x(1) - panel.x(0);
        for (int i = 0; i < all.size(); i++) {
            add(
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>%n",
                    panel.x(i),
                    (double) panel.top(),
                    width + 0.1,
                    (double) (panel.bottom() - panel.top()),
                    colour(all.get(i).regime()));
        }
        ticks.forEach(tick -> grid(panel, tick, String.format(Locale.ROOT, "%.1f", tick)));
        List<String> path = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            double x = panel.x(i + 0.5);
            double y = panel.y(Math.min(panel.most(), figure.applyAsDouble(all.get(i))));
            path.add(String.format(Locale.ROOT, "%.1f,%.1f", x, y));
            point(x, y, 3);
        }
        add("<polyline points=\"%s\" fill=\"none\" stroke=\"%s\"/>%n", String.join(" ", path), DARK);
        text(panel.x(0), panel.bottom() + 16, "start", Long.toString(all.get(0).epoch()));
        text(
                panel.x(all.size()),
                panel.bottom() + 16,
                "end",
                Long.toString(all.get(all.size() - 1).epoch()));
        axis(panel, "window; its colour is the regime:");
        double x = WIDTH - 290;
        for (Regime regime : Regime.values()) {
            add(
                    "<rect x=\"%.1f\" y=\"%d\" width=\"14\" height=\"14\" fill=\"%s\" stroke=\"%s\"/>%n",
                    x, panel.bottom() + 22, colour(regime), GRID);
            text(x + 20, panel.bottom() + 34, "start", regime.wireName());
            x += 88;
        }
    }

    private static String colour(Regime regime) {
        return switch (regime) {
            case STICKY -> "#cfe8ff";
            case MIXED -> "#f3f4f6";
            case NON_STICKY -> "#ffe3bf";
        };
    }

    private void threshold(Panel panel, double value) {
        add(
                "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-dasharray=\"5 4\"/>%n",
                LEFT, WIDTH - RIGHT, panel.y(value), panel.y(value), LINE);
        text(LEFT - 8, panel.y(value) + 4, "end", String.format(Locale.ROOT, "%.1f", value));
    }

    private void title(Panel panel, String title) {
        add("<text x=\"%d\" y=\"%d\" font-weight=\"bold\" font-size=\"14\">%s</text>%n", LEFT, panel.top() - 16, title);
    }

    private void axis(Panel panel, String what) {
        text(LEFT, panel.bottom() + 34, "start", what);
    }

    private void grid(Panel panel, double value, String label) {
        add(
                "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>%n",
                LEFT, WIDTH - RIGHT, panel.y(value), panel.y(value), GRID);
        text(LEFT - 8, panel.y(value) + 4, "end", label);
    }

    private void point(double x, double y, int radius) {
        add("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\"/>%n", x, y, radius, DARK);
    }

    private void text(double x, double y, String anchor, String text) {
        add("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>%n", x, y, anchor, text);
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }

    /** A panel of the plot, which maps values to coordinates. */
    private record Panel(int offset, double leastX, double mostX, double least, double most) {
        int top() {
            return offset + TOP;
        }

        int bottom() {
            return offset + PANEL_HEIGHT - BOTTOM;
        }

        double x(double value) {
            return LEFT + (WIDTH - RIGHT - LEFT) * (value - leastX) / (mostX - leastX);
        }

        double y(double value) {
            return bottom() - (bottom() - top()) * (value - least) / (most - least);
        }
    }
}
