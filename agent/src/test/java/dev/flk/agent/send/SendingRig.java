// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.signing.HmacSigner;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;

/**
 * A sender with a real outbox and one or more {@link ScriptedBackend}s, stepped by the test. While an answer is
 * pending, the test waits for the answer; otherwise, it advances the simulated time without waiting.
 */
final class SendingRig implements Closeable {
    final Instant start = Instant.now();
    private static final long ANSWER_WITHIN_NANOS = TimeUnit.SECONDS.toNanos(20);

    /** The first of {@link #backends}. */
    final ScriptedBackend backend;

    final List<ScriptedBackend> backends = new ArrayList<>();
    private final SendOptions options;
    final Outbox outbox;
    final DeadLetters deadLetters;
    final Sender sender;
    final AtomicLong nanos = new AtomicLong();
    final Path directory;
    /** The error of the agent's clock. */
    volatile Duration clockError = Duration.ZERO;

    SendingRig(Path directory, SendOptions options) throws IOException {
        this(directory, options, 1);
    }

    SendingRig(Path directory, SendOptions options, int backends) throws IOException {
        this(directory, options, backends, Long.MAX_VALUE);
    }

    /** @param maxAwaitedBytes the maximum length of all answers under way */
    SendingRig(Path directory, SendOptions options, int backends, long maxAwaitedBytes) throws IOException {
        this.directory = directory;
        this.options = options;
        for (int i = 0; i < backends; i++) {
            ScriptedBackend added = new ScriptedBackend();
            added.clock = () -> start.plusNanos(nanos.get());
            this.backends.add(added);
        }
        this.backend = this.backends.get(0);
        outbox = Outbox.open(new OutboxOptions(directory.resolve("outbox"), 64 << 20, 0), this::now);
        deadLetters = DeadLetters.open(directory.resolve("dlq.jsonl"), outbox);
        sender = new Sender(
                setup("secret"),
                outbox,
                deadLetters,
                new AgentMeters(),
                new Surroundings(this::now, nanos::get, new Random(1)),
                maxAwaitedBytes);
    }

    SenderConfig setup(String secret) {
        return new SenderConfig(
                backends.stream().map(ScriptedBackend::endpoint).toList(),
                Optional.empty(),
                Duration.ofSeconds(10),
                Optional.of(new HmacSigner(secret)),
                options);
    }

    static SendOptions options(int maxAttempts, int maxInFlight, int batchSize) {
        return new SendOptions(
                Duration.ofSeconds(1),
                Duration.ofSeconds(60),
                maxAttempts,
                Duration.ofDays(13),
                Duration.ofDays(1),
                maxInFlight,
                batchSize);
    }

    static SendOptions singles() {
        return options(0, 8, 1);
    }

    static SendOptions batches(int size) {
        return options(0, 256, size);
    }

    Instant now() {
        return start.plusNanos(nanos.get()).plus(clockError);
    }

    void add(byte[]... certificates) throws IOException {
        outbox.append(List.of(certificates));
    }

    /** Takes one step; then waits for an answer if one is pending, or else advances the simulated time. */
    void step() throws InterruptedException {
        long wait = sender.step();
        if (sender.awaitsAnswer()) {
            sender.await(ANSWER_WITHIN_NANOS);
        } else {
            nanos.addAndGet(wait);
        }
    }

    /** Takes steps until the condition is true. */
    void until(BooleanSupplier condition) throws Exception {
        for (int i = 0; i < 10_000; i++) {
            step();
            if (condition.getAsBoolean()) {
                return;
            }
        }
        throw new AssertionError("it never came to that");
    }

    /** Returns the state of sending, as the sender's thread reports it. */
    Sender.SendingState sending() throws Exception {
        CompletableFuture<Sender.SendingState> state = CompletableFuture.supplyAsync(() -> {
            try {
                return sender.state();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
        while (!state.isDone()) {
            sender.await(TimeUnit.MILLISECONDS.toNanos(10));
        }
        return state.get();
    }

    void untilPending(int certificates) throws Exception {
        until(() -> outbox.pendingEntries() == certificates);
    }

    void untilEmpty() throws Exception {
        until(() -> outbox.pendingEntries() == 0);
    }

    List<String> deadLetterLines() throws IOException {
        return Files.readAllLines(directory.resolve("dlq.jsonl"));
    }

    void assertNoDeadLetters() throws IOException {
        assertThat(deadLetterLines()).isEmpty();
    }

    @Override
    public void close() throws IOException {
        sender.close();
        backends.forEach(ScriptedBackend::close);
        deadLetters.close();
        outbox.close();
    }
}
