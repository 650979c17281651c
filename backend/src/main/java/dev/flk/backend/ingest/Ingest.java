// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.function.Consumer;

/** The door of ingest: what the HTTP side sees of it. Safe to call from several event loops at once; never blocks. */
public interface Ingest {

    /**
     * Takes what arrived together (one turn of an event loop, or the lines of a batch), in that order. Each submission's
     * answer is called exactly once, after its body is on disk where the contract says so.
     */
    void submit(List<Submission> turn);

    /** Looks up the stored outcome of one certificate; {@code answer} is called exactly once, on any thread. */
    void lookUp(PcsId id, Consumer<LookUp> answer);

    /** What the store says of an id. */
    sealed interface LookUp {
        /** The stored status (200 or 202) and the exact bytes of the body. */
        record Found(int status, byte[] body) implements LookUp {}

        /** The store was asked and has none. */
        record Unknown() implements LookUp {}

        /** It is waiting for its decision, or can't be looked up just now (503). */
        record Unavailable(Outcome.Cause cause, long retryAfterSeconds) implements LookUp {
            static Unavailable of(Outcome.Unavailable outcome) {
                return new Unavailable(outcome.cause(), outcome.retryAfterSeconds());
            }
        }
    }
}
