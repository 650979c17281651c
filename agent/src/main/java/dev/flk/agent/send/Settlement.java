// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.SettledAs;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The final result of a certificate.
 *
 * @param pcsId the id of the certificate; empty if it could not be read
 * @param reason the backend's reason, or why the agent gave the certificate up; empty for an accepted certificate
 */
public record Settlement(Kind kind, String pcsId, String reason) {

    /** The ways a certificate can leave the outbox. */
    public enum Kind {
        /** Recorded by the backend, which confirmed the certificate's claims. */
        ACCEPTED(SettledAs.ACCEPTED),
        /** Recorded for review by a person: the claim is borderline, or based on too little data. */
        ESCALATED(SettledAs.ESCALATED),
        /** Recorded as rejected: the backend's result contradicts the certificate's claims. */
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
         * Returns the settlement that the outbox records; a rejected certificate is recorded as escalated, because both
         * were answered with 202.
         */
        SettledAs how() {
            return how;
        }
    }

    /**
     * The futures of the certificates whose settlement callers in this process await, by their sequences in the outbox.
     * Any thread.
     */
    public static final class Awaited {
        private final Map<Long, CompletableFuture<Settlement>> stages = new ConcurrentHashMap<>();
        private volatile @Nullable IOException abandoned;

        /**
         * Adds a future for a certificate. It completes on a thread of the common pool once the certificate is settled,
         * and fails if this process will no longer settle it.
         */
        public void add(long sequence, CompletableFuture<Settlement> stage) {
            stages.put(sequence, stage);
            IOException cause = abandoned;
            if (cause != null) {
                abandon(cause);
            }
        }

        /** Completes the future of a certificate, if one was added. Its callbacks do not run on the calling thread. */
        void settled(long sequence, Settlement settlement) {
            CompletableFuture<Settlement> stage = stages.remove(sequence);
            if (stage != null) {
                stage.completeAsync(() -> settlement);
            }
        }

        /** Fails all futures, including those that are added later. The certificates remain in the outbox. */
        public void abandon(IOException cause) {
            abandoned = cause;
            stages.values().removeIf(stage -> {
                stage.completeExceptionally(cause);
                return true;
            });
        }
    }
}
