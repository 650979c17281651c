// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.ShardChange.Measure;
import dev.flk.backend.outcomes.record.ShardChange.State;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the comparison of a shard with its past. Series are D̂, coh★ and r, the oldest first. */
final class ShardChangeTest {
    /** A temperature with two decimals, 50 rows to a window: stuck.csv before its sensor sticks. */
    private static final String TEMPERATURE = "1.271 0.8 0.246; 1.278 0.62 0.248; 1.272 0.8 0.247; 1.145 0.96 0.252;"
            + " 1.204 0.86 0.242; 1.222 0.62 0.252; 1.261 0.7 0.253; 1.162 0.7 0.251; 1.2 0.7 0.25; 1.24 0.64 0.249;"
            + " 1.21 0.72 0.25; 1.19 0.76 0.251";
    /** Earthquakes of the demo, 50 to a window. */
    private static final String QUAKES = "0.551 0.8 0.423; 0.557 0.86 0.431; 0.774 0.76 0.426; 0.91 0.76 0.423;"
            + " 0.627 0.8 0.428; 0.909 0.84 0.431; 0.856 0.66 0.427; 0.737 0.82 0.424; 0.64 0.82 0.423;"
            + " 0.746 0.66 0.429; 0.638 0.7 0.428; 0.682 0.76 0.423; 0.672 0.86 0.427; 0.832 0.76 0.425;"
            + " 0.582 0.86 0.425; 0.701 0.74 0.41; 0.706 0.84 0.428; 0.766 0.9 0.43; 0.778 0.76 0.417";
    /** White noise in three columns, 1,500 rows to a window. */
    private static final String NOISE = "2.675 0.15 0.453; 2.683 0.155 0.45; 2.668 0.149 0.456; 2.671 0.157 0.451;"
            + " 2.68 0.148 0.455; 2.69 0.15 0.453; 2.665 0.162 0.449; 2.677 0.151 0.453; 2.675 0.153 0.452;"
            + " 2.684 0.146 0.454; 2.67 0.152 0.45";

    private static Version version(long epoch, String verdict, String values) {
        List<Double> value =
                Arrays.stream(values.trim().split(" ")).map(Double::valueOf).toList();
        return MemoryRecord.version(
                "a",
                epoch,
                verdict,
                verdict.equals("rejected") ? "D_hat out of tolerance: claimed=1.4000" : "degraded: single_point",
                Instant.ofEpochMilli(epoch),
                Map.of("recomputed_D_hat", value.get(0), "coh_star", value.get(1), "r", value.get(2)),
                "0".repeat(64));
    }

    private static List<Version> newestFirst(String... series) {
        List<String> values = Arrays.stream(series)
                .flatMap(each -> Arrays.stream(each.split(";")))
                .toList();
        List<Version> versions = new ArrayList<>();
        values.forEach(each ->
                versions.add(version(versions.size(), each.contains("1.0 1.0") ? "escalated" : "accepted", each)));
        Collections.reverse(versions);
        return versions;
    }

    private static ShardChange change(List<Version> newestFirst) {
        return ShardChange.of(newestFirst.stream()
                .flatMap(version -> Stream.ofNullable(Shape.of(version)))
                .toList());
    }

    private static String times(int count, String values) {
        return Stream.generate(() -> values).limit(count).collect(Collectors.joining(";"));
    }

    @ParameterizedTest
    @CsvSource({
        // a sensor that sticks, and recovers
        TEMPERATURE + ", 1.0 1.0 0.144, CHANGED, R",
        TEMPERATURE + "; 1.0 1.0 0.144; 1.0 1.0 0.141; 1.0 1.0 0.141, 1.23 0.71 0.25, USUAL, COH_STAR",
        // the third drifting window of the demo
        "'1.112 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.112"
                + " 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.112 0.46 0.365;1.161 0.38 0.389;1.121 0.36 0.393',"
                + " 0.744 0.32 0.396, CHANGED, D_HAT",
        QUAKES + ", 0.856 0.78 0.418, USUAL, D_HAT",
        NOISE + ", 2.66 0.16 0.449, USUAL, R",
        // the same noise, 300 rows to a window
        NOISE + ", 1.78 0.2 0.44, CHANGED, D_HAT"
    })
    void of_realSeries(String before, String newest, State state, Measure measure) {
        ShardChange change = change(newestFirst(before, newest));

        assertThat(change.state()).isEqualTo(state);
        assertThat(change.measure()).isEqualTo(measure);
    }

    @ParameterizedTest
    @CsvSource({
        "1.299 0.5 0.3, USUAL, D_HAT, 5.98",
        "1.301 0.5 0.3, CHANGED, D_HAT, 6.02",
        "0.699 0.5 0.3, CHANGED, D_HAT, 6.02",
        "1 0.799 0.3, USUAL, COH_STAR, 5.98",
        "1 0.801 0.3, CHANGED, COH_STAR, 6.02",
        "1 0.5 0.361, CHANGED, R, 6.1"
    })
    void of_nothingVaried_floorsDecide(String newest, State state, Measure measure, float distance) {
        ShardChange change = change(newestFirst(times(10, "1 0.5 0.3"), newest));

        assertThat(change.state()).isEqualTo(state);
        assertThat(change.measure()).isEqualTo(measure);
        assertThat(change.distance()).isCloseTo(distance, Offset.offset(0.001f));
        assertThat(change.at()).isEqualTo(Instant.ofEpochMilli(10));
    }

    @Test
    void of_fewOutcomes_isTooFew() {
        assertThat(change(List.of()).state()).isEqualTo(State.TOO_FEW);
        assertThat(change(newestFirst(times(10, "1 0.5 0.3"))).state()).isEqualTo(State.TOO_FEW);
        assertThat(change(newestFirst(times(11, "1 0.5 0.3"))).state()).isEqualTo(State.USUAL);
    }

    @Test
    void of_sensorRests_restDoesNotCount() {
        String rest = times(20, "1 1 0.1");

        assertThat(change(newestFirst(times(11, "1.2 0.7 0.25"), rest)).to()).isEqualTo(1.2f);
        ShardChange moves = change(newestFirst(times(10, "1.2 0.7 0.25"), rest, "1.2 0.7 0.24"));
        assertThat(moves.state()).isEqualTo(State.USUAL);
        assertThat(change(newestFirst(rest)).state()).isEqualTo(State.TOO_FEW);
    }

    @Test
    void of_rejectedAndOlderOutcomes_doNotCount() {
        List<Version> series = newestFirst(times(40, "9 0.5 0.3"), times(51, "1 0.5 0.3"));
        assertThat(change(series).from()).isEqualTo(1);

        List<Version> rejected = IntStream.range(0, 30)
                .mapToObj(epoch -> version(100 + epoch, "rejected", "9 1 1"))
                .collect(Collectors.toCollection(ArrayList::new));
        rejected.addAll(series);
        assertThat(change(rejected).state()).isEqualTo(State.USUAL);
    }
}
