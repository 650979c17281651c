// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.csv;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.csv.CsvFormat.Notation;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verifier;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

/** Tests of realistic CSV files: each is certified and usually also accepted by the verifier, or it is refused. */
class CsvFilesTest {
    private static final int ROWS = 40;
    private static final Columns TIME_AND_TEMP = new Columns(Optional.of("time"), List.of("temp"));

    /** The properties of a format; a new object has the properties of {@link CsvFormat#USUAL}. */
    private static final class Format {
        private boolean hasHeader = true;
        private int skippedLines;
        private Optional<Charset> encoding = Optional.empty();
        private Optional<Character> decimal = Optional.empty();
        private Set<String> missing = Set.of();
        private Optional<String> timeFormat = Optional.empty();
        private ZoneId zone = ZoneOffset.UTC;
        private boolean isSorted;

        CsvFormat build() {
            return new CsvFormat(
                    hasHeader,
                    skippedLines,
                    encoding,
                    decimal,
                    missing,
                    timeFormat.map(pattern -> TimeFormat.of(pattern, OptionalInt.empty())),
                    Optional.of(zone),
                    isSorted);
        }
    }

    private static String lines(String header, IntFunction<String> row) {
        return header
                + IntStream.range(0, ROWS)
                        .mapToObj(row)
                        .map(line -> line + "\n")
                        .collect(Collectors.joining());
    }

    private static double temperature(int i) {
        return 20 + Math.sin(i) * 3;
    }

    private static String point(int i) {
        return String.format(Locale.ROOT, "%.3f", temperature(i));
    }

    private static String comma(int i) {
        return point(i).replace('.', ',');
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static List<byte[]> certify(InputStream file, Columns columns, CsvFormat format)
            throws IOException, MalformedCsv {
        return new Certifier(List.of("shard")).certify(new CsvRows(file, columns, format), Windows.byCount(ROWS, 0));
    }

    private static Certificate accepted(byte[] file, Columns columns, Format format) throws Exception {
        List<byte[]> certificates = certify(new ByteArrayInputStream(file), columns, format.build());
        assertThat(certificates).hasSize(1);
        String sent = new String(certificates.get(0), StandardCharsets.UTF_8)
                .replaceFirst("\\{", "{\"sent_at\":\"2026-01-19T10:30:45Z\",");
        Certificate certificate = CertificateReader.parse(utf8(sent)).checkIgnoringClock();
        assertThat(new Verifier(Policy.defaults()).verify(certificate).kind()).isEqualTo(Kind.ACCEPTED);
        return certificate;
    }

    private static Certificate accepted(String file, Columns columns, Format format) throws Exception {
        return accepted(utf8(file), columns, format);
    }

    private static void refused(String file, Columns columns, Format format, String message) {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(new ByteArrayInputStream(utf8(file)), columns, format.build()))
                .withMessage(message);
    }

    private static void assertBegins(Certificate certificate, String start) {
        assertThat(Objects.requireNonNull(certificate.faultTolerance().window()).start())
                .isEqualTo(Instant.parse(start));
    }

    @Test
    void plainFile_hasTheTimesOfItsMeasurements() throws Exception {
        String file = lines("timestamp,x\n", i -> 1_517_363_399 + i + "," + point(i));

        Certificate certificate = accepted(file, Columns.USUAL, new Format());

        assertBegins(certificate, "2018-01-31T01:49:59Z");
        assertThat(Objects.requireNonNull(certificate.faultTolerance().window()).end())
                .isEqualTo("2018-01-31T01:50:38Z");
    }

    @Test
    void oneColumn_hasNoTimes() throws Exception {
        assertThat(accepted(lines("temp\n", CsvFilesTest::point), Columns.USUAL, new Format())
                        .faultTolerance()
                        .window())
                .isNull();
    }

    @Test
    void noHeader_decimalCommasAndSemicolons_isRefusedWithTheOption() {
        Format format = new Format();
        format.hasHeader = false;

        refused(
                "2018-01-31T01:00Z;1,5;2,5\n",
                Columns.USUAL,
                format,
                "line 1: a comma or a semicolon may separate the cells; give the --delimiter");
    }

    @Test
    void europeanExcel_semicolonsAndDecimalCommas_areRead() throws Exception {
        accepted(lines("\uFEFFtime;temp\r\n", i -> i + ";" + comma(i) + "\r"), TIME_AND_TEMP, new Format());
        accepted(lines("sep=;\r\ntime;temp\r\n", i -> i + ";" + comma(i) + "\r"), TIME_AND_TEMP, new Format());
        accepted(lines("\r\n\r\nsep=;\r\ntime;temp\r\n", i -> i + ";" + comma(i) + "\r"), TIME_AND_TEMP, new Format());
    }

    @Test
    void windows1252_columnNamesWithUmlauts_areRead() throws Exception {
        Format format = new Format();
        format.encoding = Optional.of(Charset.forName("windows-1252"));

        accepted(
                lines("Zeit,Größe\n", i -> i + "," + point(i)).getBytes(Charset.forName("windows-1252")),
                new Columns(Optional.of("Zeit"), List.of("Größe")),
                format);
    }

    @Test
    void quotedDecimalCommas_betweenCommas_areRead() throws Exception {
        String file = lines("time,temp\n", i -> i + ",\"" + comma(i) + "\"");
        refused(
                file,
                TIME_AND_TEMP,
                new Format(),
                "line 2: column temp: \"20,000\" is not a decimal number; give --grouping , if the comma groups"
                        + " thousands, or --decimal , if the comma is the decimal separator");
        Format format = new Format();
        format.decimal = Optional.of(',');

        accepted(file, TIME_AND_TEMP, format);
    }

    @Test
    void groupedNumbers_whoseGroupsAreNotThousands_areRefused() {
        CsvFormat format = new CsvFormat(
                true,
                0,
                Optional.empty(),
                Optional.empty(),
                Set.of(),
                Optional.empty(),
                Optional.empty(),
                false,
                new Notation(Optional.empty(), Optional.of('.'), Optional.empty(), 0),
                CsvFormat.Filter.NONE);
        for (String number : List.of("0.125", "1.25", "1.0025", "12.34.567", "1234.567", "1.002.5")) {
            assertThatExceptionOfType(MalformedCsv.class)
                    .as(number)
                    .isThrownBy(() -> certify(
                            new ByteArrayInputStream(utf8("time;temp\n1;" + number + "\n")), TIME_AND_TEMP, format))
                    .withMessageContainingAll("line 2: column temp: ", number, " is not a decimal number");
        }
    }

    @Test
    void linesBeforeTheHeader_areSkipped() throws Exception {
        String file = lines("Station 7\nexported today\ntime,temp\n", i -> i + "," + (i == 5 ? "broken" : point(i)));
        Format format = new Format();
        format.skippedLines = 2;

        refused(
                file,
                TIME_AND_TEMP,
                format,
                "line 9: column temp: broken is not a decimal number; choose another column with --value, or skip such"
                        + " rows with --missing");
        accepted(file.replace("broken", "1"), TIME_AND_TEMP, format);
    }

    @Test
    void hourRepeatedByDaylightSaving_isReadInTheOrderOfTheRows() throws Exception {
        Format format = new Format();
        format.zone = ZoneId.of("Europe/Berlin");

        assertThat(times("time,temp\n2018-10-28T02:30:00,1\n2018-10-28T02:00:00,2\n", format))
                .containsExactly(Instant.parse("2018-10-28T00:30:00Z"), Instant.parse("2018-10-28T01:00:00Z"));
    }

    @Test
    void timesWithAnOffset_inTheRepeatedHour_areRead() throws Exception {
        Format format = new Format();
        format.zone = ZoneId.of("Europe/Berlin");

        assertThat(times("time,temp\n2018-10-28T02:30:00+02:00,1\n2018-10-28T02:40:00+01:00,2\n", format))
                .containsExactly(Instant.parse("2018-10-28T00:30:00Z"), Instant.parse("2018-10-28T01:40:00Z"));
    }

    @Test
    void timesWithARegion_inTheRepeatedHour_areReadInTheOrderOfTheRows() throws Exception {
        Format format = new Format();
        format.timeFormat = Optional.of("yyyy-MM-dd HH:mm VV");
        String hour = "2018-10-28 02:%02d Europe/Berlin,1\n";

        assertThat(times("time,temp\n" + hour.formatted(30) + hour.formatted(10), format))
                .containsExactly(Instant.parse("2018-10-28T00:30:00Z"), Instant.parse("2018-10-28T01:10:00Z"));
    }

    @Test
    void dayThatBeginsTwice_isTheBeginningOfTheDay() throws Exception {
        Format format = new Format();
        format.zone = ZoneId.of("America/Havana");

        assertThat(times("time,temp\n2025-11-02,1\n2025-11-03,2\n", format))
                .containsExactly(Instant.parse("2025-11-02T04:00:00Z"), Instant.parse("2025-11-03T05:00:00Z"));
    }

    private static List<Instant> times(String file, Format format) throws Exception {
        return Rows.read(new CsvRows(new ByteArrayInputStream(utf8(file)), TIME_AND_TEMP, format.build())).stream()
                .map(row -> Instant.ofEpochSecond((long) row.timestampSeconds()))
                .toList();
    }

    @Test
    void newestFirst_isRefusedUnlessSorted() throws Exception {
        String file = lines("time,temp\n", i -> ROWS - i + "," + point(i));
        refused(
                file,
                TIME_AND_TEMP,
                new Format(),
                "line 3: column time: \"39\" is earlier than the time of line 2; times must not go back: sort the file, or"
                        + " use --sort");
        Format format = new Format();
        format.isSorted = true;

        assertThat(certify(new ByteArrayInputStream(utf8(file)), TIME_AND_TEMP, format.build())
                        .get(0))
                .isEqualTo(certify(
                                new ByteArrayInputStream(
                                        utf8(lines("time,temp\n", i -> i + 1 + "," + point(ROWS - 1 - i)))),
                                TIME_AND_TEMP,
                                CsvFormat.USUAL)
                        .get(0));
    }

    @Test
    void rowsWithOneTime_areRows_inTheOrderOfTheFile() throws Exception {
        accepted(lines("time,temp\n", i -> i / 2 + "," + point(i)), TIME_AND_TEMP, new Format());
    }

    @Test
    void rowsWithOneTime_makeTheHourThatOccursTwiceAmbiguous() {
        Format format = new Format();
        format.zone = ZoneId.of("Europe/Berlin");
        refused(
                "time,temp\n2018-10-28 01:00,1\n2018-10-28 01:00,2\n2018-10-28 02:00,3\n2018-10-28 02:00,4\n",
                TIME_AND_TEMP,
                format,
                "line 5: column time: \"2018-10-28 02:00\" occurs twice in Europe/Berlin, as 2018-10-28T00:00:00Z (+02:00)"
                        + " or 2018-10-28T01:00:00Z (+01:00), and the order of the rows does not tell which; write the"
                        + " offset after such times");
    }

    @Test
    void gzip_isDetectedByItsContent() throws Exception {
        ByteArrayOutputStream compressed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(compressed)) {
            gzip.write(utf8(lines("time,temp\n", i -> i + "," + point(i))));
        }
        byte[] file = compressed.toByteArray();

        accepted(file, TIME_AND_TEMP, new Format());
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify(
                        new ByteArrayInputStream(Arrays.copyOf(file, file.length - 20)),
                        TIME_AND_TEMP,
                        CsvFormat.USUAL))
                .withMessageContaining("the compressed file is damaged or incomplete");
    }

    @Test
    void moreLinesToSkipThanExist_isRefused() {
        Format format = new Format();
        format.skippedLines = 3;

        refused("time,temp\n", TIME_AND_TEMP, format, "the file has only 1 lines, but --skip-lines is 3");
    }

    @Test
    void tooManyValues_areRefused() {
        refused(
                "time,a,b,c,d\n",
                new Columns(Optional.of("time"), List.of("a,b,c,d")),
                new Format(),
                "--value: at most 3 columns can be values, not 4");
    }
}
