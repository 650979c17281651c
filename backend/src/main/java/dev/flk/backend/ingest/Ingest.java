// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.function.Consumer;

/** The interface of ingest for the HTTP side. Safe to call from several event loops at once; never blocks. */
public interface Ingest {

    /**
     * Submits certificates that arrived together (in one turn of an event loop, or as the lines of a batch), in that
     * order. The callback of each submission is called exactly once, after its body is on disk where the contract
     * requires that.
     */
    void submit(List<Submission> turn);

    /** Looks up the stored outcome of one certificate; {@code answer} is called exactly once, on any thread. */
    void lookUp(PcsId id, Consumer<LookUp> answer);

    /** The result of looking up an id. */
    sealed interface LookUp {
        /** A stored outcome: its status (200 or 202) and the exact bytes of its body. */
        record Found(int status, byte[] body) implements LookUp {}

        /** The store does not contain the id. */
        record Unknown() implements LookUp {}

        /** The id waits for its decision, or can't be looked up at the moment (503). */
        record Unavailable(Outcome.Cause cause, long retryAfterSeconds) implements LookUp {
            static Unavailable of(Outcome.Unavailable outcome) {
                return new Unavailable(outcome.cause(), outcome.retryAfterSeconds());
            }
        }
    }
}
