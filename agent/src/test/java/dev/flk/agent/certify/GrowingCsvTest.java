// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.certify.FollowedRows.File;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import java.io.ByteArrayInputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of a growing CSV: its first row settles how it is written, and no line after it ends the reader. */
class GrowingCsvTest {
    private Columns columns = new Columns(Optional.of("time"), List.of("temp"));

    private Charset charset = StandardCharsets.UTF_8;

    private final List<byte[]> certified = new ArrayList<>();
    private final List<String> understood = new ArrayList<>();
    private final List<String> leftOut = new ArrayList<>();

    private final CsvNotices collected = new CsvNotices() {
        @Override
        public void understood(String text) {
            understood.add(text);
        }

        @Override
        public void leftOut(File csv, long line, String why, String text) {
            leftOut.add(why + " | " + text);
        }
    };

    /** A file that was read to its end and does not grow any more. */
    private static final class Complete extends File {
        private final ByteArrayInputStream bytes;

        Complete(String text, Charset charset) {
            bytes = new ByteArrayInputStream(text.getBytes(charset));
        }

        @Override
        public int read() {
            return bytes.read();
        }

        @Override
        public int read(byte[] target, int offset, int length) {
            return bytes.read(target, offset, length);
        }

        @Override
        public void reset() {
            bytes.reset();
        }

        @Override
        public void begun(long headingLines) {}

        @Override
        public void headed(byte[] line) {}

        @Override
        public long cutLines() {
            return 0;
        }

        @Override
        public String whyEarlier() {
            return "was the clock set back?";
        }

        @Override
        public Optional<String> otherName() {
            return Optional.empty();
        }
    }

    private FollowedRows read(@Nullable String zone, String... lines) throws Exception {
        CsvFormat format = new CsvFormat(
                true,
                0,
                Optional.empty(),
                Optional.empty(),
                Set.of(),
                Optional.empty(),
                Optional.ofNullable(zone).map(ZoneId::of),
                false);
        FollowedRows rows = new FollowedRows(
                new Certifier(List.of("s")), columns, format, Windows.byCount(1, 0), certified::add, collected);
        rows.read(new Complete(String.join("\n", lines) + "\n", charset), () -> true);
        return rows;
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "time;temp,a | 1;20,5 | line 1: a comma or a semicolon may separate the cells; give the --delimiter",
                "time;temp | 1;20 | line 2: no value shows the decimal separator; give --decimal . or --decimal ,",
                "time;temp | 1;1.002 | line 2: column temp: \"1.002\" is 1002 if the point groups thousands, and 1.002 if it is the decimal separator; give --grouping . or --decimal .",
                "time,temp | 2026-02-03 09:00,1 | line 2: column time: \"2026-02-03 09:00\" has no zone; give the offset of the clock, such as --time-zone +01:00, or a zone, such as --time-zone Europe/Berlin, of which the hour that occurs twice in autumn is left out",
                "time,temp | 2026-02-03,1 | line 2: column time: 2026-02-03 has no zone; give the offset of the clock, such as --time-zone +01:00, or a zone, such as --time-zone Europe/Berlin, of which the hour that occurs twice in autumn is left out",
                "time,temp | NaN,1 | line 2: column time: NaN is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
            })
    void read_firstRowLeavesTheNotationOpen_isRefusedWithTheOption(String header, String row, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(null, header, row))
                .withMessage(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"999", "20"})
    void read_markThatMayGroupThousandsAfterWholeNumbers_isRefused(String whole) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(null, "time,temp", "1," + whole, "2,1.002"))
                .withMessageStartingWith("line 3: column temp: \"1.002\" is 1002 if the point groups thousands")
                .withMessageEndingWith("give --grouping . or --decimal .");
    }

    @Test
    void read_secondRowWithTheSameTimeAndAnotherText_isRefusedWithTheShardColumn() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(null, "time,temp,sensor", "1,1.5,a", "1,2.5,b", "2,1.5,a"))
                .withMessage(
                        "line 3: column time: \"1\" is the time of the last row, too: column sensor seems to name several"
                                + " sensors; give --shard-column sensor, or certify one of them with --only \"sensor=b\"");
    }

    @Test
    void read_utf16_isRefused() {
        charset = StandardCharsets.UTF_16;
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(null, "time,temp", "1,20.5"))
                .withMessage("the file is in UTF-16, which is read of complete files only; let its program write UTF-8,"
                        + " or certify the file when it is complete");
    }

    @Test
    void read_rowsWithOneTime_areRows_inTheOrderOfTheFile() throws Exception {
        assertThat(read(null, "time,temp,note", "1,1.5,a", "2,2.5,a", "2,3.5,a", "2,4.5,b", "3,1.5,a")
                        .rows())
                .isEqualTo(5);
        assertThat(leftOut).isEmpty();
    }

    @Test
    void read_headerAgainInAnotherOrder_columnsAreFoundByTheirNames() throws Exception {
        columns = new Columns(Optional.of("time"), List.of("temp"), Optional.of("sensor"));
        read(null, "time,temp,sensor", "1,20.5,a", "sensor,time,temp", "a,2,21.5", "time,temp,sensor", "3,22.5,a");

        assertThat(certified).hasSize(3);
        assertThat(leftOut).isEmpty();
    }

    @Test
    void read_headerAgainWithoutAColumn_isRefused() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(null, "time,temp", "1,20.5", "time,hum", "2,50.5"))
                .withMessageStartingWith("line 3: there is no column temp, the columns are time, hum; ");
    }

    @Test
    void read_rowOfAShardTooMany_isLeftOut() throws Exception {
        columns = new Columns(columns.time(), columns.values(), Optional.of("sensor"));
        List<String> lines = new ArrayList<>(List.of("time,temp,sensor"));
        IntStream.rangeClosed(1, 1_001).forEach(i -> lines.add("1,1.5,s" + i));
        lines.add("2,1.5,s7");

        assertThat(read(null, lines.toArray(String[]::new)).rows()).isEqualTo(1_001);
        assertThat(leftOut)
                .singleElement()
                .asString()
                .startsWith("line 1002: column sensor: s1001 would be shard 1001, but at most 1000 are certified");
    }

    @Test
    void read_timeThatTheZoneSkips_isRefusedWithTheOffset() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> read(
                        "Europe/Berlin", "time,temp", "2026-03-29 01:59,1.5", "2026-03-29 02:00,2", "2026-03-30,1"))
                .withMessageStartingWith("line 3: column time: \"2026-03-29 02:00\" does not exist in Europe/Berlin");
    }

    @Test
    void read_decimalSeparatorOfTheFirstRow_appliesToAll() throws Exception {
        assertThat(read(null, "time;temp", "1;20,5", "2;1.002", "3;999", "4;1,002")
                        .rows())
                .isEqualTo(3);
        assertThat(leftOut).singleElement().asString().startsWith("line 3: column temp: \"1.002\" is not a decimal");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "~ | has 1 cells",
                "~2,1 | column time: \"?2\" is not a time",
                "2 | has 1 cells",
                "2,\"1 | can't be split into cells: a quote is not closed",
                "2,\"1\"2 | can't be split into cells: a quote is not closed",
                "2,ERR | column temp: ERR is not a decimal number",
                "1.5,1 | column time: \"1.5\" is earlier than the last row; was the clock set back?",
            })
    void read_lineThatIsNoMeasurement_isLeftOut_andTheLinesAfterItAreRead(String line, String why) throws Exception {
        assertThat(read(null, "time,temp", "2,1.5", line.replace('~', '\0'), "3,2.5")
                        .rows())
                .isEqualTo(2);
        assertThat(leftOut)
                .singleElement()
                .asString()
                .startsWith("line 3: " + why)
                .endsWith(" | " + line.replace('~', '\0'));
    }

    @Test
    void read_lineThatIsTooLong_isLeftOut_andOnlyItsBeginningIsKept() throws Exception {
        assertThat(read(null, "time,temp", "1,1.5", "2,2.5" + ",".repeat(1_000_000), "3,3.5")
                        .rows())
                .isEqualTo(2);
        assertThat(leftOut).hasSize(1);
        assertThat(leftOut.get(0)).startsWith("line 3: can't be split into cells");
        assertThat(leftOut.get(0).length()).isLessThan(66_000);
    }

    @Test
    void read_timesThatOccurTwice_areLeftOut() throws Exception {
        FollowedRows rows = read(
                "America/New_York",
                "time,temp",
                "2025-11-02 00:40:00,1",
                "2025-11-02 01:10:00,2",
                "2025-11-02 01:00:00,3",
                "2025-11-02 02:10:00,4");

        assertThat(rows.rows()).isEqualTo(2);
        assertThat(leftOut)
                .hasSize(2)
                .first()
                .isEqualTo(
                        "line 3: column time: \"2025-11-02 01:10:00\" occurs twice in America/New_York, as"
                                + " 2025-11-02T05:10:00Z (-04:00) or 2025-11-02T06:10:00Z (-05:00); write the offset after such times | 2025-11-02 01:10:00,2");
    }

    @Test
    void understood_isReportedOnceWithTheFirstRow() throws Exception {
        read("UTC", "time;temp;note", "2026-02-03 09:00;1,5;a", "2026-02-03 09:01;2,5;b");

        assertThat(understood)
                .containsExactly("cells: separated by a semicolon, the most frequent in the first line;"
                        + " header: line 1; time: time; ISO 8601, in UTC unless they have a zone; values: temp, as a"
                        + " curve over time; ignored: note; first: line 2: \"2026-02-03 09:00\" read as"
                        + " 2026-02-03T09:00:00Z; temp \"1,5\" read as 1.5, decimal comma");
    }
}
