// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import java.time.Instant;
import java.util.List;
import java.util.Set;

/**
 * The view of the certificates that were signed with a key.
 *
 * @param rows the newest outcomes, the newest first
 */
public record KeyView(Instant at, String key, List<Outcome> rows) {
    /** Reads the newest outcomes, at most {@link ShardView#MOST_ROWS}. */
    public static KeyView read(RecordedOutcomes record, String key, Instant now) {
        return new KeyView(now, key, newest(record, key, ShardView.MOST_ROWS));
    }

    /** Returns whether the record has a certificate that was signed with a key. */
    public static boolean exists(RecordedOutcomes record, String key) {
        return !newest(record, key, 1).isEmpty();
    }

    private static List<Outcome> newest(RecordedOutcomes record, String key, int most) {
        Span always = new Span(null, null);
        return record
                .outcomes(new OutcomeQuery(Set.of(), key, null, null, null, always, always, Order.NEWEST, most, null))
                .rows()
                .stream()
                .map(Outcome::new)
                .toList();
    }
}
