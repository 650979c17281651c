// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.review.Reviews;
import dev.flk.backend.review.Reviews.Made;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.apache.commons.math3.stat.StatUtils;

/**
 * The view of one recorded certificate.
 *
 * @param facts what the certificate says of itself and what the backend knows of it
 * @param compared the claims next to what the backend recomputed
 * @param points the occupied boxes at each scale; empty if the record does not have them
 * @param line the ends of the line with the recomputed D̂ as its slope, as points of a polyline; empty without points
 * @param reviews the versions of its review, the newest first
 * @param token the secret of the form
 */
public record CertificateView(
        Instant at,
        Outcome outcome,
        List<Fact> facts,
        List<Compared> compared,
        List<Point> points,
        String line,
        List<Made> reviews,
        String token) {
    private static final double WIDTH = 420;

    private static final double HEIGHT = 300;
    private static final double MARGIN = 12;

    /** A named value. */
    public record Fact(String name, String value) {}

    /** A claim, and what was recomputed; {@code –} for a claim that is not recomputed. */
    public record Compared(String name, String claimed, String recomputed) {}

    /**
     * The number of occupied boxes at a scale, with its place in the plot.
     *
     * @param x the place of log₂ of the scale, from the left
     * @param y the place of log₂ of the number, from the top
     */
    public record Point(int scale, long boxes, String x, String y) {}

    /** Creates the view of a line of the record. */
    public static CertificateView of(String recorded, Reviews reviews, String token, Instant now) {
        JsonNode json = Outcome.parsed(recorded);
        Outcome outcome = Outcome.of(recorded);
        List<Fact> facts = new ArrayList<>();
        facts.add(new Fact("received", Pages.time(outcome.receivedAt())));
        facts.add(new Fact("epoch", Long.toString(outcome.epoch())));
        facts.add(new Fact("regime", outcome.regime()));
        addFact(facts, "first measurement", json.path("window_start"));
        addFact(facts, "last measurement", json.path("window_end"));
        addFact(facts, "key", json.path("key_id"));
        addFact(facts, "policy", json.path("policy"));
        addFact(facts, "Merkle root", json.path("merkle_root"));
        List<Compared> compared = List.of(
                new Compared("D̂", text(json.path("D_hat")), text(json.path("recomputed_D_hat"))),
                new Compared("budget", text(json.path("budget")), text(json.path("recomputed_budget"))),
                new Compared("coh★", text(json.path("coh_star")), "–"),
                new Compared("r", text(json.path("r")), "–"));
        Plot plot = Plot.of(json, outcome.recomputed());
        return new CertificateView(
                now,
                outcome,
                facts,
                compared,
                plot.points,
                plot.line,
                reviews.versions(outcome.shard(), outcome.epoch(), outcome.id()),
                token);
    }

    private static void addFact(List<Fact> facts, String name, JsonNode value) {
        if (!value.isMissingNode()) {
            facts.add(new Fact(name, value.asText()));
        }
    }

    private static String text(JsonNode value) {
        return value.isMissingNode() ? "–" : value.asText();
    }

    /** Returns the verdict with its reason, as a sentence. */
    public String verdict() {
        return "This certificate was " + outcome.verdict()
                + (outcome.reason().isEmpty() ? "." : ": " + outcome.reason() + ".");
    }

    /** The points and the line of the plot, with logarithmic axes. */
    private record Plot(List<Point> points, String line) {
        static Plot of(JsonNode json, double slope) {
            List<Integer> scales = new ArrayList<>();
            List<Long> boxes = new ArrayList<>();
            for (JsonNode scale : json.path("scales")) {
                JsonNode count = json.path("N_j").path(scale.asText());
                if (scale.asInt() > 0 && count.asLong() > 0) {
                    scales.add(scale.asInt());
                    boxes.add(count.asLong());
                }
            }
            if (scales.isEmpty() || !Double.isFinite(slope)) {
                return new Plot(List.of(), "");
            }
            double[] x =
                    scales.stream().mapToDouble(each -> log2((double) each)).toArray();
            double[] y = boxes.stream().mapToDouble(each -> log2((double) each)).toArray();
            double[] intercepts = new double[x.length];
            for (int i = 0; i < x.length; i++) {
                intercepts[i] = y[i] - slope * x[i];
            }
            double intercept = StatUtils.percentile(intercepts, 50);
            double left = Arrays.stream(x).min().orElseThrow();
            double right = Math.max(left + 1, Arrays.stream(x).max().orElseThrow());
            double[] ends = {intercept + slope * left, intercept + slope * right};
            double low = Math.min(Arrays.stream(y).min().orElseThrow(), Math.min(ends[0], ends[1]));
            double high = Math.max(low + 1, Math.max(Arrays.stream(y).max().orElseThrow(), Math.max(ends[0], ends[1])));
            List<Point> points = new ArrayList<>();
            for (int i = 0; i < x.length; i++) {
                points.add(new Point(
                        scales.get(i),
                        boxes.get(i),
                        place((x[i] - left) / (right - left), WIDTH),
                        place((high - y[i]) / (high - low), HEIGHT)));
            }
            String line = place(0, WIDTH) + "," + place((high - ends[0]) / (high - low), HEIGHT) + " " + place(1, WIDTH)
                    + "," + place((high - ends[1]) / (high - low), HEIGHT);
            return new Plot(points, line);
        }

        private static double log2(double value) {
            return Math.log(value) / Math.log(2);
        }

        private static String place(double share, double size) {
            return String.format(Locale.ROOT, "%.1f", MARGIN + share * (size - 2 * MARGIN));
        }
    }
}
