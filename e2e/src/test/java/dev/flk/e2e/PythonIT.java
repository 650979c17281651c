// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the package {@code clients/python}, installed as its README says. */
@Tag("thorough")
class PythonIT {
    private static final Path PACKAGE =
            Path.of("../clients/python").toAbsolutePath().normalize();
    private static final Pattern PROGRAM = Pattern.compile("```python\n(.*?)```", Pattern.DOTALL);

    @TempDir
    private static Path installed;

    @TempDir
    private Path directory;

    @BeforeAll
    static void install() throws Exception {
        String python3 =
                HostProgram.orSkip("python3", "python3-venv", installed).path().toString();
        run(installed, Map.of(), python3, "-m", "venv", "venv");
        run(installed, Map.of(), python(), "-m", "pip", "install", "--quiet", PACKAGE + "[ed25519]");
    }

    private static String python() {
        return installed.resolve("venv/bin/python").toString();
    }

    @Test
    void pythonTests_passAgainstABackend() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("PCS_HMAC_KEY", "golden-outcomes-key"));
                ServedBackend state = StateInJvm.start(directory, Map.of())) {
            String printed = run(
                    directory,
                    Map.of("FLK_URL", backend.url(), "FLK_STATE", state(state)),
                    python(),
                    "-m",
                    "unittest",
                    "discover",
                    "--start-directory",
                    PACKAGE.resolve("tests").toString());

            assertThat(printed).endsWith("OK\n").doesNotContain("skipped");
        }
    }

    @Test
    void programsOfThePythonReadme_run() throws Exception {
        List<String> programs = PROGRAM.matcher(Files.readString(PACKAGE.resolve("README.md")))
                .results()
                .map((MatchResult program) -> program.group(1))
                .toList();
        assertThat(programs).hasSize(3);
        Files.write(directory.resolve("certificate.json"), Pcs.number(1).bytes());
        try (ServedBackend backend = BackendInJvm.start(directory);
                ServedBackend state = StateInJvm.start(directory, Map.of())) {
            assertThat(runProgram(programs.get(0).replace("localhost:50051", state(state))))
                    .isEqualTo("{\"n\":2}\n1 memory 1 {\"n\":1}\n2 memory 2 {\"n\":2}\n");
            assertThat(runProgram(programs.get(1)
                            .replace("http://localhost:8080", backend.url())
                            .replace("the secret", Pcs.KEY)))
                    .isEqualTo("True False None\n");
            assertThat(runProgram(programs.get(2).replace("localhost:50051", state(state))))
                    .isEqualTo("""
                            {'fact': 'Paris is in France'} 1
                            None ['draft', 'memory']
                            WRITE memory 1
                            WRITE draft 1
                            """);
        }
    }

    private static String state(ServedBackend program) {
        return program.stateUrl().replace("http://", "");
    }

    private String runProgram(String text) throws IOException, InterruptedException {
        Path file = Files.writeString(directory.resolve("program.py"), text);
        return run(directory, Map.of(), python(), file.toString());
    }

    private static String run(Path directory, Map<String, String> environment, String... command)
            throws IOException, InterruptedException {
        ProcessBuilder builder =
                new ProcessBuilder(command).directory(directory.toFile()).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        try {
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
            assertThat(process.exitValue()).as(printed).isZero();
            return printed;
        } finally {
            Process unused = process.destroyForcibly();
        }
    }
}
