// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the options that say how a CSV is written: a cell is read as what it means, or the file is refused. */
class CsvOptionsTest {
    @TempDir
    private Path directory;

    private Ended certify(byte[] file, String... options) {
        List<String> args = new ArrayList<>(List.of("certify", "--shard=s", "--time=time", "--value=temp"));
        args.addAll(List.of(options));
        try {
            args.add(Files.write(directory.resolve("file.csv"), file).toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Cli(directory).unwatched().run(args.toArray(String[]::new));
    }

    private Ended certify(String file, String... options) {
        return certify(file.getBytes(StandardCharsets.UTF_8), options);
    }

    /** Returns the times and values that a dry run shows, of at most five rows. */
    private List<String> rows(String file, String... options) {
        return rows(file.getBytes(StandardCharsets.UTF_8), options);
    }

    private List<String> rows(byte[] file, String... options) {
        String[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = "--preview";
        Ended ended = certify(file, all);
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        return ended.out()
                .lines()
                .filter(line -> line.matches("\\d{4}-\\d\\d-\\d\\dT.*"))
                .map(line -> line.replaceAll(" +", " "))
                .toList();
    }

    private void refused(int exitCode, String file, String message, String... options) {
        String[] all = Arrays.copyOf(options, options.length + 1);
        all[options.length] = "--print";
        Ended ended = certify(file, all);
        assertThat(ended.exitCode()).as(ended.out() + ended.err()).isEqualTo(exitCode);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err()).contains(message);
    }

    private static String row(String time) {
        return "time,temp\n\"" + time + "\",20.5\n";
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 CET           | 2026-07-01T11:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 cest          | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm zzz     | 2026-01-01 12:00 CEST          | 2026-01-01T10:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 MEZ           | 2026-07-01T11:00:00Z",
                "yyyy-MM-dd HH:mm VV      | 2026-07-01 12:00 EET           | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 UTC           | 2026-07-01T12:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 GMT           | 2026-07-01T12:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 +02:00        | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm z       | 2026-07-01 12:00 Europe/Berlin | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm:ssz     | 2026-07-01 12:00:00CET         | 2026-07-01T11:00:00Z",
                "z yyyy-MM-dd HH:mm       | MESZ 2026-07-01 12:00          | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm O       | 2026-07-01 12:00 GMT+2         | 2026-07-01T10:00:00Z",
                "yyyy-MM-dd HH:mm 'EST'   | 2026-07-01 12:00 EST           | 2026-07-01T12:00:00Z",
                "yyyy-MM-dd XXX           | 2026-07-01 +05:00              | 2026-06-30T19:00:00Z",
                "yyyy-MM-dd z             | 2026-07-01 CET                 | 2026-06-30T23:00:00Z",
                "yyyy-MM-dd VV            | 2026-07-01 Europe/Berlin       | 2026-06-30T22:00:00Z",
                "yyyy-DDD H 'Uhr'         | 2026-033 5 Uhr                 | 2026-02-02T05:00:00Z",
                "EEE d MMM yyyy h:mm a    | Wed 1 Jul 2026 12:30 am        | 2026-07-01T00:30:00Z",
                "d.M.yyyy K:mm a          | 1.7.2026 0:30 PM               | 2026-07-01T12:30:00Z",
                "d.M.yyyy h B             | 1.7.2026 3 in the afternoon    | 2026-07-01T15:00:00Z",
                "yyyy-MM-dd[ HH:mm]       | 2026-07-01                     | 2026-07-01T00:00:00Z",
                "d/M/yy H:mm              | 1/7/26 3:00                    | 2026-07-01T03:00:00Z",
                "ddMMyyHHmm               | 0107260300                     | 2026-07-01T03:00:00Z",
                "d/M/y H:mm               | 1/7/1926 3:00                  | 1926-07-01T03:00:00Z",
            })
    void timeFormat_eachLetter_isReadAsItMeans(String format, String time, String instant) {
        assertThat(rows(row(time), "--time-format=" + format)).containsExactly(instant + " 20.5");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "yyyy-MM-dd HH:mm z    | 2026-07-01 12:00 EST | is not a time in the format of --time-format; z and VV read offsets, regions such as Europe/Berlin, and of the names of zones only UTC, GMT, AEDT, AEST, CEST, CET,",
                "yyyy-MM-dd HH:mm z    | 2026-07-01 12:00 PST | write any other name in quotes in the format, and give its offset or region by --time-zone",
                "yyyy-MM-dd HH:mm z    | 2026-07-01 12:00 IST | write any other name in quotes in the format, and give its offset or region by --time-zone",
                "yyyy-MM-dd HH:mm VV   | 2026-07-01 12:00 EST | write any other name in quotes in the format, and give its offset or region by --time-zone",
                "yyyy-MM-dd hh:mm      | 2026-07-01 03:04     | has no time of day in the format of --time-format, because h is an hour from 1 to 12 and needs a for AM or PM; write H for hours from 0 to 23",
                "yyyy-MM-dd KK:mm      | 2026-07-01 03:04     | because K is an hour from 0 to 11 and needs a for AM or PM; write H for hours from 0 to 23",
                "yyyy-MM-dd mm:ss      | 2026-07-01 03:04     | because m needs an hour; write H for hours from 0 to 23",
                "yyyy-MM-dd ss         | 2026-07-01 03        | because s needs an hour; write H for hours from 0 to 23",
                "yyyy-MM-dd SS         | 2026-07-01 03        | because S needs an hour; write H for hours from 0 to 23",
                "yyyy-MM-dd HH:ss      | 2026-07-01 03:04     | because it has an hour and smaller units, but not all between them: write them as in HH:mm:ss",
                "yyyy-MM-dd HH:mm.SSS  | 2026-07-01 03:04.123 | because it has an hour and smaller units, but not all between them: write them as in HH:mm:ss",
                "yyyy-MM-dd a          | 2026-07-01 PM        | because a and B need an hour; write h for hours from 1 to 12",
                "yyyy-MM-dd B          | 2026-07-01 in the morning | because a and B need an hour; write h for hours from 1 to 12",
                "yyyy-MM-dd[ H][ h][ a] | 2026-07-01 PM       | because a and B need an hour; write h for hours from 1 to 12",
                "d/M/yy H:mm           | 1/7/98 3:00          | is in the year 2098 if its two digits count from 2000; give the first year of the 100 that they mean, as in --years-from 1950",
                "d/M/uu H:mm           | 1/7/38 3:00          | is in the year 2038 if its two digits count from 2000; give the first year",
                "d/M/y H:mm            | 1/7/18 3:00          | is in the year 18; write yy in --time-format for years of two digits",
                "d/M/u H:mm            | 1/7/18 3:00          | is in the year 18; write yy in --time-format for years of two digits",
            })
    void timeFormat_thatLosesAPartOfTheTime_isRefused(String format, String time, String message) {
        refused(1, row(time), "line 2: column time: \"" + time.strip() + "\" ", "--time-format=" + format);
        refused(1, row(time), message, "--time-format=" + format);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "yyyy-MM-dd HH:mm v    | the letter v reads names of zones that mean no offset",
                "yyyy-MM-dd HH:mm zzzz | the letters zzzz read names of zones that mean no offset",
                "YYYY-'W'ww-e          | the letter Y counts weeks, which begin on other days in other countries",
                "yyyy-ww-EEE           | the letter w counts weeks, which begin on other days in other countries",
                "yyyy-MM-dd HH:mm:ss.n | the letter n counts nanoseconds",
                "yyyy-MM-dd e          | the letter e counts weeks, which begin on other days in other countries",
            })
    void timeFormat_lettersWithSeveralMeanings_areRefused(String format, String message) {
        refused(2, row("2026-07-01"), message, "--time-format=" + format);
    }

    @Test
    void yearsFrom_twoDigits_areInTheHundredYearsFromThere() {
        String file = "time,temp\n1/7/49 3:00,20.5\n";
        assertThat(rows(file, "--time-format=d/M/yy H:mm", "--years-from=1950"))
                .containsExactly("2049-07-01T03:00:00Z 20.5");
        assertThat(rows(file.replace("1/7/49", "29/2/00"), "--time-format=d/M/yy H:mm", "--years-from=1950"))
                .containsExactly("2000-02-29T03:00:00Z 20.5");
        assertThat(rows(file.replace("1/7/49", "010798"), "--time-format=ddMMyy H:mm", "--years-from=1950"))
                .containsExactly("1998-07-01T03:00:00Z 20.5");
        refused(2, file, "--years-from", "--time-format=d/M/yyyy H:mm", "--years-from=1950");
        refused(2, file, "--years-from", "--years-from=1950");
        refused(2, file, "--years-from", "--time-format=d/M/yy H:mm", "--years-from=50");
    }

    @ParameterizedTest
    @ValueSource(strings = {"CET", "EET", "MET", "WET", "EST", "MST", "HST"})
    void timeZone_nameWithOrWithoutSummerTime_isRefused(String zone) {
        refused(2, row("2026-07-01 12:00"), "--time-zone: '" + zone + "' ", "--time-zone=" + zone);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-07-01 12:00:00 UTC", "2026-07-01T12:00 GMT", "2026-07-01 12:00:00.000UTC"})
    void time_utcAfterIt_isRead(String time) {
        assertThat(rows(row(time), "--time-zone=Asia/Tokyo")).containsExactly("2026-07-01T12:00:00Z 20.5");
        refused(1, row(time + "+2"), "is not a time");
    }

    @Test
    void time_blankThatIsNone_isShown() {
        refused(
                1,
                row("7/1/2026 2:00\u202fPM"),
                "column time: \"7/1/2026 2:00[U+202F]PM\" is not a time in the format of --time-format",
                "--time-format=M/d/yyyy h:mm a");
        assertThat(rows(row("7/1/2026 2:00\u202fPM"), "--time-format=M/d/yyyy h:mm\u202fa"))
                .containsExactly("2026-07-01T14:00:00Z 20.5");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "time,temp | , | 999.9     | 999.90   | ",
                "time,temp | , | -999      | -999.000 | ",
                "time,temp | , | -999.00   | -999     | ",
                "time,temp | , | 1e3       | +1000.   | ",
                "time;temp | ; | -999.9    | -999,90  | ",
                "time;temp | ; | -999.9    | -999,90  | --decimal=,",
                "time;temp | ; | -9999     | -9.999,0 | --grouping=.",
                "time;temp | ; | -9.999    | -9999    | --grouping=.",
                "time;temp | ; | 9999.9    | 9'999.90 | --grouping='",
                "time,temp | , | NaN,9,99  | 99.0     | ",
            })
    void missing_numberWrittenInAnotherWay_isMissing(
            String header, String delimiter, String missing, String cell, String option) {
        String file = header + "\n1.5" + delimiter + cell + "\n2.5" + delimiter + "7\n";
        List<String> options = new ArrayList<>(List.of("--missing=" + missing));
        if (option != null) {
            options.add(option);
        }

        assertThat(rows(file, options.toArray(String[]::new))).containsExactly("1970-01-01T00:00:02.500Z 7.0");
    }

    @Test
    void missing_otherNumber_isKept() {
        assertThat(rows("time,temp\n1,999.91\n2,9\n", "--missing=999.9,x"))
                .containsExactly("1970-01-01T00:00:01Z 999.91", "1970-01-01T00:00:02Z 9.0");
        assertThat(rows("time,temp\n-999.0,1\n2,9\n", "--missing=-999")).containsExactly("1970-01-01T00:00:02Z 9.0");
    }

    @Test
    void missing_commaThatMayBeDecimal_isRefused() {
        refused(
                1,
                "time;temp\n1;-999,9\n2;9\n",
                "--missing -999,9: the comma may separate two texts or be the decimal separator; write the number with"
                        + " a point, or give each text by a --missing of its own",
                "--missing=-999,9");
        assertThat(rows("time;temp\n1;-999,9\n2;9\n3;7\n", "--missing=-999.9", "--missing=9"))
                .containsExactly("1970-01-01T00:00:03Z 7.0");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "time;flow, l/min, mean;temp\n1;5;2,5\n2;6;3,5\n",
                "time;temp;flow, l/min, mean, of 5\n1;2,5;1\n2;3,5;1\n",
                "time;temp;flow, l/min\n1;2,5;1\n2;3;1\n",
                "time;temp;a, b, c, d\n1;2,5;1;\n2;3,5;1; \n",
                "time\ttemp\ta, b, c, d; e\n1\t2,5\t1\n2\t3,5\t1\n",
                "time;temp;a, b, c, d\nh;°C;-\n1;2,5;1\n2;3,5;1\n",
            })
    void delimiter_several_areRefused_andOneIsProposed(String file) {
        refused(1, file, " may separate the cells; give the --delimiter");

        Ended preview = certify(file, "--preview");

        assertThat(preview.exitCode()).as(preview.out()).isZero();
        assertThat(preview.out()).contains(file.contains("\t") ? "delimiter: tab" : "delimiter: \";\"");
    }

    @ParameterizedTest
    @CsvSource({
        "425a6839314159265359, bzip2",
        "fd377a585a0000, xz",
        "504b0304140000, zip",
        "28b52ffd04, zstd",
        "377abcaf271c00, 7z",
        "d0cf11e0a1b11ae1, Excel",
    })
    void otherFormat_isNamed(String magic, String format) {
        Ended ended = certify(HexFormat.of().parseHex(magic), "--print");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err()).contains(format, "which is not read");
    }

    @ParameterizedTest
    @ValueSource(strings = {"UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE"})
    void wideText_isReadByItsMarkOrNamed(String encoding) {
        Charset charset = Charset.forName(encoding);
        byte[] text = "time,temp\n1,20.5\n".getBytes(charset);
        byte[] marked = "\uFEFFtime,temp\n1,20.5\n".getBytes(charset);

        assertThat(rows(marked)).containsExactly("1970-01-01T00:00:01Z 20.5");
        assertThat(rows(marked, "--encoding=" + encoding)).containsExactly("1970-01-01T00:00:01Z 20.5");
        assertThat(rows(text, "--encoding=" + encoding)).containsExactly("1970-01-01T00:00:01Z 20.5");
        assertThat(certify(text, "--print").err()).contains("such as " + encoding);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "#a, b\n# \"c\n\ntime,temp\n1,20.5\n#note\n2,21.5\n",
                "\n#a;b;c;d\ntime;temp\n#;;;;\n1;20,5\n2;21,5\n",
                "#a\nsep=|\ntime|temp\n1|20.5\n2|21.5\n",
                "time,temp\n1,20.5\n2,21.5\n#5,5",
            })
    void comment_linesThatBeginWithIt_areSkipped(String file) {
        assertThat(rows(file, "--comment=#")).containsExactly("1970-01-01T00:00:01Z 20.5", "1970-01-01T00:00:02Z 21.5");
    }

    @Test
    void comment_linesAreCounted_andWithoutTheOptionItIsNamed() {
        refused(1, "#a\n#b\ntime,temp\n1,x\n", "line 4: column temp: x is not", "--comment=#");
        refused(1, "# station 7\ntime,temp\n1,2\n", "or skip comments with --comment '#'");
        refused(1, "# station 7, roof\ntime,temp\n1,2\n", "or skip comments with --comment '#'");
        for (String wrong : List.of("##", "a", "1", "\"", "-", ",", ";", " ", "tab")) {
            refused(2, "time,temp\n1,2\n", "--comment: must be one character", "--comment=" + wrong);
        }
        refused(2, "time|temp\n1|2\n", "--comment: must be one character", "--comment=|", "--delimiter=|");
    }

    @ParameterizedTest
    @ValueSource(strings = {"sensor=a", "3=a", "sensor = a ", "sim=89490200001234567890", "code=7"})
    void only_rowsWithTheText_areCertified(String only) {
        String file = """
                time,temp,sensor,sim,code
                1,20.5,a,89490200001234567890,7
                1,x,b,89490200001234567891,007
                total,9
                2,21.5, a ,89490200001234567890, 7
                3,,a,89490200001234567890,7
                """;

        assertThat(rows(file, "--only=" + only))
                .containsExactly("1970-01-01T00:00:01Z 20.5", "1970-01-01T00:00:02Z 21.5");
        assertThat(certify(file, "--only=" + only, "--preview").out())
                .contains("skipped 1 row with an empty cell", "2 rows left out by --only");
    }

    @Test
    void only_several_mustAllBeTrue_andNoRowIsAnError() {
        String file = "time,temp,a=b,c\n1,20.5,x,y\n2,21.5,x,z\n";
        assertThat(rows(file, "--only=3=x", "--only=c=z")).containsExactly("1970-01-01T00:00:02Z 21.5");
        assertThat(rows(file, "--only=a=b=x", "--only=c=z")).containsExactly("1970-01-01T00:00:02Z 21.5");
        refused(1, file, "no row has what --only requires, so there is nothing to certify", "--only=c=X");
        refused(1, file, "there is no column d", "--only=d=x");
        refused(2, file, "--only: write it as COLUMN=TEXT, not 'c'", "--only=c");
    }

    @Test
    void skipLastLines_footer_isSkipped() {
        String file = "time,temp\n1,20.5\n2,21.5\nmean,21\n\nexported by \"X\"\n\n";

        assertThat(rows(file, "--skip-last-lines=2"))
                .containsExactly("1970-01-01T00:00:01Z 20.5", "1970-01-01T00:00:02Z 21.5");
        assertThat(certify(file, "--skip-last-lines=3", "--print").err())
                .contains("line 3 is skipped as one of the last lines, but reads as a measurement")
                .doesNotContain("line 4");
        refused(1, file, "line 4: column time: mean is not a time", "--skip-last-lines=1");
        refused(1, file, "the file has no lines before those that --skip-last-lines skips", "--skip-last-lines=5");
        refused(1, file, "the file has no rows after the names of the columns", "--skip-last-lines=4");
        refused(2, file, "--skip-last-lines: must be at least 0", "--skip-last-lines=-1");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"''|the file is empty", "'\n\n'|the file is empty", "a;b|no column time"})
    void preview_noTable_namesTheMistake(String file, String message) {
        assertThat(certify(file, "--preview").exitCode()).isEqualTo(1);
        assertThat(certify(file, "--preview").err()).contains(message);
    }

    @Test
    void lastLineWithoutEnd_isWarnedAbout() {
        String warning = "line 3 is the last one and has no line end: if the file was cut there, its values may be cut";
        assertThat(certify("time,temp\n1,20.5\n2,21", "--print").err()).contains(warning);
        assertThat(certify("time,temp\n1,20.5\n2,21", "--preview").err()).contains(warning);
        assertThat(certify("time,temp\n1,20.5\n2,21\n", "--print").err()).isEmpty();
        assertThat(certify("time,temp\r1,20.5\r2,21\r", "--print").err()).isEmpty();
        assertThat(certify("time,temp\n1,20.5\n2,21\nend", "--skip-last-lines=1", "--print")
                        .err())
                .isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"windows-1252", "UTF-16LE", "UTF-16BE"})
    void preview_textIsNotUtf8_proposesTheEncoding(String encoding) throws IOException {
        Path file = Files.writeString(
                directory.resolve("file.csv"), "time,Öl\n1,20.5\n2,21.5\n", Charset.forName(encoding));
        Cli cli = new Cli(directory).unwatched();

        assertThat(cli.run("certify", "--preview", file.toString()).out())
                .contains("encoding: " + encoding, "[\"Öl\"]");
        assertThat(cli.run("certify", "--preview", "--encoding=" + encoding, file.toString())
                        .out())
                .contains("[\"Öl\"]");
    }
}
