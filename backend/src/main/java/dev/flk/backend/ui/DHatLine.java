// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/**
 * The lines of the claimed and the recomputed D̂ of outcomes, from left to right in the order of the outcomes.
 *
 * @param claimed the points of the line of the claimed D̂
 * @param recomputed the points of the line of the recomputed D̂
 * @param low the D̂ at the bottom
 * @param high the D̂ at the top
 */
public record DHatLine(String claimed, String recomputed, String low, String high) {
    /**
     * Returns the lines in a box of a width and a height.
     *
     * @param hasClaims whether the box shows the claimed D̂; otherwise, its line is empty
     */
    static DHatLine of(List<Outcome> outcomes, boolean hasClaims, int width, int height) {
        double[] all = outcomes.stream()
                .flatMapToDouble(each -> hasClaims
                        ? DoubleStream.of(each.claimed(), each.recomputed())
                        : DoubleStream.of(each.recomputed()))
                .filter(Double::isFinite)
                .toArray();
        double low = DoubleStream.of(all).min().orElse(0);
        double high = DoubleStream.of(all).max().orElse(0);
        return new DHatLine(
                hasClaims ? points(outcomes, Outcome::claimed, low, high, width, height) : "",
                points(outcomes, Outcome::recomputed, low, high, width, height),
                Outcome.decimals(low),
                Outcome.decimals(high));
    }

    private static String points(
            List<Outcome> outcomes, ToDoubleFunction<Outcome> value, double low, double high, int width, int height) {
        StringBuilder points = new StringBuilder();
        double step = outcomes.size() < 2 ? 0 : (width - 2.0) / (outcomes.size() - 1);
        for (int i = 0; i < outcomes.size(); i++) {
            double each = value.applyAsDouble(outcomes.get(i));
            if (Double.isFinite(each)) {
                double share = high > low ? (each - low) / (high - low) : 0.5;
                points.append(
                        String.format(Locale.ROOT, "%.1f,%.1f ", 1 + i * step, height - 1 - share * (height - 2)));
            }
        }
        return points.toString().strip();
    }
}
