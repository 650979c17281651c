// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.program.plot.Axis;
import dev.flk.program.plot.BoxCountPlot;
import dev.flk.program.plot.Plot;
import dev.flk.program.plot.Plot.Point;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/**
 * An SVG plot of the claims in certificates. It shows D̂ and coh★ for every window and, for the window with the median
 * D̂, the box counts and the line whose slope is D̂. The background colour of a window shows its regime. Pure.
 */
public final class CertificatePlot {
    private static final int WIDTH = 760;
    private static final int PANEL_HEIGHT = 250;
    private static final int RIGHT = 90;
    private static final double MOST_D_HAT = 3;

    private static final JsonMapper JSON = new JsonMapper();
    /** The second line of every plot. {@link #isPlot} recognises a plot by this line and by {@link #END}. */
    private static final String MARK = "<!-- drawn by flk-agent certify -->";

    private static final String END = String.format("<!-- end of the plot by flk-agent certify -->%n</svg>%n");

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
        String svg = Plot.svg(plots(certificates.stream().map(Claim::read).toList()));
        int firstLine = svg.indexOf('>') + 1;
        return svg.substring(0, firstLine)
                + System.lineSeparator()
                + MARK
                + svg.substring(firstLine, svg.lastIndexOf("</svg>"))
                + END;
    }

    /** Returns whether a stream begins and ends like a plot that {@link #svg} returned. */
    public static boolean isPlot(InputStream in) throws IOException {
        List<String> lines =
                new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
        int size = lines.size();
        return size > 3
                && lines.get(0).startsWith("<svg ")
                && lines.get(1).equals(MARK)
                && END.lines().toList().equals(lines.subList(size - 2, size));
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

    private static List<Plot> plots(List<Claim> all) {
        List<Claim> byDHat =
                all.stream().sorted(Comparator.comparingDouble(Claim::dHat)).toList();
        return List.of(
                slope(byDHat.get(byDHat.size() / 2)),
                overWindows("D̂ of each window", all, Claim::dHat, MOST_D_HAT)
                        .limit(Regime.STICKY_MAX_D_HAT)
                        .limit(Regime.NON_STICKY_MIN_D_HAT),
                overWindows("coh★ of each window", all, Claim::cohStar, 1).limit(Regime.STICKY_MIN_COH_STAR));
    }

    private static Plot slope(Claim one) {
        return BoxCountPlot.of(
                String.format(Locale.ROOT, "Window %d: D̂ = %.3f is the slope of the line", one.epoch(), one.dHat()),
                one.scales(),
                one.counts(),
                one.dHat(),
                WIDTH,
                PANEL_HEIGHT,
                RIGHT);
    }

    private static Plot overWindows(String title, List<Claim> all, ToDoubleFunction<Claim> figure, double most) {
        Axis windows = new Axis(
                "window; its colour is the regime:",
                0,
                all.size(),
                List.of(
                        new Axis.Tick(0.5, Long.toString(all.get(0).epoch())),
                        new Axis.Tick(
                                all.size() - 0.5,
                                Long.toString(all.get(all.size() - 1).epoch()))));
        Plot plot = new Plot(title, windows, Axis.around("", 0, most), WIDTH, PANEL_HEIGHT, RIGHT);
        for (int i = 0; i < all.size(); i++) {
            plot.area(area(all.get(i).regime()), i, i + 1, 0, most);
        }
        plot.axes();
        List<Point> points = new ArrayList<>();
        for (int i = 0; i < all.size(); i++) {
            points.add(new Point(i + 0.5, figure.applyAsDouble(all.get(i))));
        }
        plot.line(Plot.Line.FIRST, points).dots(Plot.Line.FIRST, 3, points);
        int place = 0;
        for (Regime regime : Regime.values()) {
            plot.legend(place++, area(regime), regime.wireName());
        }
        return plot;
    }

    private static Plot.Area area(Regime regime) {
        return switch (regime) {
            case STICKY -> Plot.Area.FIRST;
            case MIXED -> Plot.Area.SECOND;
            case NON_STICKY -> Plot.Area.THIRD;
        };
    }
}
