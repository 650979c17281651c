// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;
import java.util.Arrays;
import org.apache.commons.math3.stat.StatUtils;

/**
 * The Theil–Sen estimate of a dimension: the median of the slopes between all pairs of points (log2 scale, log2 count), the
 * mean of the two middle ones if their number is even.
 */
public final class TheilSen {
    private TheilSen() {}

    /**
     * D̂, rounded to 9 decimals. The same on every platform; for n points there are n(n−1)/2 slopes.
     *
     * @param scales at least two different ones, each from 1
     * @param counts of occupied boxes, one per scale, each from 1
     * @throws IllegalArgumentException if the points are fewer than two, a value is below 1, or two scales are equal
     */
    public static double slope(int[] scales, long[] counts) {
        return CanonicalDouble.round9(StatUtils.percentile(pairSlopes(scales, counts), 50));
    }

    /** The slopes between all pairs, ascending; as of {@link #slope}. */
    static double[] slopes(int[] scales, long[] counts) {
        double[] slopes = pairSlopes(scales, counts);
        Arrays.sort(slopes);
        return slopes;
    }

    private static double[] pairSlopes(int[] scales, long[] counts) {
        int points = scales.length;
        if (points < 2 || counts.length != points) {
            throw new IllegalArgumentException("a slope needs at least 2 scales with a count each, these are " + points
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
            throw new IllegalArgumentException("scale " + scale1 + " stands twice");
        }
        return scale1 < scale2
                ? logRatio(count1, count2) / logRatio(scale1, scale2)
                : logRatio(count2, count1) / logRatio(scale2, scale1);
    }

    /**
     * ln(to / from). The base of the logarithm cancels in a slope. Taking the logarithm of the ratio, and by log1p, keeps all
     * digits where two scales are neighbours and the difference of their logarithms would have lost most.
     */
    private static double logRatio(long from, long to) {
        return from <= to
                ? StrictMath.log1p((double) (to - from) / from)
                : -StrictMath.log1p((double) (from - to) / to);
    }

    private static void requirePositive(long value) {
        if (value < 1) {
            throw new IllegalArgumentException("scales and counts are from 1, this is " + value);
        }
    }
}
