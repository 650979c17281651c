// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static dev.flk.backend.ingest.Outcomes.theirs;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.backend.outcomes.embedded.EmbeddedStore;
import dev.flk.program.logging.LogCapture;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of a start from the log, whatever the store has kept. */
final class IngestRestartTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();

    private IngestHarness open() throws IOException {
        return new IngestHarness(log(), clock);
    }

    private Path log() {
        return directory.resolve("log");
    }

    @Test
    void restart_expiredOutcomes_areNotRestored() throws IOException {
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
        }
        clock.millis += Duration.ofDays(14).toMillis();
        try (IngestHarness harness = open()) {
            assertDecided(harness.submit(Pcs.number(1).with("budget", "0.9")), 202, Relation.FIRST);
        }
    }

    @Test
    void restart_logShorterThanTheStoresPosition_continuesFromTheLog() throws IOException {
        embedded().close();
        EmbeddedStore store =
                new EmbeddedStore(EmbeddedStore.openView(directory.resolve("dedup"), 0, System::nanoTime, () -> {}));
        store.belongsTo(store.logId().orElseThrow(), false, clock.expiry());
        store.connect().toCompletableFuture().join();
        store.putIfAbsent(List.of(), 100).toCompletableFuture().join();
        store.close();
        try (IngestHarness harness = embedded()) {
            assertThat(harness.store.connect().toCompletableFuture().join()).hasValue(0);
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.FIRST);
        }
    }

    private IngestHarness embedded() throws IOException {
        return new IngestHarness(
                log(),
                clock,
                Policy.defaults(),
                new EmbeddedStore(EmbeddedStore.openView(directory.resolve("dedup"), 0, System::nanoTime, () -> {})),
                100);
    }

    @Test
    void restart_embeddedStore_conflictIsKeptAsEvidenceOnce() throws IOException {
        for (int start = 0; start < 3; start++) {
            try (IngestHarness harness = embedded()) {
                harness.submit(Pcs.number(1));
                harness.submit(Pcs.number(1).with("budget", "0.9"));
            }
        }
        assertThat(IngestHarness.logged(log())).extracting(LogRecord::kind).containsExactly('s', 'e');
    }

    @Test
    void outcomeOfALogThatWasGivenUp_isLoggedAgainWithItsBody_andStays() throws IOException {
        MemoryStore elsewhere = new MemoryStore(100, clock.expiry());
        try (IngestHarness other =
                new IngestHarness(directory.resolve("other"), clock, Policy.defaults(), elsewhere, 100)) {
            other.submit(Pcs.number(1));
        }
        StoredOutcome decided = elsewhere
                .get(List.of(Pcs.number(1).id()))
                .toCompletableFuture()
                .join()
                .get(0)
                .orElseThrow();
        StoredOutcome theirs = new StoredOutcome(
                decided.id(),
                decided.status(),
                decided.body(),
                decided.digest(),
                decided.signedDigest(),
                decided.expiresAtMillis(),
                "lost");
        MemoryStore shared = new MemoryStore(100, clock.expiry());
        shared.putIfAbsent(List.of(theirs), 0).toCompletableFuture().join();
        clock.millis += 1_000;
        AtomicBoolean isForgotten = new AtomicBoolean();
        try (IngestHarness harness = new IngestHarness(log(), clock, Policy.defaults(), shared, 100)) {
            harness.isForgotten = log -> isForgotten.get() && log.equals("lost");
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.DUPLICATE);
            assertThat(IngestHarness.logged(log())).isEmpty();
            isForgotten.set(true);
            Decided answer = (Decided) harness.submit(Pcs.number(1));
            assertThat(answer.relation()).isEqualTo(Relation.DUPLICATE);
            assertThat(answer.body()).isEqualTo(theirs.body());
        }
        List<LogRecord> records = IngestHarness.logged(log());
        assertThat(records).extracting(LogRecord::kind).containsExactly('s', 'o');
        assertThat(records.get(0).body()).isEqualTo(Pcs.number(1).bytes());
        assertThat(Overruled.decode(records.get(1).body())).isEqualTo(new Overruled(1, theirs));
    }

    /** Leaves the store empty as well, so that only the log line shows that records may be missing. */
    @Test
    void restart_tornTail_isReported() throws IOException {
        Path killed = directory.resolve("killed");
        try (IngestHarness harness = open()) {
            harness.submit(Pcs.number(1));
            harness.submit(Pcs.number(2));
            Path newest = newestSegment();
            byte[] content = Files.readAllBytes(newest);
            Files.createDirectory(killed);
            Files.write(killed.resolve(newest.getFileName()), Arrays.copyOf(content, content.length - 5));
        }

        try (LogCapture log = new LogCapture("dev.flk.backend.ingest", Level.WARN);
                IngestHarness harness = new IngestHarness(killed, clock)) {
            assertThat(log.lines("unfinished records"))
                    .singleElement()
                    .asString()
                    .startsWith("WARN segment ")
                    .contains(".broken; the log continues with record 2.");
            assertDecided(harness.submit(Pcs.number(2)), 200, Relation.FIRST);
        }
    }

    private Path newestSegment() throws IOException {
        try (Stream<Path> files = Files.list(log())) {
            return files.filter(file -> file.toString().endsWith(".wal"))
                    .max(Comparator.naturalOrder())
                    .orElseThrow();
        }
    }
}
