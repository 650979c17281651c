// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.embedded.EmbeddedStore;
import dev.flk.backend.dedup.memory.MemoryStore;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.DamagedLogException;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Histories that broke earlier drafts, faults of neighbours, and what must not grow. */
final class IngestHistoriesTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();

    private Path log() {
        return directory.resolve("log");
    }

    private IngestHarness open() throws IOException {
        return new IngestHarness(log(), clock);
    }

    private IngestHarness embedded() throws IOException {
        return new IngestHarness(
                log(),
                clock,
                Policy.defaults(),
                EmbeddedStore.open(directory.resolve("dedup"), 0, System::nanoTime, () -> {}),
                100);
    }

    /** History 8. */
    @Test
    void history8_overruledByAnOutcomeThatExpired_isNotAssertedBeforeTheNextOne() throws IOException {
        Outcome answered;
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            clock.millis += Duration.ofHours(1).toMillis();
            harness.store.failReads();
            harness.submit(Pcs.number(1)); // logged again, overruled by the first
            harness.store.up();
            await().until(() -> harness.ingest.pending() == 0);
            clock.millis +=
                    IngestHarness.TTL.minusMinutes(30).toMillis(); // the first expired, the second would not have
            answered = harness.submit(Pcs.number(1).with("budget", "0.9"));
            assertThat(((Decided) answered).relation()).isEqualTo(Relation.FIRST);
            assertThat(((Decided) answered).status()).isEqualTo(202);
        }
        try (IngestHarness harness = open()) { // a store that was emptied
            Outcome again = harness.submit(Pcs.number(1).with("budget", "0.9"));
            assertThat(((Decided) again).relation()).isEqualTo(Relation.DUPLICATE);
            assertThat(((Decided) again).body()).isEqualTo(((Decided) answered).body());
        }
    }

    @Test
    void storeDown_backlogHoldsNoBodies() throws IOException {
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
            harness.store.up();
            await().until(() -> harness.ingest.pending() == 0);
        }
    }

    private static WeakReference<byte[]> sendAndForget(IngestHarness harness) {
        byte[] bytes = Pcs.number(1).bytes();
        harness.submit(bytes);
        return new WeakReference<>(bytes);
    }

    @Test
    void restart_embedded_conflictIsKeptAsEvidenceOnce() throws IOException {
        for (int start = 0; start < 3; start++) {
            try (IngestHarness harness = embedded()) {
                harness.submit(Pcs.number(1));
                harness.submit(Pcs.number(1).with("budget", "0.9"));
            }
        }
        assertThat(IngestHarness.logged(log())).extracting(LogRecord::kind).containsExactly('s', 'e');
    }

    @Test
    void restart_undecidedSegmentWasMovedAway_stops() throws IOException {
        try (IngestHarness harness = embedded()) {
            harness.submit(Pcs.number(1)); // recorded, position 1
        }
        try (IngestHarness harness = embedded()) {
            harness.store.down();
            harness.submit(Pcs.number(2)); // in the log, answered 503, undecided
            harness.submit(Pcs.number(3));
        }
        try (IngestHarness harness = open()) { // makes one more segment, with records of its own
            harness.submit(Pcs.number(4));
            harness.submit(Pcs.number(5));
        }
        try (IngestHarness harness = open()) { // and the next carries 4 and 5 only
            harness.submit(Pcs.number(6));
        }
        // all but the newest segment are gone; the embedded store's position is 1 or 0
        List<Path> segments;
        try (var files = Files.list(log())) {
            segments = files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .toList();
        }
        assertThat(segments.size()).isGreaterThan(1);
        for (Path segment : segments.subList(0, segments.size() - 1)) {
            Files.delete(segment);
        }
        assertThatThrownBy(() -> {
                    try (IngestHarness harness = embedded()) {
                        assertThat(harness).isNotNull();
                    }
                })
                .hasMessageContaining("put the segments back that were moved away");
    }

    @Test
    void restart_headerOfASegmentBroken_stops() throws IOException {
        String note = "\"" + "x".repeat(9_000) + "\"";
        for (int start = 0; start < 3; start++) {
            try (IngestHarness harness = open()) {
                for (int i = 0; i < 4; i++) {
                    harness.submit(Pcs.number(4L * start + i).with("note", note));
                }
            }
        }
        List<Path> segments;
        try (var files = Files.list(log())) {
            segments = files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .toList();
        }
        try (var channel = FileChannel.open(segments.get(1), StandardOpenOption.WRITE)) {
            channel.write(ByteBuffer.wrap(new byte[] {'#'}), 100);
        }
        assertThatThrownBy(() -> {
                    try (IngestHarness harness = open()) {
                        for (int i = 0; i < 12; i++) {
                            assertThat(harness).isNotNull();
                        }
                    }
                })
                .isInstanceOf(DamagedLogException.class);
    }

    /** The recorder answers on, and the others are answered, when one answer throws. */
    @Test
    void lookUp_oneAnswerThrows_theOthersOfTheTurnAreAnswered() {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            CompletableFuture<Outcome> second = new CompletableFuture<>();
            harness.ingest.submit(List.of(
                    new Submission(Pcs.number(1).bytes(), harness.sender, outcome -> {
                        throw new IllegalStateException("an answer that throws");
                    }),
                    new Submission(Pcs.number(2).bytes(), harness.sender, second::complete)));
            await().atMost(Duration.ofSeconds(3)).until(second::isDone);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** A store that breaks its promise once must not end the recorder's thread. */
    @Test
    void put_storeThrowsOnce_laterSubmissionsAreAnswered() throws IOException {
        try (IngestHarness harness = new IngestHarness(log(), clock, Policy.defaults(), new ThrowsOnce(clock), 100)) {
            CompletableFuture<Outcome> unused = harness.send(Pcs.number(1));
            CompletableFuture<Outcome> second = harness.send(Pcs.number(2));
            await().dontCatchUncaughtExceptions().atMost(Duration.ofSeconds(3)).until(second::isDone);
        }
    }

    private static final class ThrowsOnce implements DedupStore {
        private final MemoryStore store;
        private boolean thrown;

        ThrowsOnce(Clock clock) {
            store = new MemoryStore(100, () -> Instant.ofEpochMilli(clock.millis));
        }

        @Override
        public CompletionStage<List<Optional<Recorded>>> get(List<PcsId> ids) {
            return store.get(ids);
        }

        @Override
        public CompletionStage<List<Recorded>> putIfAbsent(List<Recorded> decisions, long completeUpTo) {
            if (!thrown && !decisions.isEmpty()) {
                thrown = true;
                throw new IllegalStateException("injected");
            }
            return store.putIfAbsent(decisions, completeUpTo);
        }

        @Override
        public CompletionStage<OptionalLong> connect() {
            return store.connect();
        }

        @Override
        public void close() {
            store.close();
        }
    }

    /** Before the log's threads run, the replay takes the writer's steps itself. */
    @Test
    void restart_storeHasAnotherOutcome_isLoggedAsOverruling() throws IOException {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
        }
        MemoryStore shared = new MemoryStore(100, () -> Instant.ofEpochMilli(clock.millis));
        Recorded theirs = new Recorded(
                Pcs.number(1).id(),
                202,
                new byte[] {'{', '}'},
                ContentDigest.of(new byte[32]),
                "0011223344556677",
                clock.millis + 1_000_000);
        shared.putIfAbsent(List.of(theirs), 0).toCompletableFuture().join();
        for (int start = 0; start < 2; start++) {
            try (IngestHarness harness = new IngestHarness(log(), clock, Policy.defaults(), shared, 100)) {
                Decided answer = (Decided) harness.submit(Pcs.number(1));
                assertThat(answer.relation()).isEqualTo(Relation.CONFLICT);
                assertThat(answer.body()).isEqualTo(theirs.body());
            }
        }
        List<LogRecord> records = IngestHarness.logged(log());
        assertThat(records).extracting(LogRecord::kind).containsExactly('s', 'o', 'e');
        assertThat(Overruled.decode(records.get(1).body())).isEqualTo(new Overruled(1, theirs));
    }
}
