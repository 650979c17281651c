// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.config.AgentConfig.Need;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.run.Agent;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.Sender.Surroundings;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The command line, run in this process with its own settings, an outbox in a directory and, if a test starts one, a
 * real agent. Asserts that lines for people fit a terminal.
 */
final class Cli {
    private static final Set<String> NOT_FOR_A_TERMINAL = Set.of("--json", "--print", "show", "sign", "canonical");

    final Path directory;
    final Map<String, String> settings = new TreeMap<>();
    private boolean watched = true;
    private @Nullable Agent agent;
    private FutureTask<Boolean> running = new FutureTask<>(() -> true);

    /** The exit code and the output of a command. */
    record Ended(int exitCode, String out, String err) {}

    Cli(Path directory) {
        this.directory = directory;
        settings.put("OUTBOX_PATH", outbox().toString());
        settings.put("OUTBOX_MIN_FREE_BYTES", "0");
        settings.put("OUTBOX_MAX_BYTES", "64MiB");
        settings.put("DLQ_PATH", deadLetters().toString());
        settings.put("BASE_DELAY", "10ms");
        settings.put("MAX_DELAY", "50ms");
        settings.put("LOG_LEVEL", "ERROR");
    }

    /** Makes standard error a file or a journal instead of a terminal. */
    Cli unwatched() {
        watched = false;
        return this;
    }

    Cli with(String setting, String value) {
        settings.put(setting, value);
        return this;
    }

    /** Configures a signing key and this backend. */
    Cli sendingTo(ScriptedBackend backend) {
        return with("ENDPOINT", backend.endpoint().toString())
                .with("PCS_SIGN_ALG", "hmac")
                .with("PCS_HMAC_KEY", "a secret of a test");
    }

    Path outbox() {
        return directory.resolve("outbox");
    }

    Path deadLetters() {
        return directory.resolve("dlq.jsonl");
    }

    Ended run(String... args) {
        return runOn("", args);
    }

    /** Runs a command with {@code input} on standard input. */
    Ended runOn(String input, String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        int exitCode;
        try (PrintStream stdout = new PrintStream(out, true, StandardCharsets.UTF_8);
                PrintStream stderr = new PrintStream(err, true, StandardCharsets.UTF_8);
                ByteArrayInputStream stdin = new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8))) {
            FlkAgent program = new FlkAgent(settings, stdin, stdout, stderr);
            if (watched) {
                program.watched();
            }
            exitCode = program.run(args);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        Ended ended = new Ended(exitCode, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        if (List.of(args).contains("--help") || Stream.of(args).noneMatch(NOT_FOR_A_TERMINAL::contains)) {
            assertFitsATerminal(ended.out());
        }
        if (watched) {
            assertFitsATerminal(ended.err());
        }
        return ended;
    }

    static void assertFitsATerminal(String text) {
        assertThat(text.lines())
                .allSatisfy(line -> assertThat(line.codePointCount(0, line.length()))
                        .as(line)
                        .isLessThanOrEqualTo(80));
    }

    /** Puts certificates into the outbox. */
    void submit(byte[]... certificates) {
        StringBuilder lines = new StringBuilder();
        for (byte[] certificate : certificates) {
            lines.append(new String(certificate, StandardCharsets.UTF_8)).append('\n');
        }
        assertThat(runOn(lines.toString(), "submit", "-").exitCode()).isZero();
    }

    /** Opens the outbox as another process would, without serving any requests. */
    Outbox own() throws IOException {
        return own(InstantSource.system());
    }

    /** Opens the outbox like {@link #own()}, with another clock. */
    Outbox own(InstantSource clock) throws IOException {
        return Outbox.open(new OutboxOptions(outbox(), 64 << 20, 0), clock);
    }

    Agent open() throws Exception {
        return Agent.open(AgentConfig.load(settings, null, Set.of(Need.ENDPOINT, Need.SIGNING)), Surroundings.real());
    }

    /** Runs an agent until no certificate waits. */
    void runUntilEmpty() throws Exception {
        try (Agent agent = open()) {
            agent.runUntilEmpty();
        }
    }

    /** Starts an agent that runs until {@link #stopAgent}. */
    void startAgent() throws Exception {
        Agent started = open();
        agent = started;
        running = new FutureTask<>(() -> {
            started.run();
            return true;
        });
        new Thread(running, "agent").start();
    }

    /** Stops the agent if one was started. */
    void stopAgent() throws Exception {
        if (agent != null) {
            agent.stop();
            assertThat(running.get()).isTrue();
            agent.close();
            agent = null;
        }
    }

    /** Returns the sorted names of the files in the outbox. */
    List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(outbox())) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .sorted()
                    .toList();
        }
    }

    /** Returns the oldest segment. */
    Path segment() throws IOException {
        return outbox().resolve(files().stream()
                .filter(name -> name.endsWith(".wal"))
                .findFirst()
                .orElseThrow());
    }

    Path newestSegment() throws IOException {
        return outbox().resolve(files().stream()
                .filter(name -> name.endsWith(".wal"))
                .reduce((older, newer) -> newer)
                .orElseThrow());
    }

    /** Changes the first byte of this text in the oldest segment, as a faulty disk might. */
    void damage(String text) throws IOException {
        byte[] bytes = Files.readAllBytes(segment());
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
        assertThat(at).isPositive();
        bytes[at] ^= 1;
        Files.write(segment(), bytes, StandardOpenOption.WRITE);
    }
}
