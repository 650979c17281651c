// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.flk.agent.certify.Measures.Coherence;
import dev.flk.agent.certify.Measures.UnitCube;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.agent.csv.Rows;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tests of box counts against a slow but obviously correct implementation, and of properties of the unit cube,
 * coherence and compressibility.
 */
class MeasuresTest {
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 17, 100, 1000})
    void boxCounts_randomPoints_agreeWithASetOfBoxes(int count) {
        List<Row> rows = Rows.random(new Random(count), count);

        long[] counts = Measures.boxCounts(UnitCube.of(rows));

        for (int i = 0; i < counts.length; i++) {
            assertThat(counts[i]).isEqualTo(boxes(rows, Measures.SCALES[i]).size());
        }
    }

    private static Set<List<Long>> boxes(List<Row> rows, int scale) {
        Set<List<Long>> boxes = new HashSet<>();
        for (Row row : rows) {
            boxes.add(List.of(
                    box(row.x(), rows.stream().mapToDouble(Row::x).toArray(), scale),
                    box(row.y(), rows.stream().mapToDouble(Row::y).toArray(), scale),
                    box(row.z(), rows.stream().mapToDouble(Row::z).toArray(), scale)));
        }
        return boxes;
    }

    private static long box(double value, double[] all, int scale) {
        double min = Arrays.stream(all).min().orElseThrow();
        double max = Arrays.stream(all).max().orElseThrow();
        double unit = max == min ? 0 : (value - min) / (max - min);
        return unit == 1 ? scale - 1 : (long) Math.floor(unit * scale);
    }

    @Test
    void boxCounts_cornersOfTheCube_areEightAtEachScale() {
        List<Row> rows = IntStream.range(0, 8)
                .mapToObj(i -> new Row(0, i & 1, i >> 1 & 1, i >> 2))
                .toList();

        assertThat(Measures.boxCounts(UnitCube.of(rows))).containsExactly(8, 8, 8, 8);
    }

    @Test
    void unitCube_largestDoublesOfBothSigns_areMappedIntoTheCube() {
        UnitCube points = UnitCube.of(
                List.of(new Row(0, Double.MAX_VALUE, 0, 0), new Row(0, -Double.MAX_VALUE, 0, 0), new Row(0, 0, 0, 0)));

        assertThat(List.of(points.x(0), points.x(1), points.x(2))).containsExactly(1.0, 0.0, 0.5);
    }

    @Test
    void unitCube_smallestDoubles_spanTheCube() {
        UnitCube points = UnitCube.of(List.of(new Row(0, Double.MIN_VALUE, 0, 0), new Row(0, 0, 0, 0)));

        assertThat(List.of(points.x(0), points.x(1))).containsExactly(1.0, 0.0);
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 3, 50, 1000})
    void coherence_randomPoints_hasAUnitDirectionAndAShareOfWholePoints(int count) {
        UnitCube points = UnitCube.of(Rows.random(new Random(count), count));

        Coherence coherence = Coherence.of(points);

        double[] d = coherence.direction();
        assertThat(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).isCloseTo(1, within(1e-12));
        assertThat(coherence.share() * count).isCloseTo(Math.rint(coherence.share() * count), within(1e-9));
        assertThat(coherence.share()).isBetween(1.0 / Coherence.BINS, 1.0);
    }

    @Test
    void coherence_twoFarCorners_isHalfOrMore() {
        UnitCube points = UnitCube.of(List.of(new Row(0, 0, 0, 0), new Row(0, 1, 1, 1)));

        assertThat(Coherence.of(points).share()).isGreaterThanOrEqualTo(0.5);
    }

    @Test
    void compressibility_repetition_isSmall() {
        assertThat(Measures.compressibility(new byte[100_000])).isBetween(0.0, 0.01);
    }

    @Test
    void compressibility_noise_isCappedAtOne() {
        byte[] noise = new byte[1000];
        new Random(1).nextBytes(noise);

        assertThat(Measures.compressibility(noise)).isEqualTo(1.0);
    }
}
