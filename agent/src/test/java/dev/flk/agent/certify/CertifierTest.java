// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvFormat;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.Columns;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import dev.flk.agent.csv.Rows;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verifier;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CertifierTest {
    private static final Path EARTHQUAKES = Path.of("..", "demo", "earthquakes.csv");

    @Test
    void certify_earthquakes_returnsThePinnedIds() throws Exception {
        List<String> ids = new ArrayList<>();
        for (Certificate certificate : earthquakes(Windows.byCount(100, 0), "quakes-1", "quakes-2")) {
            ids.add(certificate.id().toString());
        }

        assertThat(ids)
                .isEqualTo(
                        Files.readAllLines(Path.of("src", "test", "resources", "golden", "earthquakes-pcs-ids.txt")));
    }

    @Test
    void certify_earthquakes_claimsAgreeWithTheVerifier() throws Exception {
        assertThat(earthquakes(Windows.byCount(100, 0), "quakes"))
                .hasSize(17)
                .allSatisfy(one -> assertThat(verdict(one).kind()).isEqualTo(Kind.ACCEPTED));
    }

    @Test
    void certify_lessThanHalfAWindow_isEscalatedAsShortWindow() throws Exception {
        Certificate last = earthquakes(Windows.byCount(3_500, 0), "quakes").get(0);

        assertThat(verdict(last).kind()).isEqualTo(Kind.ESCALATED);
        assertThat(verdict(last).reason().text()).isEqualTo("degraded: short_window");
    }

    @Test
    void certify_byTime_numbersWindowsSince1970() throws Exception {
        List<Certificate> certificates = earthquakes(Windows.byTime(Duration.ofHours(6)), "quakes");

        assertThat(certificates).hasSize(29);
        assertThat(certificates.get(0).signed().epoch()).isEqualTo(1517363399L / 21_600);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void builder_rowsOfACsvFile_buildsTheSameCertificate(int values) throws Exception {
        Random random = new Random(7);
        double[][] rows = Stream.generate(
                        () -> random.doubles(values + 1, -1e3, 1e3).toArray())
                .limit(40)
                .sorted(Comparator.comparingDouble(row -> row[0]))
                .toArray(double[][]::new);
        StringBuilder csv = new StringBuilder("timestamp,x,y,z".substring(0, 9 + 2 * values)).append('\n');
        for (double[] row : rows) {
            csv.append(Arrays.toString(row).replaceAll("[\\[\\] ]", "")).append('\n');
        }
        byte[] ofCsv = new Certifier(List.of("s"))
                .certify(
                        new CsvRows(
                                new ByteArrayInputStream(csv.toString().getBytes(StandardCharsets.UTF_8)),
                                Columns.USUAL,
                                CsvFormat.USUAL),
                        Windows.byCount(40, 5))
                .get(0);

        assertThat(new CertificateBuilder("s").epoch(5).rows(rows).build()).isEqualTo(ofCsv);
    }

    @Test
    void builder_invalidMeasurement_isRefusedWithTheRow() {
        CertificateBuilder builder = new CertificateBuilder("s").rows(new double[][] {{0, 1}});

        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.rows(new double[][] {{1, 1}, {2}}))
                .withMessage("row 3 has 1 numbers; give a time and one to three values");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.rows(new double[][] {{2, 1, 1}}))
                .withMessage("row 3 has 2 values, but the first row has 1");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder.rows(new double[][] {{2, Double.NaN}}))
                .withMessage("row 3 contains [2.0, NaN]; all numbers must be finite");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new CertificateBuilder("s").build())
                .withMessage("a window must have at least one row");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new CertificateBuilder(""))
                .withMessage("a shard id must have 1 to 256 characters, not 0");
    }

    @Test
    void certify_otherLocaleAndLineEndings_returnsTheSameBytes() throws Exception {
        String text = Files.readString(EARTHQUAKES);
        List<byte[]> expected = certify(text);
        Locale before = Locale.getDefault();
        Locale.setDefault(Locale.forLanguageTag("ar-EG-u-nu-arab"));
        try {
            assertThat(certify(text.replace("\n", "\r\n")))
                    .usingElementComparator(Arrays::compare)
                    .isEqualTo(expected);
        } finally {
            Locale.setDefault(before);
        }
    }

    @Test
    void certify_oneRowChanged_changesTheIdOfItsWindowOnly() throws Exception {
        String text = Files.readString(EARTHQUAKES);

        List<byte[]> before = certify(text);
        List<byte[]> after = certify(text.replace(",46.2035,", ",46.2036,"));

        assertThat(id(after.get(0))).isNotEqualTo(id(before.get(0)));
        assertThat(after).hasSameSizeAs(before).hasSizeGreaterThan(2);
        for (int i = 1; i < after.size(); i++) {
            assertThat(id(after.get(i))).isEqualTo(id(before.get(i)));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 15, 16, 1000})
    void certify_allPointsEqual_reportsIt(int rows) throws Exception {
        List<Window> windows = Rows.cut(Windows.byCount(rows, 0), Rows.still(rows));

        Certificate certificate = read(Certifier.certificate(windows.get(0), "still", false));

        assertThat(certificate.faultTolerance().degraded()).isTrue();
        assertThat(certificate.faultTolerance().fallbacks()).contains("single_point");
    }

    @Test
    void certify_constantColumn_isMarked_unlessTheSensorMayRest() throws Exception {
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            rows.add(new Row(1_000.0 + i, 1, 21.37, 0, 0));
        }
        Window window = new Window(0, rows, true, false);
        rows.set(49, new Row(1_049, 1, 21.38, 0, 0));
        Window other = new Window(0, rows, true, false);

        assertThat(read(Certifier.certificate(window, "s", false))
                        .faultTolerance()
                        .fallbacks())
                .containsExactly("single_point");
        assertThat(read(Certifier.certificate(window, "s", true))
                        .faultTolerance()
                        .degraded())
                .isFalse();
        assertThat(read(Certifier.certificate(other, "s", false))
                        .faultTolerance()
                        .degraded())
                .isFalse();
    }

    @Test
    void certify_anyWindow_isNotRejected_andIsEscalatedOnlyIfDegraded() throws Exception {
        Random random = new Random(42);
        for (int i = 0; i < 300; i++) {
            Window window = new Window(i, Rows.random(random, 1 + random.nextInt(200)), true, false);

            Verdict verdict = verdict(read(Certifier.certificate(window, "s" + i, false)));

            assertThat(verdict.kind()).isNotEqualTo(Kind.REJECTED);
            if (verdict.kind() == Kind.ESCALATED) {
                assertThat(verdict.reason().text()).startsWith("degraded: ");
            }
        }
    }

    @Test
    void certify_errorInTheLastLine_certifiesNothing() {
        assertThatExceptionOfType(MalformedCsv.class).isThrownBy(() -> certify(Rows.still(500) + "1,2,3\n"));
    }

    @Test
    void certify_noRows_isRefused() {
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify("timestamp,x,y,z\n"))
                .withMessage("the file has no rows after the names of the columns, so there is nothing to certify");
        assertThatExceptionOfType(MalformedCsv.class)
                .isThrownBy(() -> certify("timestamp,x,y,z\n1,,2,3\n"))
                .withMessage("every row has an empty cell, so there is nothing to certify");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "garbled-\uFFFD", "half-\uD83D"})
    void certifier_invalidShardId_isRefused(String shardId) {
        assertThatIllegalArgumentException().isThrownBy(() -> new Certifier(List.of(shardId)));
    }

    @Test
    void certifier_longestShardId_isCountedInCodePoints() {
        assertThat(new Certifier(List.of("🌋".repeat(256)))).isNotNull();
        assertThatIllegalArgumentException().isThrownBy(() -> new Certifier(List.of("🌋".repeat(257))));
    }

    private static List<Certificate> earthquakes(Windows windows, String... shards) throws Exception {
        List<Certificate> certificates = new ArrayList<>();
        try (InputStream csv = Files.newInputStream(EARTHQUAKES)) {
            for (byte[] json :
                    new Certifier(List.of(shards)).certify(new CsvRows(csv, Columns.USUAL, CsvFormat.USUAL), windows)) {
                certificates.add(read(json));
            }
        }
        return certificates;
    }

    private static List<byte[]> certify(String csv) throws Exception {
        return new Certifier(List.of("quakes")).certify(Rows.csv(csv), Windows.byCount(100, 0));
    }

    private static String id(byte[] json) throws Exception {
        return read(json).id().toString();
    }

    private static Certificate read(byte[] json) throws Exception {
        // sent_at is the only required field that a certificate lacks until it is sent
        String sent =
                new String(json, StandardCharsets.UTF_8).replaceFirst("\\{", "{\"sent_at\":\"2026-01-19T10:30:45Z\",");
        return CertificateReader.parse(sent.getBytes(StandardCharsets.UTF_8)).checkIgnoringClock();
    }

    private static Verdict verdict(Certificate certificate) {
        return new Verifier(Policy.defaults()).verify(certificate);
    }
}
