// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.SettledAs;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The final result for a certificate.
 *
 * @param pcsId the id of the certificate; empty if the id could not be read
 * @param reason the backend's reason, or why the certificate was given up or lost; empty for an accepted certificate
 */
public record Settlement(Kind kind, String pcsId, String reason) {

    /** The ways in which a certificate can leave the outbox. */
    public enum Kind {
        /** Recorded by the backend, which confirmed the certificate's claims. */
        ACCEPTED(SettledAs.ACCEPTED),
        /**
         * Recorded for review by a person, because the claimed regime or budget is doubtful, or the certificate
         * declares that its claims are unreliable.
         */
        ESCALATED(SettledAs.ESCALATED),
        /** Recorded as rejected, because a claim of the certificate is false or can't be checked. */
        REJECTED(SettledAs.ESCALATED),
        /** Given up: the certificate is in the file of dead letters. */
        DEAD_LETTERED(SettledAs.DEAD),
        /** Lost to disk damage before an answer arrived. */
        LOST(SettledAs.LOST);

        private final SettledAs how;

        Kind(SettledAs how) {
            this.how = how;
        }

        /**
         * Returns the settlement that the outbox records. Rejected certificates are recorded as escalated, because the
         * backend answers both with 202.
         */
        SettledAs how() {
            return how;
        }
    }

    /**
     * The futures with which callers in this process await the settlement of certificates, by the outbox sequence of
     * the certificate. Safe for any thread.
     */
    public static final class Awaited {
        private final Map<Long, CompletableFuture<Settlement>> stages = new ConcurrentHashMap<>();
        private volatile @Nullable IOException abandoned;

        /**
         * Adds a future for a certificate. The future completes on a thread of the common pool when the certificate is
         * settled. The future fails if {@link #abandon} is called before that.
         */
        public void add(long sequence, CompletableFuture<Settlement> stage) {
            stages.put(sequence, stage);
            IOException cause = abandoned;
            if (cause != null) {
                abandon(cause);
            }
        }

        /**
         * Completes the future of a certificate, if one was added. The callbacks of the future do not run on the
         * calling thread.
         */
        void settled(long sequence, Settlement settlement) {
            CompletableFuture<Settlement> stage = stages.remove(sequence);
            if (stage != null) {
                stage.completeAsync(() -> settlement);
            }
        }

        /**
         * Fails all futures that were added so far, and every future that is added later. The certificates remain in
         * the outbox.
         */
        public void abandon(IOException cause) {
            abandoned = cause;
            stages.values().removeIf(stage -> {
                stage.completeExceptionally(cause);
                return true;
            });
        }
    }
}
