// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static java.util.Comparator.reverseOrder;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.serve.page.ShardView.Clock;
import dev.flk.backend.serve.page.ShardsView.Shard;
import dev.flk.backend.serve.page.ShardsView.Wish;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict.Kind;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the views of all shards and of one shard, with an in-memory record. */
final class ShardViewsTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");
    private static final Span ALWAYS = new Span(null, null);

    private final MemoryRecord record = new MemoryRecord();

    @AfterEach
    void close() {
        record.close();
    }

    private ShardView shard(Span span, @Nullable Clock clock) {
        return shard(new ShardView.Wish("a", span, clock, null, 0));
    }

    private ShardView shard(ShardView.Wish wanted) {
        return ShardView.read(record.outcomes(), wanted, Policy.defaults(), NOW);
    }

    private List<String> shards(Wish wanted) {
        List<String> names = new ArrayList<>();
        String cursor = null;
        do {
            ShardsView page = ShardsView.read(record.outcomes(), wanted, cursor, NOW);
            page.shards().forEach(shard -> names.add(shard.name()));
            String next = page.next();
            cursor = next == null ? null : next.substring(next.indexOf("cursor=") + "cursor=".length());
        } while (cursor != null);
        return names;
    }

    @Test
    void shard_withoutOutcomes_hasNoRange() {
        ShardView view = shard(ALWAYS, null);

        assertThat(view.rows()).isEmpty();
        assertThat(view.range()).isNull();
        assertThat(view.plots()).isEmpty();
    }

    @Test
    void shard_inARange_showsItsOutcomesNewestFirst() {
        for (int i = 0; i < 10; i++) {
            record.add(
                    "a", i, i == 5 ? "rejected" : "accepted", i == 5 ? "r out of bounds: 2" : "", NOW.plusSeconds(i));
        }

        ShardView all = shard(ALWAYS, null);
        assertThat(all.rows())
                .extracting(each -> each.key().epoch())
                .startsWith(9L, 8L)
                .hasSize(10);
        assertThat(all.caption()).startsWith("The newest 10 outcomes of this range, 1 of them not accepted");
        assertThat(all.range())
                .isEqualTo(new ShardView.Range(
                        "/ui/shard?name=a",
                        Clock.RECEIVED,
                        NOW,
                        NOW.plusSeconds(9).plusMillis(1)));
        assertThat(all.plots())
                .hasSize(3)
                .allSatisfy(plot -> assertThat(plot.svg()).contains("<svg ", "line-first"));

        ShardView some = shard(new Span(NOW.plusSeconds(2), NOW.plusSeconds(5)), Clock.RECEIVED);
        assertThat(some.rows()).extracting(each -> each.key().epoch()).containsExactly(4L, 3L, 2L);
        assertThat(some.range().earlier()).contains("&from=2026-11-26T12:00:00.498Z&to=2026-11-26T12:00:03.498Z");

        ShardView none = shard(new Span(NOW.plusSeconds(20), NOW.plusSeconds(30)), Clock.RECEIVED);
        assertThat(none.rows()).isEmpty();
        assertThat(none.range().wider())
                .isEqualTo("/ui/shard?name=a&clock=received&from=2026-11-26T12:00:14.998Z"
                        + "&to=2026-11-26T12:00:35.002Z");
    }

    @Test
    void shard_allOutcomesHaveMeasurementTimes_isPlottedOverThem() {
        for (int i = 0; i < 3; i++) {
            record.add(
                    "a",
                    i,
                    "accepted",
                    "",
                    NOW,
                    Map.of("window_end", NOW.minusSeconds(60L * i).toString()));
        }

        ShardView view = shard(ALWAYS, null);

        assertThat(view.range().clock()).isEqualTo(Clock.MEASURED);
        assertThat(view.rows()).extracting(each -> each.key().epoch()).containsExactly(0L, 1L, 2L);
        assertThat(shard(new Span(NOW.minusSeconds(90), NOW), Clock.MEASURED).rows())
                .extracting(each -> each.key().epoch())
                .containsExactly(1L);
    }

    @Test
    void shard_withManyOutcomes_showsOnlyTheNewest() {
        for (int i = 0; i < 500; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
        }

        ShardView view = shard(ALWAYS, null);

        assertThat(view.isCut()).isTrue();
        assertThat(view.drawn()).isEqualTo(400);
        assertThat(view.rows())
                .hasSize(ShardView.PAGE_ROWS)
                .first()
                .extracting(each -> each.key().epoch())
                .isEqualTo(499L);
        assertThat(view.range().from()).isEqualTo(NOW.plusSeconds(100));
    }

    @Test
    void shard_tableIsPagedAndFiltered() {
        for (int i = 0; i < 620; i++) {
            record.add(
                    "a",
                    i,
                    i % 2 == 0 ? "accepted" : "rejected",
                    i % 2 == 0 ? "" : "r out of bounds: 2",
                    NOW.plusSeconds(i));
        }
        List<Long> epochs = new ArrayList<>();
        int page = 0;
        ShardView view;
        do {
            view = shard(new ShardView.Wish("a", ALWAYS, null, Kind.REJECTED, page++));
            view.rows().forEach(each -> epochs.add(each.key().epoch()));
            assertThat(view.drawn()).isEqualTo(400);
        } while (view.hasOlder());

        assertThat(epochs).hasSize(310).startsWith(619L, 617L).endsWith(3L, 1L).isSortedAccordingTo(reverseOrder());
        assertThat(page).isEqualTo(4);
        assertThat(view.rows()).hasSize(10);
        assertThat(view.caption()).startsWith("10 older rejected outcomes of this range;");
        assertThat(view.wanted().address(2)).isEqualTo("/ui/shard?name=a&verdict=rejected&page=2");
        assertThat(view.wanted().address(0)).isEqualTo("/ui/shard?name=a&verdict=rejected");
        assertThat(shard(new ShardView.Wish("a", ALWAYS, null, null, 6)).rows())
                .hasSize(20)
                .last()
                .extracting(each -> each.key().epoch())
                .isEqualTo(0L);
        assertThat(shard(new ShardView.Wish("a", ALWAYS, null, null, 7)).rows()).isEmpty();
    }

    @Test
    void shard_eachPointOfEachPlot_leadsToItsCertificate() {
        for (int i = 0; i < 3; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
        }

        ShardView view = shard(ALWAYS, null);

        for (Outcome outcome : view.rows()) {
            String link = "<a href=\"/ui/certificate?id=" + outcome.key().pcsId() + "\" tabindex=\"-1\"><title>"
                    + outcome.shortId() + " accepted, ";
            assertThat(view.plots()).allSatisfy(plot -> assertThat(plot.svg()).contains(link));
        }
    }

    @Test
    void shards_arePagedAndFiltered() {
        for (int i = 0; i < 120; i++) {
            String name = "pump-%03d".formatted(i);
            record.add(name, 0, "accepted", "", NOW.minusSeconds(120));
            record.add(name, 1, i % 10 == 0 ? "escalated" : "accepted", "degraded: x", NOW.minusSeconds(60));
        }

        assertThat(shards(new Wish("", "", "", "")))
                .hasSize(120)
                .startsWith("pump-000", "pump-001")
                .endsWith("pump-119");
        assertThat(shards(new Wish("pump-01", "", "", ""))).hasSize(10);
        assertThat(shards(new Wish("", "P-11", "", ""))).hasSize(10);
        assertThat(shards(new Wish("", "", "escalated", ""))).hasSize(12).contains("pump-110");
        assertThat(shards(new Wish("", "", "escalated", "sticky"))).isEmpty();
        assertThat(shards(new Wish("", "", "", "mixed"))).hasSize(120);
        assertThat(ShardsView.read(record.outcomes(), new Wish("pump-000", "", "", ""), null, NOW)
                        .shards())
                .singleElement()
                .satisfies(shard -> {
                    assertThat(shard).extracting(Shard::age, Shard::rate).containsExactly("60 s", "1 per minute");
                    assertThat(shard.line()).contains("from 1.2000 to 1.2000");
                });
    }

    @ParameterizedTest
    @CsvSource({
        // a rate at first, and for five times as long as usual, at least for five minutes
        "10,    10,      6 per minute",
        "10,    299,     6 per minute",
        "10,    301,     silent for 5 min",
        "10,    420,     silent for 7 min",
        "600,   2999,    6 per hour",
        "600,   3001,    silent for 50 min",
        "86400, 200000,  1.0 per day",
        "86400, 864000,  silent for 240 h"
    })
    void shard_withoutNewOutcomes_isSilent(int everySeconds, int seconds, String rate) {
        for (int epoch = 0; epoch < 30; epoch++) {
            record.add("pump", epoch, "accepted", "", NOW.minusSeconds(seconds + (29L - epoch) * everySeconds));
        }
        record.add("one", 0, "accepted", "", NOW.minusSeconds(seconds));

        assertThat(ShardsView.read(record.outcomes(), new Wish("", "", "", ""), null, NOW)
                        .shards())
                .extracting(Shard::rate)
                .containsExactly("–", rate);
    }

    @Test
    void shards_recordWithAGap_nameIt() {
        record.lack("log records 4 to 6");

        assertThat(ShardsView.read(record.outcomes(), new Wish("", "", "", ""), null, NOW)
                        .missing())
                .containsExactly("The record lacks log records 4 to 6.");
    }
}
