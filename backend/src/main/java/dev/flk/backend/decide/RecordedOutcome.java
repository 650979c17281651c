// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.decide;

import dev.flk.canonical.SignedFields;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import java.time.Instant;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The outcome of a submission, as the record stores it. {@link OutcomeJson} prints it.
 *
 * @param verdict the verdict with which the submission was answered, except that a long reason is cut
 * @param receivedMillis the arrival of the submission, in milliseconds since the epoch
 * @param claims the claims of the submission; null if the outcome was decided for the same id but other content
 */
public record RecordedOutcome(
        Verdict verdict, long receivedMillis, @Nullable Claims claims) {
    private static final Instant FIRST_MILLI = Instant.ofEpochMilli(Long.MIN_VALUE);
    private static final Instant LAST_MILLI = Instant.ofEpochMilli(Long.MAX_VALUE);

    /**
     * The maximum length of the reason, in characters. A reason may quote the fallbacks of the certificate, which are
     * not signed. The state limits the length of a value, and of several values that are read together.
     */
    private static final int MAX_REASON_CHARS = 4 << 10;

    /**
     * The maximum length of the members {@code N_j} and {@code scales} together, as JSON, in characters. Neither of
     * them is signed.
     */
    private static final int MAX_BOXES_CHARS = 256 << 10;

    /**
     * The claims of a certificate besides D̂, and the key that signed it.
     *
     * @param merkleRoot 64 lower-case hex digits
     * @param boxes null if the certificate has too many
     * @param window the times of the measurements; null if the certificate does not have them. They are not signed
     */
    public record Claims(
            double budget,
            double cohStar,
            double r,
            String merkleRoot,
            @Nullable Boxes boxes,
            @Nullable Window window,
            String keyId) {}

    /** The numbers of occupied boxes, and the scales at which D̂ is computed. */
    public record Boxes(BoxCounts counts, List<Integer> scales) {
        private boolean isLong() {
            // no digit, quote or separator of a count takes more than 24 characters, no character more than 6
            long most = 24L * scales.size();
            for (String scale : counts.scales()) {
                most += 24 + 6L * scale.length();
            }
            return most > MAX_BOXES_CHARS && OutcomeJson.length(this) > MAX_BOXES_CHARS;
        }
    }

    /**
     * Returns the outcome of a submission.
     *
     * @param given the verdict with which the submission was answered
     * @param isOfOtherContent whether this verdict was made for other content of the same id
     */
    public static RecordedOutcome of(
            Certificate certificate, Verdict given, boolean isOfOtherContent, long arrivalMillis, String keyId) {
        return new RecordedOutcome(cut(given), arrivalMillis, isOfOtherContent ? null : claims(certificate, keyId));
    }

    private static Verdict cut(Verdict verdict) {
        Reason reason = verdict.reason();
        if (reason == null || reason.text().length() <= MAX_REASON_CHARS) {
            return verdict;
        }
        boolean isPair = Character.isHighSurrogate(reason.text().charAt(MAX_REASON_CHARS - 1));
        String text = reason.text().substring(0, isPair ? MAX_REASON_CHARS - 1 : MAX_REASON_CHARS) + "…";
        return new Verdict(
                verdict.id(),
                verdict.claimedDHat(),
                verdict.kind(),
                verdict.recomputed(),
                new Reason(reason.rule(), text),
                verdict.policyHash());
    }

    private static Claims claims(Certificate certificate, String keyId) {
        SignedFields signed = certificate.signed();
        Boxes boxes = new Boxes(certificate.counts(), certificate.scales());
        return new Claims(
                signed.budget(),
                signed.cohStar(),
                signed.r(),
                signed.merkleRoot(),
                boxes.isLong() ? null : boxes,
                certificate.faultTolerance().window(),
                keyId);
    }

    /** Returns the arrival of the submission. */
    public Instant receivedAt() {
        return Instant.ofEpochMilli(receivedMillis);
    }

    /** Returns the time of the last measurement; null if it is unknown. */
    public @Nullable Instant measuredAt() {
        return claims == null || claims.window() == null
                ? null
                : claims.window().end();
    }

    /** Returns the last measurement in milliseconds since the epoch; null if it is unknown or too far away. */
    public @Nullable Long measuredMillis() {
        Instant measured = measuredAt();
        return measured == null || measured.isBefore(FIRST_MILLI) || measured.isAfter(LAST_MILLI)
                ? null
                : (Long) measured.toEpochMilli();
    }

    /** Returns the id of the key that signed the certificate; empty if it is unknown. */
    public String keyId() {
        return claims == null ? "" : claims.keyId();
    }

    /** Returns the reason why the certificate was not accepted; empty if it was. */
    public String reason() {
        return verdict.reason() == null ? "" : verdict.reason().text();
    }

    /** Returns the words before the numbers of the reason: {@code regime mismatch}; empty if there is no reason. */
    public String cause() {
        return verdict.reason() == null ? "" : ReasonKind.kind(verdict.reason().rule());
    }

    /**
     * Returns whether this outcome makes a new version of its row: the row has no version yet, the answer differs, or
     * only this version has the claims.
     *
     * @param before the current version; null if the row has no version yet
     */
    public boolean isChangedFrom(@Nullable RecordedOutcome before) {
        return before == null || !before.verdict.equals(verdict) || (before.claims == null && claims != null);
    }
}
