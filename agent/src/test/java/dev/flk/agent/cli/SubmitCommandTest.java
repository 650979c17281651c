// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.FutureTask;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code submit} on a terminal, most of them with many certificates. */
@Timeout(60)
class SubmitCommandTest {
    private static final int MANY = 4_000;

    @TempDir
    Path directory;

    private final ByteArrayOutputStream terminal = new ByteArrayOutputStream();
    private Cli cli;
    private Path file;

    @BeforeEach
    void write() throws Exception {
        cli = new Cli(directory);
        file = Files.writeString(
                directory.resolve("many.ndjson"),
                LongStream.range(0, MANY)
                        .mapToObj(epoch -> new String(certificate(epoch), StandardCharsets.UTF_8))
                        .collect(Collectors.joining("\n", "", "\n\n")));
    }

    /** Runs a command on a terminal; returns everything that the terminal received. */
    private String watch(InputStream in, String... command) throws Exception {
        try (PrintStream out = new PrintStream(terminal, true, StandardCharsets.UTF_8)) {
            FlkAgent agent = new FlkAgent(cli.settings, in, out, out);
            agent.watched();
            assertThat(agent.run(command)).isZero();
        }
        return terminal.toString(StandardCharsets.UTF_8);
    }

    /** Returns the text that the terminal shows at the end. */
    private static String status(String received) {
        StringBuilder status = new StringBuilder();
        for (String line : received.split("\n", -1)) {
            StringBuilder shown = new StringBuilder();
            for (String written : line.split("\r", -1)) {
                shown.replace(0, Math.min(written.length(), shown.length()), written);
            }
            status.append(shown.toString().stripTrailing()).append('\n');
        }
        return status.toString().stripTrailing() + "\n";
    }

    @Test
    void terminal_progressLine_isRemovedAtTheEnd() throws Exception {
        String received = watch(InputStream.nullInputStream(), "submit", file.toString());

        assertThat(received)
                .contains(" of 4,000 certificates added", "\r4,000 of 4,000 certificates added")
                .startsWith("\r");
        assertThat(status(received)).isEqualTo("4000 certificates added to the outbox " + cli.outbox() + "\n");
    }

    @Test
    void terminal_refusedLine_isPrintedOnItsOwnLine() throws Exception {
        Files.writeString(file, Files.readString(file) + "nonsense\n" + "{}\n");
        try (PrintStream out = new PrintStream(terminal, true, StandardCharsets.UTF_8)) {
            FlkAgent agent = new FlkAgent(cli.settings, InputStream.nullInputStream(), out, out);
            agent.watched();
            assertThat(agent.run("submit", file.toString())).isEqualTo(1);
        }

        assertThat(status(terminal.toString(StandardCharsets.UTF_8)).lines())
                .filteredOn(line -> !line.startsWith("    "))
                .hasSize(3)
                .allMatch(line -> line.startsWith("flk-agent: ") || line.startsWith("4000 certificates added"));
    }

    @Test
    void pipe_isReadOnce() throws Exception {
        Path pipe = directory.resolve("pipe.ndjson");
        assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor())
                .isZero();
        FutureTask<Path> writing = new FutureTask<>(() -> Files.write(pipe, Files.readAllBytes(file)));
        new Thread(writing, "writer").start();

        assertThat(watch(new ByteArrayInputStream(new byte[0]), "submit", pipe.toString()))
                .contains("4000 certificates added");

        assertThat(writing.get()).isEqualTo(pipe);
    }

    @Test
    void refusal_controlCharacters_areEscaped() {
        Ended ended = cli.runOn("{\"\u009b2J\":1,\"\u009b2J\":2}\n", "submit", "-");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(ended.err()).doesNotContain("\u009b");
    }
}
