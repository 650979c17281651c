// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.feed.FeedMetrics;
import dev.flk.backend.feed.FeedSink;
import dev.flk.backend.feed.MemoryFeed;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.record.TemporaryRows;
import dev.flk.feed.FeedPosition;
import dev.flk.program.json.Json;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.sample.Pcs;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the feed of a log, with a topic in memory. */
final class FedLogTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");

    @TempDir
    private Path directory;

    private final Clock clock = new Clock();
    private final MemoryFeed topic = new MemoryFeed();
    private final Metrics metrics = new Metrics("test");
    private final FeedMetrics feedMetrics = new FeedMetrics(metrics);

    private IngestHarness open() throws IOException {
        return new IngestHarness(directory.resolve("log"), clock);
    }

    private Follower follow(IngestHarness harness) {
        return follow(harness, topic, () -> Long.MAX_VALUE, handedBy(harness));
    }

    private static DecidedQueue handedBy(IngestHarness harness) {
        DecidedQueue handed = new DecidedQueue();
        harness.whenRecorded = handed;
        return handed;
    }

    private Follower follow(IngestHarness harness, MemoryFeed topic, LongSupplier settledUpTo, DecidedQueue handed) {
        return FeedSink.follower(harness.decidedLog(), handed, topic, settledUpTo, feedMetrics, System::nanoTime)
                .start();
    }

    private double metric(String name) {
        return ScrapedText.sample(metrics, name);
    }

    private static void submit(IngestHarness harness, int from, int to) {
        IntStream.rangeClosed(from, to).forEach(i -> harness.submit(Pcs.number(i)));
    }

    private static void awaitFed(IngestHarness harness, Follower follower) {
        await().until(() -> harness.metric("flk_inbox_pending") == 0
                && follower.position() == harness.decidedLog().last());
    }

    /** Returns the sequences of the submissions in the log whose outcomes won. */
    private List<String> winners() throws IOException {
        List<LogRecord> logged = IngestHarness.logged(directory.resolve("log"));
        Set<Long> overruled = logged.stream()
                .flatMap(record -> Overruled.in(record).stream())
                .map(Overruled::sequence)
                .collect(Collectors.toSet());
        return logged.stream()
                .filter(record -> LoggedOutcomes.isSubmission(record) && !overruled.contains(record.sequence()))
                .map(record -> Long.toString(record.sequence()))
                .toList();
    }

    private void submitAllKinds(IngestHarness harness) {
        submit(harness, 1, 50);
        clock.millis++; // the same outcome with the same arrival would not be overruled
        submit(harness, 40, 50);
        harness.submit(Pcs.number(3).with("D_hat", "1.9"));
        harness.store.failReads(); // so that duplicates are logged, and then overruled
        submit(harness, 48, 52);
        harness.store.down();
        submit(harness, 53, 60);
        harness.store.up();
        await().until(() -> harness.metric("flk_inbox_pending") == 0);
        submit(harness, 61, 90);
    }

    @Test
    void eachWinner_isFedOnce_asTheOutcomeWithItsCertificate() throws IOException {
        try (IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submitAllKinds(harness);
            awaitFed(harness, follower);

            assertThat(winners()).hasSize(90);
            assertThat(topic.headers("sequence")).isEqualTo(winners());
            assertThat(topic.events().get(6).key()).isEqualTo(Pcs.number(7).id().toString());
            assertThat(topic.events().get(6).headers())
                    .isEqualTo(Map.of(
                            "type", "outcome",
                            "schema", "1",
                            "verdict", "accepted",
                            "shard", "shard-1",
                            "log_id", harness.decidedLog().logId(),
                            "sequence", "7"));
            assertThat(topic.values().get(6))
                    .startsWith("{\"shard_id\":\"shard-1\",\"epoch\":7,\"pcs_id\":\""
                            + Pcs.number(7).id() + "\",\"verdict\":\"accepted\",\"D_hat\":1.0,")
                    .contains("\"received_at\":\"2026-11-20T10:00:00Z\",\"key_id\":\"");
            assertThat(Json.parse(topic.values().get(6)).path("body").textValue())
                    .isEqualTo(Pcs.number(7).json());
            assertThat(metric("flk_feed_events_total")).isEqualTo(90);
            assertThat(metric("flk_feed_up")).isOne();
        }
    }

    /** Compares what record and feed make of what is handed over with what they read from the log. */
    @Test
    void handedOver_equalsWhatIsReadFromTheLog() throws Exception {
        MemoryFeed fedFromTheLog = new MemoryFeed();
        try (IngestHarness harness = open();
                TemporaryRows rows = new TemporaryRows();
                TemporaryRows fromTheLog = new TemporaryRows()) {
            DecidedQueue handed = handedBy(harness);
            try (Follower feed = follow(harness, topic, () -> Long.MAX_VALUE, handed);
                    Follower record = FollowedLogTest.follow(harness, rows, handed)) {
                submitAllKinds(harness);
                awaitFed(harness, feed);
                awaitFed(harness, record);
            }
            DecidedQueue nothing = new DecidedQueue();
            try (Follower feed = follow(harness, fedFromTheLog, () -> Long.MAX_VALUE, nothing);
                    Follower record = FollowedLogTest.follow(harness, fromTheLog, nothing)) {
                awaitFed(harness, feed);
                awaitFed(harness, record);
            }

            assertThat(topic.values()).hasSize(90).isEqualTo(fedFromTheLog.values());
            assertThat(rows.rows().changes("", 10_000))
                    .hasSizeGreaterThanOrEqualTo(90)
                    .isEqualTo(fromTheLog.rows().changes("", 10_000));
        }
    }

    @Test
    void lostAnswersOfTheBrokers_andRestarts_feedEachOnceAndInOrder() throws IOException {
        topic.failOneOf(2);
        for (int start = 0; start < 4; start++) {
            try (IngestHarness harness = open();
                    Follower follower = follow(harness)) {
                submit(harness, start * 10 + 1, start * 10 + 5);
                awaitFed(harness, follower);
                submit(harness, start * 10 + 6, start * 10 + 10);
                awaitFed(harness, follower);
            }
        }

        assertThat(topic.headers("sequence")).isEqualTo(winners()).hasSize(40);
    }

    @Test
    void brokersAway_certificatesAreAnswered_andFedInOrderAfterwards() throws IOException {
        topic.setDown(true);
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO);
                IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submitAllKinds(harness);
            await().until(() -> log.lines("no broker answers").size() == 1);
            assertThat(metric("flk_feed_up")).isZero();
            assertThat(metric("flk_feed_lag_records")).isNaN();
            assertThat(metric("flk_feed_lag_seconds")).isPositive();
            assertThat(follower.position()).isZero();

            topic.setDown(false);
            awaitFed(harness, follower);
            await().until(() -> metric("flk_feed_lag_seconds") == 0);

            assertThat(topic.headers("sequence")).isEqualTo(winners());
            assertThat(log.lines("the feed continues")).hasSize(1);
        }
    }

    @Test
    void certificateTooLargeForTheTopic_isFedAsADigest() throws Exception {
        topic.setMaxValueBytes(1_500);
        Pcs large = Pcs.number(2).with("remark", "\"" + "\\n".repeat(1_000) + "\"");
        try (IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 1, 1);
            assertThat(harness.submit(large)).isInstanceOf(Ingest.Outcome.Decided.class);
            submit(harness, 3, 3);
            awaitFed(harness, follower);

            assertThat(topic.headers("sequence")).containsExactly("1", "2", "3");
            assertThat(Json.parse(topic.values().get(1))
                            .path("body_omitted")
                            .path("bytes")
                            .intValue())
                    .isEqualTo(large.bytes().length);
            assertThat(topic.values().get(1)).contains(",\"sequence\":2}}").doesNotContain("\"body\"");
            assertThat(topic.values().get(2)).contains("\"body\"");
            assertThat(metric("flk_feed_bodies_omitted_total")).isOne();
        }
    }

    @Test
    void otherProcessFeedsThisLog_feedEnds() throws IOException {
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO);
                IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 1, 3);
            awaitFed(harness, follower);
            topic.fence();
            submit(harness, 4, 6);

            awaitEnd(log, follower, "instance 2 on elsewhere");
            assertThat(topic.events()).hasSize(3);
        }
    }

    private void awaitEnd(LogCapture log, Follower follower, String why) {
        await().until(() -> log.lines("the feed has ended").size() == 1);
        assertThat(follower.problem()).contains("has ended: " + why);
        assertThat(metric("flk_feed_ended")).isEqualTo(1);
        assertThat(metric("flk_feed_up")).isZero();
    }

    /** A former owner whose feed waits for the brokers must not open it after its successor has. */
    @Test
    void logIsLost_whileTheFeedWaits_feedEnds() throws IOException {
        topic.setDown(true);
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO);
                IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 1, 3);
            await().until(() ->
                    follower.problem().equals(Optional.of("waits, and continues in order: no broker answers")));
            assertThat(metric("flk_feed_ended")).isZero();

            harness.loseLog(new LockLostException("another backend owns the log"));
            topic.setDown(false);

            awaitEnd(log, follower, "another backend owns the log");
            assertThat(topic.events()).isEmpty();
        }
    }

    @Test
    void logOfAnOlderDisk_isFedOnceMore() throws IOException {
        Path older = directory.resolve("older");
        try (IngestHarness harness = open()) {
            submit(harness, 1, 3);
        }
        copyLog(directory.resolve("log"), older);
        try (IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 4, 6);
            awaitFed(harness, follower);
        }
        copyLog(older, directory.resolve("log"));

        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.WARN);
                IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 11, 12);
            awaitFed(harness, follower);

            assertThat(topic.headers("sequence").subList(6, 11)).containsExactly("1", "2", "3", "4", "5");
            assertThat(log.lines("up to sequence 6")).singleElement().asString().startsWith("ERROR ");
        }
    }

    /** Replaces the content of {@code to} with the files of {@code from}. */
    private static void copyLog(Path from, Path to) throws IOException {
        Files.createDirectories(to);
        for (Path old : files(to)) {
            Files.delete(old);
        }
        for (Path file : files(from)) {
            Files.copy(file, to.resolve(file.getFileName()));
        }
    }

    private static List<Path> files(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.toList();
        }
    }

    @Test
    void review_isFedAfterItsOutcome_unlessItIsVoided_onceItIsKnown() throws IOException {
        Review review = new Review(1, Verdict.FAULT, "a note", "anna", NOW.toString());
        String id = Pcs.number(1).id().toString();
        AtomicLong settledUpTo = new AtomicLong();
        try (IngestHarness harness = open();
                Follower follower = follow(harness, topic, settledUpTo::get, handedBy(harness))) {
            submit(harness, 1, 1);
            log(harness, new LoggedReview("shard-1", 1, id, review).encode());
            submit(harness, 2, 2);
            log(harness, new LoggedReview("shard-1", 1, id, review).encode());
            await().until(() -> topic.headers("type").equals(List.of("outcome")));

            log(harness, LoggedReview.encodeVoid(4));
            settledUpTo.set(4);
            submit(harness, 3, 3);
            awaitFed(harness, follower);
        }
        assertThat(topic.headers("type")).containsExactly("outcome", "review", "outcome", "outcome");
        assertThat(topic.values().get(1))
                .isEqualTo("{\"shard_id\":\"shard-1\",\"epoch\":1,\"pcs_id\":\"" + id
                        + "\",\"review\":{\"version\":1,\"verdict\":\"fault\",\"note\":\"a note\","
                        + "\"author\":\"anna\",\"at\":\"2026-11-26T12:00:00Z\"}}");
    }

    @Test
    void topicThatLostEvents_getsThemAgain_andIsReportedUntilItHasThem() throws IOException {
        try (IngestHarness harness = open();
                Follower follower = follow(harness)) {
            submit(harness, 1, 5);
            awaitFed(harness, follower);
            FeedPosition kept = topic.position();
            submit(harness, 6, 10);
            awaitFed(harness, follower);

            topic.loseAfter(kept, 11);

            await().until(() -> topic.headers("sequence").size() == 15);
            assertThat(topic.headers("sequence").subList(10, 15)).containsExactly("6", "7", "8", "9", "10");
            await().until(follower::isUp);
            assertThat(follower.problem())
                    .contains(
                            "the topic has lost events: what the log still has after sequence 5, up to 11, is fed once more");
            assertThat(metric("flk_feed_lost_total")).isOne();
            submit(harness, 11, 11);
            await().until(() -> follower.problem().isEmpty());
            topic.setWeakness("min.insync.replicas=1");
            assertThat(follower.problem()).contains("min.insync.replicas=1");
            assertThat(metric("flk_feed_topic_bad")).isOne();
        }
    }

    private static void log(IngestHarness harness, byte[] body) {
        long unused = harness.ingest.logReviews(List.of(body)).join();
    }
}
