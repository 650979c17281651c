// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.PcsId;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.logging.LogOutput;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log lines of ingest, in the words that operators search for. They never contain a payload or a key. Lines that an
 * unauthenticated sender can cause are limited; the next line of the same kind says how many lines were left out.
 */
final class OutcomeLog {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /** The magnitude below which nine decimals are within the precision of a double. */
    private static final double EXACT_BELOW = 1e6;

    private static final int MAX_REASON_CHARS = 1000;

    private static final byte[] ACCEPTED = Utf8Buffer.utf8(" accepted (D̂=");
    private static final byte[] COH_STAR = Utf8Buffer.utf8(", coh★=");

    /**
     * The largest burst of lines about duplicates, and of lines about conflicts. Each such line matters, but anyone
     * with a copy of a certificate can cause them.
     */
    private static final int MANY = 200;

    private static final int MANY_PER_SECOND = 10;

    /**
     * The limit of the other lines that an unauthenticated sender can cause: a burst of 20, then one a second. It
     * applies to each kind of line separately, so that a flood of one kind hides no other kind.
     */
    private final LineLimit limit = new LineLimit(20, Duration.ofSeconds(1), System::nanoTime);

    private final LineLimit many =
            new LineLimit(MANY, Duration.ofSeconds(1).dividedBy(MANY_PER_SECOND), System::nanoTime);

    private final Audit audit;

    OutcomeLog(Audit audit) {
        this.audit = audit;
    }

    /**
     * Logs a decision. The reason may quote names of any number and length from the certificate, and is therefore
     * truncated.
     */
    void decided(Decision decision) {
        Verdict verdict = decision.verdict();
        Reason reason = verdict.reason();
        if (reason == null) {
            if (LOG.isInfoEnabled()) {
                accepted(decision);
            }
            return;
        }
        String text = reason.text();
        LOG.warn(
                "PCS {} escalated: {} (shard={}{})",
                verdict.id(),
                text.length() > MAX_REASON_CHARS ? text.substring(0, MAX_REASON_CHARS) + "…" : text,
                CanonicalString.escape(decision.shardId()),
                verdict.kind() == Verdict.Kind.REJECTED ? ", rejected" : "");
    }

    /**
     * Logs an accepted certificate. Every accepted certificate causes one such line, so the line is built directly as
     * bytes.
     */
    private static void accepted(Decision decision) {
        Verdict verdict = decision.verdict();
        String shard = CanonicalString.escape(decision.shardId());
        Utf8Buffer line = new Utf8Buffer(160 + shard.length());
        line.append("PCS ").append(verdict.id().toString()).append(ACCEPTED);
        appendTwoDecimals(line, verdict.claimedDHat()).append(COH_STAR);
        appendTwoDecimals(line, decision.cohStar())
                .append(") (shard=")
                .append(shard)
                .append(')');
        // without a backslash, the text has no quote either, because a quote would be escaped
        boolean isPlain = shard.indexOf('\\') < 0;
        if (!isPlain || !LogOutput.writeInfo(LOG, line.array(), line.length())) {
            LOG.info("{}", line);
        }
    }

    /** Appends a number like {@code %.2f}. */
    static Utf8Buffer appendTwoDecimals(Utf8Buffer out, double value) {
        if (!(Math.abs(value) < EXACT_BELOW)) {
            return out.append(String.format(Locale.ROOT, "%.2f", value));
        }
        // logged values have at most nine decimals, so this rounding is exact; the next line rounds a half up
        long billionths = Math.round(Math.abs(value) * 1e9);
        long hundredths = (billionths + 5_000_000) / 10_000_000;
        if (Double.doubleToRawLongBits(value) < 0) {
            out.append('-');
        }
        return out.append(hundredths / 100).append('.').append(hundredths % 100, 2);
    }

    void duplicate(PcsId id) {
        many.say(
                "duplicate",
                leftOut -> LOG.info("PCS {} duplicate: answered with the recorded outcome{}", id, leftOut));
    }

    void conflict(StoredOutcome refused, StoredOutcome existing, String keyId, Submitter sender) {
        String what = refused.signedDigest().equals(existing.signedDigest())
                ? "the signed fields are the same, but others differ"
                : "signed fields differ";
        audit.conflict(sender.address(), what, keyId, existing.id().toString());
        many.say(
                "conflict",
                leftOut -> LOG.warn(
                        "PCS {} conflict: different content under this id, signed by key {}, from {}; {}; the first"
                                + " outcome remains{}",
                        existing.id(),
                        keyId,
                        sender.address(),
                        what,
                        leftOut));
    }

    void badSignature(String claimedId, SignatureRefusal reason, @Nullable String keyId, Submitter sender) {
        audit.signatureRefused(sender.address(), reason.label(), keyId, PcsId.isHex64(claimedId) ? claimedId : null);
        limit.say(
                reason.label(),
                leftOut -> LOG.error(
                        "Signature verification failed for {}: {}{}, from {}{}",
                        PcsId.isHex64(claimedId) ? claimedId : "a certificate whose pcs_id is not an id",
                        reason.label(),
                        keyId == null ? "" : ", key " + keyId,
                        sender.address(),
                        leftOut));
    }

    void refusedProbe(SignatureRefusal reason, @Nullable String keyId, Submitter sender) {
        audit.signatureRefused(sender.address(), reason.label(), keyId, null);
        limit.say(
                "probe " + reason.label(),
                leftOut -> LOG.warn(
                        "the signature of a probe (flk-agent doctor or health) was refused: {}{}, from {}{}",
                        reason.label(),
                        keyId == null ? "" : ", key " + keyId,
                        sender.address(),
                        leftOut));
    }

    /** @param shardId the shard; null if no valid signature confirms it */
    void malformed(RejectReason reason, String error, Submitter sender, @Nullable String shardId) {
        limit.say(
                reason.label(),
                leftOut -> LOG.warn(
                        "PCS rejected due to {}, from {}{}{}",
                        reason == RejectReason.CLOCK ? error : "a malformed certificate: " + error,
                        sender.address(),
                        shardId == null ? "" : " (shard=" + CanonicalString.escape(shardId) + ")",
                        leftOut));
    }

    void noMemory(int bodyBytes) {
        limit.say(
                "memory",
                leftOut -> LOG.error(
                        "not enough memory to read a certificate of {} bytes; raise -Xmx or lower MAX_BODY_BYTES{}",
                        bodyBytes,
                        leftOut));
    }

    /** Logs an unexpected exception, which a bug or a lack of memory has caused. */
    void broken(Throwable e) {
        limit.say(
                "fault",
                leftOut -> LOG.error(
                        "verification error: an unexpected exception while submissions were checked, recorded or"
                                + " answered{}",
                        leftOut,
                        e));
    }

    /**
     * Logs that the store has lost an outcome and now has another outcome for the same id. The sender may already have
     * received the lost outcome as the answer.
     */
    void lost(StoredOutcome ours, StoredOutcome existing) {
        LOG.error(
                "PCS {} outcome lost: its sender may have been answered {} {}, but the dedup store no longer has"
                        + " this outcome. The store now has {} {}, which was decided for {}",
                existing.id(),
                ours.status(),
                text(ours),
                existing.status(),
                text(existing),
                ours.digest().equals(existing.digest()) ? "the same content" : "different content under this id");
    }

    private static String text(StoredOutcome recorded) {
        return new String(recorded.body(), StandardCharsets.US_ASCII);
    }

    /**
     * Logs that another outcome was recorded first, and is therefore the answer. If that outcome was decided for the
     * same content, the line calls the submission a duplicate.
     */
    void overruled(StoredOutcome ours, StoredOutcome existing) {
        if (ours.digest().equals(existing.digest())) {
            LOG.info(
                    "PCS {} duplicate: the same content already has a recorded outcome, which is the answer",
                    existing.id());
        } else {
            LOG.warn("PCS {} overruled: another outcome was recorded first, for different content", existing.id());
        }
    }
}
