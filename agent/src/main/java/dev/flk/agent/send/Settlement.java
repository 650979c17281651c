// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.outbox.SettledAs;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * What became of a certificate in the end.
 *
 * @param pcsId of the certificate; empty if it could not be read
 * @param reason as the backend names it, or why the agent gave the certificate up; empty for an accepted one
 */
public record Settlement(Kind kind, String pcsId, String reason) {

    /** The ways a certificate can leave the outbox. */
    public enum Kind {
        /** Recorded by the backend, which found what the certificate claims. */
        ACCEPTED(SettledAs.ACCEPTED),
        /** Recorded, for a person to look at: the claim is borderline, or measured on too little. */
        ESCALATED(SettledAs.ESCALATED),
        /** Recorded as refuted: the backend found something else than the certificate claims. */
        REJECTED(SettledAs.ESCALATED),
        /** Given up; it is in the file of dead letters. */
        DEAD_LETTERED(SettledAs.DEAD),
        /** The disk has lost it before it was answered. */
        LOST(SettledAs.LOST);

        private final SettledAs how;

        Kind(SettledAs how) {
            this.how = how;
        }

        /** As the outbox notes it. */
        SettledAs how() {
            return how;
        }
    }

    /** The certificates of this process that somebody waits for, by their sequence in the outbox. Any thread. */
    public static final class Awaited {
        private final Map<Long, CompletableFuture<Settlement>> stages = new ConcurrentHashMap<>();
        private volatile @Nullable IOException abandoned;

        /** Completes once the certificate is settled, or nobody will settle it any more; on a thread of the common pool. */
        public void add(long sequence, CompletableFuture<Settlement> stage) {
            stages.put(sequence, stage);
            IOException cause = abandoned;
            if (cause != null) {
                abandon(cause);
            }
        }

        /** The certificate was settled; who waits for it does not delay the caller. */
        void settled(long sequence, Settlement settlement) {
            CompletableFuture<Settlement> stage = stages.remove(sequence);
            if (stage != null) {
                stage.completeAsync(() -> settlement);
            }
        }

        /** Fails all, and those that are added from now on: the certificates stay in the outbox. */
        public void abandon(IOException cause) {
            abandoned = cause;
            stages.values().removeIf(stage -> {
                stage.completeExceptionally(cause);
                return true;
            });
        }
    }
}
