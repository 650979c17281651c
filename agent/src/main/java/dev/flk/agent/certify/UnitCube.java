// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * The points of a window, each axis stretched to [0, 1] on its own: degrees and kilometres have no common measure. An axis
 * along which nothing varies is 0 throughout.
 */
final class UnitCube {
    private final double[][] axes;

    private UnitCube(double[][] axes) {
        this.axes = axes;
    }

    static UnitCube of(List<Row> rows) {
        return new UnitCube(new double[][] {
            normalised(rows, Row::x), normalised(rows, Row::y), normalised(rows, Row::z),
        });
    }

    int size() {
        return axes[0].length;
    }

    double x(int point) {
        return axes[0][point];
    }

    double y(int point) {
        return axes[1][point];
    }

    double z(int point) {
        return axes[2][point];
    }

    private static double[] normalised(List<Row> rows, ToDoubleFunction<Row> axis) {
        double[] values = rows.stream().mapToDouble(axis).toArray();
        double min = Double.POSITIVE_INFINITY;
        double max = Double.NEGATIVE_INFINITY;
        for (double value : values) {
            min = StrictMath.min(min, value);
            max = StrictMath.max(max, value);
        }
        // values of both signs near the largest double are as far apart as no double can tell
        double shrink = Double.isFinite(max - min) ? 1.0 : 0.25;
        double extent = max * shrink - min * shrink;
        for (int i = 0; i < values.length; i++) {
            values[i] = extent == 0 ? 0 : (values[i] * shrink - min * shrink) / extent;
        }
        return values;
    }
}
