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
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.slf4j.LoggerFactory;

/** Tests that one failure of the memory, the store or an answer affects only the submission in which it occurs. */
final class IngestFaultsTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);

    @BeforeEach
    void start() throws IOException {
        simulation.start();
    }

    @AfterEach
    void everySubmissionIsAccountedFor() {
        simulation.assertAccountedFor();
    }

    static Stream<BiConsumer<SimulatedStore, Runnable>> places() {
        return Stream.of(SimulatedStore::beforePut, SimulatedStore::beforeRoom);
    }

    /** Simulates that memory runs out on the recorder's thread or after the look-up. */
    @ParameterizedTest
    @MethodSource("places")
    void outOfMemoryOnce_laterSubmissionsAreAnswered_alsoOfTheSameId(BiConsumer<SimulatedStore, Runnable> place) {
        laterOnesAreAnswered(place, () -> {
            throw new OutOfMemoryError("injected");
        });
    }

    @Test
    void storeThrowsOnce_laterSubmissionsAreAnswered() {
        laterOnesAreAnswered(SimulatedStore::beforePut, () -> {
            throw new IllegalStateException("injected");
        });
    }

    private void laterOnesAreAnswered(BiConsumer<SimulatedStore, Runnable> place, Runnable fault) {
        place.accept(store, fault);
        assertThat(simulation.submitted(Pcs.number(1))).isNotNull();
        assertThat(simulation.submitted(Pcs.number(1))).isInstanceOf(Outcome.Decided.class);
        assertThat(simulation.submitted(Pcs.number(2))).isInstanceOf(Outcome.Decided.class);
        assertThat(simulation.pending()).isZero();
    }

    /** Simulates that memory runs out while the line about a decision is written. */
    @Test
    void logLine_outOfMemory_submissionIsAnsweredAndItsIdFree() {
        try (FailingLog failing = new FailingLog("PCS")) {
            Pcs pcs = Pcs.number(1).with("D_hat", "0.1");
            assertThat(simulation.submitted(pcs)).isInstanceOf(Outcome.Decided.class);

            assertThat(failing.hasFailed).isTrue();
            assertThat(simulation.submitted(pcs)).isInstanceOf(Outcome.Decided.class);
            assertThat(simulation.pending()).isZero();
        }
    }

    /** An appender of ingest's log that throws an {@link OutOfMemoryError} for the first line with some beginning. */
    private static final class FailingLog extends AppenderBase<ILoggingEvent> implements AutoCloseable {
        private final Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
        private final String beginning;
        boolean hasFailed;

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
    void storeDown_backlogKeepsNoBodiesInMemory() {
        store.setMood(Mood.DOWN);
        WeakReference<byte[]> body = sendAndForget();
        String note = "\"" + "x".repeat(9_000) + "\""; // the log keeps the bodies of its last block
        for (int i = 2; i < 6; i++) {
            simulation.send(Pcs.number(i).with("note", note).bytes());
            simulation.answerAll();
        }
        await().until(() -> {
            System.gc();
            return body.get() == null;
        });
        assertThat(simulation.pending()).isEqualTo(5);
        assertThat(simulation.metric("flk_ids_in_flight")).isEqualTo(5);
        store.setMood(Mood.UP);
        simulation.settle();
        assertThat(simulation.pending()).isZero();
    }

    private WeakReference<byte[]> sendAndForget() {
        byte[] bytes = Pcs.number(1).bytes();
        simulation.send(bytes);
        simulation.answerAll();
        return new WeakReference<>(bytes);
    }

    /** Checks that the other submissions of an id are answered if memory runs out for the answer to one of them. */
    @Test
    void answer_outOfMemory_otherSubmissionsOfTheIdAreAnswered() {
        otherIsAnswered(1, () -> {
            throw new OutOfMemoryError("injected");
        });
    }

    /** Checks that the other submissions of a turn are answered if the answer to one of them throws. */
    @Test
    void lookUp_oneAnswerThrows_othersAreAnswered() {
        simulation.submitted(Pcs.number(1));
        otherIsAnswered(2, () -> {
            throw new IllegalStateException("an answer that throws");
        });
    }

    private void otherIsAnswered(int number, Runnable fault) {
        AtomicReference<Outcome> second = new AtomicReference<>();
        simulation
                .ingest()
                .submit(List.of(
                        new Submission(Pcs.number(1).bytes(), Simulation.sender(), outcome -> fault.run()),
                        new Submission(Pcs.number(number).bytes(), Simulation.sender(), second::set)));
        simulation.settle();
        assertThat(second.get()).isInstanceOf(Outcome.Decided.class);
    }
}
