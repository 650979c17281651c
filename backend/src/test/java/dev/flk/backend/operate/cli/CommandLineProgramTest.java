// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.BackendConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class CommandLineProgramTest {
    private static final Map<String, String> ENOUGH = Map.of("PCS_SIGN_ALG", "none", "LOG_LEVEL", "error");

    private final List<BackendConfig> served = new ArrayList<>();
    private final CommandRun cli = new CommandRun((config, again) -> served.add(config));

    @TempDir
    private Path dir;

    @ParameterizedTest
    @ValueSource(strings = {"--config %s", "serve --config %s", "--config %s serve", "--config=%s serve"})
    void serveOrNoCommand_configFileInAnyPosition_serves(String line) throws IOException {
        Path file = Files.writeString(dir.resolve("flk.properties"), "PORT=1234\n");

        assertThat(cli.run(ENOUGH, line.formatted(file).split(" ", -1))).isZero();

        assertThat(served)
                .singleElement()
                .satisfies(config -> assertThat(config.http().port()).isEqualTo(1234));
    }

    @Test
    void takeOver_isPassedOn_andRefusedWithoutACopy() {
        Map<String, String> copied = new HashMap<>(ENOUGH);
        copied.put("LOG_COPY", "kafka");
        copied.put("KAFKA_BROKERS", "b1:9092");
        copied.put("LOG_NAME", "b1");

        assertThat(cli.run(copied, "serve", "--take-over")).isZero();
        assertThat(cli.run(copied, "serve")).isZero();
        assertThat(served)
                .extracting(config -> config.copy().orElseThrow().takeOver())
                .containsExactly(true, false);

        assertThat(cli.run(ENOUGH, "serve", "--take-over")).isEqualTo(2);
        assertThat(cli.err())
                .startsWith("flk-backend: --take-over: LOG_COPY is off, so there is no copy that another backend owns");
        assertThat(served).hasSize(2);
    }

    @Test
    void undecodableArgument_isRefused() {
        assertThat(cli.run("logs", "forget", "f\uFFFD\uFFFDr")).isEqualTo(2);
        assertThat(cli.err()).startsWith("flk-backend: an argument is not UTF-8, or this locale can't represent it");
    }

    @Test
    void helpOfACommand_isTheSameWithAllCommandsCreated() {
        PrintWriter noText = new PrintWriter(Writer.nullWriter());
        CommandLine all = new CommandLineProgram(Map.of(), (config, again) -> {}, noText, noText).commandLine();

        all.getSubcommands().forEach((name, command) -> {
            assertThat(cli.run(name + " --help")).isZero();
            assertThat(cli.out()).startsWith("Usage: flk-backend " + name + " ").isEqualTo(command.getUsageMessage());
        });
    }

    @Test
    void help_fitsATerminal_andHasACompleteSentenceForEachCommand() {
        PrintWriter noText = new PrintWriter(Writer.nullWriter());
        assertHelp(new CommandLineProgram(Map.of(), (config, again) -> {}, noText, noText).commandLine());
    }

    private static void assertHelp(CommandLine command) {
        String help = command.getUsageMessage(CommandLine.Help.Ansi.OFF);
        assertThat(help.lines()).allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
        command.getSubcommands().values().forEach(each -> {
            String listed = each.getCommandSpec().usageMessage().description()[0];
            assertThat(listed).as(each.getCommandSpec().qualifiedName()).endsWith(".");
            assertThat(help.replaceAll("\\s+", " ")).contains(" " + each.getCommandName() + " " + listed);
            assertHelp(each);
        });
    }

    @Test
    void authoritiesWithoutACertificate_namesTheFile() throws IOException {
        Path file = Files.writeString(dir.resolve("authorities.pem"), "not a certificate");

        assertThat(cli.run("logs --url https://127.0.0.1:1 --ca " + file)).isOne();

        assertThat(cli.err()).contains("--ca: " + file + " has no usable certificate in PEM");
    }

    static Stream<Arguments> failures() {
        return Stream.of(
                Arguments.of(
                        new IOException("can't listen on port 1; choose another"),
                        "can't listen on port 1; choose another"),
                Arguments.of(
                        new FileSystemException("/wal/new", "/wal/old", "Is a directory"),
                        "can't move /wal/new to /wal/old: Is a directory"),
                Arguments.of(new NoSuchFileException("/wal"), "can't use /wal: there is no such file or directory"),
                Arguments.of(new AccessDeniedException("/wal"), "can't use /wal: no permission"),
                Arguments.of(
                        new FileAlreadyExistsException("/wal"),
                        "can't use /wal: it is a file, but must be a directory"),
                Arguments.of(new FileAlreadyExistsException("/"), "can't use /: it is a directory, but must be a file"),
                Arguments.of(
                        new FileSystemException("/wal", null, "Read-only file system"),
                        "can't use /wal: Read-only file system"));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void unusableFile_isNamedAndExits1(IOException failure, String why) {
        CommandRun failing = new CommandRun((config, again) -> {
            throw failure;
        });

        assertThat(failing.run(ENOUGH, "serve")).isEqualTo(1);

        assertThat(failing.err()).isEqualToIgnoringNewLines("flk-backend: " + why);
    }

    static Stream<String> commands() {
        PrintWriter noText = new PrintWriter(Writer.nullWriter());
        return names("", new CommandLineProgram(Map.of(), (config, again) -> {}, noText, noText).commandLine());
    }

    private static Stream<String> names(String name, CommandLine command) {
        return Stream.concat(
                Stream.of(name),
                command.getSubcommands().entrySet().stream()
                        .flatMap(each -> names((name + " " + each.getKey()).strip(), each.getValue())));
    }

    @ParameterizedTest
    @MethodSource("commands")
    void helpAndVersion_arePrinted(String command) {
        for (String help : List.of("-h", "--help")) {
            assertThat(cli.run((command + " " + help).strip())).as(help).isZero();
            assertThat(cli.out())
                    .startsWith(("Usage: flk-backend " + command).strip())
                    .contains("--config", "--version");
            cli.assertFits80Columns(0);
        }
        // "state get --version N" is a version of a key
        for (String version : command.equals("state get") ? List.of("-V") : List.of("-V", "--version")) {
            assertThat(cli.run((command + " " + version).strip())).as(version).isZero();
            assertThat(cli.out()).startsWith("flk-backend ");
        }
    }

    @Test
    void configCheck_problem_exits1() {
        assertThat(cli.run("config check")).isEqualTo(1);
        assertThat(cli.err()).contains("the configuration has a problem", "PCS_SIGN_ALG: not set");
    }

    @Test
    void severalUrls_areRefused_withWhatToDo() {
        assertThat(cli.run("record --url http://127.0.0.1:1 --url http://127.0.0.1:2"))
                .isEqualTo(2);
        assertThat(cli.err()).contains("ask each backend by itself; with RECORD_STORE=postgres");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nonsense",
                "--nonsense",
                "config",
                "--config",
                "explain",
                "keys",
                "logs forget --yes",
                "outcomes restore backup --url http://127.0.0.1:1",
                "policy",
                "record --all --csv --json",
                "wal",
                "wal cat --from 0",
                "wal cat --from 3 --to 2",
                "wal cat --from x",
                "wal cat --id 12ab",
                "wal cat --kind submissions",
                "wal ls --nonsense",
                "wal verify extra",
                "wal repair extra",
                "wal compact --retention 3",
                "wal compact --retention 1d",
                "wal replay --from 2 --to 1"
            })
    void wrongUsage_exits2(String line) {
        assertThat(cli.run(line)).isEqualTo(2);

        assertThat(cli.out()).isEmpty();
        assertThat(cli.err()).isNotEmpty().doesNotContain("\tat ");
        assertThat(served).isEmpty();
    }
}
