// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.feed.FeedMetrics;
import dev.flk.backend.feed.FeedSink;
import dev.flk.backend.feed.MemoryFeed;
import dev.flk.backend.follow.DecidedQueue;
import dev.flk.backend.follow.FollowerMetrics;
import dev.flk.backend.follow.FollowerMetrics.Follows;
import dev.flk.backend.follow.SteppedFollower;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.record.SimulatedRows;
import dev.flk.backend.outcomes.record.SimulatedRows.Mood;
import dev.flk.backend.outcomes.review.ReviewLog;
import dev.flk.backend.outcomes.review.ReviewMetrics;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.ReviewWriter.ReviewUnavailableException;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.feed.FeedFencedException;
import dev.flk.feed.FeedUnavailableException;
import dev.flk.program.metrics.Metrics;
import dev.flk.sample.Pcs;
import dev.flk.wal.testing.Mutant;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import dev.flk.wal.testing.SimulatedDisk.Killed;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Histories of two reviewers at two backends with logs of their own, which share the rows of the record, and of a feed
 * of each log. A reviewer is interrupted by the other one, by failures of disk, log and rows, and by kills at any
 * operation on the disk.
 */
final class ReviewSimulationTest {
    private static final long FEW = 75;
    private static final long MANY = 5_000;

    @Test
    void answeredReviews_areThere_othersAtMostOnce() throws IOException {
        for (long seed = Long.getLong("flk.firstSeed", 0); seed < FEW; seed++) {
            run(seed);
        }
    }

    @Test
    @Tag("thorough")
    void manyHistories_keepEveryPromise() throws IOException {
        for (long seed = FEW; seed < MANY; seed++) {
            run(seed);
        }
    }

    private static void run(long seed) throws IOException {
        try {
            new TwoReviewers(seed).run();
        } catch (AssertionError | RuntimeException e) {
            throw new AssertionError("seed " + seed + ": " + e.getMessage(), e);
        }
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            a review that came second is voided        | notCalling backend.decide.LoggedOutcomes note ifPresent
            the feed waits until it is known           | returning backend.follow.DecidedReader settledUpTo 9223372036854775807
            the answer says which of two is recorded   | giving backend.outcomes.review.ReviewWriter losers contains 1
            an answer waits for the record             | giving backend.outcomes.review.ReviewWriter losers awaitRecorded 1
            the condition is checked again             | giving backend.outcomes.review.ReviewWriter writeInTurn test 1
            """)
    void ruleIsSwitchedOff_someHistoryBreaks(String rule, String change) throws ReflectiveOperationException {
        Object seed = Mutant.without(rule, change)
                .run(ReviewSimulationTest.class.getName(), "firstBroken", new Class<?>[] {});
        assertThat((long) seed).as("a seed that breaks without: %s", rule).isNotNegative();
    }

    static long firstBroken() throws IOException {
        for (long seed = 0; seed < MANY; seed++) {
            try {
                new TwoReviewers(seed).run();
            } catch (AssertionError | RuntimeException e) {
                return seed;
            }
        }
        return -1;
    }

    private static final class TwoReviewers {
        private static final int STEPS = 40;
        private static final int CERTIFICATES = 3;
        private static final List<Fault> FAULTS = List.of(Fault.values());

        private final Random random;
        private final World world = new World();
        private final SimulatedRows rows;
        private final List<Node> nodes = new ArrayList<>();
        private final List<Answered> answered = new ArrayList<>();
        private final Set<String> refused = new HashSet<>();
        private int notes;
        private int depth;

        /** @param ifVersion the condition of the review */
        private record Answered(String id, Review review, long ifVersion) {}

        TwoReviewers(long seed) {
            random = new Random(seed);
            rows = rows();
            nodes.add(new Node());
            nodes.add(new Node());
        }

        private SimulatedRows rows() {
            return new SimulatedRows(random, () -> 1, new SimulatedRows.Listener() {
                @Override
                public void applies(Group group) {}

                @Override
                public void wentBack() {
                    throw new AssertionError("the log went back");
                }
            });
        }

        private static Pcs certificate(int number) {
            return Pcs.number(number).with("regime", "\"sticky\"");
        }

        void run() throws IOException {
            for (Node node : nodes) {
                node.start();
            }
            for (int i = 1; i <= CERTIFICATES; i++) {
                Node node = nodes.get(random.nextInt(2));
                node.simulation.submit(certificate(i));
                node.simulation.settle();
                node.catchUp();
            }
            for (int step = 0; step < STEPS; step++) {
                Node node = nodes.get(random.nextInt(2));
                switch (random.nextInt(10)) {
                    case 0 -> rows.setMood(random.nextInt(3) == 0 ? Mood.FLAKY : Mood.UP);
                    case 1 -> node.kill();
                    case 2, 3, 4 -> node.step();
                    default -> review(node);
                }
            }
            audit();
        }

        private void review(Node node) throws IOException {
            String note = "note " + ++notes;
            List<Verdict> verdicts = List.of(Verdict.FAULT, Verdict.EXPECTED, Verdict.WITHDRAWN);
            Review review = new Review(
                    0,
                    verdicts.get(random.nextInt(verdicts.size())),
                    note,
                    "a person",
                    world.now().toString());
            String id = certificate(1 + random.nextInt(CERTIFICATES)).id().toString();
            long version =
                    List.of(Reviews.NO_REVIEW, Reviews.ANY_VERSION, 1L, 2L).get(random.nextInt(4));
            if (random.nextInt(4) == 0) {
                node.simulation.disk.failOperation(random.nextInt(8), FAULTS.get(random.nextInt(FAULTS.size())));
            }
            depth++;
            try {
                Recorded recorded = (Recorded) node.reviews.review(new Subject.Ids(List.of(id), version), review);
                world.trace(() -> note + " at " + nodes.indexOf(node) + ": " + recorded);
                if (recorded.reviewed() == 1) {
                    answered.add(new Answered(id, review.numbered(recorded.version()), version));
                } else {
                    refused.add(note);
                }
            } catch (ReviewUnavailableException e) {
                world.trace(() -> note + " at " + nodes.indexOf(node) + ": " + e.getMessage());
                if (!e.mayTakeEffect()) {
                    refused.add(note);
                }
            } catch (RecordUnavailableException e) {
                refused.add(note);
            } catch (Killed e) {
                node.kill();
            } finally {
                depth--;
                node.simulation.disk.failNothing();
            }
        }

        private void perhapsOther(Node node) {
            if (depth == 1 && random.nextInt(3) == 0) {
                try {
                    review(nodes.get(1 - nodes.indexOf(node)));
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            }
        }

        private void audit() throws IOException {
            rows.setMood(Mood.UP);
            for (Node node : nodes) {
                node.catchUp();
            }
            for (Node node : nodes) {
                node.catchUp(); // also what the other one has voided
            }
            Map<RowKey, List<Review>> all = rows.allReviews();
            List<String> allNotes = notesOf(all);
            assertThat(allNotes).doesNotHaveDuplicates().doesNotContainAnyElementsOf(refused);
            for (Answered each : answered) {
                List<Review> versions = all.entrySet().stream()
                        .filter(row -> row.getKey().pcsId().equals(each.id()))
                        .flatMap(row -> row.getValue().stream())
                        .toList();
                assertThat(versions).as("%s was answered", each).contains(each.review());
                Optional<Review> before = versions.stream()
                        .filter(other -> other.version() == each.review().version() - 1)
                        .findFirst();
                assertThat(each.ifVersion() == Reviews.ANY_VERSION
                                || (each.ifVersion() == Reviews.NO_REVIEW
                                        ? before.stream().allMatch(Review::isWithdrawal)
                                        : before.isPresent() && before.get().version() == each.ifVersion()))
                        .as("the condition of %s after %s", each, before)
                        .isTrue();
            }

            SimulatedRows again = rows();
            List<Node> order = new ArrayList<>(nodes);
            Collections.shuffle(order, random);
            for (Node node : order) {
                SteppedFollower follower = node.follower(again);
                while (follower.position() < node.simulation.decidedLog().last()) {
                    follower.step();
                }
            }
            assertThat(again.allReviews()).as("derived from the logs again").isEqualTo(all);
            assertThat(nodes.stream()
                            .flatMap(node -> node.feed.values().stream())
                            .filter(value -> value.contains("\"review\""))
                            .map(value -> LoggedReview.decode(value.getBytes(StandardCharsets.UTF_8))
                                    .review()
                                    .note()))
                    .as("fed")
                    .containsExactlyInAnyOrderElementsOf(allNotes);
        }

        private static List<String> notesOf(Map<RowKey, List<Review>> all) {
            return all.values().stream().flatMap(List::stream).map(Review::note).toList();
        }

        private final class Node implements ReviewLog {
            private final SimulatedStore store = new SimulatedStore(world);
            final Simulation simulation = new Simulation(random, world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);
            final MemoryFeed feed = new MemoryFeed();
            final Reviews reviews = new Reviews(
                    new RecordedOutcomes(rows, true, Optional::empty, () -> false, new ChangedShards(rows, world::now)),
                    this,
                    Duration.ofDays(1),
                    world::now,
                    new ReviewMetrics(new Metrics("reviews"), 0));
            private SteppedFollower record;
            private SteppedFollower feeding;

            void start() throws IOException {
                simulation.start();
                simulation.settle();
                record = follower(rows);
                feeding = new SteppedFollower(FeedSink.follower(
                        simulation.decidedLog(),
                        new DecidedQueue(),
                        feed,
                        () -> record.position(),
                        new FeedMetrics(new Metrics("feed")),
                        () -> 0));
            }

            SteppedFollower follower(SimulatedRows of) {
                return new SteppedFollower(
                        simulation.decidedLog(),
                        of,
                        new DecidedQueue(),
                        new FollowerMetrics(new Metrics("record"), Follows.RECORD),
                        simulation::logReviews);
            }

            void kill() throws IOException {
                simulation.kill();
                simulation.disk.failNothing();
                start();
            }

            /** Takes a step of anything. */
            void step() throws IOException {
                try {
                    boolean unused = switch (random.nextInt(3)) {
                        case 0 -> simulation.step();
                        case 1 -> record.step();
                        default -> feeding.step();
                    };
                } catch (RecordUnavailableException | FeedUnavailableException | FeedFencedException | IOException e) {
                    world.trace(() -> String.valueOf(e.getMessage()));
                } catch (Killed e) {
                    kill();
                }
            }

            void catchUp() throws IOException {
                simulation.disk.failNothing();
                for (int i = 0; record.position() < simulation.decidedLog().last(); i++) {
                    assertThat(i).as("the record comes to an end").isLessThan(10_000);
                    simulation.settle();
                    step();
                }
                for (int i = 0; feeding.position() < simulation.decidedLog().last(); i++) {
                    assertThat(i).as("the feed comes to an end").isLessThan(10_000);
                    step();
                }
            }

            @Override
            public Optional<String> problem() {
                return random.nextInt(20) == 0 ? Optional.of("simulated") : Optional.empty();
            }

            @Override
            public CompletableFuture<Long> append(List<LoggedReview> logged) {
                perhapsOther(this);
                CompletableFuture<Long> safelyLogged = simulation.logReviews(
                        logged.stream().map(LoggedReview::encode).toList());
                for (int i = 0; !safelyLogged.isDone(); i++) {
                    assertThat(i).as("the log answers").isLessThan(1_000);
                    simulation.step();
                }
                perhapsOther(this);
                return safelyLogged;
            }

            @Override
            public boolean awaitRecorded(long sequence, Duration most) {
                for (int i = 0; i < 20 && record.position() < sequence; i++) {
                    try {
                        simulation.step();
                        record.step();
                    } catch (RecordUnavailableException | IOException e) {
                        world.trace(() -> String.valueOf(e.getMessage()));
                    }
                    if (i == 0) {
                        perhapsOther(this);
                    }
                }
                return record.position() >= sequence;
            }
        }
    }
}
