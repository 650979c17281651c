// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.backend.outcomes.review.Reviews.Subject;
import dev.flk.backend.serve.page.ReviewGroups.Tile;
import dev.flk.backend.serve.page.ReviewView.Choice;
import dev.flk.backend.serve.page.ReviewView.Source;
import dev.flk.program.metrics.Metrics;
import dev.flk.verification.Policy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Tests of the view of the certificates that wait for a review, with an in-memory record. */
final class ReviewViewTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");
    private static final String TOLERANCE = "D_hat out of tolerance: claimed=1.4000";
    private static final String REGIME = "regime mismatch: claimed=mixed, expected=sticky";
    private static final Choice FIRST = new Choice(null, null, null);

    private final MemoryRecord record = new MemoryRecord();
    private final Reviews reviews = record.reviews(new Metrics("test"), NOW);

    @AfterEach
    void close() {
        reviews.close();
        record.close();
    }

    private ReviewView read(Choice choice) {
        Source source = new Source(record.outcomes(), reviews, "secret", Policy.defaults());
        return ReviewView.read(source, choice, null, NOW);
    }

    private ReviewView read(@Nullable String path) {
        String id = String.valueOf(path).replaceAll(".*&id=", "");
        return read(new Choice(null, null, record.outcomes().withId(id, 1).get(0)));
    }

    private static String shown(ReviewView view) {
        return Optional.ofNullable(view.shown())
                .orElseThrow()
                .evidence()
                .certificate()
                .outcome()
                .key()
                .pcsId();
    }

    @Test
    void read_withoutAChoice_showsTheNewestOfTheGroupThatWaitsLongest() {
        record.add("b", 1, "rejected", TOLERANCE, NOW.minusSeconds(50));
        record.add("a", 2, "escalated", REGIME, NOW.minusSeconds(90));
        String newest = record.add("a", 3, "escalated", REGIME, NOW.minusSeconds(10));
        record.add("a", 4, "rejected", TOLERANCE, NOW.minusSeconds(60));
        record.add("a", 5, "accepted", "", NOW);

        ReviewView view = read(FIRST);

        assertThat(view.groups().summary()).isEqualTo("4 certificates wait for a review.");
        assertThat(view.groups().tiles())
                .extracting(Tile::shard, Tile::cause, Tile::countText, Tile::verdict)
                .containsExactly(
                        tuple("a", "regime mismatch", "2 certificates", "escalated"),
                        tuple("a", "D_hat out of tolerance", "1 certificate", "rejected"),
                        tuple("b", "D_hat out of tolerance", "1 certificate", "rejected"));
        assertThat(view.groups().tiles()).allSatisfy(tile -> {
            assertThat(tile.meaning()).endsWith(".");
            assertThat(tile.sparkline()).contains("<svg ");
        });
        assertThat(shown(view)).isEqualTo(newest);
        assertThat(view.shown().place()).isEqualTo("1 of 2");
    }

    @Test
    void nextAndPrevious_passThroughAllGroups() {
        List<String> expected = new ArrayList<>();
        for (int i = 39; i >= 0; i--) { // the first two of each group arrive at the same time
            int seconds = 400 - 10 * (i / 3) + i % 3 / 2;
            expected.add(0, record.add("shard " + i / 3, i, "rejected", TOLERANCE, NOW.minusSeconds(seconds)));
        }

        List<String> forward = new ArrayList<>();
        ReviewView view = read(FIRST);
        forward.add(shown(view));
        while (view.shown().next() != null) {
            view = read(view.shown().next());
            forward.add(shown(view));
            assertThat(view.groups().tiles()).hasSizeBetween(1, ReviewGroups.MOST_GROUPS);
            assertThat(view.groups().tiles())
                    .filteredOn(tile -> tile.chosen() != null)
                    .hasSize(1);
        }
        List<String> back = new ArrayList<>();
        back.add(0, shown(view));
        while (view.shown().previous() != null) {
            view = read(view.shown().previous());
            back.add(0, shown(view));
        }

        assertThat(forward).containsExactlyElementsOf(expected);
        assertThat(back).containsExactlyElementsOf(expected);
        assertThat(view.groups().range()).isEqualTo("Groups 1 to 10 of 14");
        assertThat(view.groups().earlier()).isNull();
        assertThat(view.groups().later()).contains("shard%2010");
    }

    @Test
    void review_ofTheLastCertificateOfAGroup_leadsToTheNextGroup() {
        String first = record.add("a", 1, "rejected", TOLERANCE, NOW.minusSeconds(30));
        String second = record.add("b", 2, "rejected", TOLERANCE, NOW.minusSeconds(20));
        String third = record.add("c", 3, "rejected", TOLERANCE, NOW.minusSeconds(10));
        review(second);

        assertThat(pathAfter(second)).endsWith("&id=" + third);
        ReviewView reviewed = read(ReviewView.PATH + "?&id=" + second);
        assertThat(reviewed.shown().previous()).endsWith("&id=" + first);
        assertThat(reviewed.shown().next()).endsWith("&id=" + third);

        review(third);
        assertThat(pathAfter(third)).endsWith("&id=" + first);
        review(first);
        assertThat(pathAfter(first)).isEqualTo(ReviewView.PATH);
    }

    private void review(String id) {
        reviews.review(
                new Subject.Ids(List.of(id), Reviews.NO_REVIEW),
                new Review(0, Review.Verdict.IGNORE, "", "anna", NOW.toString()));
    }

    private String pathAfter(String id) {
        return ReviewView.pathAfter(reviews, record.outcomes().withId(id, 1).get(0));
    }

    @Test
    void fourThousandWaiting_areCounted_andShownInPages() {
        for (int i = 0; i < 4_000; i++) {
            record.add("shard " + i % 2, i, "escalated", REGIME, NOW.minusSeconds(i));
        }

        ReviewView view = read(FIRST);

        assertThat(view.groups().summary()).isEqualTo("4000 certificates wait for a review.");
        Tile chosen = view.groups().tiles().get(0);
        assertThat(chosen.count()).isEqualTo(2_000);
        assertThat(chosen.chosen().entries()).hasSize(ReviewGroups.MOST_OUTCOMES);
        assertThat(chosen.chosen().newer()).isNull();
        ReviewView older = read(chosen.chosen().older());
        assertThat(older.shown().place()).isEqualTo("21 of 2000");
        assertThat(older.groups().tiles().get(0).chosen().newer())
                .isEqualTo(chosen.chosen().entries().get(0).path());
    }

    @Test
    void evidence_hasTheMeasurement_theTolerance_andTheNeighbours() {
        for (int i = 0; i < 60; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
        }
        String id = record.add(
                "a",
                60,
                "rejected",
                TOLERANCE,
                NOW.plusSeconds(30),
                Map.of(
                        "window_start",
                        "2026-11-26T11:00:00Z",
                        "window_end",
                        "2026-11-26T11:10:00Z",
                        "policy",
                        Policy.defaults().hash(),
                        "scales",
                        List.of(2, 4),
                        "N_j",
                        Map.of("2", 3, "4", 7)));

        ReviewView.Evidence evidence = read(FIRST).shown().evidence();

        assertThat(evidence.certificate().outcome().key().pcsId()).isEqualTo(id);
        assertThat(evidence.measuredFrom()).isEqualTo("2026-11-26T11:00:00Z");
        assertThat(evidence.measuredTo()).isEqualTo("2026-11-26T11:10:00Z");
        assertThat(evidence.dHat())
                .isEqualTo("D̂ is claimed as 1.4000 and recomputed as 1.2000: the difference of 0.2000 is above the"
                        + " tolerance of 0.15.");
        assertThat(evidence.certificate().plot()).contains("<svg ");
        assertThat(evidence.neighbours().split("<circle class=\"line-first\"", -1))
                .hasSize(1 + 20 + 1 + 20);
        assertThat(evidence.neighbours().split("<circle class=\"line-third\"", -1))
                .hasSize(1 + 1);
    }

    @Test
    void evidence_ofManyAtTheSameTime_showsThisOne() {
        for (int i = 0; i < 60; i++) {
            record.add("a", i, "accepted", "", NOW);
        }
        record.add("a", 60, "rejected", TOLERANCE, NOW, Map.of("D_hat", 1.9));

        assertThat(read(FIRST).shown().evidence().neighbours())
                .contains("this certificate claims 1.9000")
                .containsPattern("circle class=\"line-third\"");
    }
}
