// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import java.util.Random;

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
