// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.certificate.CertificateReader;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests that the verifier accepts certificates that {@code certify} creates from typical CSV files. {@code CsvRowsTest}
 * and {@code CsvFilesTest} also test malformed files.
 */
class OwnCsvFilesTest {
    private static final int ROWS = 200;

    @TempDir
    private Path directory;

    static List<Arguments> csvFiles() {
        return List.of(
                csv(
                        "time,temp,hum",
                        row -> time(row) + "," + number(row) + "," + number(3 * row),
                        "--time=time",
                        "--value=temp,hum"),
                csv(
                        "timestamp,temperature,pressure",
                        row -> time(row) + "," + number(row) + "," + number(5 * row),
                        "--value=temperature,pressure"),
                csv("timestamp,x,y", row -> time(row) + "," + number(row) + "," + number(7 * row)),
                csv("temp", row -> number(row), "--value=temp"),
                csv("timestamp;x;y", row -> time(row) + ";" + number(row) + ";" + number(7 * row)),
                csv("timestamp\tx\ty", row -> time(row) + "\t" + number(row) + "\t" + number(7 * row)),
                csv("zeit;wert", row -> time(row) + ";" + number(row).replace('.', ','), "--time=zeit", "--value=wert"),
                csv("timestamp,x", row -> "2026-11-20T%02d:%02d:00Z,%s".formatted(row / 60, row % 60, number(row))),
                csv(
                        "\"timestamp\",\"x\",\"remark\"",
                        row -> "\"" + time(row) + "\",\"" + number(row) + "\",\"a \"\"good\"\" one, really\""));
    }

    private static Arguments csv(String header, IntFunction<String> row, String... options) {
        return Arguments.of(
                header,
                header + "\n" + IntStream.range(0, ROWS).mapToObj(row).collect(Collectors.joining("\n")) + "\n",
                List.of(options));
    }

    private static String time(int row) {
        return Integer.toString(1_763_000_000 + 60 * row);
    }

    private static String number(int row) {
        return String.format(Locale.ROOT, "%.3f", 20 + Math.sin(row * 0.7) + 0.1 * Math.cos(row * row));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("csvFiles")
    void ownCsvFile_isCertified(String header, String csv, List<String> options) throws Exception {
        Path file = Files.writeString(directory.resolve("own.csv"), csv);
        List<String> args = new ArrayList<>(List.of("certify", "--shard=own", "--print"));
        args.addAll(options);
        args.add(file.toString());

        Cli.Ended ended = new Cli(directory).unwatched().run(args.toArray(String[]::new));

        assertThat(ended.exitCode()).as(ended.err()).isZero();
        assertThat(ended.out().lines())
                .hasSize(ROWS / 100)
                .allSatisfy(
                        certificate -> assertThat(verdict(certificate).kind()).isEqualTo(Kind.ACCEPTED));
    }

    private static Verdict verdict(String certificate) throws Exception {
        // a certificate has no time of sending until it is sent
        String sent = certificate.replaceFirst("\\{", "{\"sent_at\":\"2026-01-19T10:30:45Z\",");
        return new Verifier(Policy.defaults())
                .verify(CertificateReader.parse(sent.getBytes(StandardCharsets.UTF_8))
                        .checkIgnoringClock());
    }
}
