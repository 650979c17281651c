// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.serve.page.OutcomeFilter.Condition;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the view Explore, with an in-memory record. */
final class OutcomesViewTest {
    private static final Instant NOW = Instant.parse("2026-11-26T12:00:00Z");

    private final MemoryRecord record = new MemoryRecord();

    @AfterEach
    void close() {
        record.close();
    }

    private OutcomesView view(Map<String, String> query) {
        return OutcomesView.read(record.outcomes(), OutcomeFilter.parse(query, null), null, NOW);
    }

    @Test
    void histogram_countsEachBarAndLinksToIt() {
        for (int i = 0; i < 100; i++) {
            record.add(
                    "a",
                    i,
                    i % 10 == 0 ? "rejected" : "accepted",
                    i % 10 == 0 ? "r out of bounds: 2" : "",
                    NOW.plusSeconds(i));
        }

        OutcomeHistogram all = view(Map.of()).histogram();

        assertThat(all.total()).isEqualTo("100");
        assertThat(all.totals())
                .containsExactly(
                        new OutcomeHistogram.Total("90 accepted", "/ui/outcomes?verdict=accepted"),
                        new OutcomeHistogram.Total("10 rejected", "/ui/outcomes?verdict=rejected"));
        assertThat(all.from()).isEqualTo(NOW);
        assertThat(all.to()).isEqualTo(NOW.plusSeconds(99).plusMillis(1));
        assertThat(all.svg())
                .contains(
                        "<a href=\"/ui/outcomes?from=2026-11-26T12%3A00%3A00Z&amp;to=2026-11-26T12%3A00%3A02Z\""
                                + " aria-label=\"1 accepted, 1 rejected from 2026-11-26 12:00:00 UTC until 2026-11-26"
                                + " 12:00:02 UTC\">",
                        "data-left=\"64\" data-right=\"984\"");
        OutcomeHistogram rejected =
                view(Map.of("reason", "r out of bounds", "shard", "a")).histogram();
        assertThat(rejected.total()).isEqualTo("10");
        assertThat(rejected.wider()).startsWith("/ui/outcomes?from=2026-11-26T11%3A59%3A10");
        assertThat(view(Map.of("shard", "b")).histogram()).isNull();
        assertThat(view(Map.of("from", NOW.plusSeconds(500).toString())).histogram())
                .isNull();
    }

    @Test
    void histogram_atTheEndsOfTime_linksToValidRanges() {
        record.add("a", 1, "accepted", "", NOW);

        OutcomeHistogram wide = view(Map.of("from", "0001-01-01T00:00:00Z", "to", "9999-12-31T23:59:59Z"))
                .histogram();

        assertThat(wide.wider()).isEqualTo("/ui/outcomes?from=0001-01-01T00%3A00%3A00Z&to=9999-12-31T23%3A59%3A59Z");
        assertThat(wide.svg()).containsOnlyOnce("<a href=");
    }

    @ParameterizedTest
    @CsvSource({
        "2026-11-26T12:00:00Z, 2026-11-26T12:00:00.001Z, 1",
        "2026-11-26T12:00:00Z, 2026-11-26T13:00:00Z, 30",
        "2026-11-26T12:00:30Z, 2026-11-26T13:00:30Z, 31",
        "2026-11-20T00:00:00Z, 2026-11-27T00:00:00Z, 56",
        "1969-12-31T23:59:59.500Z, 1970-01-01T00:00:00.500Z, 50",
        "0001-01-01T00:00:00Z, 9999-12-31T23:59:59Z, 59"
    })
    void bounds_areRoundAndFew(Instant from, Instant to, int bars) {
        long[] bounds = OutcomeHistogram.bounds(from, to);

        assertThat(bounds).isSorted().hasSizeBetween(bars, bars + 2).startsWith(from.toEpochMilli());
        assertThat(bounds[bounds.length - 1]).isEqualTo(to.toEpochMilli());
        assertThat(Arrays.stream(bounds).distinct().count()).isEqualTo(bounds.length);
        assertThat(bounds.length - 1).isLessThanOrEqualTo(60);
    }

    @Test
    void conditions_areSentencesThatCanBeRemoved() {
        OutcomeFilter filter = OutcomeFilter.parse(
                Map.of("verdict", "rejected", "to", "2026-01-01T00:00", "reason", "a & b", "clock", "measured"), null);

        assertThat(filter.conditions())
                .containsExactly(
                        new Condition(
                                "They were measured until 2026-01-01 00:00:00 UTC.",
                                "/ui/outcomes?verdict=rejected&clock=measured&reason=a%20%26%20b"),
                        new Condition(
                                "They are ordered by the time of measurement.",
                                "/ui/outcomes?verdict=rejected&to=2026-01-01T00%3A00%3A00Z&reason=a%20%26%20b"),
                        new Condition(
                                "The verdict is rejected.",
                                "/ui/outcomes?clock=measured&to=2026-01-01T00%3A00%3A00Z&reason=a%20%26%20b"),
                        new Condition(
                                "The reason is a & b.",
                                "/ui/outcomes?verdict=rejected&clock=measured&to=2026-01-01T00%3A00%3A00Z"));
        assertThat(view(Map.of("verdict", "rejected", "from", "2026-01-01T00:00"))
                        .ranges())
                .contains(new OutcomesView.Range(
                        "last hour", "/ui/outcomes?verdict=rejected&from=2026-11-26T11%3A00%3A00Z"));
        assertThat(filter.zoom(true)).isEqualTo("/ui/outcomes?verdict=rejected&clock=measured&reason=a%20%26%20b");
    }

    @Test
    void measured_withoutARange_leavesOutCertificatesWithoutMeasurements() {
        record.add("a", 1, "accepted", "", NOW);
        record.add(
                "a",
                2,
                "accepted",
                "",
                NOW,
                Map.of("window_end", NOW.minusSeconds(9).toString()));

        assertThat(view(Map.of("clock", "measured")).rows()).hasSize(1);
        assertThat(view(Map.of()).rows()).hasSize(2);
        assertThat(List.of(view(Map.of("clock", "measured")).histogram().total()))
                .containsExactly("1");
    }

    @ParameterizedTest
    @CsvSource({"1, ''", "3, ''", "4, /ui/outcomes?from=2026-11-26T12%3A00%3A00.001Z&to=2026-11-26T12%3A00%3A00.003Z"})
    void histogram_ofFewMilliseconds_hasNoCloserRange(int millis, String closer) {
        record.add("a", 1, "accepted", "", NOW);

        OutcomeHistogram histogram = view(Map.of(
                        "from", NOW.toString(), "to", NOW.plusMillis(millis).toString()))
                .histogram();

        assertThat(histogram.closer()).isEqualTo(closer);
    }

    @ParameterizedTest
    @CsvSource({
        "2026-01-01T00:00:00.000001Z, 2026-01-01T00:00:00.001",
        "2026-01-01T00:00:00.1Z, 2026-01-01T00:00:00.100",
        "2026-01-01T00:00, 2026-01-01T00:00:00",
        "-1000000000-01-01T00:00:00Z, 0001-01-01T00:00:00",
        "+10000-01-01T00:00, 9999-12-31T23:59:59",
        "soon, ''"
    })
    void local_isATimeThatHtmlPermits(String given, String local) {
        assertThat(OutcomesView.invalid(Map.of("from", given), "", NOW).local("from"))
                .isEqualTo(local);
    }

    @Test
    void path_hasWholeMilliseconds() {
        assertThat(OutcomesView.path("accepted", NOW, NOW.plusNanos(1)))
                .isEqualTo("/ui/outcomes?verdict=accepted&from=2026-11-26T12%3A00%3A00Z"
                        + "&to=2026-11-26T12%3A00%3A00.001Z");
    }

    @Test
    void newestPageOfAShardOrAKey_isNamedAfterIt_andLive() {
        record.add("a", 1, "accepted", "", NOW);

        assertThat(view(Map.of("shard", "a", "key", "k")).title()).isEqualTo("Shard a");
        assertThat(view(Map.of("key", "k")).title()).isEqualTo("Key k");
        assertThat(view(Map.of("shard", "a")).isLive()).isTrue();
        assertThat(view(Map.of("key", "k", "verdict", "rejected")).isLive()).isTrue();
        assertThat(view(Map.of("shard", "a", "to", "2026-01-01T00:00")).isLive())
                .isFalse();
        assertThat(view(Map.of("verdict", "accepted")).isLive()).isFalse();
    }
}
