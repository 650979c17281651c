// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A comparison of the newest outcome of a shard with the shard's earlier outcomes. Pure. It changes no verdict.
 *
 * <p>For each {@link Measure}, the distance of the newest value x from the earlier values is
 *
 * <pre>
 * |x − median| / max(1.4826 · MAD, floor)
 * </pre>
 *
 * <p>where MAD is the median of the absolute differences from the median. A shard has changed if the largest of the
 * three distances is above {@link #MOST_USUAL}. "Newest" and "earlier" refer to the arrival. These outcomes do not
 * count:
 *
 * <ul>
 *   <li>rejected ones, because their claims are not trustworthy, and those {@linkplain Shape without a shape};
 *   <li>accepted ones of a constant window: the sensor may rest, or else its agent would have marked the window as
 *       degraded.
 * </ul>
 *
 * @param measure the measure with the largest distance; null unless the shard was compared
 * @param distance the largest distance; 0 unless the shard was compared
 * @param from the median of the earlier values of this measure
 * @param to the newest value of this measure
 * @param atMillis the arrival of the newest outcome, in milliseconds since the epoch; 0 if no such outcome is known
 */
public record ShardChange(State state, @Nullable Measure measure, float distance, float from, float to, long atMillis) {
    /** The maximum number of earlier outcomes that the newest one is compared with. */
    public static final int MOST_BEFORE = 50;

    /** The minimum number of earlier outcomes for a comparison. */
    public static final int LEAST_BEFORE = 10;

    /** The largest distance of a shard that has not changed; docs/concepts.md has the figures. */
    public static final double MOST_USUAL = 6;

    /** The ratio of the standard deviation to the MAD of normally distributed values. */
    private static final double DEVIATION_OF_MAD = 1.4826;

    /** The result of a comparison. */
    public enum State {
        CHANGED("changed"),
        USUAL("usual"),
        /** The shard has fewer than {@link #LEAST_BEFORE} earlier outcomes. */
        TOO_FEW("too_few"),
        /** The shard was not compared since the start. */
        NOT_LOOKED_AT("not_looked_at");

        private final String label;

        State(String label) {
            this.label = label;
        }

        /** Returns the text that stands for the state in answers. */
        public String label() {
            return label;
        }
    }

    /** A value of an outcome that is compared. The floor is the smallest deviation that is assumed. */
    public enum Measure {
        D_HAT("recomputed_D_hat", 0.05),
        COH_STAR("coh_star", 0.05),
        R("r", 0.01);

        private final String label;
        private final double floor;

        Measure(String label, double floor) {
            this.label = label;
            this.floor = floor;
        }

        private double of(Shape shape) {
            return switch (this) {
                case D_HAT -> shape.dHat();
                case COH_STAR -> shape.cohStar();
                case R -> shape.r();
            };
        }

        /** Returns the usual deviation of values from their median, at least the floor. */
        public double deviation(double[] values, double median) {
            double mad = median(
                    Arrays.stream(values).map(each -> Math.abs(each - median)).toArray());
            return Math.max(DEVIATION_OF_MAD * mad, floor);
        }

        /** Returns the name of the value in the record. */
        public String label() {
            return label;
        }
    }

    /** The result for a shard that was not compared since the start. */
    public static final ShardChange NOT_LOOKED_AT = without(State.NOT_LOOKED_AT, 0);

    private static ShardChange without(State state, long atMillis) {
        return new ShardChange(state, null, 0, 0, 0, atMillis);
    }

    /** Compares the first of the shapes of a shard, which are in the order of arrival, the newest first. */
    static ShardChange of(List<Shape> newestFirst) {
        return newest(counted(newestFirst));
    }

    /** Returns the last change among the outcomes that arrived from a time on; empty if none of them differs. */
    static Optional<ShardChange> lastChange(List<Shape> newestFirst, long fromMillis) {
        List<Shape> counted = counted(newestFirst);
        for (int i = 0; i < counted.size() && counted.get(i).receivedMillis() >= fromMillis; i++) {
            ShardChange change = newest(counted.subList(i, Math.min(counted.size(), i + 1 + MOST_BEFORE)));
            if (change.state == State.CHANGED) {
                return Optional.of(change);
            }
        }
        return Optional.empty();
    }

    private static List<Shape> counted(List<Shape> newestFirst) {
        return newestFirst.stream()
                .filter(each -> !(each.isAccepted() && each.isConstant()))
                .toList();
    }

    private static ShardChange newest(List<Shape> all) {
        List<Shape> counted = all.subList(0, Math.min(all.size(), 1 + MOST_BEFORE));
        if (counted.size() <= LEAST_BEFORE) {
            return without(State.TOO_FEW, counted.isEmpty() ? 0 : counted.get(0).receivedMillis());
        }
        ShardChange largest = NOT_LOOKED_AT;
        for (Measure measure : Measure.values()) {
            ShardChange change = of(measure, counted);
            if (largest.measure == null || change.distance > largest.distance) {
                largest = change;
            }
        }
        return largest;
    }

    private static ShardChange of(Measure measure, List<Shape> counted) {
        double newest = measure.of(counted.get(0));
        double[] before = counted.stream().skip(1).mapToDouble(measure::of).toArray();
        double median = median(before);
        double distance = Math.abs(newest - median) / measure.deviation(before, median);
        return new ShardChange(
                distance > MOST_USUAL ? State.CHANGED : State.USUAL,
                measure,
                (float) distance,
                (float) median,
                (float) newest,
                counted.get(0).receivedMillis());
    }

    /** Returns the median of at least one value, and sorts the values. */
    public static double median(double[] values) {
        Arrays.sort(values);
        int half = values.length / 2;
        return values.length % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
    }

    /** Returns the arrival of the newest outcome. */
    public Instant at() {
        return Instant.ofEpochMilli(atMillis);
    }
}
