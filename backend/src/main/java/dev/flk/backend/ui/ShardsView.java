// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import dev.flk.backend.record.RecordedOutcomes;
import dev.flk.backend.record.RecordedOutcomes.Order;
import dev.flk.backend.record.RecordedOutcomes.Span;
import dev.flk.backend.record.RecordedOutcomes.Wanted;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The view of the shards of the record, a page of at most {@link #MOST_ROWS}.
 *
 * @param prefix the beginning of the names of the shards
 * @param next the query of the next page; null on the last page
 */
public record ShardsView(
        Instant at,
        String prefix,
        List<Shard> shards,
        @Nullable String next) {
    static final int MOST_ROWS = 50;

    private static final int LINE_OUTCOMES = 30;

    /**
     * A shard with its newest outcome.
     *
     * @param line the lines of the D̂ of its newest outcomes, in a box of 160 by 30
     */
    public record Shard(String name, Outcome newest, String age, DHatLine line) {}

    /** Reads a page of the shards. */
    public static ShardsView read(RecordedOutcomes record, String prefix, @Nullable String cursor, Instant now) {
        RecordedOutcomes.Part page = record.shards(prefix, cursor, MOST_ROWS);
        List<Shard> shards = new ArrayList<>();
        for (String line : page.lines()) {
            String name = Outcome.parsed(line).path("shard_id").asText();
            List<Outcome> outcomes = newest(record, name, LINE_OUTCOMES);
            if (!outcomes.isEmpty()) { // otherwise, retention has just removed its last outcome
                Outcome newest = outcomes.get(outcomes.size() - 1);
                double age =
                        Math.max(0, Duration.between(newest.receivedAt(), now).toMillis() / 1e3);
                shards.add(new Shard(name, newest, NowView.duration(age), DHatLine.of(outcomes, false, 160, 30)));
            }
        }
        String next = page.cursor();
        return new ShardsView(
                now,
                prefix,
                shards,
                next == null ? null : "prefix=" + Pages.encoded(prefix) + "&cursor=" + Pages.encoded(next));
    }

    /** Reads the newest outcomes of a shard, the oldest of them first. */
    static List<Outcome> newest(RecordedOutcomes record, String shard, int most) {
        Span always = new Span(null, null);
        List<Outcome> outcomes =
                new ArrayList<>(record
                        .outcomes(new Wanted(shard, null, null, null, always, always, Order.NEWEST, most, null))
                        .lines()
                        .stream()
                        .map(Outcome::of)
                        .toList());
        outcomes.sort(Comparator.comparing(Outcome::receivedAt).thenComparing(Outcome::epoch));
        return outcomes;
    }
}
