// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.Row;
import java.io.ByteArrayInputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.LocalTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Tests of a growing CSV: rows wait until they are settled, and nothing that a clock does ends the reader. */
class GrowingCsvTest {
    private static final Columns TIME_AND_TEMP = new Columns(Optional.of("time"), List.of("temp"));

    private final List<String> notices = new ArrayList<>();

    private final CsvNotices collected = new CsvNotices() {
        @Override
        public void understood(String text) {
            notices.add("understood " + text);
        }

        @Override
        public void waiting(String text) {
            notices.add("waiting " + text);
        }

        @Override
        public void leftOut(String text) {
            notices.add("left out " + text);
        }
    };

    private List<Row> read(ZoneId zone, String... lines) throws Exception {
        CsvFormat format =
                new CsvFormat(true, 0, Optional.empty(), Optional.empty(), Set.of(), Optional.empty(), zone, false);
        String text = String.join("\n", lines) + "\n";
        return Rows.read(new CsvRows(
                new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)),
                TIME_AND_TEMP,
                format,
                new RowOrder(Optional.of(collected), Double.NEGATIVE_INFINITY),
                null,
                () -> {}));
    }

    private static List<String> times(List<Row> rows) {
        return rows.stream()
                .map(row -> Instant.ofEpochSecond((long) row.timestampSeconds()).toString())
                .toList();
    }

    @Test
    void next_timeThatOccursTwice_waitsForTheRowThatSettlesIt() throws Exception {
        ZoneId zone = ZoneId.of("America/New_York");
        String[] beforeTheChange = {
            "time,temp", "2025-11-02 00:40:00,1", "2025-11-02 01:10:00,2", "2025-11-02 01:40:00,3"
        };

        assertThat(times(read(zone, beforeTheChange))).containsExactly("2025-11-02T04:40:00Z");
        assertThat(notices.get(1))
                .isEqualTo("waiting line 3: column time: \"2025-11-02 01:10:00\" occurs twice in America/New_York, as"
                        + " 2025-11-02T05:10:00Z (-04:00) or 2025-11-02T06:10:00Z (-05:00); the row waits for later"
                        + " rows that settle which");
        assertThat(notices).hasSize(2);

        List<String> grown = new ArrayList<>(List.of(beforeTheChange));
        grown.add("2025-11-02 01:10:00,4");
        assertThat(times(read(zone, grown.toArray(String[]::new))))
                .containsExactly(
                        "2025-11-02T04:40:00Z", "2025-11-02T05:10:00Z", "2025-11-02T05:40:00Z", "2025-11-02T06:10:00Z");
    }

    @Test
    void next_timesThatNoRowSettles_areLeftOutWithTheirLines() throws Exception {
        List<Row> rows = read(
                ZoneId.of("America/New_York"),
                "time,temp",
                "2025-11-02 00:40:00,1",
                "2025-11-02 01:10:00,2",
                "2025-11-02 01:40:00,3",
                "2025-11-02 02:10:00,4");

        assertThat(times(rows)).containsExactly("2025-11-02T04:40:00Z", "2025-11-02T07:10:00Z");
        assertThat(notices.get(2))
                .startsWith("left out line 3: column time: \"2025-11-02 01:10:00\" occurs twice in America/New_York")
                .endsWith("and the rows do not settle which: lines 3 to 4, 2 of them, are not certified");
    }

    /** Takes minutes if the time grows with the square of the number of rows. */
    @Test
    @Timeout(60)
    void next_manyTimesThatNoRowSettles_areLeftOutInLinearTime() throws Exception {
        List<String> lines = new ArrayList<>(List.of("time,temp"));
        for (int i = 0; i < 50_000; i++) {
            lines.add("2025-11-02 " + LocalTime.of(1, 0, 0, 1).plusNanos(i * 10_000_000L) + ",1");
        }
        lines.add("2025-11-02 02:10:00,4");

        assertThat(times(read(ZoneId.of("America/New_York"), lines.toArray(String[]::new))))
                .containsExactly("2025-11-02T07:10:00Z");
        assertThat(notices.get(1)).contains("lines 2 to 50001, 50000 of them, are not certified");
    }

    @Test
    void next_clockSetBack_continuesWithTheNextLaterTime() throws Exception {
        List<Row> rows = read(ZoneOffset.UTC, "time,temp", "100,1", "101,2", "99,3", "100,4", "102,5");

        assertThat(rows).extracting(Row::timestampSeconds).containsExactly(100.0, 101.0, 102.0);
        assertThat(notices.subList(1, notices.size()))
                .containsExactly(
                        "waiting line 4: column time: \"99\" is not after the time of line 3, \"101\"; was the clock"
                                + " set back? Rows are not certified until a later time follows",
                        "left out line 4: column time: \"99\" is not after the time of the line before: lines 4"
                                + " to 5, 2 of them, are not certified");
    }

    @Test
    void next_markThatMayGroupThousands_waitsForTheRowThatSettlesIt() throws Exception {
        String[] unsettled = {"time;temp", "1;999", "2;1.002"};

        assertThat(read(ZoneOffset.UTC, unsettled)).extracting(Row::x).containsExactly(999.0);
        assertThat(notices.get(1))
                .startsWith("waiting line 3: column temp: \"1.002\" is 1002 if the point groups thousands")
                .endsWith("give --grouping . or --decimal .; the rows wait until a later row shows it");
        assertThat(read(ZoneOffset.UTC, "time;temp", "1;999", "2;1.002", "3;1.5"))
                .extracting(Row::x)
                .containsExactly(999.0, 1.002, 1.5);
    }

    @Test
    void understood_isReportedOnceWithTheFirstRow() throws Exception {
        read(ZoneOffset.UTC, "time;temp;note", "2026-02-03 09:00;1,5;a", "2026-02-03 09:01;2,5;b");

        assertThat(notices)
                .containsExactly("understood cells: separated by a semicolon, the most frequent in the first line;"
                        + " header: line 1; time: time; ISO 8601, in UTC unless they have a zone; values: temp, as a"
                        + " curve over time; ignored: note; first: line 2: \"2026-02-03 09:00\" read as"
                        + " 2026-02-03T09:00:00Z; temp \"1,5\" read as 1.5, decimal comma");
    }

    /** {@code certify --follow} stores a digest of these texts, which must be the same after an upgrade. */
    @Test
    void toString_optionsOfEarlierVersions_haveTheTextOfEarlierVersions() {
        assertThat(CsvFormat.USUAL.toString())
                .isEqualTo("CsvFormat[hasHeader=true, skippedLines=0, encoding=Optional.empty, decimal=Optional.empty,"
                        + " missing=[], timeFormat=Optional.empty, zone=Z, isSorted=false]");
        assertThat(TIME_AND_TEMP.toString()).isEqualTo("Columns[time=Optional[time], values=[temp]]");
    }
}
