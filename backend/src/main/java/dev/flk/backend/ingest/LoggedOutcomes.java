// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * What was answered to the submissions in the log, to the byte: each is decided again by the rules that it was logged with, unless
 * another outcome stood for its id. Those are told first, by one thread; then any thread may ask.
 * Memory: what overruled submissions, which is little.
 */
public final class LoggedOutcomes {
    private final ReplayedRules rules = new ReplayedRules();
    private final Map<Long, Recorded> standing = new HashMap<>();

    /** How a certificate came out. */
    public enum Ending {
        ACCEPTED,
        ESCALATED,
        REJECTED
    }

    /**
     * An outcome.
     *
     * @param status of the answer, 200 or 202
     * @param body of the answer, one JSON object in ASCII
     * @param isOverruled whether it stood for the id already when the submission was decided
     */
    public record Given(PcsId id, int status, String body, Ending ending, boolean isOverruled) {}

    /** Takes note of records that say which submissions another outcome stood for; all others are left alone. */
    public void note(LogRecord record) {
        if (record.kind() == RecordKind.OVERRULED) {
            Overruled lost = Overruled.decode(record.body());
            standing.put(lost.sequence(), lost.standing());
        }
    }

    /** Whether a record is one that was decided. */
    public static boolean isSubmission(LogRecord record) {
        return record.kind() == RecordKind.SUBMISSION;
    }

    /**
     * What was answered to a submission.
     *
     * @throws IOException if the record can't be decided by this version
     */
    public Given given(LogRecord submission) throws IOException {
        Recorded winner = standing.get(submission.sequence());
        if (winner == null) {
            return given(rules.decide(submission));
        }
        String body = text(winner);
        Ending ending = winner.status() == 200
                ? Ending.ACCEPTED
                : body.contains("\"accepted\":true") ? Ending.ESCALATED : Ending.REJECTED;
        return new Given(winner.id(), winner.status(), body, ending, true);
    }

    /** What a submission would have come to by itself, under other rules. */
    public Given under(DecisionRules other, LogRecord submission) throws IOException {
        return given(rules.decide(submission, other));
    }

    private static Given given(Decision decision) {
        Recorded recorded = decision.recorded();
        return new Given(
                recorded.id(),
                recorded.status(),
                text(recorded),
                decision.verdict().match(ENDINGS),
                false);
    }

    private static String text(Recorded recorded) {
        return new String(recorded.body(), StandardCharsets.US_ASCII);
    }

    private static final Verdict.Cases<Ending> ENDINGS = new Verdict.Cases<>() {
        @Override
        public Ending accepted(Verdict.Accepted accepted) {
            return Ending.ACCEPTED;
        }

        @Override
        public Ending escalated(Verdict.Escalated escalated) {
            return Ending.ESCALATED;
        }

        @Override
        public Ending rejected(Verdict.Rejected rejected) {
            return Ending.REJECTED;
        }
    };
}
