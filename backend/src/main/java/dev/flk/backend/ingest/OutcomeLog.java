// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
import dev.flk.certificate.PcsId;
import dev.flk.verification.Verdict;
import io.github.bucket4j.Bucket;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log lines of ingest, in the words that operators search for. Never a payload, never a key. Lines that a stranger can cause
 * are limited; how many were left out is said with the next.
 */
final class OutcomeLog {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final int STRANGERS_LINES = 20;
    private static final Duration STRANGERS_REFILL = Duration.ofSeconds(20);

    private final Bucket strangersLines = Bucket.builder()
            .addLimit(limit -> limit.capacity(STRANGERS_LINES).refillGreedy(STRANGERS_LINES, STRANGERS_REFILL))
            .build();
    private final AtomicLong leftOut = new AtomicLong();

    void decided(Decision decision) {
        decision.verdict().match(new Verdict.Cases<Void>() {
            @Override
            public Void accepted(Verdict.Accepted accepted) {
                if (LOG.isInfoEnabled()) {
                    LOG.info(
                            "PCS {} accepted (D̂={}, coh★={})",
                            accepted.id(),
                            twoDecimals(accepted.claimedDHat()),
                            twoDecimals(decision.cohStar()));
                }
                return null;
            }

            @Override
            public Void escalated(Verdict.Escalated escalated) {
                LOG.warn(
                        "PCS {} escalated: {}",
                        escalated.id(),
                        escalated.reason().text());
                return null;
            }

            @Override
            public Void rejected(Verdict.Rejected rejected) {
                LOG.warn(
                        "PCS {} escalated: {}", rejected.id(), rejected.reason().text());
                return null;
            }
        });
    }

    private static String twoDecimals(double value) {
        return String.format(Locale.ROOT, "%.2f", value);
    }

    void duplicate(PcsId id) {
        LOG.info("PCS {} duplicate: answered with the recorded outcome", id);
    }

    void conflict(Recorded refused, Recorded standing, String keyId) {
        LOG.warn(
                "PCS {} conflict: other content under this id, signed by key {}; {}; the first outcome stands",
                standing.id(),
                keyId,
                refused.signedDigest().equals(standing.signedDigest())
                        ? "the signed fields are the same, others differ"
                        : "signed fields differ");
    }

    void badSignature(String claimedId) {
        if (strangersLines.tryConsume(1)) {
            long more = leftOut.getAndSet(0);
            LOG.error(
                    "Signature verification failed for {}{}",
                    PcsId.isHex64(claimedId) ? claimedId : "a certificate whose pcs_id is no id",
                    more == 0 ? "" : " (" + more + " more like it were not logged)");
        } else {
            leftOut.incrementAndGet();
        }
    }

    void broken(RuntimeException e) {
        LOG.error("verification error", e);
    }

    void logFailed(Exception cause) {
        LOG.error("WAL append error: {}", cause.getMessage());
    }

    void storeFailed(@Nullable Throwable cause) {
        LOG.error("dedup store error: {}", cause == null ? "no answer" : cause.getMessage());
    }

    void overruled(Recorded ours, Recorded standing) {
        LOG.warn(
                "PCS {} overruled: another outcome was recorded first ({})",
                standing.id(),
                ours.digest().equals(standing.digest()) ? "of the same content" : "of other content");
    }
}
