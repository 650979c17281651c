// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/** Tests that one failure of the memory, the store or an answer affects only the submission in which it occurs. */
final class IngestFaultsTest {
    @TempDir
    private Path directory;

    private IngestHarness open() throws IOException {
        return new IngestHarness(directory.resolve("log"), new Clock());
    }

    static Stream<BiConsumer<FaultyStore, Runnable>> places() {
        return Stream.of(FaultyStore::beforePut, FaultyStore::beforeRoom);
    }

    /** Simulates that memory runs out on the recorder's thread or after the look-up. */
    @ParameterizedTest
    @MethodSource("places")
    void outOfMemoryOnce_laterSubmissionsAreAnswered_alsoOfTheSameId(BiConsumer<FaultyStore, Runnable> place)
            throws IOException {
        laterOnesAreAnswered(place, () -> {
            throw new OutOfMemoryError("injected");
        });
    }

    @Test
    void storeThrowsOnce_laterSubmissionsAreAnswered() throws IOException {
        laterOnesAreAnswered(FaultyStore::beforePut, () -> {
            throw new IllegalStateException("injected");
        });
    }

    private void laterOnesAreAnswered(BiConsumer<FaultyStore, Runnable> place, Runnable fault) throws IOException {
        try (IngestHarness harness = open()) {
            place.accept(harness.store, fault);
            CompletableFuture<Outcome> first = harness.send(Pcs.number(1));
            await().dontCatchUncaughtExceptions().until(first::isDone);
            CompletableFuture<Outcome> again = harness.send(Pcs.number(1));
            CompletableFuture<Outcome> other = harness.send(Pcs.number(2));
            await().dontCatchUncaughtExceptions().until(() -> other.isDone() && again.isDone());
            // the store reconnects after a fault
            await().until(() -> harness.submit(Pcs.number(1)) instanceof Outcome.Decided
                    && harness.submit(Pcs.number(2)) instanceof Outcome.Decided);
        }
    }

    /** Simulates that memory runs out while the line about a decision is written. */
    @Test
    void logLine_outOfMemory_submissionIsAnsweredAndItsIdFree() throws IOException {
        try (IngestHarness harness = open();
                FailingLog failing = new FailingLog("PCS")) {
            CompletableFuture<Outcome> first = harness.send(Pcs.number(1).with("D_hat", "0.1"));
            await().until(first::isDone);

            assertThat(failing.hasFailed).isTrue();
            assertThat(first.join()).isInstanceOf(Outcome.Decided.class);
            assertThat(harness.submit(Pcs.number(1).with("D_hat", "0.1"))).isInstanceOf(Outcome.Decided.class);
            await().until(() -> harness.ingest.pending() == 0);
        }
    }

    /** An appender of ingest's log that throws an {@link OutOfMemoryError} for the first line with some beginning. */
    private static final class FailingLog extends AppenderBase<ILoggingEvent> implements AutoCloseable {
        private final Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
        private final String beginning;
        volatile boolean hasFailed;

        FailingLog(String beginning) {
            this.beginning = beginning;
            start();
            logger.setLevel(Level.INFO);
            logger.addAppender(this);
        }

        @Override
        protected void append(ILoggingEvent event) {
            if (!hasFailed && event.getFormattedMessage().startsWith(beginning)) {
                hasFailed = true;
                throw new OutOfMemoryError("injected");
            }
        }

        @Override
        public void close() {
            logger.detachAppender(this);
            logger.setLevel(null);
        }
    }

    @Test
    void storeDown_backlogKeepsNoBodiesInMemory() throws IOException {
        try (IngestHarness harness = open()) {
            harness.store.down();
            WeakReference<byte[]> body = sendAndForget(harness);
            String note = "\"" + "x".repeat(9_000) + "\""; // the log keeps the bodies of its last block
            for (int i = 2; i < 6; i++) {
                harness.submit(Pcs.number(i).with("note", note));
            }
            await().until(() -> {
                System.gc();
                return body.get() == null;
            });
            assertThat(harness.ingest.pending()).isEqualTo(5);
            assertThat(harness.metric("flk_ids_in_flight")).isEqualTo(5);
            harness.store.up();
            await().until(() -> harness.ingest.pending() == 0);
        }
    }

    private static WeakReference<byte[]> sendAndForget(IngestHarness harness) {
        byte[] bytes = Pcs.number(1).bytes();
        harness.submit(bytes);
        return new WeakReference<>(bytes);
    }

    /** Checks that the other submissions of an id are answered if memory runs out for the answer to one of them. */
    @Test
    void answer_outOfMemory_otherSubmissionsOfTheIdAreAnswered() throws IOException {
        try (IngestHarness harness = open()) {
            CompletableFuture<Outcome> second = new CompletableFuture<>();
            harness.ingest.submit(List.of(
                    new Submission(Pcs.number(1).bytes(), harness.sender, outcome -> {
                        throw new OutOfMemoryError("injected");
                    }),
                    new Submission(Pcs.number(1).bytes(), harness.sender, second::complete)));
            await().dontCatchUncaughtExceptions().until(second::isDone);
            assertThat(second.join()).isInstanceOf(Outcome.Decided.class);
        }
    }

    /** Checks that the other submissions of a turn are answered if the answer to one of them throws. */
    @Test
    void lookUp_oneAnswerThrows_othersAreAnswered() throws IOException {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            CompletableFuture<Outcome> second = new CompletableFuture<>();
            harness.ingest.submit(List.of(
                    new Submission(Pcs.number(1).bytes(), harness.sender, outcome -> {
                        throw new IllegalStateException("an answer that throws");
                    }),
                    new Submission(Pcs.number(2).bytes(), harness.sender, second::complete)));
            await().until(second::isDone);
            assertThat(second.join()).isInstanceOf(Outcome.Decided.class);
        }
    }
}
