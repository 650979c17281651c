// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.program.json.Json;
import java.util.Optional;

/** A review as an event: what {@code /v1/outcomes/changes} prints of it, without the kind and the cursor. */
public record ReviewLine(String shardId, long epoch, String pcsId, Made review) {
    /** What was decided. */
    public record Made(long version, String verdict, String note, String author, String at) {
        public static Made of(Reviews.Made made) {
            Review review = made.review();
            return new Made(made.version(), review.verdict().text(), review.note(), review.author(), review.at());
        }
    }

    /** @param row the key of the reviewed outcome; empty if the record has it no longer */
    static ReviewLine of(Reviews.Changed changed, Optional<RowKey> row) {
        String[] name = changed.key().name().split("/", -1);
        return new ReviewLine(
                row.map(RowKey::shard).orElse(changed.key().agentId()),
                Long.parseLong(name[1]),
                name[2],
                Made.of(changed.made()));
    }

    /** Returns the line, a JSON object. */
    public String json() {
        return Json.line(this).strip();
    }
}
