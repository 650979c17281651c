// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.BitSet;

/** Counts the boxes that hold points when the unit cube is cut into {@code scale³} boxes (the box-counting dimension). */
final class BoxCounting {
    /** The scales of every certificate made here: boxes along an edge of the cube. */
    static final int[] SCALES = {2, 4, 8, 16};

    private BoxCounting() {}

    /** The occupied boxes at each of {@link #SCALES}: at least 1, at most the number of points. */
    static long[] count(UnitCube points) {
        long[] counts = new long[SCALES.length];
        for (int i = 0; i < counts.length; i++) {
            counts[i] = occupied(points, SCALES[i]);
        }
        return counts;
    }

    private static long occupied(UnitCube points, int scale) {
        BitSet boxes = new BitSet(scale * scale * scale);
        for (int i = 0; i < points.size(); i++) {
            boxes.set((slot(points.x(i), scale) * scale + slot(points.y(i), scale)) * scale + slot(points.z(i), scale));
        }
        return boxes.cardinality();
    }

    /** The last box is closed on both sides: 1.0 lies in it. */
    private static int slot(double coordinate, int scale) {
        return Math.min(scale - 1, (int) (coordinate * scale));
    }
}
