// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.state.Schemas.Steps;
import dev.flk.state.Schemas.Violation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Compares the verdicts on random values with those of Python's {@code jsonschema}. The seeds are fixed. */
class JsonSchemasAgainstPythonTest {
    private static final int FEW = 300;
    private static final int MANY = 10_000;

    /**
     * A program that exits with 0 if Python has jsonschema 4.26, with which the seeds were tested, or a later release.
     */
    private static final String HAS_PACKAGE = """
            import importlib.metadata, sys
            sys.exit([int(n) for n in importlib.metadata.version("jsonschema").split(".")[:2]] < [4, 26])""";

    private static final String VALIDATE = """
            import json, sys
            from jsonschema import Draft202012Validator
            for line in sys.stdin.buffer:
                schema, value = json.loads(line)
                print("true" if Draft202012Validator(schema).is_valid(value) else "false")""";

    @TempDir
    private Path directory;

    @Test
    void randomValues_getTheSameVerdict() throws Exception {
        assumeTrue(
                hasPackage("python3"),
                "not compared: python3 has no jsonschema of release 4.26 or later (pip install 'jsonschema>=4.26')");
        compare("python3", 0, FEW);
    }

    @Test
    @Tag("thorough")
    void manyRandomValues_getTheSameVerdict() throws Exception {
        compare(hasPackage("python3") ? "python3" : installed(), FEW, MANY);
    }

    private void compare(String python, long firstSeed, int pairs) throws Exception {
        List<Pair> all = LongStream.range(firstSeed, firstSeed + pairs)
                .mapToObj(Pair::random)
                .toList();
        Path input = Files.write(
                directory.resolve("pairs"),
                all.stream()
                        .map(pair -> "[" + pair.schema + "," + pair.value + "]")
                        .toList());
        Ended ended = run(input, python, "-c", VALIDATE);
        assertThat(ended.exitCode).as(ended.output.toString()).isZero();
        assertThat(ended.output).hasSize(pairs);

        List<String> disagreements = new ArrayList<>();
        int valid = 0;
        for (int i = 0; i < pairs; i++) {
            Pair pair = all.get(i);
            String expected = ended.output.get(i);
            String verdict = pair.verdict();
            if (!verdict.startsWith(expected) || verdict.contains("can't be checked")) {
                disagreements.add("seed " + pair.seed + ": Python says " + expected + ", JsonSchemas says " + verdict
                        + "; schema " + pair.schema + " value " + pair.value);
            }
            valid += expected.equals("true") ? 1 : 0;
        }

        assertThat(disagreements).isEmpty();
        assertThat(valid).as("valid values").isBetween(pairs / 5, pairs * 4 / 5);
    }

    /** Installs the package; skips the test if no package index can be reached. */
    private String installed() throws Exception {
        String python = directory.resolve("venv/bin/python").toString();
        for (List<String> command : List.of(
                List.of("python3", "-m", "venv", directory.resolve("venv").toString()),
                List.of(python, "-m", "pip", "install", "--quiet", "jsonschema>=4.26"))) {
            Ended ended = run(Path.of("/dev/null"), command.toArray(String[]::new));
            assumeTrue(ended.exitCode == 0, "not compared: " + command + " failed: " + ended.output);
        }
        return python;
    }

    private boolean hasPackage(String python) throws Exception {
        return run(Path.of("/dev/null"), python, "-c", HAS_PACKAGE).exitCode == 0;
    }

    /** Runs a program until it exits. As in a shell, the exit code is 127 if the program does not exist. */
    private Ended run(Path input, String... command) throws IOException, InterruptedException {
        Path output = directory.resolve("output");
        Process process;
        try {
            process = new ProcessBuilder(command)
                    .redirectInput(input.toFile())
                    .redirectErrorStream(true)
                    .redirectOutput(output.toFile())
                    .start();
        } catch (IOException e) {
            return new Ended(127, List.of(String.valueOf(e.getMessage())));
        }
        try {
            assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
            return new Ended(process.exitValue(), Files.readAllLines(output));
        } finally {
            Process unused = process.destroyForcibly();
        }
    }

    private record Ended(int exitCode, List<String> output) {}

    /** A schema and a value, as JSON texts. */
    private record Pair(long seed, String schema, String value) {
        static Pair random(long seed) {
            RandomSchema random = new RandomSchema(seed);
            return new Pair(seed, random.schema().toString(), random.value().toString());
        }

        /** Returns "true", "false" and the reason, or the exception that occurred. */
        String verdict() {
            try {
                Optional<Violation> violation = JsonSchemas.compile(schema, new Steps(() -> false, () -> 0))
                        .violation(value, new Steps(() -> false, () -> 0));
                return violation.map(found -> "false: " + found).orElse("true");
            } catch (RuntimeException e) {
                return e.toString();
            }
        }
    }
}
