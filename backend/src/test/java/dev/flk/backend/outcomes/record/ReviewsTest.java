// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.record.Review.Verdict;
import dev.flk.backend.outcomes.record.Reviews.Made;
import dev.flk.backend.outcomes.record.Reviews.Recorded;
import dev.flk.backend.outcomes.record.Reviews.Reviewed;
import dev.flk.backend.outcomes.record.Reviews.Waiting;
import dev.flk.program.json.Json;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.Operation;
import dev.flk.state.StateKey;
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
    private static final String TOLERANCE = "D_hat out of tolerance: claimed=1.4000";

    private final MemoryRecord record = new MemoryRecord();
    private final Metrics metrics = new Metrics("test");
    private final Reviews reviews = record.reviews(metrics, NOW);

    @AfterEach
    void close() {
        reviews.close();
        record.close();
    }

    private static Review review(Verdict verdict) {
        return new Review(verdict, "a note", "anna", NOW.toString());
    }

    private static Reviewed ids(long ifVersion, String... ids) {
        return new Reviewed.Ids(List.of(ids), ifVersion);
    }

    private List<String> waiting() {
        return reviews.waiting(null).outcomes().stream().map(Waiting::pcsId).toList();
    }

    @Test
    void waiting_listsNotAccepted_newestFirst() {
        record.add("a", 1, "accepted", "", NOW);
        String escalated = record.add("a", 2, "escalated", "regime mismatch: claimed=sticky", NOW.minusSeconds(2));
        String rejected = record.add("b", 3, "rejected", TOLERANCE, NOW.minusSeconds(1));

        assertThat(waiting()).containsExactly(rejected, escalated);
        assertThat(reviews.waiting("a").outcomes())
                .singleElement()
                .satisfies(each -> assertThat(each.cause()).isEqualTo("regime mismatch"));
    }

    @Test
    void review_singleId_isVersioned() {
        String id = record.add("a", 1, "rejected", TOLERANCE, NOW);

        assertThat(reviews.review(ids(Operation.ANY_VERSION, id, id), review(Verdict.EXPECTED))
                        .reviewed())
                .isOne();
        assertThat(reviews.review(ids(Operation.ANY_VERSION, id), review(Verdict.FAULT))
                        .reviewed())
                .isOne();

        assertThat(waiting()).isEmpty();
        assertThat(reviews.versions("a", 1, id))
                .extracting(Made::version, made -> made.review().verdict())
                .containsExactly(tuple(2L, Verdict.FAULT), tuple(1L, Verdict.EXPECTED));
        assertThat(reviews.reviewed(null))
                .singleElement()
                .satisfies(each -> assertThat(each.made()).isEqualTo(new Made(2, review(Verdict.FAULT))));
    }

    @Test
    void review_otherVersion_isLeftOut_withTheReviewThatRemains() {
        String id = record.add("a", 1, "rejected", TOLERANCE, NOW);
        String other = record.add("a", 2, "rejected", TOLERANCE, NOW);

        assertThat(reviews.review(ids(0, id), review(Verdict.FAULT)).version()).isOne();
        assertThat(reviews.review(ids(0, id, other), review(Verdict.IGNORE)).leftOut())
                .singleElement()
                .satisfies(each -> {
                    assertThat(each.outcome().pcsId()).isEqualTo(id);
                    assertThat(each.review()).isEqualTo(new Made(1, review(Verdict.FAULT)));
                });
        assertThat(reviews.review(ids(2, id), review(Verdict.IGNORE)).reviewed())
                .isZero();
        assertThat(reviews.review(ids(1, id), review(Verdict.IGNORE))).isEqualTo(new Recorded(1, 2, List.of()));
        assertThat(reviews.versions("a", 1, id)).hasSize(2);
        assertThat(reviews.versions("a", 2, other)).hasSize(1);
    }

    @Test
    void review_ofTwoPeopleAtOnce_keepsTheFirst() {
        for (int i = 0; i < 50; i++) {
            String id = record.add("a", i, "rejected", TOLERANCE, NOW);
            List<CompletableFuture<Recorded>> both = Stream.of(Verdict.FAULT, Verdict.IGNORE)
                    .map(verdict -> CompletableFuture.supplyAsync(() -> reviews.review(ids(0, id), review(verdict))))
                    .toList();

            assertThat(both.stream().mapToInt(each -> each.join().reviewed()).sum())
                    .isOne();
            assertThat(reviews.versions("a", i, id)).hasSize(1);
        }
    }

    @Test
    void review_withdrawn_waitsAgain_andIsNoReviewToOverwrite() {
        String id = record.add("a", 1, "rejected", TOLERANCE, NOW);
        reviews.review(ids(0, id), review(Verdict.FAULT));

        assertThat(reviews.review(ids(Operation.ANY_VERSION, id), review(Verdict.WITHDRAWN))
                        .reviewed())
                .isOne();
        assertThat(waiting()).containsExactly(id);
        assertThat(reviews.review(ids(Operation.ANY_VERSION, id), review(Verdict.WITHDRAWN))
                        .reviewed())
                .isZero();
        assertThat(reviews.review(ids(1, id), review(Verdict.IGNORE)).leftOut())
                .extracting(each -> each.review().review().verdict())
                .containsExactly(Verdict.WITHDRAWN);
        assertThat(reviews.review(ids(0, id), review(Verdict.UNCLEAR)).version())
                .isEqualTo(3);
        assertThat(waiting()).isEmpty();
    }

    @Test
    void review_groupWithdrawn_leavesOtherReviews() {
        String first = record.add("a", 1, "rejected", TOLERANCE, NOW);
        String second = record.add("a", 2, "rejected", TOLERANCE, NOW);
        Review later = new Review(Verdict.FAULT, "", "ben", NOW.plusSeconds(1).toString());
        reviews.review(new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW), review(Verdict.IGNORE));
        reviews.review(ids(1, second), later);

        Reviewed group = new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW, NOW.toString(), null);
        assertThat(reviews.review(group, review(Verdict.WITHDRAWN))).isEqualTo(new Recorded(1, 2, List.of()));
        assertThat(waiting()).containsExactly(first);
    }

    @Test
    void review_beginningOfAnId_isUnderstood_unlessItIsThatOfSeveral() {
        String id = record.add("a", 1, "rejected", TOLERANCE, NOW);
        String twin = record.add("a", 2, "rejected", TOLERANCE, NOW, id.substring(0, 12) + "0".repeat(52));

        assertThat(reviews.review(ids(0, id.substring(0, 20), id), review(Verdict.FAULT))
                        .reviewed())
                .isOne();
        assertThat(reviews.versions("a", 1, id)).hasSize(1);
        assertThat(waiting()).containsExactly(twin);
        assertThatThrownBy(() -> reviews.review(ids(0, id.substring(0, 12)), review(Verdict.FAULT)))
                .hasMessage(
                        "several certificates have ids that begin with " + id.substring(0, 12) + "; give more digits");
    }

    @Test
    void review_group_excludesOtherReasonsShardsAndLaterCertificates() {
        String tooOld = record.add("a", 9, "rejected", TOLERANCE, NOW.minusSeconds(10));
        String older = record.add("a", 1, "rejected", TOLERANCE, NOW.minusSeconds(9));
        String seen = record.add("a", 2, "rejected", TOLERANCE, NOW.minusSeconds(5));
        String later = record.add("a", 3, "rejected", TOLERANCE, NOW);
        String otherReason = record.add("a", 4, "rejected", "r out of bounds: 2", NOW.minusSeconds(6));
        String otherShard = record.add("b", 5, "rejected", TOLERANCE, NOW.minusSeconds(7));
        Reviewed group = new Reviewed.Group("a", "D_hat out of tolerance", NOW.minusSeconds(9), NOW.minusSeconds(5));

        assertThat(reviews.review(group, review(Verdict.IGNORE)).reviewed()).isEqualTo(2);
        assertThat(waiting()).containsExactly(later, otherReason, otherShard, tooOld);
        assertThat(reviews.versions("a", 1, older)).hasSize(1);
        assertThat(reviews.versions("a", 2, seen)).hasSize(1);
        assertThat(reviews.review(group, review(Verdict.FAULT)).reviewed()).isZero();
    }

    @Test
    void review_singleDecisionWhileAGroupIsReviewed_remainsAndIsReported() {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 450; i++) {
            ids.add(record.add("a", i, "rejected", TOLERANCE, NOW.minusSeconds(i)));
        }
        StateKey single = RecordedOutcomes.key(Reviews.NAMESPACE, "a", 420, ids.get(420));
        Operation decision = record.engine().write(single, Json.line(review(Verdict.FAULT)), Operation.ANY_VERSION);
        record.beforeNextCommit(() -> record.engine().apply("test", List.of(decision), ""));
        Reviewed group = new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW);

        Recorded recorded = reviews.review(group, review(Verdict.IGNORE));

        assertThat(reviews.versions("a", 420, ids.get(420)))
                .extracting(made -> made.review().verdict())
                .containsExactly(Verdict.FAULT);
        assertThat(recorded.reviewed()).isEqualTo(449);
        assertThat(recorded.leftOut())
                .extracting(each -> each.outcome().pcsId())
                .containsExactly(ids.get(420));
        assertThat(waiting()).isEmpty();
    }

    @Test
    void review_ofAnAcceptedOrUnknownCertificate_changesNothing() {
        String accepted = record.add("a", 1, "accepted", "", NOW);

        assertThatThrownBy(() -> reviews.review(ids(Operation.ANY_VERSION, accepted), review(Verdict.FAULT)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("the certificate " + accepted + " was accepted, so there is nothing to review");
        assertThat(reviews.review(ids(Operation.ANY_VERSION, "0".repeat(64)), review(Verdict.FAULT))
                        .reviewed())
                .isZero();
        assertThat(reviews.reviewed(null)).isEmpty();
    }

    @Test
    void review_withTooLongANote_isRefused() {
        assertThatThrownBy(() -> new Review(Verdict.FAULT, "x".repeat(1_001), "anna", NOW.toString()))
                .hasMessage("note has 1001 characters; write at most 1000");
    }

    @Test
    void review_groupBehindManyOthers_isFound_andALargeGroupIsReviewedWhole() {
        String older = record.add("a", 0, "rejected", TOLERANCE, NOW.minusSeconds(9_000));
        for (int i = 1; i <= 2_300; i++) {
            record.add("a", i, "rejected", TOLERANCE, NOW.minusSeconds(i));
        }
        Instant until = NOW.minusSeconds(8_000);

        assertThat(reviews.review(
                                new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, until),
                                review(Verdict.FAULT))
                        .reviewed())
                .isOne();
        assertThat(reviews.versions("a", 0, older)).hasSize(1);
        assertThat(reviews.review(
                                new Reviewed.Group("a", "D_hat out of tolerance", Instant.MIN, NOW),
                                review(Verdict.FAULT))
                        .reviewed())
                .isEqualTo(2_300);
        assertThat(waiting()).isEmpty();
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
        List<String> ids = new ArrayList<>();
        for (String shard : List.of("a\n", "b", "c", "d")) {
            ids.add(record.add(shard, 1, "rejected", TOLERANCE, NOW));
        }
        reviews.review(ids(0, ids.get(0)), review(Verdict.FAULT));
        reviews.review(ids(0, ids.get(1)), review(Verdict.UNCLEAR));
        assertThat(faults(shown)).containsExactly(1.0, 0.0, 0.0, 0.0);
        reviews.review(ids(0, ids.get(2), ids.get(3)), review(Verdict.FAULT));
        assertThat(faults(shown)).containsExactly(1.0, 0.0, 1.0, 1.0);
        reviews.review(ids(1, ids.get(0)), review(Verdict.WITHDRAWN));
        assertThat(faults(shown)).containsExactly(0.0, 0.0, 1.0, 1.0);
        reviews.review(ids(1, ids.get(2), ids.get(3)), review(Verdict.IGNORE));
        assertThat(faults(shown)).containsExactly(0.0, 0.0, 0.0, 0.0);

        record.engine().close();
        assertThat(faults(shown)).containsExactly(Double.NaN, 0.0, Double.NaN, Double.NaN);
        assertThat(metrics.read().sum("flk_review_waiting")).isNaN();
    }

    @Test
    void metrics_countWaitingAndOverdue() {
        record.add("a", 1, "rejected", TOLERANCE, NOW.minus(Duration.ofHours(25)));
        record.add("a", 2, "rejected", TOLERANCE, NOW.minus(Duration.ofHours(23)));
        reviews.start();

        await().atMost(Duration.ofSeconds(60)).untilAsserted(() -> {
            assertThat(metrics.read().sum("flk_review_waiting")).isEqualTo(2);
            assertThat(metrics.read().sum("flk_review_overdue")).isEqualTo(1);
        });
    }
}
