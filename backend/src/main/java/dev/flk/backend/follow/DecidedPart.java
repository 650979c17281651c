// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.LoggedOutcomes.Compared;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.wal.segment.LogRecord;
import java.util.List;

/**
 * A part of the log, with the outcomes of its submissions and its reviews. Immutable; several followers may use it.
 *
 * @param after the sequence after which it begins
 * @param last the sequence of its last record, or the one up to which all records are missing
 * @param digest identifies the last record; empty if the log lacks all records up to {@code last}
 * @param outcomes the outcomes in the order of the log
 * @param reviews the reviews in the order of the log, without those that a record voids
 * @param missing what is missing before and between its records
 */
public record DecidedPart(
        long after,
        long last,
        String digest,
        List<Outcome> outcomes,
        List<PlacedReview> reviews,
        List<Missing> missing) {
    /** A range of sequences that the log lacks without an explanation; both are inclusive. */
    public record Missing(long first, long last) {}

    /**
     * The outcome to which a record of the log leads: a submission, or an overruled record, which leads to another
     * outcome of an earlier submission.
     *
     * @param placed the version at the sequence of that record
     * @param body the exact bytes of the submission's certificate; must not be modified
     * @param isOverruled whether another outcome had been recorded first for the submission's id; {@code placed} has
     *     that outcome
     */
    public record Outcome(Placed placed, byte[] body, boolean isOverruled) {
        static Outcome of(DecidedSubmission first) {
            return new Outcome(Placed.of(first), first.body(), false);
        }

        /**
         * Returns the outcome to which a record leads.
         *
         * @param sequence the sequence of that record
         */
        public static Outcome of(long sequence, LogRecord submission, Compared decided) {
            return new Outcome(
                    Placed.of(sequence, submission, decided),
                    submission.body(),
                    decided.given().isOverruled());
        }
    }
}
