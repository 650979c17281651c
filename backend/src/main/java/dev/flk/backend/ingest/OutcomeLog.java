// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.audit.Audit;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.limit.Submitter;
import dev.flk.backend.metrics.Meters.RejectReason;
import dev.flk.backend.metrics.SignatureRefusal;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.PcsId;
import dev.flk.program.logging.LineLimit;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log lines of ingest, in the words that operators search for. Never a payload, never a key. Lines that a stranger can cause
 * are limited; how many were left out is said with the next.
 */
final class OutcomeLog {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /** A double below this tells nine decimals. */
    private static final double EXACT_BELOW = 1e6;

    private static final int MAX_REASON_CHARS = 1000;

    /** For lines that matter one by one, but that anyone with a copy of a certificate can cause. */
    private static final int MANY = 200;

    private static final int MANY_PER_SECOND = 10;

    /** Of each kind about one a second, so that a flood of one hides no other. */
    private final LineLimit limit = new LineLimit(20, Duration.ofSeconds(1), System::nanoTime);

    private final LineLimit many =
            new LineLimit(MANY, Duration.ofSeconds(1).dividedBy(MANY_PER_SECOND), System::nanoTime);

    private final Audit audit;

    OutcomeLog(Audit audit) {
        this.audit = audit;
    }

    void decided(Decision decision) {
        decision.verdict().match(new Verdict.Cases<Void>() {
            @Override
            public Void accepted(Verdict.Accepted accepted) {
                if (LOG.isInfoEnabled()) {
                    LOG.info(
                            "PCS {} accepted (D̂={}, coh★={}) (shard={})",
                            accepted.id(),
                            twoDecimals(accepted.claimedDHat()),
                            twoDecimals(decision.cohStar()),
                            CanonicalString.escape(decision.shardId()));
                }
                return null;
            }

            @Override
            public Void escalated(Verdict.Escalated escalated) {
                return escalatedFor(escalated.id(), escalated.reason(), decision.shardId(), "");
            }

            @Override
            public Void rejected(Verdict.Rejected rejected) {
                return escalatedFor(rejected.id(), rejected.reason(), decision.shardId(), ", rejected");
            }
        });
    }

    /** A reason may name fallbacks in the certificate's own words, as many and as long as it likes. */
    private static @Nullable Void escalatedFor(PcsId id, Reason reason, String shardId, String rejected) {
        String text = reason.text();
        LOG.warn(
                "PCS {} escalated: {} (shard={}{})",
                id,
                text.length() > MAX_REASON_CHARS ? text.substring(0, MAX_REASON_CHARS) + "…" : text,
                CanonicalString.escape(shardId),
                rejected);
        return null;
    }

    /** As {@code %.2f} has it. */
    static String twoDecimals(double value) {
        if (!(Math.abs(value) < EXACT_BELOW)) {
            return String.format(Locale.ROOT, "%.2f", value);
        }
        // what is told here has nine decimals at the most: half is rounded up, by those
        long billionths = Math.round(Math.abs(value) * 1e9);
        long hundredths = (billionths + 5_000_000) / 10_000_000;
        String sign = value < 0 || (value == 0 && 1 / value < 0) ? "-" : "";
        long fraction = hundredths % 100;
        return sign + hundredths / 100 + (fraction < 10 ? ".0" : ".") + fraction;
    }

    void duplicate(PcsId id) {
        many.say(
                "duplicate",
                leftOut -> LOG.info("PCS {} duplicate: answered with the recorded outcome{}", id, leftOut));
    }

    void conflict(StoredOutcome refused, StoredOutcome existing, String keyId, Submitter sender) {
        String what = refused.signedDigest().equals(existing.signedDigest())
                ? "the signed fields are the same, others differ"
                : "signed fields differ";
        audit.conflict(sender.address(), what, keyId, existing.id().toString());
        many.say(
                "conflict",
                leftOut -> LOG.warn(
                        "PCS {} conflict: other content under this id, signed by key {}, from {}; {}; the first outcome stands{}",
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
                        PcsId.isHex64(claimedId) ? claimedId : "a certificate whose pcs_id is no id",
                        reason.label(),
                        keyId == null ? "" : ", key " + keyId,
                        sender.address(),
                        leftOut));
    }

    /** @param shardId null if nothing vouches for it */
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
                        "no memory to read a body of {} bytes; raise -Xmx or lower MAX_BODY_BYTES{}",
                        bodyBytes,
                        leftOut));
    }

    /** A bug: something threw that should not. */
    void broken(Throwable e) {
        limit.say("fault", leftOut -> LOG.error("verification error{}", leftOut, e));
    }

    /** What may have been answered is not what the store holds now. */
    void lost(StoredOutcome ours, StoredOutcome existing) {
        LOG.error(
                "PCS {} outcome lost: may have been answered {} {}; what stands in the dedup store, which lost it, is {} {} ({} content)",
                existing.id(),
                ours.status(),
                text(ours),
                existing.status(),
                text(existing),
                ours.digest().equals(existing.digest()) ? "the same" : "other");
    }

    private static String text(StoredOutcome recorded) {
        return new String(recorded.body(), StandardCharsets.US_ASCII);
    }

    /** Where the content is the same, so is what was or will be answered. */
    void overruled(StoredOutcome ours, StoredOutcome existing) {
        if (ours.digest().equals(existing.digest())) {
            LOG.info("PCS {} duplicate: logged again while the dedup store could not be asked", existing.id());
        } else {
            LOG.warn("PCS {} overruled: another outcome was recorded first, of other content", existing.id());
        }
    }
}
