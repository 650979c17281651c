// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.Source.Shard;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Tests of the sample files in the resources {@code csv}: each is read as intended, or refused with what to do. */
class CsvSamplesTest {
    private static final Path SAMPLES = Path.of("src", "test", "resources", "csv");
    private static final Path GOLDEN = Path.of("src", "test", "resources", "golden", "csv-pcs-ids.txt");
    private static final int GOLDEN_ID_CHARS = 16;

    @TempDir
    private Path directory;

    private Ended certify(String file, List<String> options, String... more) {
        List<String> args = new ArrayList<>(List.of("certify"));
        if (!options.contains("--shard-column")) {
            args.add("--shard=golden");
        }
        args.addAll(options);
        args.addAll(List.of(more));
        try {
            args.add(Files.copy(SAMPLES.resolve(file), directory.resolve("sample"), StandardCopyOption.REPLACE_EXISTING)
                    .toString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return new Cli(directory).unwatched().run(args.toArray(String[]::new));
    }

    /** Returns options from a table, which separates them with blanks and writes a blank within one as a tilde. */
    private static List<String> options(String text) {
        return Arrays.stream(text.split(" +"))
                .map(option -> option.replace('~', ' '))
                .toList();
    }

    static Stream<String> golden() throws IOException {
        return Files.readAllLines(GOLDEN).stream();
    }

    @ParameterizedTest
    @MethodSource("golden")
    void certify_fileThatAnEarlierVersionCertified_givesTheSameIds(String line) {
        List<String> cells = List.of(line.split("\\|", -1));
        List<String> options =
                cells.get(1).isEmpty() ? List.of() : List.of(cells.get(1).split("\t", -1));
        List<String> window = cells.get(1).contains("--window") ? List.of() : List.of("--window=10");

        Ended ended = certify(
                cells.get(0), Stream.concat(options.stream(), window.stream()).toList(), "--print");

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out().lines().map(CsvSamplesTest::id)).isEqualTo(cells.subList(2, cells.size()));
    }

    private static String id(String certificate) {
        try {
            return CertificateReader.parse(certificate.getBytes(StandardCharsets.UTF_8))
                    .signed()
                    .pcsId()
                    .substring(0, GOLDEN_ID_CHARS);
        } catch (MalformedCertificate e) {
            throw new AssertionError(e);
        }
    }

    /** The columns: file, options, number of rows, first and last time, and the first value as written and as read. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "grouped-points-decimal-commas.csv | --time zeit --value last --grouping . | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980,25\" read as 980.25",
                "grouped-points-some-decimals.csv | --time zeit --value last --grouping . | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980\" read as 980.0",
                "grouped-points-whole.csv | --time zeit --value last --grouping . | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980\" read as 980.0",
                "grouped-points-whole.csv | --time zeit --value last --decimal . | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980\" read as 980.0",
                "grouped-apostrophes.tsv | --time zeit --value last --grouping ' | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980.25\" read as 980.25",
                "grouped-blanks.csv | --time zeit --value last --grouping ~ | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980,25\" read as 980.25",
                "grouped-commas-quoted.csv | --time t --value load --grouping , | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"980.25\" read as 980.25",
                "autumn.csv | --time time --value temp --time-zone Europe/Berlin | 40 | 2026-10-25T01:00:00+02:00 | 2026-10-25T03:54:00+01:00 | temp \"21.400\" read as 21.4",
                "autumn.csv | --time time --value temp --time-zone +02:00 --sort | 40 | 2026-10-25T01:00:00+02:00 | 2026-10-25T03:54:00+02:00 | temp \"21.400\" read as 21.4",
                "autumn-unix-like.csv | --time time --value temp --time-zone Europe/Berlin | 12 | 2026-10-25T00:00:00+02:00 | 2026-10-25T10:00:00+01:00 | temp \"21.400\" read as 21.4",
                "no-header.csv | --no-header --time 2 --value 3 | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "delimiter-in-header.csv | --time time --value power;~kW,~net | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"power; kW, net\" \"21.400\" read as 21.4",
                "line-break-in-header.csv | --time 1 --value 2 | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21,40\" read as 21.4, decimal comma",
                "line-break-in-header.tsv | --time time --value 2 | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "line-ends-cr.csv | --time time --value power | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21,40\" read as 21.4",
                "sep-tab.csv | --time time --value power | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "sep-pipe.csv | --time time --value power | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "pipes.csv | `--time time --value power --delimiter |` | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "sep-tab.csv | --time time --value power --delimiter tab | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "excel-days.csv | --time when --value power --time-unit excel | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "excel-days.csv | --time when --value power --time-unit excel --time-zone Europe/Berlin | 40 | 2026-02-03T09:00:00+01:00 | 2026-02-03T09:39:00+01:00 | \"21.400\" read as 21.4",
                "milliseconds-of-day.csv | --time t_ms --value power --time-unit ms | 40 | 1970-01-01T09:00:00Z | 1970-01-01T09:39:00Z | \"21.400\" read as 21.4",
                "microseconds.csv | --time t --value power --time-unit us | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "labview-seconds.csv | --time t --value power --time-unit labview | 40 | 2026-02-03T09:00:00.500Z | 2026-02-03T09:39:00.500Z | \"21.400\" read as 21.4",
                "digits-of-a-date.csv | --time t --value power --time-format yyyyMMddHHmm | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "date-and-time.csv | --time date,time --value power | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "date-and-time.csv | --time 1,2 --value 3 | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
                "date-and-time-german.csv | --time Datum,Uhrzeit --value Wert --time-format d.M.yyyy~H:mm | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21,400\" read as 21.4",
                "units.csv | --time TIMESTAMP --value AirTemp,RH --skip-rows-after-header 1 | 40 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | RH \"40\" read as 40.0",
                "status.csv | --time time --value power --missing ERR | 36 | 2026-02-03T09:00:00Z | 2026-02-03T09:39:00Z | \"21.400\" read as 21.4",
            })
    void preview_readableFile_showsWhatItUnderstood_andAnEntryThatCertifiesTheSame(
            String file, String options, int rows, String first, String last, String value) throws Exception {
        Ended ended = certify(file, options(options), "--preview");

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out())
                .contains(System.lineSeparator() + rows + " rows in ")
                .containsPattern("(?m)^first .* read as " + first.replace("+", "\\+") + "$")
                .containsPattern("(?m)^last .* read as " + last.replace("+", "\\+") + "$")
                .contains(value);
        if (!options.contains("--sort")) {
            assertThat(certifyBy(ended.out(), "golden"))
                    .isEqualTo(certify(file, options(options), "--print").out());
        }
    }

    /** Certifies the sample by the entry of a preview. Returns the certificates, one per line. */
    private String certifyBy(String preview, String shard) throws Exception {
        String entry = preview.substring(preview.indexOf("sources:"));
        Source source = SourcesFile.read(Files.writeString(directory.resolve("sources.yaml"), entry))
                .get(0);
        assertThat(source.name()).isEqualTo("sample");
        assertThat(source.shard()).isEqualTo(new Shard.Ids(List.of(shard)));
        try (InputStream csv = Files.newInputStream(Path.of(source.files()))) {
            return new Certifier(List.of(shard))
                    .certify(new CsvRows(csv, source.columns(), source.format()), source.windows()).stream()
                            .map(each -> new String(each, StandardCharsets.UTF_8) + "\n")
                            .collect(Collectors.joining());
        }
    }

    /** The columns: the lines of a file, and a part of the proposal. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "time,temp,hum~2026-02-03T09:00Z,1,2~2026-02-03T09:01Z,3,4 | column: time values: [temp, hum]",
                "when;v~24.10.2026 20:00:00;1,5~24.10.2026 20:01:00;2,5    | column: when format: \"dd.MM.yyyy HH:mm:ss\" zone: UTC",
                "when,v~03/04/2026 09:00,1~04/04/2026 09:00,2               | # format: \"dd/MM/yyyy HH:mm\" # or format: \"MM/dd/yyyy HH:mm\" zone: UTC values: [v]",
                "when,v~3/4/2026 9:00 PM,1~3/14/2026 9:00 PM,2            | format: \"M/d/yyyy h:mm a\"",
                "v,when~5,46056.375~5,46056.376                          | column: when unit: excel",
                "day,hour,v~2026-02-03,09:00,1~2026-02-03,09:01,2        | column: [day, hour]",
                "time,no,v~1,7,20~1,8,21~2,7,23~2,8,22                   | values: [v] shard: {column: \"no\"}",
                "time,v,state~1,20,on~2,21,on~3,23,off~4,22,off           | values: [v] # shard: {column: state}",
                "time,a,b,c,d~1,2,3,4,5~2,3,4,5,6                        | values: [a, b, c] # or values: [d]",
                "time,v~s,m~1,20~2,21                                    | skip_rows_after_header: 1 time:",
                "PT-7,2026-02-03T09:00Z,5~PT-7,2026-02-03T09:01Z,6       | header: false time: column: \"2\" values: [\"3\"]",
                "time;v~2026-02-03T09:00Z;999~2026-02-03T09:01Z;1.002     | decimal separator; give grouping: \".\" or decimal: \".\" files:",
                "temp,hum~on,off~off,on                                  | time: # column: temp # or column: hum",
                "time,seq,rpm,vx~1,1,905,2.5~2,2,900,2.7~3,0,910,2.6      | values: [rpm, vx]",
                "time,n,v~1,7,905~2,8,900~3,10,910                       | values: [v]",
                "time,v,on~1,2.5,0~2,2.7,1~3,2.6,1                       | values: [v]",
                "time,lat,v~1,52.5,2.5~2,52.5,2.7~3,52.5,2.6             | values: [v]",
                "time,a,v~1,8949020000123456,5~1,8949020000123457,6~2,8949020000123456,4 | values: [v] shard: {column: a}",
                "time,v~1,20.1~1,20.2~2,20.1~2,20.3                      | # decimal point",
                "Station 7~by; me~time,v~1,20.5~2,21.5~total,42          | complete: true delimiter: \",\" decimal: \".\" skip_lines: 2 skip_last_lines: 1 time:",
                "Station,7~Hall,2~time,v~s,m~1,20.5~2,21.5~3,20.6~4,20.7 | skip_lines: 2 skip_rows_after_header: 1 time:",
                "time,v~2026-02-03,20.5~2026-02-04,21.5~2026             | # open: line 4: has 1 cells, but the first line has 2",
                "`time|v~1|20.5~2|21.5` | `delimiter: \"|\"`",
                "time,v~1,20~2,ERR~3,22~4,NaN~5,21~6,20~7,22~8,21~9,22~10,20 | missing: [ERR, NaN] time:",
                "time;a;b~1;20;1.002~2;21;999~2;x1;998~3;22;997~4;21;x2~5;20;996 | # open: line 4: column a: x1 is not a decimal number; choose another # column with values, or skip such rows with missing # open: line 6: column b: x2 is",
            })
    void preview_withoutOptions_proposesByContent_andFailsIfSomethingIsOpen(String text, String proposal)
            throws Exception {
        Path file = Files.writeString(directory.resolve("sample"), text.replace('~', '\n') + "\n");

        Ended ended = new Cli(directory).unwatched().run("certify", "--preview", file.toString());

        boolean isOpen = ended.out().contains("# open: ");
        assertThat(ended.exitCode()).isEqualTo(isOpen ? 1 : 0);
        assertThat(ended.err().contains("flk-agent: line ")).isEqualTo(isOpen);
        assertThat(ended.out().replaceAll("\\s+", " ")).contains(proposal);
    }

    @Test
    void preview_shardIsGiven_proposesNoOther() {
        Ended ended = certify("several-sensors.csv", List.of("--preview"));

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.out()).containsOnlyOnce("    shard:").contains("    shard: golden");
        assertThat(certify("several-sensors.csv", List.of("--preview", "--shard-column=sensor"), "--shard=golden")
                        .exitCode())
                .isEqualTo(2);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "grouped-points-decimal-commas.csv | --time zeit --value last | line 10: column last: \"1.002,25\" is not a decimal number; give --grouping . if the point groups thousands",
                "grouped-points-decimal-commas.csv | --time zeit --value last --decimal , | line 10: column last: \"1.002,25\" is not a decimal number with a decimal comma; give --grouping . if the point groups thousands",
                "grouped-points-some-decimals.csv | --time zeit --value last | line 10: column last: \"1.002\" has a point, but \"982,75\" in line 3 has a comma; give --grouping . if the point groups thousands",
                "grouped-points-some-decimals.csv | --time zeit --value last --decimal , | line 10: column last: \"1.002\" is not a decimal number with a decimal comma; give --grouping . if the point groups thousands, or --decimal . if the point is the decimal separator",
                "grouped-points-whole.csv | --time zeit --value last | line 10: column last: \"1.002\" is 1002 if the point groups thousands, as the whole numbers of this column suggest, and 1.002 if it is the decimal separator; give --grouping . or --decimal .",
                "grouped-apostrophes.tsv | --time zeit --value last | line 10: column last: \"1'002.25\" is not a decimal number; give --grouping \"'\" if the apostrophe groups thousands",
                "grouped-blanks.csv | --time zeit --value last | line 10: column last: \"1[U+202F]002,25\" is not a decimal number; give --grouping ' ' if the blank groups thousands",
                "grouped-commas-quoted.csv | --time t --value load | line 10: column load: \"1,002.25\" is not a decimal number; give --grouping , if the comma groups thousands",
                "autumn.csv | --time time --value temp | line 22: column time: \"2026-10-25 02:00:00\" is earlier than the time of line 21; times must not go back: if daylight saving time ended here, give the --time-zone; otherwise sort the file",
                "autumn.csv | --time time --value temp --time-zone Europe/Berlin --sort | line 12: column time: \"2026-10-25 02:00:00\" occurs twice in Europe/Berlin, as 2026-10-25T00:00:00Z (+02:00) or 2026-10-25T01:00:00Z (+01:00), and the order of the rows does not tell which; write the offset after such times",
                "autumn-one-pass.csv | --time time --value temp --time-zone Europe/Berlin | line 12: column time: \"2026-10-25 02:00:00\" occurs twice in Europe/Berlin, as 2026-10-25T00:00:00Z (+02:00) or 2026-10-25T01:00:00Z (+01:00), and the order of the rows does not tell which; write the offset after such times",
                "spring.csv | --time time --value temp --time-zone Europe/Berlin | line 8: column time: \"2026-03-29 02:00:00\" does not exist in Europe/Berlin, where the clocks went from 02:00 to 03:00 on that day; it may mean 2026-03-29T01:00:00Z (+01:00) or 2026-03-29T00:00:00Z (+02:00): if the clock of the device does not change, give its offset, such as --time-zone +01:00",
                "no-header.csv | --time 2 --value 3 | line 1: may be a measurement instead of the names of the columns, because \"2026-02-03T09:00:00Z\" may be a time; if it is one, use --no-header with the numbers of columns; if it is not, also skip it with --skip-lines 1",
                "no-header-whole-numbers.csv | --time 2 --value 3 | line 1: may be a measurement instead of the names of the columns, because \"0\" may be a time; if it is one, use --no-header with the numbers of columns; if it is not, also skip it with --skip-lines 1",
                "pipes.csv | --time time --value power | `line 1: there is no column time, the columns are \"time|power\"; choose others with --time COLUMN --value COLUMN[,COLUMN[,COLUMN]], or give the --delimiter`",
                "excel-days.csv | --time when --value power | line 2: column when: \"46056.3750000000\" would be 1970-01-01T12:47:36.375Z as seconds since 1970; it seems to be days since 1900, as Excel counts them (2026-02-03T09:00:00Z), with --time-unit excel. To read it as seconds, give --time-unit s",
                "milliseconds-of-day.csv | --time t_ms --value power | line 2: column t_ms: \"32400000\" would be 1971-01-11T00:00:00Z as seconds since 1970; the name of the column says milliseconds since 1970 (1970-01-01T09:00:00Z): give --time-unit ms, or --time-unit s for seconds",
                "milliseconds-of-day-unnamed.csv | --time t --value power | line 2: column t: \"32400000\" would be 1971-01-11T00:00:00Z as seconds since 1970; it seems to be milliseconds since midnight (09:00), without the date, with --time-unit ms. To read it as seconds, give --time-unit s",
                "microseconds.csv | --time t --value power | line 2: column t: \"1770109200000000\" is no time in milliseconds since 1970; it seems to be microseconds since 1970 (2026-02-03T09:00:00Z), with --time-unit us",
                "labview-seconds.csv | --time t --value power | line 2: column t: \"3852954000.5\" would be 2092-02-04T09:00:00.500Z as seconds since 1970; it seems to be seconds since 1904, as LabVIEW counts them (2026-02-03T09:00:00.500Z), with --time-unit labview. To read it as seconds, give --time-unit s",
                "digits-of-a-date.csv | --time t --value power | line 2: column t: \"202602030900\" would be 1976-06-02T22:20:30.900Z as milliseconds since 1970; it seems to be a date: read it with --time-format yyyyMMddHHmm, or as a number with --time-unit ms",
                "years.csv | --time year --value power | line 2: column year: \"1950\" would be 1970-01-01T00:32:30Z as seconds since 1970; it seems to be a year: write a date, or read it as seconds with --time-unit s",
                "units.csv | --time TIMESTAMP --value AirTemp,RH | line 2: column TIMESTAMP: TS is not a time: write seconds or milliseconds since 1970, or 2018-01-30T12:34:56Z, or give its --time-format, or choose another column with --time",
                "status.csv | --time time --value power | line 6: column power: ERR is not a decimal number; choose another column with --value, or skip such rows with --missing",
                "several-sensors.csv | --time time --value temp | line 3: column time: \"2026-03-01T10:00:00Z\" repeats the time of line 2: column sensor seems to name several sensors; give --shard-column sensor, or certify one of them with --only \"sensor=hall-2\"",
                "no-such-day.csv | --time time --value power | line 11: column time: 2026-02-29 is no time, because that month has only 28 days",
            })
    void certify_fileThatMayMeanTwoThings_isRefusedWithTheOption(String file, String options, String message) {
        Ended ended = certify(file, options(options), "--print");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err().strip()).isEqualTo("flk-agent: " + message);
    }

    @Test
    void preview_shardColumn_showsTheShards() {
        assertThat(certify(
                                "several-sensors.csv",
                                options("--time time --value temp --shard-column sensor"),
                                "--preview")
                        .out())
                .contains("6 rows in 2 windows, 2 of them short", "2 shards, each", "20.3  hall-1");
    }

    @Test
    void certify_lineEndsOfCrBeyondAnyBuffer_areRead() throws Exception {
        StringBuilder text = new StringBuilder("time,power\r");
        for (int i = 0; i < 50_000; i++) {
            text.append(i).append(',').append(i % 977).append('\r');
        }
        Path file = Files.writeString(directory.resolve("large.csv"), text);

        Ended ended = new Cli(directory)
                .unwatched()
                .run("certify", "--preview", "--time", "time", "--value", "power", file.toString());

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out()).contains("50000 rows in 167 windows");
    }
}
