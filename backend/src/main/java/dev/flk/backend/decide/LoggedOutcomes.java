// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.verification.Verdict;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The exact answers to the submissions in the log. If an overruled record names a submission, the answer is the outcome
 * in that record, which had been recorded first for the id. Any other submission is decided again by the rules that it
 * was logged with. Only one thread may note and forget; while it does neither, any thread may query. Memory holds only
 * the outcomes in overruled records, of which there are few.
 */
public final class LoggedOutcomes {
    private static final JsonMapper JSON = new JsonMapper();

    private final ReplayedRules rules = new ReplayedRules();
    private final NavigableMap<Long, StoredOutcome> existing = new TreeMap<>();
    private final NavigableSet<Long> voided = new TreeSet<>();

    /**
     * The outcome of a submission in the log.
     *
     * @param body the body of the answer, one JSON object in ASCII
     * @param isOverruled whether the submission was overruled; verdict and body are then those of the outcome that was
     *     recorded first for the submission's id
     */
    public record ReplayedOutcome(String shard, Verdict verdict, String body, boolean isOverruled) {
        private ReplayedOutcome(String shard, Verdict verdict, StoredOutcome recorded, boolean isOverruled) {
            this(shard, verdict, new String(recorded.body(), StandardCharsets.US_ASCII), isOverruled);
        }

        public Verdict.Kind kind() {
            return verdict.kind();
        }

        /** Returns the reason in the body; empty if the body has none. */
        public String reason() {
            return verdict.reason() == null ? "" : verdict.reason().text();
        }

        private static ReplayedOutcome of(Decision decision) {
            return new ReplayedOutcome(decision.shardId(), decision.verdict(), decision.recorded(), false);
        }
    }

    /**
     * The outcome with which a submission was answered, next to the outcome under other rules.
     *
     * @param given the outcome with which the submission was answered
     * @param isOfOtherContent whether {@code given} was decided for content that differs from this submission's content
     * @param underOther the outcome under the other rules; null if no other rules were given
     */
    public record Compared(
            Certificate certificate,
            ReplayedOutcome given,
            boolean isOfOtherContent,
            @Nullable ReplayedOutcome underOther) {}

    /**
     * Notes an overruled record, which says which submission was overruled and by which outcome, and a record that
     * voids a review; ignores any other record.
     *
     * @throws IllegalArgumentException if this version does not understand the record
     */
    public void note(LogRecord record) {
        try {
            Overruled overruled = Overruled.in(record).orElse(null);
            if (overruled != null) {
                existing.put(overruled.sequence(), overruled.existing());
            }
            LoggedReview.voided(record).ifPresent(voided::add);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(undecidable(record, e).getMessage(), e);
        }
    }

    /**
     * Returns the lowest sequence, at or after {@code from}, of a submission that a noted overruled record names, or empty.
     */
    public OptionalLong firstOverruled(long from) {
        Long first = existing.ceilingKey(from);
        return first == null ? OptionalLong.empty() : OptionalLong.of(first);
    }

    /** Forgets the notes about submissions up to this sequence, inclusive. */
    public void forget(long upTo) {
        existing.headMap(upTo, true).clear();
        voided.headSet(upTo, true).clear();
    }

    /** Returns whether an overruled record noted so far names this submission. */
    public boolean isOverruled(LogRecord record) {
        return existing.containsKey(record.sequence());
    }

    /**
     * Returns the review that a record makes; empty for a record of another kind, and if a noted record voids it.
     *
     * @throws IOException if this version does not understand the record
     */
    public Optional<LoggedReview> review(LogRecord record) throws IOException {
        if (record.kind() != RecordKind.REVIEW || voided.contains(record.sequence())) {
            return Optional.empty();
        }
        try {
            return LoggedReview.voided(record).isPresent()
                    ? Optional.empty()
                    : Optional.of(LoggedReview.decode(record.body()));
        } catch (IllegalArgumentException e) {
            throw undecidable(record, e);
        }
    }

    /** Returns whether a record is a submission; records of other kinds are never decided. */
    public static boolean isSubmission(LogRecord record) {
        return record.kind() == RecordKind.SUBMISSION;
    }

    /**
     * Returns the outcome with which a submission was answered, and the outcome under other rules.
     *
     * @param other the other rules; null if the submission is not to be decided by other rules
     * @throws IOException if this version can't decide the record, or does not understand the outcome that overruled it
     */
    public Compared compare(LogRecord submission, @Nullable DecisionRules other) throws IOException {
        Certificate certificate = rules.certificateIn(submission);
        StoredOutcome winner = existing.get(submission.sequence());
        ReplayedOutcome given;
        try {
            given = winner == null
                    ? ReplayedOutcome.of(rules.rulesOf(submission).decide(certificate, submission.arrivalMillis()))
                    : new ReplayedOutcome(certificate.signed().shardId(), verdict(winner), winner, true);
        } catch (IllegalArgumentException | JsonProcessingException e) {
            throw undecidable(submission, e);
        }
        return new Compared(
                certificate,
                given,
                winner != null && !winner.digest().equals(certificate.contentDigest()),
                other == null ? null : ReplayedOutcome.of(other.decide(certificate, submission.arrivalMillis())));
    }

    /**
     * Reads the verdict in an overruled record. A backend of another version may have made it, so the kind of verdict is
     * derived from the outcome's status and body.
     */
    private static Verdict verdict(StoredOutcome winner) throws IOException {
        JsonNode body = JSON.readTree(winner.body());
        Verdict.Kind kind = winner.status() == 200
                ? Verdict.Kind.ACCEPTED
                : body.path("accepted").asBoolean() ? Verdict.Kind.ESCALATED : Verdict.Kind.REJECTED;
        return OutcomeJson.verdict(winner.id(), kind, body);
    }

    /**
     * A cache of decision rules. It decides records of the log again, each by the rules with which the record was
     * logged. Safe for any thread.
     */
    public static final class ReplayedRules {
        private final Map<String, DecisionRules> byContext = new ConcurrentHashMap<>();

        /**
         * Decides a record again. For evidence, which is never decided, returns the decision that it would have
         * received as a submission. The same record always gives the same decision.
         *
         * @throws IOException if the record contains no certificate, or no rules that this version understands
         */
        public Decision decide(LogRecord record) throws IOException {
            return rulesOf(record).decide(certificateIn(record), record.arrivalMillis());
        }

        /** Returns the certificate in a submission or in evidence. */
        Certificate certificateIn(LogRecord record) throws IOException {
            try {
                return CertificateReader.parse(record.body()).checkIgnoringClock();
            } catch (MalformedCertificate | IllegalArgumentException e) {
                throw undecidable(record, e);
            }
        }

        /** Returns the rules that a record was logged with. */
        DecisionRules rulesOf(LogRecord record) throws IOException {
            try {
                return byContext.computeIfAbsent(record.context(), DecisionRules::parse);
            } catch (IllegalArgumentException e) {
                throw undecidable(record, e);
            }
        }
    }

    private static IOException undecidable(LogRecord record, Exception cause) {
        return new IOException(
                "record " + record.sequence() + " of segment "
                        + record.position().segment() + " can't be decided again: " + cause.getMessage(),
                cause);
    }
}
