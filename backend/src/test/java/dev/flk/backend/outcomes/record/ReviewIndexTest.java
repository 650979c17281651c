// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.Review.Verdict;
import dev.flk.backend.outcomes.record.ReviewIndex.Fault;
import dev.flk.backend.outcomes.record.Reviews.Recent;
import dev.flk.backend.outcomes.record.Reviews.ReviewMetrics;
import dev.flk.backend.outcomes.record.Reviews.Reviewed;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.backend.state.MemoryEngine;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests that the index equals what an index that is read again has, after all kinds of changes. */
final class ReviewIndexTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");
    private static final String TOLERANCE = "D_hat out of tolerance: claimed=1.4000";

    private final MemoryRecord record = new MemoryRecord();
    private final AtomicReference<Optional<Instant>> incompleteBefore = new AtomicReference<>(Optional.empty());
    private final RecordedOutcomes outcomes =
            new RecordedOutcomes(record.rows(), true, incompleteBefore::get, () -> false);
    private final Reviews reviews = reviews(record.engine());
    private final ReviewIndex index = new ReviewIndex(outcomes, reviews, ReviewIndex.MOST);

    @AfterEach
    void close() {
        reviews.close();
        record.close();
    }

    private Reviews reviews(StateEngine engine) {
        return new Reviews(
                outcomes,
                engine,
                Duration.ofHours(24),
                Duration.ofDays(90),
                () -> NOW,
                new ReviewMetrics(new Metrics("test"), 2));
    }

    private void review(Verdict verdict, String id) {
        reviews.review(
                new Reviewed.Ids(List.of(id), Operation.ANY_VERSION), new Review(verdict, "", "anna", NOW.toString()));
    }

    private List<Waiting> waiting(ReviewIndex of) {
        of.update(Instant.MIN);
        return List.copyOf(of.waiting());
    }

    private List<String> ids() {
        return waiting(index).stream().map(Waiting::pcsId).toList();
    }

    private void assertEqualsOneThatIsReadAgain() {
        ReviewIndex again = new ReviewIndex(outcomes, reviews, ReviewIndex.MOST);
        assertThat(waiting(index)).containsExactlyInAnyOrderElementsOf(waiting(again));
        assertThat(index.faults()).containsExactlyInAnyOrderElementsOf(again.faults());
        assertThat(index.recent())
                .extracting(Recent::key, Recent::shard, Recent::made)
                .containsExactlyElementsOf(again.recent().stream()
                        .map(each -> tuple(each.key(), each.shard(), each.made()))
                        .toList());
        assertThat(index.isCut()).isFalse();
    }

    @Test
    void recent_hasTheNewestReviewsWithTheirCauses_withoutWithdrawnOnes() {
        ReviewIndex small = new ReviewIndex(outcomes, reviews, 2);
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            String id = record.add("a", i, "rejected", TOLERANCE, NOW);
            ids.add(id);
            reviews.review(
                    new Reviewed.Ids(List.of(id), Operation.ANY_VERSION),
                    new Review(
                            Verdict.FAULT, "", "anna", NOW.plusMillis(500L * i).toString()));
        }
        small.update(Instant.MIN);
        assertThat(small.recent()).extracting(Recent::pcsId).containsExactly(ids.get(2), ids.get(1));
        assertThat(small.recent()).extracting(Recent::cause).containsOnly("D_hat out of tolerance");
        assertThat(small.isRecentCut()).isTrue();

        review(Verdict.WITHDRAWN, ids.get(2));
        small.update(Instant.MIN);
        assertThat(small.recent()).extracting(Recent::pcsId).containsExactly(ids.get(1));
        small.update(NOW.plusSeconds(1));
        assertThat(small.recent()).isEmpty();
    }

    @Test
    void update_afterRandomChanges_equalsAnIndexThatIsReadAgain() {
        Random random = new Random(76);
        List<String> ids = new ArrayList<>();
        for (int step = 0; step < 40; step++) {
            for (int i = random.nextInt(5); i >= 0; i--) {
                int epoch = random.nextInt(60); // some rows get another version, as when an outcome is overruled
                String verdict = List.of("accepted", "escalated", "rejected").get(random.nextInt(3));
                String shard = List.of("a", "b", "hashed\n").get(epoch % 3);
                ids.add(record.add(shard, epoch, verdict, TOLERANCE, NOW.minusSeconds(epoch)));
            }
            for (int i = random.nextInt(4); i > 0; i--) {
                String id = ids.get(random.nextInt(ids.size()));
                if (!outcomes.withId(id, 1).get(0).outcome().reason().isEmpty()) {
                    review(List.of(Verdict.values()).get(random.nextInt(Verdict.values().length)), id);
                }
            }
            assertEqualsOneThatIsReadAgain();
        }
    }

    @Test
    void update_moreThanFourThousand_countsEachOne() {
        for (int i = 0; i < 4_300; i++) {
            record.add("a", i, i % 2 == 0 ? "rejected" : "escalated", TOLERANCE, NOW.minusSeconds(i));
        }

        assertThat(waiting(index)).hasSize(4_300);
        reviews.review(
                new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW.minusSeconds(10)),
                new Review(Verdict.FAULT, "", "anna", NOW.toString()));
        assertThat(waiting(index)).hasSize(10);
        assertThat(index.faults()).hasSize(4_290).containsOnly(new Fault("a", NOW.toString()));
        assertEqualsOneThatIsReadAgain();
    }

    @Test
    void update_tooMany_saysSo_andCountsAgainOnceTheyFit() {
        ReviewIndex small = new ReviewIndex(outcomes, reviews, 10);
        for (int i = 0; i < 12; i++) {
            record.add("a", i, "rejected", TOLERANCE, NOW.minusSeconds(i));
        }

        assertThat(waiting(small)).hasSize(10);
        assertThat(small.isCut()).isTrue();
        reviews.review(
                new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW.minusSeconds(3)),
                new Review(Verdict.IGNORE, "", "anna", NOW.toString()));
        waiting(small); // learns that there is room
        assertThat(waiting(small)).hasSize(3);
        assertThat(small.isCut()).isFalse();
    }

    @Test
    void update_tooMany_keepsTheNewest() {
        ReviewIndex small = new ReviewIndex(outcomes, reviews, 10);
        for (int i = 0; i < 24; i++) {
            record.add("a", i, i % 2 == 0 ? "escalated" : "rejected", TOLERANCE, NOW.minusSeconds(100 - i));
        }
        assertThat(waiting(small)).extracting(each -> each.row().epoch()).containsExactlyInAnyOrder(epochs(14));

        for (int i = 24; i < 30; i++) {
            record.add("a", i, "rejected", TOLERANCE, NOW.minusSeconds(100 - i));
        }
        record.add("a", 99, "rejected", TOLERANCE, NOW.minusSeconds(1_000));
        assertThat(waiting(small)).extracting(each -> each.row().epoch()).containsExactlyInAnyOrder(epochs(20));
        assertThat(small.isCut()).isTrue();
    }

    private static Long[] epochs(long first) {
        return LongStream.range(first, first + 10).boxed().toArray(Long[]::new);
    }

    @Test
    void update_rowsOlderThanTheHistory_areGone() {
        String kept = record.add("a", 1, "rejected", TOLERANCE, NOW);
        record.add("a", 2, "rejected", TOLERANCE, NOW.minusSeconds(10));

        index.update(NOW.minusSeconds(5));
        assertThat(index.waiting()).extracting(Waiting::pcsId).containsExactly(kept);
    }

    private void place(long sequence, int epoch) {
        Version version = OutcomeRowsContract.outcome("a", epoch)
                .with("rejected")
                .received(NOW)
                .version();
        record.rows()
                .apply(new Group(new Position("log", sequence, "d"), List.of(new Placed(sequence, version)), Map.of()));
    }

    @Test
    void update_theLogWentBack_readsAgain() {
        place(1, 1);
        place(2, 2);
        assertThat(ids()).hasSize(2);
        record.rows().wentBack("log");
        place(1, 3);

        assertThat(ids()).hasSize(3);
        assertEqualsOneThatIsReadAgain();
    }

    @Test
    void update_rowsCopiedWhileTheRecordIsIncomplete_countOnceItIsComplete() {
        place(1, 1);
        incompleteBefore.set(Optional.of(NOW));
        assertThat(ids()).hasSize(1);
        String copied = record.add("a", 2, "rejected", TOLERANCE, NOW); // at no place in the log, like a copied row

        incompleteBefore.set(Optional.empty());
        assertThat(ids()).hasSize(2).contains(copied);
        assertEqualsOneThatIsReadAgain();
    }

    @Test
    void update_stateIsDown_fails_andIsExactOnceItIsUp() {
        StateEngine engine = MemoryEngine.notStarted(() -> NOW);
        record.add("a", 1, "rejected", TOLERANCE, NOW);
        Reviews starting = reviews(engine);
        ReviewIndex waits = new ReviewIndex(outcomes, starting, ReviewIndex.MOST);

        assertThatThrownBy(() -> waits.update(Instant.MIN)).isInstanceOf(StateException.class);
        engine.start().toCompletableFuture().join();
        assertThat(waiting(waits)).hasSize(1);
        engine.close();
        assertThatThrownBy(() -> waits.update(Instant.MIN)).isInstanceOf(StateException.class);
        starting.close();
    }
}
