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
 * The command line as a user has it, in this process: settings of its own, an outbox in a directory, and, where a test wants one, a
 * real agent beside it. No line for people may be wider than a terminal.
 */
final class Cli {
    private static final Set<String> NOT_FOR_A_TERMINAL = Set.of("--json", "--print", "show", "sign", "canonical");

    final Path directory;
    final Map<String, String> settings = new TreeMap<>();
    private boolean watched = true;
    private @Nullable Agent agent;
    private FutureTask<Boolean> running = new FutureTask<>(() -> true);

    /** How a command ended, and what it printed. */
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

    /** Standard error is no terminal, but a file or a journal. */
    Cli unwatched() {
        watched = false;
        return this;
    }

    Cli with(String setting, String value) {
        settings.put(setting, value);
        return this;
    }

    /** Signs with a key and sends to this backend. */
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

    /** With something on standard input. */
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

    /** Owns the outbox as another process would, and answers nobody. */
    Outbox own() throws IOException {
        return own(InstantSource.system());
    }

    /** The same with another clock. */
    Outbox own(InstantSource clock) throws IOException {
        return Outbox.open(new OutboxOptions(outbox(), 64 << 20, 0), clock);
    }

    Agent open() throws Exception {
        return Agent.open(AgentConfig.load(settings, null, Set.of(Need.ENDPOINT, Need.SIGNING)), Surroundings.real());
    }

    /** Lets an agent send until nothing waits. */
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

    /** If one was started. */
    void stopAgent() throws Exception {
        if (agent != null) {
            agent.stop();
            assertThat(running.get()).isTrue();
            agent.close();
            agent = null;
        }
    }

    /** Names of the outbox's files, but for what only a running agent has. */
    List<String> files() throws IOException {
        try (Stream<Path> files = Files.list(outbox())) {
            return files.map(file -> String.valueOf(file.getFileName()))
                    .sorted()
                    .toList();
        }
    }

    /** The oldest segment. */
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

    /** Changes a byte of this text in the oldest segment, as a bad disk does. */
    void damage(String text) throws IOException {
        byte[] bytes = Files.readAllBytes(segment());
        int at = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
        assertThat(at).isPositive();
        bytes[at] ^= 1;
        Files.write(segment(), bytes, StandardOpenOption.WRITE);
    }
}
