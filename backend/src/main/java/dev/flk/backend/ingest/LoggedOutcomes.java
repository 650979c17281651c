// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.NavigableMap;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What was answered to the submissions in the log, to the byte: each is decided again by the rules that it was logged with, unless
 * another outcome stood for its id. Those are told first, by one thread; then any thread may ask.
 * Memory: what overruled submissions, which is little.
 */
public final class LoggedOutcomes {
    private static final JsonMapper JSON = new JsonMapper();

    private final ReplayedRules rules = new ReplayedRules();
    private final NavigableMap<Long, StoredOutcome> existing = new TreeMap<>();

    /** How a certificate came out. */
    public enum OutcomeKind {
        ACCEPTED,
        ESCALATED,
        REJECTED
    }

    /**
     * An outcome.
     *
     * @param status of the answer, 200 or 202
     * @param body of the answer, one JSON object in ASCII
     * @param reason of the body; empty if it has none
     * @param isOverruled whether it stood for the id already when the submission was decided
     */
    public record ReplayedOutcome(
            PcsId id, String shard, int status, String body, OutcomeKind ending, String reason, boolean isOverruled) {}

    /**
     * What was answered, and what it would have come to by itself under other rules.
     *
     * @param isOfOtherContent whether what was answered had been decided of other content under the same id
     * @param underOther null if no other rules were asked for
     */
    public record Compared(
            Certificate certificate,
            ReplayedOutcome given,
            boolean isOfOtherContent,
            @Nullable ReplayedOutcome underOther) {}

    /** Takes note of records that say which submissions another outcome stood for; all others are left alone. */
    public void note(LogRecord record) {
        if (record.kind() == RecordKind.OVERRULED) {
            Overruled lost = Overruled.decode(record.body());
            existing.put(lost.sequence(), lost.existing());
        }
    }

    /** The first submission from a sequence on that another outcome stood for, of those that were noted. */
    public OptionalLong firstOverruled(long from) {
        Long first = existing.ceilingKey(from);
        return first == null ? OptionalLong.empty() : OptionalLong.of(first);
    }

    /** Forgets what was noted of submissions up to this sequence. */
    public void forget(long upTo) {
        existing.headMap(upTo, true).clear();
    }

    /** Whether another outcome stood for it, as far as was noted. */
    public boolean isOverruled(LogRecord record) {
        return existing.containsKey(record.sequence());
    }

    /** Which submission this record says another outcome stood for; empty if it says that of none. */
    public static OptionalLong overruledBy(LogRecord record) {
        return record.kind() == RecordKind.OVERRULED
                ? OptionalLong.of(Overruled.decode(record.body()).sequence())
                : OptionalLong.empty();
    }

    /** Whether a record is one that was decided. */
    public static boolean isSubmission(LogRecord record) {
        return record.kind() == RecordKind.SUBMISSION;
    }

    /**
     * What was answered to a submission.
     *
     * @param other to be decided by as well; null: by none
     * @throws IOException if the record can't be decided by this version
     */
    public Compared compare(LogRecord submission, @Nullable DecisionRules other) throws IOException {
        Certificate certificate = rules.certificateIn(submission);
        StoredOutcome winner = existing.get(submission.sequence());
        ReplayedOutcome given = winner == null
                ? given(rules.rulesOf(submission).decide(certificate, submission.arrivalMillis()))
                : overruled(certificate.signed().shardId(), winner);
        return new Compared(
                certificate,
                given,
                winner != null && !winner.digest().equals(certificate.contentDigest()),
                other == null ? null : given(other.decide(certificate, submission.arrivalMillis())));
    }

    private static ReplayedOutcome given(Decision decision) {
        return decision.verdict().match(new Verdict.Cases<>() {
            @Override
            public ReplayedOutcome accepted(Verdict.Accepted accepted) {
                return given(OutcomeKind.ACCEPTED, "");
            }

            @Override
            public ReplayedOutcome escalated(Verdict.Escalated escalated) {
                return given(OutcomeKind.ESCALATED, escalated.reason().text());
            }

            @Override
            public ReplayedOutcome rejected(Verdict.Rejected rejected) {
                return given(OutcomeKind.REJECTED, rejected.reason().text());
            }

            private ReplayedOutcome given(OutcomeKind ending, String reason) {
                return LoggedOutcomes.given(decision.shardId(), decision.recorded(), ending, reason, false);
            }
        });
    }

    /** Another outcome may come from a backend of another version: its body says how it ended. */
    private static ReplayedOutcome overruled(String shard, StoredOutcome winner) throws IOException {
        JsonNode body = JSON.readTree(winner.body());
        OutcomeKind ending = winner.status() == 200
                ? OutcomeKind.ACCEPTED
                : body.path("accepted").asBoolean() ? OutcomeKind.ESCALATED : OutcomeKind.REJECTED;
        return given(shard, winner, ending, body.path("reason").asText(), true);
    }

    private static ReplayedOutcome given(
            String shard, StoredOutcome recorded, OutcomeKind ending, String reason, boolean isOverruled) {
        return new ReplayedOutcome(
                recorded.id(),
                shard,
                recorded.status(),
                new String(recorded.body(), StandardCharsets.US_ASCII),
                ending,
                reason,
                isOverruled);
    }

    /** Decides records of the log again, each by the rules that it was logged with. Safe for any thread. */
    static final class ReplayedRules {
        private final Map<String, DecisionRules> byContext = new ConcurrentHashMap<>();

        /**
         * What was, or would have been, decided of a submission or of evidence; the same at any time.
         *
         * @throws IOException if the record holds no certificate or no rules that this version understands
         */
        Decision decide(LogRecord record) throws IOException {
            return rulesOf(record).decide(certificateIn(record), record.arrivalMillis());
        }

        /** What a submission or evidence holds. */
        Certificate certificateIn(LogRecord record) throws IOException {
            try {
                return CertificateReader.parse(record.body()).checkIgnoringClock();
            } catch (MalformedCertificate | IllegalArgumentException e) {
                throw undecidable(record, e);
            }
        }

        /** The rules that a record was logged with. */
        DecisionRules rulesOf(LogRecord record) throws IOException {
            try {
                return byContext.computeIfAbsent(record.context(), DecisionRules::parse);
            } catch (IllegalArgumentException e) {
                throw undecidable(record, e);
            }
        }

        private static IOException undecidable(LogRecord record, Exception cause) {
            return new IOException(
                    "record " + record.sequence() + " of segment "
                            + record.position().segment() + " can't be decided again: " + cause.getMessage(),
                    cause);
        }
    }
}
