// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.flk.backend.outcomes.record.ChangedShards;
import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.serve.page.ReviewGroups.WaitingShards;
import dev.flk.backend.serve.page.ShardsView.Filter;
import dev.flk.backend.serve.page.ShardsView.Shard;
import dev.flk.program.plot.Axis;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the view of all shards, and of the plots of one shard, with an in-memory record. */
final class ShardViewsTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");

    private final MemoryRecord record = new MemoryRecord();

    @AfterEach
    void close() {
        record.close();
    }

    private OutcomesView explore(Map<String, String> query) {
        return OutcomesView.read(record.outcomes(), OutcomeFilter.parse(query, null), null, NOW);
    }

    private List<String> shards(Filter wanted) {
        List<String> names = new ArrayList<>();
        String cursor = null;
        do {
            ShardsView page = ShardsView.read(record.outcomes(), WaitingShards.NONE, wanted, cursor, NOW);
            page.shards().forEach(shard -> names.add(shard.name()));
            String next = page.next();
            cursor = next == null ? null : next.substring(next.indexOf("cursor=") + "cursor=".length());
        } while (cursor != null);
        return names;
    }

    @Test
    void plots_areOfTheShardInTheRange_whateverElseIsSelected() {
        for (int i = 0; i < 10; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
            record.add("b", i, "accepted", "", NOW.plusSeconds(i));
        }

        ShardPlots all = explore(Map.of("shard", "a")).plots();
        assertThat(all.outcomes()).hasSize(10);
        assertThat(List.of(all.from(), all.to()))
                .containsExactly(NOW, NOW.plusSeconds(9).plusMillis(1));
        assertThat(all.zoom()).isEqualTo("/ui/outcomes?shard=a&clock=received");
        assertThat(all.all())
                .hasSize(3)
                .allSatisfy(plot -> assertThat(plot.svg()).contains("<svg ", "line-first"));
        for (Outcome outcome : all.outcomes()) {
            String link = "<a href=\"/ui/certificate?id=" + outcome.key().pcsId() + "\" tabindex=\"-1\"><title>"
                    + outcome.shortId() + " accepted, ";
            assertThat(all.all()).allSatisfy(plot -> assertThat(plot.svg()).contains(link));
        }

        Map<String, String> range = Map.of(
                "from", NOW.plusSeconds(2).toString(), "to", NOW.plusSeconds(5).toString());
        Map<String, String> query = new HashMap<>(range);
        query.putAll(Map.of("shard", "a", "verdict", "rejected"));
        OutcomesView some = explore(query);
        assertThat(some.rows()).isEmpty();
        assertThat(some.plots().outcomes())
                .extracting(each -> each.key().epoch())
                .containsExactly(2L, 3L, 4L);
        assertThat(List.of(some.plots().from(), some.plots().to()))
                .containsExactly(NOW.plusSeconds(2), NOW.plusSeconds(5));
        assertThat(explore(range).plots()).as("without a shard").isNull();
        assertThat(explore(Map.of("shard", "c")).plots()).isNull();
    }

    @Test
    void plots_allOutcomesHaveMeasurementTimes_areOverThem() {
        for (int i = 0; i < 3; i++) {
            record.add(
                    "a",
                    i,
                    "accepted",
                    "",
                    NOW,
                    Map.of("window_end", NOW.minusSeconds(60L * i).toString()));
        }

        ShardPlots plots = explore(Map.of("shard", "a")).plots();

        assertThat(plots.isMeasured()).isTrue();
        assertThat(plots.zoom()).isEqualTo("/ui/outcomes?shard=a&clock=measured");
        assertThat(plots.outcomes()).extracting(each -> each.key().epoch()).containsExactly(2L, 1L, 0L);
        assertThat(explore(Map.of("shard", "a", "from", NOW.toString())).plots().isMeasured())
                .as("the range is of the arrival")
                .isFalse();
    }

    @Test
    void plots_ofManyOutcomes_haveOnlyTheNewest() {
        for (int i = 0; i < 500; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
        }

        ShardPlots plots = explore(Map.of("shard", "a")).plots();

        assertThat(plots.isCut()).isTrue();
        assertThat(plots.outcomes()).hasSize(400);
        assertThat(plots.from()).isEqualTo(NOW.plusSeconds(100));
    }

    @Test
    void shardThatDrifts_saysWhatChanged_andLeavesItsBand() {
        for (int i = 0; i < 12; i++) {
            record.add("a", i, "accepted", "", NOW.plusSeconds(i));
        }
        for (int i = 12; i < 16; i++) {
            Map<String, Object> members = Map.of("recomputed_D_hat", 1.2 - 0.1 * (i - 10), "D_hat", 1.2);
            record.add("a", i, "accepted", "", NOW.plusSeconds(i), members);
        }
        ChangedShards changes = record.outcomes().changes();
        while (changes.step()) {
            // compares all
        }

        OutcomesView view = explore(Map.of("shard", "a"));

        assertThat(view.changed())
                .isEqualTo("D̂, how much of the space the points fill, is 0.70; the median of those before is 1.20.");
        assertThat(ShardPlots.usual(view.plots().outcomes(), Axis.around("D̂", 0, 2)))
                .hasValueSatisfying(band -> assertThat(band).containsExactly(new double[] {1.05, 1.35}, within(1e-9)));
        assertThat(ShardsView.line(record.outcomes(), changes.list(1).get(0)))
                .contains("D̂ of the newest outcomes, from 0.7000 to 1.2000");
        record.add("b", 0, "accepted", "", NOW);
        assertThat(explore(Map.of("shard", "b")).changed()).as("not compared").isEmpty();
    }

    @Test
    void shards_arePagedAndFiltered() {
        for (int i = 0; i < 120; i++) {
            String name = "pump-%03d".formatted(i);
            record.add(name, 0, "accepted", "", NOW.minusSeconds(120));
            record.add(name, 1, i % 10 == 0 ? "escalated" : "accepted", "degraded: x", NOW.minusSeconds(60));
        }

        assertThat(shards(new Filter("", "", "", "")))
                .hasSize(120)
                .startsWith("pump-000", "pump-001")
                .endsWith("pump-119");
        assertThat(shards(new Filter("pump-01", "", "", ""))).hasSize(10);
        assertThat(shards(new Filter("", "P-11", "", ""))).hasSize(10);
        assertThat(shards(new Filter("", "", "escalated", ""))).hasSize(12).contains("pump-110");
        assertThat(shards(new Filter("", "", "escalated", "sticky"))).isEmpty();
        assertThat(shards(new Filter("", "", "", "mixed"))).hasSize(120);
        assertThat(ShardsView.read(record.outcomes(), WaitingShards.NONE, new Filter("pump-000", "", "", ""), null, NOW)
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

        assertThat(ShardsView.read(record.outcomes(), WaitingShards.NONE, new Filter("", "", "", ""), null, NOW)
                        .shards())
                .extracting(Shard::rate)
                .containsExactly("–", rate);
    }

    @Test
    void shards_byNeed_areThoseThatWait_thenSilentOnes() {
        record.add("a", 1, "accepted", "", NOW);
        record.add("pump", 1, "escalated", "degraded: x", NOW.minusSeconds(50));
        record.add("pump", 2, "accepted", "", NOW.minusSeconds(10));
        for (int i = 0; i < 3; i++) {
            record.add("silent", i, "accepted", "", NOW.minusSeconds(4_000 + i));
        }

        ShardsView view = ShardsView.byNeed(
                record.outcomes(),
                new WaitingShards(Map.of("pump", 1), Map.of(), 1),
                new Filter("", "", "", ""),
                false,
                NOW);

        assertThat(view.shards()).extracting(Shard::name).containsExactly("pump", "silent", "a");
        assertThat(view.next()).isNull();
        Shard pump = view.shards().get(0);
        assertThat(pump.waiting()).isEqualTo(1);
        assertThat(pump.newest().isAccepted()).isTrue();
        assertThat(pump.doubted().reason()).isEqualTo("degraded: x");
    }

    @Test
    void shards_recordWithAGap_nameIt() {
        record.lack("log records 4 to 6");

        assertThat(ShardsView.read(record.outcomes(), WaitingShards.NONE, new Filter("", "", "", ""), null, NOW)
                        .missing())
                .containsExactly("The record lacks log records 4 to 6.");
    }
}
