// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.cli.CommandLineProgram.Service;
import dev.flk.backend.config.BackendConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class CommandLineProgramTest {
    private static final Map<String, String> ENOUGH = Map.of("PCS_SIGN_ALG", "none", "LOG_LEVEL", "error");

    private final List<BackendConfig> served = new ArrayList<>();
    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(strings = {"", "serve"})
    void run_serveOrNothing_serves(String command) {
        assertThat(run(ENOUGH, command)).isZero();

        assertThat(served).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"--config %s", "serve --config %s", "--config %s serve", "--config=%s serve"})
    void run_configFile_isReadWhereverItStands(String line) throws IOException {
        Path file = Files.writeString(dir.resolve("flk.properties"), "PORT=1234\n");

        assertThat(run(ENOUGH, line.formatted(file))).isZero();

        assertThat(served.get(0).http().port()).isEqualTo(1234);
    }

    @Test
    void run_mistakesInTheConfiguration_areAllListedWithoutAStackTrace() {
        assertThat(run(Map.of("PORT", "x", "TOKEN_RATE", "y"), "serve")).isEqualTo(2);

        assertThat(served).isEmpty();
        assertThat(err.toString())
                .startsWith("flk-backend: the configuration has 3 problems:")
                .contains("  PORT: ", "  TOKEN_RATE: ", "  PCS_SIGN_ALG: ")
                .doesNotContain("Exception", "\tat ");
        assertThat(out.toString()).isEmpty();
    }

    @Test
    void run_backendThatCannotStart_saysWhyAndExits1() {
        var program = program(ENOUGH, config -> {
            throw new IOException("can't listen on port 1; choose another");
        });

        assertThat(program.run("serve")).isEqualTo(1);

        assertThat(err.toString()).isEqualToIgnoringNewLines("flk-backend: can't listen on port 1; choose another");
    }

    static Stream<Arguments> fileFailures() {
        return Stream.of(
                Arguments.of(new NoSuchFileException("/wal"), "there is no such file or directory"),
                Arguments.of(new AccessDeniedException("/wal"), "no permission"),
                Arguments.of(new FileAlreadyExistsException("/wal"), "it is a file, and a directory is needed"),
                Arguments.of(new FileSystemException("/wal", null, "Read-only file system"), "Read-only file system"));
    }

    @ParameterizedTest
    @MethodSource("fileFailures")
    void run_fileThatCannotBeUsed_saysWhichAndWhy(FileSystemException failure, String why) {
        var program = program(ENOUGH, config -> {
            throw failure;
        });

        assertThat(program.run("serve")).isEqualTo(1);

        assertThat(err.toString()).isEqualToIgnoringNewLines("flk-backend: can't use /wal: " + why);
    }

    @Test
    void run_configCheck_printsWhatIsInForce() {
        assertThat(run(ENOUGH, "config check")).isZero();

        assertThat(out.toString()).containsPattern("(?m)^PORT +8080 +default$");
        assertThat(served).isEmpty();
    }

    @Test
    void run_configCheckWithMistakes_exits2() {
        assertThat(run(Map.of(), "config check")).isEqualTo(2);

        assertThat(err.toString()).startsWith("flk-backend: the configuration has a problem:");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-h", "serve -h", "config --help", "config check -h", "explain -h"})
    void run_help_isPrinted(String line) {
        assertThat(run(Map.of(), line)).isZero();

        assertThat(out.toString()).startsWith("Usage: flk-backend").contains("--config", "--version");
        assertThat(out.toString().lines())
                .allSatisfy(text -> assertThat(text.length()).isLessThanOrEqualTo(80));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"--version", "serve --version", "config --version", "config check --version", "explain --version"
            })
    void run_version_isPrinted(String line) {
        assertThat(run(Map.of(), line)).isZero();

        assertThat(out.toString()).startsWith("flk-backend ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"nonsense", "--nonsense", "config", "--config"})
    void run_wrongUsage_exits2(String line) {
        assertThat(run(ENOUGH, line)).isEqualTo(2);

        assertThat(err.toString()).isNotEmpty().doesNotContain("\tat ");
        assertThat(served).isEmpty();
    }

    private int run(Map<String, String> environment, String line) {
        return program(environment, served::add).run(line.isEmpty() ? new String[0] : line.split(" ", -1));
    }

    private CommandLineProgram program(Map<String, String> environment, Service service) {
        return new CommandLineProgram(environment, service, new PrintWriter(out), new PrintWriter(err));
    }
}
