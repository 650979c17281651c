// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.CsvRows.Row;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.zip.Deflater;

/** What is measured on the points of a window. Pure. */
final class Measures {
    private static final int ZLIB_LEVEL = 6;
    /** The scales of every certificate made here: boxes along an edge of the cube. */
    static final int[] SCALES = {2, 4, 8, 16};

    private Measures() {}

    /**
     * Box counting: the unit cube is cut into {@code scale³} boxes; the occupied boxes at each of {@link #SCALES}: at
     * least 1, at most the number of points.
     */
    static long[] boxCounts(UnitCube points) {
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

    /**
     * How far bytes compress: the size after zlib at level {@value #ZLIB_LEVEL} by the size before, 0 to 1; 1 for no bytes and for
     * what only grows. Two builds of zlib may differ by some bytes here, and only here; the {@code pcs_id} does not depend on it.
     */
    static double compressibility(byte[] bytes) {
        if (bytes.length == 0) {
            return 1;
        }
        Deflater zlib = new Deflater(ZLIB_LEVEL);
        try {
            zlib.setInput(bytes);
            zlib.finish();
            byte[] discarded = new byte[1 << 13];
            while (!zlib.finished()) {
                zlib.deflate(discarded);
            }
            return Math.min(1.0, (double) zlib.getBytesWritten() / bytes.length);
        } finally {
            zlib.end();
        }
    }

    /**
     * How strongly the points of a window gather: the largest share of them that falls into one of {@value #BINS} equal bins
     * along any of {@value #DIRECTIONS} directions. The bins divide the shadow that the whole unit cube throws on the
     * direction, not that of the points, so that a tight cluster counts as one.
     *
     * @param share coh★, above 0 and at most 1
     * @param direction the unit vector along which it was found (the first, if several do as well)
     */
    record Coherence(double share, double[] direction) {
        static final int BINS = 16;
        static final int DIRECTIONS = 64;
        /** The seed that is written into the certificate; {@link Random} is specified to the bit, so it names the directions. */
        static final long SEED = 1;

        private static final double[][] FIXED = directions();

        static Coherence of(UnitCube points) {
            double best = 0;
            double[] along = FIXED[0];
            for (double[] direction : FIXED) {
                double share = largestShare(points, direction);
                if (share > best) {
                    best = share;
                    along = direction;
                }
            }
            return new Coherence(best, along);
        }

        private static double largestShare(UnitCube points, double[] d) {
            double low = Math.min(0, d[0]) + Math.min(0, d[1]) + Math.min(0, d[2]);
            double high = Math.max(0, d[0]) + Math.max(0, d[1]) + Math.max(0, d[2]);
            int[] bins = new int[BINS];
            int fullest = 0;
            for (int i = 0; i < points.size(); i++) {
                double shadow = points.x(i) * d[0] + points.y(i) * d[1] + points.z(i) * d[2];
                // rounding may put a corner of the cube a hair outside of its own shadow
                int bin = Math.max(0, Math.min(BINS - 1, (int) ((shadow - low) / (high - low) * BINS)));
                fullest = Math.max(fullest, ++bins[bin]);
            }
            return (double) fullest / points.size();
        }

        /** Uniform on the sphere (Archimedes: the height of a uniform point is uniform). */
        private static double[][] directions() {
            Random random = new Random(SEED);
            double[][] directions = new double[DIRECTIONS][];
            for (int i = 0; i < DIRECTIONS; i++) {
                double height = 2 * random.nextDouble() - 1;
                double angle = 2 * StrictMath.PI * random.nextDouble();
                double radius = StrictMath.sqrt(1 - height * height);
                directions[i] = new double[] {radius * StrictMath.cos(angle), radius * StrictMath.sin(angle), height};
            }
            return directions;
        }
    }

    /**
     * The points of a window, each axis stretched to [0, 1] on its own: degrees and kilometres have no common measure. An axis
     * along which nothing varies is 0 throughout.
     */
    static final class UnitCube {
        private final double[][] axes;

        private UnitCube(double[][] axes) {
            this.axes = axes;
        }

        /** Three values are the axes; two leave the third at 0; one is a curve over time. */
        static UnitCube of(List<Row> rows) {
            return rows.get(0).values() == 1
                    ? of(rows, Row::timestampSeconds, Row::x, row -> 0)
                    : of(rows, Row::x, Row::y, Row::z);
        }

        private static UnitCube of(
                List<Row> rows, ToDoubleFunction<Row> x, ToDoubleFunction<Row> y, ToDoubleFunction<Row> z) {
            return new UnitCube(new double[][] {normalised(rows, x), normalised(rows, y), normalised(rows, z)});
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
}
