// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.Review;
import dev.flk.backend.decide.Review.Verdict;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.review.LargeGroups.Progress;
import dev.flk.backend.outcomes.review.LargeGroups.State;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.program.metrics.Metrics;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of reviews of outcomes in an in-memory record. */
final class ReviewsTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");
    private static final String TOLERANCE_CAUSE = "D_hat out of tolerance";
    private static final String TOLERANCE = "D_hat out of tolerance: claimed=1.4000";

    private final MemoryRecord record = new MemoryRecord();
    private final Metrics metrics = new Metrics("test");
    private final Reviews reviews = record.reviews(metrics, NOW);

    @AfterEach
    void close() {
        reviews.close();
        record.close();
    }

    private String rejected(String shard, long epoch, int secondsAgo) {
        return record.add(shard, epoch, "rejected", TOLERANCE, NOW.minusSeconds(secondsAgo));
    }

    private static Review review(Verdict verdict) {
        return new Review(0, verdict, "a note", "anna", NOW.toString());
    }

    private Recorded review(Verdict verdict, long ifVersion, String... ids) {
        return (Recorded) reviews.review(new Subject.Ids(List.of(ids), ifVersion), review(verdict));
    }

    private Recorded reviewGroup(Verdict verdict, Instant from, Instant until) {
        return (Recorded) reviews.review(new Subject.Group("a", TOLERANCE_CAUSE, from, until), review(verdict));
    }

    private Progress begin(Subject.Group group, Verdict verdict) {
        return (Progress) reviews.review(group, review(verdict));
    }

    private Progress awaitEnd(Progress begun) {
        await().until(() -> reviews.group(begun.id()).orElseThrow().state().isOver());
        return reviews.group(begun.id()).orElseThrow();
    }

    private Progress reviewLargeGroup(Verdict verdict) {
        return awaitEnd(begin(new Subject.Group("a", TOLERANCE_CAUSE, Instant.MIN, NOW), verdict));
    }

    /** Lets another person replace any review of a certificate before the next append. */
    private void otherIsFaster(Verdict verdict, String id) {
        record.beforeNextAppend(() -> record.reviews(new Metrics("other"), NOW)
                .review(
                        new Subject.Ids(List.of(id), Reviews.ANY_VERSION),
                        new Review(0, verdict, "", "ben", NOW.toString())));
    }

    private List<String> waiting() {
        return reviews.waiting(null, 1_000).outcomes().stream()
                .map(each -> each.key().pcsId())
                .toList();
    }

    private List<Verdict> verdicts(long epoch, String id) {
        return reviews.versions(new RowKey("a", epoch, id)).stream()
                .map(Review::verdict)
                .toList();
    }

    @Test
    void waiting_listsNotAccepted_newestFirst() {
        record.add("a", 1, "accepted", "", NOW);
        String escalated = record.add("a", 2, "escalated", "regime mismatch: claimed=sticky", NOW.minusSeconds(2));
        String rejected = rejected("b", 3, 1);

        assertThat(waiting()).containsExactly(rejected, escalated);
        assertThat(reviews.waiting("a", 1).outcomes())
                .extracting(each -> each.key().pcsId())
                .containsExactly(escalated);
        assertThat(reviews.waiting("a", 1).isCut()).isFalse();
        assertThat(reviews.waiting(null, 1).isCut()).isTrue();
        assertThat(reviews.queue().outcomes()).hasSize(2);
    }

    @Test
    void review_hasVersions_andOneOfAnotherVersionIsLeftOut_withTheReviewThatRemains() {
        String id = rejected("a", 1, 0);
        String other = rejected("a", 2, 0);

        assertThat(review(Verdict.EXPECTED, Reviews.ANY_VERSION, id, id)).isEqualTo(new Recorded(1, 1, List.of()));
        assertThat(review(Verdict.FAULT, Reviews.ANY_VERSION, id)).isEqualTo(new Recorded(1, 2, List.of()));
        assertThat(reviews.versions(new RowKey("a", 1, id)))
                .containsExactly(
                        review(Verdict.FAULT).numbered(2),
                        review(Verdict.EXPECTED).numbered(1));
        assertThat(reviews.reviewed(null, 10).reviews()).hasSize(1);

        assertThat(review(Verdict.IGNORE, Reviews.NO_REVIEW, id, other).leftOut())
                .extracting(each -> each.row().pcsId(), ReviewWriter.LeftOut::review)
                .containsExactly(tuple(id, review(Verdict.FAULT).numbered(2)));
        assertThat(review(Verdict.IGNORE, 1, id).reviewed()).isZero();
        assertThat(review(Verdict.IGNORE, 2, id).version()).isEqualTo(3);
        assertThat(waiting()).isEmpty();
    }

    @Test
    void review_groupWithdrawn_leavesOtherReviews() {
        String first = rejected("a", 1, 0);
        String second = rejected("a", 2, 0);
        reviewGroup(Verdict.IGNORE, Instant.MIN, NOW);
        reviews.review(
                new Subject.Ids(List.of(second), 1),
                new Review(0, Verdict.FAULT, "", "ben", NOW.plusSeconds(1).toString()));

        Subject group = new Subject.Group("a", "D_hat out of tolerance", Instant.MIN, NOW, NOW.toString(), null);
        assertThat(reviews.review(group, review(Verdict.WITHDRAWN))).isEqualTo(new Recorded(1, 2, List.of()));
        assertThat(waiting()).containsExactly(first);
    }

    @Test
    void review_beginningOfAnId_isUnderstood_unlessItIsThatOfSeveral() {
        String id = rejected("a", 1, 0);
        String digits = id.substring(0, 12);
        String twin = record.add("a", 2, "rejected", TOLERANCE, NOW, digits + "0".repeat(52));

        assertThat(review(Verdict.FAULT, Reviews.NO_REVIEW, id.substring(0, 20), id)
                        .reviewed())
                .isOne();
        assertThat(waiting()).containsExactly(twin);
        assertThatThrownBy(() -> review(Verdict.FAULT, Reviews.NO_REVIEW, digits))
                .hasMessage("several certificates have ids that begin with " + digits + "; give more digits");
    }

    @Test
    void review_group_excludesOtherReasonsShardsAndTimes() {
        String tooOld = rejected("a", 9, 10);
        rejected("a", 1, 9);
        rejected("a", 2, 5);
        String later = rejected("a", 3, 0);
        String otherReason = record.add("a", 4, "rejected", "r out of bounds: 2", NOW.minusSeconds(6));
        String otherShard = rejected("b", 5, 7);

        assertThat(reviewGroup(Verdict.IGNORE, NOW.minusSeconds(9), NOW.minusSeconds(5))
                        .reviewed())
                .isEqualTo(2);
        assertThat(waiting()).containsExactly(later, otherReason, otherShard, tooOld);
        assertThat(reviewGroup(Verdict.FAULT, NOW.minusSeconds(9), NOW.minusSeconds(5))
                        .reviewed())
                .isZero();
    }

    private List<String> largeGroup() {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 1_100; i++) {
            ids.add(rejected("a", i, i));
        }
        return ids;
    }

    @Test
    void review_otherPersonReviewsOneOfALargeGroupMeanwhile_remainsAndIsReported() {
        List<String> ids = largeGroup();
        otherIsFaster(Verdict.FAULT, ids.get(420));

        Progress ended = reviewLargeGroup(Verdict.IGNORE);

        assertThat(ended.state()).isEqualTo(State.DONE);
        assertThat(ended.total()).isEqualTo(1_100);
        assertThat(ended.reviewed()).isEqualTo(1_099);
        assertThat(ended.leftOut()).isOne();
        assertThat(verdicts(420, ids.get(420))).containsExactly(Verdict.FAULT);
        assertThat(waiting()).isEmpty();
    }

    @Test
    void review_laterPartOfALargeGroupFails_saysSo_andTheRestCanBeReviewed() {
        largeGroup();
        record.beforeNextAppend(() -> record.beforeNextAppend(() -> record.failsAppends = true));

        Progress ended = reviewLargeGroup(Verdict.FAULT);

        assertThat(ended.state()).isEqualTo(State.FAILED);
        assertThat(ended.problem()).isEqualTo("the last step may still take effect: the disk is full");
        assertThat(ended.reviewed()).isEqualTo(500);
        assertThat(waiting()).hasSize(600);
        record.failsAppends = false;
        assertThat(reviewLargeGroup(Verdict.FAULT).reviewed()).isEqualTo(600);
        assertThat(awaitEnd(begin(
                                new Subject.Group("a", TOLERANCE_CAUSE, Instant.MIN, NOW, NOW.toString(), null),
                                Verdict.WITHDRAWN))
                        .reviewed())
                .isEqualTo(1_100);
    }

    @Test
    void largeGroups_areBounded_letOthersReviewBetweenSteps_andCanBeStopped() throws Exception {
        largeGroup();
        String other = rejected("b", 1, 0);
        CompletableFuture<Void> isWritten = new CompletableFuture<>();
        record.beforeNextAppend(isWritten::join);
        Subject.Group group = new Subject.Group("a", TOLERANCE_CAUSE, Instant.MIN, NOW);
        Progress first = begin(group, Verdict.FAULT);
        await().until(() -> reviews.group(first.id()).orElseThrow().state() == State.RUNNING);
        for (int i = 0; i < LargeGroups.MOST_WAITING; i++) {
            assertThat(begin(group, Verdict.IGNORE).state()).isEqualTo(State.WAITING);
        }
        assertThatThrownBy(() -> begin(group, Verdict.IGNORE))
                .hasMessage("the reviews of 8 large groups are under way; try again later");
        assertThatThrownBy(() ->
                        begin(new Subject.Group("a", TOLERANCE_CAUSE, Instant.MIN, NOW, null, 1_099), Verdict.IGNORE))
                .hasMessageContaining("is now 1100, not 1099");
        Thread person = new Thread(() -> review(Verdict.UNCLEAR, Reviews.NO_REVIEW, other));
        person.start();
        await().until(() -> person.getState() == Thread.State.TIMED_WAITING);

        reviews.groups().forEach(each -> assertThat(reviews.stop(each.id())).isPresent());
        isWritten.complete(null);

        person.join();
        assertThat(awaitEnd(first).state()).isEqualTo(State.STOPPED);
        reviews.groups().forEach(each -> assertThat(awaitEnd(each).reviewed()).isIn(0, 500));
        assertThat(waiting()).hasSize(600).doesNotContain(other);
        assertThat(reviews.group("unknown")).isEmpty();
    }

    @Test
    void review_withTooLongANote_isRefused() {
        assertThatThrownBy(() -> new Review(0, Verdict.FAULT, "x".repeat(1_001), "anna", NOW.toString()))
                .hasMessage("note has 1001 characters; write at most 1000");
    }

    private List<Double> faults(String... shards) {
        reviews.count();
        return Stream.of(shards)
                .map(shard -> metrics.read().sum("flk_review_faults", "shard", shard))
                .toList();
    }

    @Test
    void metrics_countFaultsByShard_untilTheyAreWithdrawn() {
        String[] shown = {"a\\n", "b", "c", "(others)"};
        List<String> ids = Stream.of("a\n", "b", "c", "d")
                .map(shard -> rejected(shard, 1, 0))
                .toList();
        review(Verdict.FAULT, 0, ids.get(0));
        review(Verdict.UNCLEAR, 0, ids.get(1));
        assertThat(faults(shown)).containsExactly(1.0, 0.0, 0.0, 0.0);
        review(Verdict.FAULT, 0, ids.get(2), ids.get(3));
        assertThat(faults(shown)).containsExactly(1.0, 0.0, 1.0, 1.0);
        review(Verdict.WITHDRAWN, 1, ids.get(0));
        assertThat(faults(shown)).containsExactly(0.0, 0.0, 1.0, 1.0);
        review(Verdict.IGNORE, 1, ids.get(2), ids.get(3));
        assertThat(faults(shown)).containsExactly(0.0, 0.0, 0.0, 0.0);

        record.isBehind = true;
        assertThat(faults(shown)).containsExactly(Double.NaN, 0.0, Double.NaN, Double.NaN);
        assertThat(metrics.read().sum("flk_review_waiting")).isNaN();
    }

    @Test
    void metrics_countWaitingAndOverdue() {
        rejected("a", 1, 25 * 3_600);
        rejected("a", 2, 23 * 3_600);
        reviews.start();

        await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> {
            assertThat(metrics.read().sum("flk_review_waiting")).isEqualTo(2);
            assertThat(metrics.read().sum("flk_review_overdue")).isEqualTo(1);
        });
    }
}
