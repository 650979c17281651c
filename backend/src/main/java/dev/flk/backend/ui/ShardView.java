// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ui;

import dev.flk.backend.record.RecordedOutcomes;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The view of the newest outcomes of a shard, at most {@link #MOST_OUTCOMES}.
 *
 * @param outcomes the outcomes, the newest first
 * @param line the lines of their D̂, in a box of 720 by 200
 */
public record ShardView(Instant at, String name, List<Outcome> outcomes, DHatLine line) {
    /** The maximum number of outcomes in a view. */
    public static final int MOST_OUTCOMES = 200;

    /** Reads the outcomes; a shard that the record does not have gets a view without outcomes. */
    public static ShardView read(RecordedOutcomes record, String name, Instant now) {
        List<Outcome> outcomes = new ArrayList<>(ShardsView.newest(record, name, MOST_OUTCOMES));
        DHatLine line = DHatLine.of(outcomes, true, 720, 200);
        Collections.reverse(outcomes);
        return new ShardView(now, name, outcomes, line);
    }

    /** Returns the number of these outcomes that are not accepted. */
    public long others() {
        return outcomes.stream().filter(each -> !each.isAccepted()).count();
    }
}
