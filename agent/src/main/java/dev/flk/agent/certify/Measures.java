// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.csv.CsvRows.Row;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import java.util.function.ToDoubleFunction;
import java.util.zip.Deflater;

/** The computations on the points of a window. Pure. */
final class Measures {
    private static final int ZLIB_LEVEL = 6;
    /** The scales of every computed certificate; a scale is the number of boxes along an edge of the cube. */
    static final int[] SCALES = {2, 4, 8, 16};

    private Measures() {}

    /**
     * Divides the unit cube into {@code scale³} boxes for each of {@link #SCALES}, and counts the boxes that contain a
     * point. Returns the counts in the order of the scales. Each count is at least 1 and at most the number of points.
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

    /** Returns the index of the box that contains a coordinate; the last box includes 1.0. */
    private static int slot(double coordinate, int scale) {
        return Math.min(scale - 1, (int) (coordinate * scale));
    }

    /**
     * Returns the size of bytes compressed with zlib at level {@value #ZLIB_LEVEL}, divided by their original size. The
     * result is at most 1; it is exactly 1 if there are no bytes, or if compression does not reduce their size. The
     * values {@code r} and {@code budget} of a certificate depend on this result, and may therefore differ slightly
     * between builds of zlib; the {@code pcs_id} does not depend on it.
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
     * The concentration of the points of a window. For each of {@value #DIRECTIONS} directions, the points are
     * projected onto the direction and counted in {@value #BINS} equal bins; coh★ is the largest share of the points
     * that a single bin contains. The bins divide the projection of the entire unit cube, not only the projection of
     * the points; a tight cluster therefore falls into one bin or a few bins.
     *
     * @param share coh★, above 0 and at most 1
     * @param direction the unit vector of the direction with the largest share; if several directions have this share,
     *     the first of these directions
     */
    record Coherence(double share, double[] direction) {
        static final int BINS = 16;
        static final int DIRECTIONS = 64;
        /**
         * The seed of the directions. The certificate contains the seed, from which a reader can compute the directions
         * again, because the algorithm of {@link Random} is specified exactly.
         */
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
                // limits the index, because rounding may place a point at a corner of the cube slightly outside the
                // bins
                int bin = Math.max(0, Math.min(BINS - 1, (int) ((shadow - low) / (high - low) * BINS)));
                fullest = Math.max(fullest, ++bins[bin]);
            }
            return (double) fullest / points.size();
        }

        /**
         * Returns pseudorandom directions, distributed uniformly on the sphere. The height is drawn uniformly, because
         * the height of a uniformly distributed point on a sphere is itself uniform (Archimedes).
         */
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
     * The points of a window. Each axis is scaled to [0, 1] independently, because the axes may have different units.
     * If all values on an axis are equal, all coordinates on that axis are 0.
     */
    static final class UnitCube {
        private final double[][] axes;

        private UnitCube(double[][] axes) {
            this.axes = axes;
        }

        /**
         * Returns one point for each row. If the rows have three values, the values are the coordinates. If the rows
         * have two values, the third coordinate is 0. If the rows have one value, the coordinates are the time, the
         * value and 0.
         */
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
            // first scales the values down if the difference between the largest and the smallest value overflows a
            // double
            double shrink = Double.isFinite(max - min) ? 1.0 : 0.25;
            double extent = max * shrink - min * shrink;
            for (int i = 0; i < values.length; i++) {
                values[i] = extent == 0 ? 0 : (values[i] * shrink - min * shrink) / extent;
            }
            return values;
        }
    }
}
