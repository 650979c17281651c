// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.follow.RecordSink;
import dev.flk.backend.follow.SteppedFollower;
import dev.flk.backend.follow.VoidedReviews;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.TemporaryRows;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the record of outcomes when the log that it follows does not only grow. */
class FollowedLogTest {
    @TempDir
    private Path directory;

    private final Clock clock = new Clock();
    private final TemporaryRows rows = new TemporaryRows();

    @AfterEach
    void close() {
        rows.close();
    }

    private IngestHarness open() throws IOException {
        return new IngestHarness(directory.resolve("log"), clock);
    }

    private Follower follow(IngestHarness harness) {
        return follow(harness, rows, new DecidedQueue());
    }

    /** Starts a record of a log. */
    static Follower follow(IngestHarness harness, TemporaryRows rows, DecidedQueue handed) {
        DecidedLog log = harness.decidedLog();
        RecordSink sink = new RecordSink(
                log,
                rows.rows(),
                Duration.ofDays(90),
                harness.clock::wall,
                harness.ingestMetrics::admitted,
                System::nanoTime,
                new VoidedReviews(FollowedLogTest::noReviews, Duration.ZERO),
                shard -> {});
        return new Follower(sink, log, handed, () -> Long.MAX_VALUE, harness.recordMetrics, System::nanoTime).start();
    }

    private static CompletableFuture<Long> noReviews(List<byte[]> bodies) {
        throw new AssertionError("there are no reviews");
    }

    private static void submit(IngestHarness harness, int from, int to) {
        IntStream.rangeClosed(from, to).forEach(i -> harness.submit(Pcs.number(i)));
    }

    /** Returns the segments of the log, oldest first. */
    private List<Path> segments() throws IOException {
        try (Stream<Path> files = Files.list(directory.resolve("log"))) {
            return files.filter(file -> file.toString().endsWith(".wal"))
                    .sorted()
                    .toList();
        }
    }

    private List<RowKey> recorded() {
        return rows.rows().find(OutcomeQuery.ALL.withShard("shard-1").withOrder(Order.EPOCH)).rows().stream()
                .map(OutcomeRows.Version::key)
                .toList();
    }

    private static List<RowKey> rowsOf(IntStream numbers) {
        return numbers.mapToObj(number ->
                        new RowKey("shard-1", number, Pcs.number(number).id().toString()))
                .toList();
    }

    @Test
    void isBehind_untilEverythingFromBeforeTheStartIsRecorded() throws IOException {
        try (IngestHarness harness = open()) {
            submit(harness, 1, 20);
            await().until(() -> harness.metric("flk_inbox_pending") == 0);
            SteppedFollower follower = new SteppedFollower(
                    harness.decidedLog(),
                    rows.rows(),
                    new DecidedQueue(),
                    harness.recordMetrics,
                    FollowedLogTest::noReviews);
            assertThat(follower.isBehind()).isTrue();

            while (follower.isBehind()) {
                boolean unused = follower.step();
            }

            assertThat(recorded()).isEqualTo(rowsOf(IntStream.rangeClosed(1, 20)));
        }
    }

    @Test
    void segmentRemovedBeforeItWasRead_isCountedOnceAndTheRestIsRecorded() throws IOException {
        for (int first = 1; first <= 7; first += 3) {
            try (IngestHarness harness = open()) {
                submit(harness, first, first + 2);
            }
        }
        try (IngestHarness harness = open()) {
            Files.delete(segments().get(1));

            for (int start = 1; start <= 2; start++) {
                try (Follower follower = follow(harness)) {
                    await().until(() -> follower.position() == 9);
                    assertThat(harness.metric("flk_record_missed_total")).isEqualTo(3);
                }
            }

            assertThat(recorded()).isEqualTo(rowsOf(IntStream.of(1, 2, 3, 7, 8, 9)));
            assertThat(rows.rows().notes("gap/").values()).containsExactly("log records 4 to 6");
        }
    }

    /** Each policy gives another outcome. Up to the end of its life, an outcome answers; then the next policy decides. */
    @Test
    void idAtTheEndOfItsLife_isDecidedAnew_andTheRowHasBothOutcomes() throws IOException {
        Pcs pcs = Pcs.number(1).with("D_hat", "1.9");
        Policy lenient = Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=2.0"));
        MemoryStore store = new MemoryStore(1_000, clock.expiry());
        try (IngestHarness harness = new IngestHarness(directory.resolve("log"), clock, Policy.defaults(), store, 100);
                Follower follower = follow(harness)) {
            assertThat(harness.submit(pcs)).isInstanceOf(Outcome.Decided.class);
            await().until(() -> follower.position() == 1);
        }
        clock.millis += IngestHarness.TTL.toMillis() - 1;
        try (IngestHarness harness = new IngestHarness(
                        directory.resolve("log"), clock, lenient, new MemoryStore(1_000, clock.expiry()), 100);
                Follower follower = follow(harness)) {
            assertThat(harness.lookUp(pcs)).isPresent();
            harness.submit(pcs);
            assertThat(harness.decidedLog().last()).isEqualTo(1);

            clock.millis += 1;
            assertThat(harness.lookUp(pcs)).isEmpty();
            harness.submit(pcs);
            await().until(() -> follower.position() == 2);

            assertThat(rows.rows().versions(recorded().get(0), 10))
                    .extracting(version -> version.outcome().verdict().kind())
                    .containsExactly(Kind.ACCEPTED, Kind.REJECTED);
        }
    }
}
