// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

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
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.follow.SteppedFollower;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.backend.outcomes.record.TemporaryRows;
import dev.flk.feed.FeedPosition;
import dev.flk.program.json.Json;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.sample.Pcs;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Tests of the feed of a log, with a topic in memory. */
final class FedLogTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);
    private final MemoryFeed topic = new MemoryFeed();
    private final Metrics metrics = new Metrics("test");
    private final FeedMetrics feedMetrics = new FeedMetrics(metrics);

    /** Starts a process and the feed of its log. */
    private Follower start() throws IOException {
        simulation.start();
        return follow(topic, () -> Long.MAX_VALUE, handed());
    }

    private DecidedQueue handed() {
        DecidedQueue handed = new DecidedQueue();
        simulation.whenRecorded = handed;
        return handed;
    }

    private Follower follow(MemoryFeed topic, LongSupplier settledUpTo, DecidedQueue handed) {
        return FeedSink.follower(simulation.decidedLog(), handed, topic, settledUpTo, feedMetrics, world::nanos);
    }

    private double metric(String name) {
        return ScrapedText.sample(metrics, name);
    }

    private void submit(int from, int to) {
        IntStream.rangeClosed(from, to).forEach(i -> simulation.submitted(Pcs.number(i)));
    }

    /** Takes more turns of a follower than it needs for anything here. */
    private static void takeTurns(Follower follower) {
        for (int turn = 0; turn < 20 && !follower.hasEnded(); turn++) {
            SteppedFollower.takeTurn(follower);
        }
    }

    private void feed(Follower follower) {
        takeTurns(follower);
        assertThat(follower.position()).isEqualTo(simulation.inbox().last());
    }

    /** Returns the sequences of the submissions in the log whose outcomes won. */
    private List<String> winners() throws IOException {
        List<LogRecord> logged = simulation.log();
        Set<Long> overruled = logged.stream()
                .flatMap(record -> Overruled.in(record).stream())
                .map(Overruled::sequence)
                .collect(Collectors.toSet());
        return logged.stream()
                .filter(record -> LoggedOutcomes.isSubmission(record) && !overruled.contains(record.sequence()))
                .map(record -> Long.toString(record.sequence()))
                .toList();
    }

    private void submitAllKinds() {
        submit(1, 50);
        submit(40, 50);
        simulation.submitted(Pcs.number(3).with("D_hat", "1.9"));
        store.setMood(Mood.READS_FAIL); // so that duplicates are logged, and then overruled
        submit(48, 52);
        store.setMood(Mood.DOWN);
        submit(53, 60);
        store.setMood(Mood.UP);
        submit(61, 90);
    }

    @Test
    void eachWinner_isFedOnce_asTheOutcomeWithItsCertificate() throws IOException {
        Follower follower = start();
        submitAllKinds();
        feed(follower);

        assertThat(simulation.log()).extracting(LogRecord::kind).contains('o');
        assertThat(winners()).hasSize(90);
        assertThat(topic.headers("sequence")).isEqualTo(winners());
        assertThat(topic.events().get(6).key()).isEqualTo(Pcs.number(7).id().toString());
        assertThat(topic.events().get(6).headers())
                .isEqualTo(Map.of(
                        "type", "outcome",
                        "schema", "1",
                        "verdict", "accepted",
                        "shard", "shard-1",
                        "log_id", simulation.decidedLog().logId(),
                        "sequence", "7"));
        assertThat(topic.values().get(6))
                .startsWith("{\"shard_id\":\"shard-1\",\"epoch\":7,\"pcs_id\":\""
                        + Pcs.number(7).id() + "\",\"verdict\":\"accepted\",\"D_hat\":1.0,")
                .contains("\"received_at\":\"2026-11-20T10:00:00", "\"key_id\":\"");
        assertThat(Json.parse(topic.values().get(6)).path("body").textValue())
                .isEqualTo(Pcs.number(7).json());
        assertThat(metric("flk_feed_events_total")).isEqualTo(90);
        assertThat(metric("flk_feed_up")).isOne();
    }

    /** Compares what record and feed make of what is handed over with what they read from the log. */
    @Test
    void handedOver_equalsWhatIsReadFromTheLog() throws Exception {
        MemoryFeed fedFromTheLog = new MemoryFeed();
        simulation.start();
        try (TemporaryRows rows = new TemporaryRows();
                TemporaryRows fromTheLog = new TemporaryRows()) {
            DecidedQueue handed = handed();
            Follower feed = follow(topic, () -> Long.MAX_VALUE, handed);
            SteppedFollower record = record(rows, handed);
            submitAllKinds();
            feed(feed);
            record.catchUp();
            feed(follow(fedFromTheLog, () -> Long.MAX_VALUE, new DecidedQueue()));
            record(fromTheLog, new DecidedQueue()).catchUp();

            assertThat(topic.values()).hasSize(90).isEqualTo(fedFromTheLog.values());
            assertThat(rows.rows().changes("", 10_000))
                    .hasSizeGreaterThanOrEqualTo(90)
                    .isEqualTo(fromTheLog.rows().changes("", 10_000));
        }
    }

    private SteppedFollower record(TemporaryRows rows, DecidedQueue handed) {
        FollowerMetrics unseen = new FollowerMetrics(new Metrics("record"), Follows.RECORD);
        return new SteppedFollower(simulation.decidedLog(), rows.rows(), handed, unseen, bodies -> {
            throw new AssertionError("there are no reviews");
        });
    }

    @Test
    void lostAnswersOfTheBrokers_andRestarts_feedEachOnceAndInOrder() throws IOException {
        topic.failOneOf(2);
        for (int start = 0; start < 4; start++) {
            Follower follower = start();
            submit(start * 10 + 1, start * 10 + 5);
            feed(follower);
            submit(start * 10 + 6, start * 10 + 10);
            feed(follower);
            simulation.kill();
        }

        assertThat(topic.headers("sequence")).isEqualTo(winners()).hasSize(40);
    }

    @Test
    void brokersAway_certificatesAreAnswered_andFedInOrderAfterwards() throws IOException {
        topic.setDown(true);
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO)) {
            Follower follower = start();
            submitAllKinds();
            takeTurns(follower);
            assertThat(log.lines("no broker answers")).hasSize(1);
            assertThat(metric("flk_feed_up")).isZero();
            assertThat(metric("flk_feed_lag_records")).isNaN();
            assertThat(metric("flk_feed_lag_seconds")).isPositive();
            assertThat(follower.position()).isZero();

            topic.setDown(false);
            feed(follower);

            assertThat(metric("flk_feed_lag_seconds")).isZero();
            assertThat(topic.headers("sequence")).isEqualTo(winners());
            assertThat(log.lines("the feed continues")).hasSize(1);
        }
    }

    @Test
    void certificateTooLargeForTheTopic_isFedAsADigest() throws IOException {
        topic.setMaxValueBytes(1_500);
        Pcs large = Pcs.number(2).with("remark", "\"" + "\\n".repeat(1_000) + "\"");
        Follower follower = start();
        submit(1, 1);
        assertThat(simulation.submitted(large)).isInstanceOf(Ingest.Outcome.Decided.class);
        submit(3, 3);
        feed(follower);

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

    @Test
    void otherProcessFeedsThisLog_feedEnds() throws IOException {
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO)) {
            Follower follower = start();
            submit(1, 3);
            feed(follower);
            topic.fence();
            submit(4, 6);

            takeTurns(follower);

            assertEnded(log, follower, "instance 2 on elsewhere");
            assertThat(topic.events()).hasSize(3);
        }
    }

    private void assertEnded(LogCapture log, Follower follower, String why) {
        assertThat(log.lines("the feed has ended")).hasSize(1);
        assertThat(follower.problem()).contains("has ended: " + why);
        assertThat(metric("flk_feed_ended")).isEqualTo(1);
        assertThat(metric("flk_feed_up")).isZero();
    }

    /** A former owner whose feed waits for the brokers must not open it after its successor has. */
    @Test
    void logIsLost_whileTheFeedWaits_feedEnds() throws IOException {
        topic.setDown(true);
        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.INFO)) {
            Follower follower = start();
            submit(1, 3);
            takeTurns(follower);
            assertThat(follower.problem()).contains("waits, and continues in order: no broker answers");
            assertThat(metric("flk_feed_ended")).isZero();

            simulation.inbox().log().giveUp(new LockLostException("another backend owns the log"));
            topic.setDown(false);
            takeTurns(follower);

            assertEnded(log, follower, "another backend owns the log");
            assertThat(topic.events()).isEmpty();
        }
    }

    @Test
    void logOfAnOlderDisk_isFedOnceMore() throws IOException {
        simulation.start();
        submit(1, 3);
        SimulatedDisk older = simulation.disk.copy();
        simulation.kill();
        Follower before = start();
        submit(4, 6);
        feed(before);
        simulation.kill();
        simulation.disk.lose();
        older.names().forEach(name -> simulation.disk.put(name, older.content(name)));

        try (LogCapture log = new LogCapture("dev.flk.backend.feed", Level.WARN)) {
            Follower follower = start();
            submit(11, 12);
            feed(follower);

            assertThat(topic.headers("sequence").subList(6, 11)).containsExactly("1", "2", "3", "4", "5");
            assertThat(log.lines("up to sequence 6")).singleElement().asString().startsWith("ERROR ");
        }
    }

    @Test
    void review_isFedAfterItsOutcome_unlessItIsVoided_onceItIsKnown() throws IOException {
        Review review = new Review(1, Verdict.FAULT, "a note", "anna", "2026-11-26T12:00:00Z");
        String id = Pcs.number(1).id().toString();
        AtomicLong settledUpTo = new AtomicLong();
        simulation.start();
        Follower follower = follow(topic, settledUpTo::get, handed());
        submit(1, 1);
        log(new LoggedReview("shard-1", 1, id, review).encode());
        submit(2, 2);
        log(new LoggedReview("shard-1", 1, id, review).encode());
        takeTurns(follower);
        assertThat(topic.headers("type")).containsExactly("outcome");

        log(LoggedReview.encodeVoid(4));
        settledUpTo.set(4);
        submit(3, 3);
        feed(follower);

        assertThat(topic.headers("type")).containsExactly("outcome", "review", "outcome", "outcome");
        assertThat(topic.values().get(1))
                .isEqualTo("{\"shard_id\":\"shard-1\",\"epoch\":1,\"pcs_id\":\"" + id
                        + "\",\"review\":{\"version\":1,\"verdict\":\"fault\",\"note\":\"a note\","
                        + "\"author\":\"anna\",\"at\":\"2026-11-26T12:00:00Z\"}}");
    }

    private void log(byte[] body) {
        CompletableFuture<Long> logged = simulation.logReviews(List.of(body));
        simulation.settle();
        assertThat(logged).isCompleted();
    }

    @Test
    void topicThatLostEvents_getsThemAgain_andIsReportedUntilItHasThem() throws IOException {
        Follower follower = start();
        submit(1, 5);
        feed(follower);
        FeedPosition kept = topic.position();
        submit(6, 10);
        feed(follower);

        topic.loseAfter(kept, 11);
        takeTurns(follower);

        assertThat(topic.headers("sequence")).hasSize(15).endsWith("6", "7", "8", "9", "10");
        assertThat(follower.isUp()).isTrue();
        assertThat(follower.problem())
                .contains(
                        "the topic has lost events: what the log still has after sequence 5, up to 11, is fed once more");
        assertThat(metric("flk_feed_lost_total")).isOne();
        submit(11, 11);
        feed(follower);
        assertThat(follower.problem()).isEmpty();
        topic.setWeakness("min.insync.replicas=1");
        assertThat(follower.problem()).contains("min.insync.replicas=1");
        assertThat(metric("flk_feed_topic_bad")).isOne();
    }
}
