// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of a file with the rows of several sensors. */
class ShardColumnTest {
    private static final String HEADER = "time,sensor,temp\n";
    private static final Columns ONE = new Columns(Optional.of("time"), List.of("temp"));
    private static final Columns SEVERAL = new Columns(ONE.time(), ONE.values(), Optional.of("sensor"));

    private static List<String> certify(
            List<String> shards, String rows, Columns columns, boolean isSorted, Windows windows) throws Exception {
        CsvFormat format = new CsvFormat(
                true,
                0,
                Optional.empty(),
                Optional.empty(),
                Set.of(),
                Optional.empty(),
                Optional.of(ZoneId.of("America/New_York")),
                isSorted);
        byte[] file = (HEADER + rows).getBytes(StandardCharsets.UTF_8);
        return new Certifier(shards)
                .certify(new CsvRows(new ByteArrayInputStream(file), columns, format), windows).stream()
                        .map(each -> new String(each, StandardCharsets.UTF_8))
                        .toList();
    }

    private static List<String> certify(String rows, Columns columns) throws Exception {
        return certify(List.of("s"), rows, columns, false, Windows.byCount(10, 0));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void certify_rowsOfSeveralSensors_areCertifiedLikeAFileOfEach(boolean isSorted) throws Exception {
        Random random = new Random(7);
        int[] times = new int[4];
        TreeMap<String, StringBuilder> files = new TreeMap<>();
        StringBuilder all = new StringBuilder();
        for (int i = 0; i < 300; i++) {
            int sensor = Math.max(0, random.nextInt(6) - 2);
            times[sensor] += 1 + random.nextInt(3);
            String row = times[sensor] + ",s" + sensor + "," + random.nextInt(100) + "\n";
            files.computeIfAbsent("s" + sensor, id -> new StringBuilder()).append(row);
            all.append(row);
        }
        for (Windows windows : List.of(Windows.byCount(20, 5), Windows.byTime(Duration.ofSeconds(30)))) {
            List<String> expected = new ArrayList<>();
            for (var file : files.entrySet()) {
                expected.addAll(certify(List.of(file.getKey()), file.getValue().toString(), ONE, false, windows));
            }

            assertThat(certify(List.of(), all.toString(), SEVERAL, isSorted, windows))
                    .containsExactlyInAnyOrderElementsOf(expected);
        }
    }

    @Test
    void certify_hourThatOccursTwice_isSettledByTheRowsOfTheSameSensor() throws Exception {
        String rows = "2025-11-02 01:50,a,1\n2025-11-02 01:50,b,1\n2025-11-02 01:10,a,2\n2025-11-02 01:20,b,2\n";

        assertThat(certify(rows, SEVERAL))
                .hasSize(2)
                .allMatch(each -> each.contains("\"window_start\":\"2025-11-02T05:50:00Z\""))
                .anyMatch(each -> each.contains("\"window_end\":\"2025-11-02T06:20:00Z\""));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "2,a,1 2,b,1 1,a,2 | line 4: column time: \"1\" is earlier than the time of line 2; times must not go back: sort the file, or use --sort",
                "1,a,1 2,x\uFFFD,1 | line 3: column sensor: \"x\uFFFD\" is no shard: the shard id contains U+FFFD or half of a surrogate pair; if it was typed in a terminal, set LC_ALL=C.UTF-8",
                "1,,1 | every row has an empty cell, so there is nothing to certify",
            })
    void certify_rowsOfAShardThatAreWrong_areRefused(String rows, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(rows.replace(' ', '\n') + "\n", SEVERAL))
                .withMessage(message);
    }

    @Test
    void certify_moreShardsThanTheBound_isRefused() throws Exception {
        String rows = IntStream.rangeClosed(1, 1_000)
                .mapToObj(i -> "1,s" + i + ",1\n")
                .collect(Collectors.joining());

        assertThat(certify(rows, SEVERAL)).hasSize(1_000);
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(rows + "1,s1001,1\n", SEVERAL))
                .withMessage("line 1002: column sensor: s1001 would be shard 1001, but at most 1000 are certified; name"
                        + " the column of the sensors with --shard-column, or divide the file");
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(rows, new Columns(ONE.time(), ONE.values(), Optional.of("time"))))
                .withMessage("--shard-column: column time has times or values; name another column");
    }

    /** Rows of which the times do not increase, and whether the column seems to name sensors. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1,a,1 1,b,1 2,a,1 2,b,1 | true",
                "1,a,1 1,b,1 | true",
                "1,a,1 2,a,1 3,a,1 1,b,1 2,b,1 | true",
                "1,a,1 2,b,1 1,a,1 2,b,1 | false",
                "3,a,1 2,b,1 1,c,1 | false",
                "3,ok,1 2,ok,1 1,low,1 | false",
            })
    void certify_timesThatDoNotIncrease_nameTheColumnOfSensorsOrTheSort(String rows, boolean isNamed) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(rows.replace(' ', '\n') + "\n", ONE))
                .satisfies(e -> assertThat(e.getMessage().contains("give --shard-column sensor, or certify"))
                        .isEqualTo(isNamed)
                        .isEqualTo(!e.getMessage().contains("sort")));
    }
}
