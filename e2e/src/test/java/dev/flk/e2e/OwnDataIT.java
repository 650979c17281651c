// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests that the backend accepts certificates that {@code certify} creates from typical CSV files. {@code CsvRowsTest}
 * tests unreadable files.
 */
final class OwnDataIT {
    private static final int ROWS = 200;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

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

    @ParameterizedTest
    @MethodSource("csvFiles")
    void ownCsvFile_isCertified(String header, String csv, List<String> options) throws Exception {
        double before = backend.client().metric("flk_accepted");

        Ended ended = certify(csv, options);
        assertThat(ended.exitCode()).as(ended.text()).isZero();
        List<String> certificates =
                ended.text().lines().filter(line -> line.startsWith("{")).toList();
        assertThat(certificates).hasSize(ROWS / 100);
        for (String certificate : certificates) {
            Path unsigned = Files.writeString(directory.resolve("pcs.json"), certificate);
            Ended signed = run(List.of("sign", unsigned.toString()));
            Client.Answer answer = backend.client().submit(signed.text().getBytes(StandardCharsets.UTF_8));
            assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        }
        assertThat(backend.client().metric("flk_accepted")).isEqualTo(before + 2);
    }

    /** The exit code and the output of a run. */
    private record Ended(int exitCode, String text) {}

    private Ended certify(String csv, List<String> options) throws Exception {
        Path file = Files.writeString(directory.resolve("own.csv"), csv);
        List<String> args = new ArrayList<>(
                List.of("certify", "--shard=" + csv.lines().findFirst().orElseThrow(), "--print"));
        args.addAll(options);
        Collections.addAll(args, file.toString());
        return run(args);
    }

    private Ended run(List<String> args) throws IOException {
        Map<String, String> key = Map.of("PCS_SIGN_ALG", "hmac", "PCS_HMAC_KEY", Pcs.KEY);
        try (Program agent =
                Program.java("flk-agent", directory, key, Program.QUICK_START, args.toArray(String[]::new))) {
            int exitCode = agent.awaitExit();
            return new Ended(exitCode, exitCode == 0 ? agent.out() : agent.allLines());
        }
    }
}
