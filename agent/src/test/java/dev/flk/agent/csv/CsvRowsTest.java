// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class CsvRowsTest {
    private static Columns columns(String time, String... values) {
        return new Columns(Optional.of(time), List.of(values));
    }

    @Test
    void next_plainFile_returnsTheNumbers() throws Exception {
        assertThat(Rows.read("timestamp,x,y,z\n1517363399.650,-122.197,46.2035,3.28\n"))
                .containsExactly(new Row(1517363399.65, -122.197, 46.2035, 3.28));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1,2,3,4",
                "1,2,3,4\n",
                "1,2,3,4\r\n",
                "\n\n1,2,3,4\n \n",
                " 1 ,\t2, 3,4 \n",
                "1.,2.0,30e-1,+4\n",
                "\"1\",\"2\", \"3\" ,4\n",
                "1,2,3,4,,\n",
            })
    void next_sameRowSpelledDifferently_returnsTheSameRow(String rows) throws Exception {
        assertThat(Rows.read("timestamp,x,y,z\n" + rows)).containsExactly(new Row(1, 2, 3, 4));
    }

    @Test
    void header_withByteOrderMarkAndCrLf_isAccepted() throws Exception {
        assertThat(Rows.read("\uFEFFtimestamp,x,y,z\r\n1,2,3,4\r\n")).hasSize(1);
        assertThat(Rows.read("\uFEFF\"timestamp\",\"x\"\r\n1,2\r\n")).hasSize(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "time,temp,hum | 1,2,3",
                "time;temp;hum | 1;2,0;3.0",
                "time;temp;hum | 1;\"2,0\";3",
                "hum,time,note,temp | 3,1,\"a, b\",2",
                "Zeit,time,temp,hum | x,1000e-3,2,3",
            })
    void columns_chosenByName_areReadInAnyOrder(String header, String row) throws Exception {
        CsvRows csv = Rows.csv(header + "\n" + row + "\n", columns("time", "temp", "hum"));

        assertThat(Rows.read(csv)).containsExactly(new Row(1, 2, 2, 3, 0));
        assertThat(csv.hasTimes()).isTrue();
        assertThat(csv.valueNames()).containsExactly("temp", "hum");
    }

    @Test
    void tabs_withEmptyCellsBetweenQuotes_keepTheirColumns() throws Exception {
        assertThat(Rows.read("\"timestamp\"\t\"note\"\t\"x\"\n\"1\"\t\t\"2\"\n\"2\" \t \t \"3\"\n"))
                .containsExactly(new Row(1, 1, 2, 0, 0), new Row(2, 1, 3, 0, 0));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "\"timestamp\";\"x\";\"a, b, c\n, d\"",
                "timestamp;x;\"a \"\"quoted, b, c\"\" name\"",
                "timestamp;x;\"\ra,b,c,d\"",
                "\n\r\ntimestamp;x;5\" pipe",
            })
    void delimiter_quotesAndLineBreaksInNames_isDetected(String header) throws Exception {
        assertThat(Rows.read(header + "\n1;2,5;3\n")).containsExactly(new Row(1, 1, 2.5, 0, 0));
    }

    @Test
    void number_otherMarkThanTheRestOfItsColumn_isRefused() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp;x\n1;2,5\n2;3.5\n"))
                .withMessage("line 3: column x: \"3.5\" has a point, but \"2,5\" in line 2 has a comma; a column has"
                        + " one decimal separator");
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp;x\n1;1.002\n2;970,5\n"))
                .withMessage("line 3: column x: \"970,5\" has a comma, but \"1.002\" in line 2 has a point; give"
                        + " --grouping . if the point groups thousands");
    }

    @Test
    void number_pointNextToWholeNumbersOfThreeDigits_isRefusedUnlessSettled() throws Exception {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x\n1,998\n2,1.002\n"))
                .withMessage(
                        "line 3: column x: \"1.002\" is 1002 if the point groups thousands, as the whole numbers of"
                                + " this column suggest, and 1.002 if it is the decimal separator; give --grouping . or"
                                + " --decimal .");
        assertThat(Rows.read("timestamp,x\n1,998\n2,1.002\n3,1.5\n")).hasSize(3);
        assertThat(Rows.read("timestamp,x\n1,998\n2,1.002\n3,1004\n")).hasSize(3);
        assertThat(Rows.read("timestamp,x\n1,1.001\n2,1.002\n3,1.003\n")).hasSize(3);
        assertThat(Rows.read("timestamp,x\n1,20.375\n2,1\n")).hasSize(2);
    }

    @Test
    void tabs_withDecimalCommas_areRead() throws Exception {
        assertThat(Rows.read("timestamp\tx\ty\n1,5\t-2,25\t3\n")).containsExactly(new Row(1.5, 2, -2.25, 3, 0));
    }

    @Test
    void oneColumn_usesTheRowNumberAsTheTime() throws Exception {
        CsvRows csv = Rows.csv("temp\n20.5\n\n21\n", Columns.USUAL);

        List<Row> rows = Rows.read(csv);

        assertThat(rows).containsExactly(new Row(1, 1, 20.5, 0, 0), new Row(2, 1, 21, 0, 0));
        assertThat(rows.get(0).text()).isEqualTo("1.0,20.5");
        assertThat(csv.hasTimes()).isFalse();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "1517363399.65              | 1517363399.65",
                "1517363399650              | 1517363399.65",
                "-5                         | -5",
                "2018-01-31T01:49:59.650Z   | 1517363399.65",
                "2018-01-31 01:49:59.650    | 1517363399.65",
                "2018-01-31T02:49:59.65+01  | 1517363399.65",
                "2018-01-31 02:49:59 +01:00 | 1517363399",
                "2018-01-30T20:49-0500      | 1517363340",
                "2018-01-31                 | 1517356800",
            })
    void time_inSecondsMillisecondsOrIso_isReturnedInSeconds(String time, double seconds) throws Exception {
        assertThat(Rows.read("timestamp,x\n" + time + ",1\n").get(0).timestampSeconds())
                .isEqualTo(seconds);
    }

    @Test
    void emptyCells_skipTheRow_andAreCounted() throws Exception {
        CsvRows csv = Rows.csv("timestamp,x,y,note\n1,,3,\n2,2,3,\n, 2,3,a\n4,2, ,\n", Columns.USUAL);

        assertThat(Rows.read(csv)).containsExactly(new Row(2, 2, 2, 3, 0));
        assertThat(csv.skippedRows()).isEqualTo(3);
        assertThat(csv.rows()).isEqualTo(1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``          | the file is empty; its first line must name the columns, such as timestamp,x,y,z",
                "time,temp   | line 1: there is no column timestamp, the columns are time, temp; choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]",
                "timestamp,a | line 1: there is no column x, the columns are timestamp, a; choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]",
                "timestamp\tx y | line 1: there is no column x, the columns are timestamp, \"x y\"; choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]]",
                "1,2,3,4     | line 1: is data and does not name the columns; add a line above it that does, or use --no-header with the numbers of columns",
                "timestamp,x,x | line 1: column x occurs twice; rename one of them",
            })
    void header_withoutTheColumns_isRefusedWithTheOption(String header, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read(header.replace("\\t", "\t")))
                .withMessage(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "NaN,2,3,4      | line 3: column timestamp: NaN is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
                "1e15,2,3,4     | line 3: column timestamp: \"1e15\" is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
                "30.01.2018,2,3,4 | line 3: column timestamp: 30.01.2018 is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
                "2018-01-31T01:49:59ZZ,2,3,4 | line 3: column timestamp: \"2018-01-31T01:49:59ZZ\" is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
                "1,Infinity,3,4 | line 3: column x: Infinity is not a decimal number; choose another column with --value, or skip such rows with --missing",
                "1,2,1e999,4    | line 3: column y: \"1e999\" is too large for a double",
                "1,2,3,0x1p3    | line 3: column z: 0x1p3 is not a decimal number; choose another column with --value, or skip such rows with --missing",
                "1,2,3,21 °C    | line 3: column z: \"21 °C\" is not a decimal number; choose another column with --value, or skip such rows with --missing",
                "1,2,3          | line 3: has 3 cells, but the first line has 4; put double quotes around a cell that contains a comma",
                "1,2,3,4,5      | line 3: has 5 cells, but the first line has 4; put double quotes around a cell that contains a comma",
                "1,2,3,\"4\"x   | line 3: can't be split into cells: a quote is not closed, or a cell is longer than 65536 characters; is this a CSV file?",
            })
    void next_brokenRow_namesLineColumnAndOption(String row, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n0,2,3,4\n" + row + "\n"))
                .withMessage(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"timestamp,x\n1,", "timestamp", ""})
    void next_lineWithoutEnd_isRefusedBeforeItFillsMemory(String before) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read(before + "1".repeat(1_000_000)))
                .withMessageContaining("is this a CSV file?");
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "`timestamp,\"x\"y\n1,2\n`, 1",
                "`\n\n\ntimestamp,\"x\"y\n1,2\n`, 4",
                "`timestamp,x\n1,2\n\n\n3,\"4\"y\n`, 5",
                "`timestamp,x\n1,\"2\n\n\n\"\n3,\"4\"y\n`, 6",
            })
    void next_lineThatCannotBeSplit_isNamed(String text, int line) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read(text))
                .withMessageStartingWith("line " + line + ": can't be split into cells");
    }

    @Test
    void next_controlCharacters_areNotShown() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n1,2,3,\u001b[31m\n"))
                .withMessageContaining("\"?[31m\"");
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> Rows.read("timestamp,x,y,z\n1,2,3,\u009b31m\u202e\n"))
                .withMessageContaining("\"?31m?\"");
    }
}
