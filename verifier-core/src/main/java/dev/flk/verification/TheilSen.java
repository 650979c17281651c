// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;
import java.util.Arrays;
import org.apache.commons.math3.util.KthSelector;

/**
 * The Theil–Sen estimate of a dimension: the median of the slopes between all pairs of points (log2 scale, log2 count).
 * For an even number of slopes, the median is the mean of the two middle slopes.
 */
public final class TheilSen {
    private static final KthSelector SELECTOR = new KthSelector();

    private TheilSen() {}

    /**
     * Returns D̂, rounded to 9 decimals. The result is the same on every platform. For n points, n(n−1)/2 slopes are
     * held in memory.
     *
     * @param scales at least two distinct scales, each at least 1
     * @param counts the counts of occupied boxes, one per scale, each at least 1
     * @throws IllegalArgumentException if there are fewer than two points, a value is below 1, or two scales are equal
     */
    public static double slope(int[] scales, long[] counts) {
        double[] slopes = pairSlopes(scales, counts);
        int middle = slopes.length / 2;
        double upper = SELECTOR.select(slopes, null, middle);
        double lower = slopes.length % 2 == 1 ? upper : SELECTOR.select(slopes, null, middle - 1);
        return CanonicalDouble.round9(lower + 0.5 * (upper - lower));
    }

    /** Returns the slopes between all pairs in ascending order; has the same preconditions as {@link #slope}. */
    static double[] slopes(int[] scales, long[] counts) {
        double[] slopes = pairSlopes(scales, counts);
        Arrays.sort(slopes);
        return slopes;
    }

    private static double[] pairSlopes(int[] scales, long[] counts) {
        int points = scales.length;
        if (points < 2 || counts.length != points) {
            throw new IllegalArgumentException("a slope needs at least 2 scales with one count each, not " + points
                    + " scales and " + counts.length + " counts");
        }
        double[] slopes = new double[points * (points - 1) / 2];
        int next = 0;
        for (int i = 0; i < points; i++) {
            requirePositive(scales[i]);
            requirePositive(counts[i]);
            for (int j = 0; j < i; j++) {
                slopes[next++] = slope(scales[j], counts[j], scales[i], counts[i]);
            }
        }
        return slopes;
    }

    private static double slope(int scale1, long count1, int scale2, long count2) {
        if (scale1 == scale2) {
            throw new IllegalArgumentException("scale " + scale1 + " is repeated");
        }
        return scale1 < scale2
                ? logRatio(count1, count2) / logRatio(scale1, scale2)
                : logRatio(count2, count1) / logRatio(scale2, scale1);
    }

    /**
     * Returns ln(to / from). The base of the logarithm cancels out in a slope. Computing the logarithm of the ratio
     * with log1p keeps full precision if two scales are close together, whereas the difference of their logarithms
     * would lose most digits.
     */
    private static double logRatio(long from, long to) {
        return from <= to
                ? StrictMath.log1p((double) (to - from) / from)
                : -StrictMath.log1p((double) (from - to) / to);
    }

    private static void requirePositive(long value) {
        if (value < 1) {
            throw new IllegalArgumentException("scales and counts must be at least 1, not " + value);
        }
    }
}
