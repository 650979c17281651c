// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Outcome.Refused;
import dev.flk.backend.metrics.RefusedSubmissions;
import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** The interface of ingest for the HTTP side. Safe to call from several event loops at once; never blocks. */
public interface Ingest {

    /**
     * Submits certificates that arrived together (in one turn of an event loop, or as the lines of a batch), in that
     * order. The callback of each submission is called exactly once, after its body is on disk where the contract
     * requires that.
     */
    void submit(List<Submission> turn);

    /**
     * Looks up the stored outcome of one certificate.
     *
     * @param answer called exactly once, on any thread: with the stored outcome, with a refusal if the id waits for its
     *     decision or can't be looked up at the moment, or with nothing if the store does not contain the id
     */
    void lookUp(PcsId id, Consumer<Optional<Outcome>> answer);

    /** A gate that answers {@code starting} while the log is read and then forwards everything. Safe for any thread. */
    final class Gate implements Ingest {
        private static final Refused STARTING = new Refused(Refusal.STARTING, 1);

        private final RefusedSubmissions refused;
        private volatile @Nullable Ingest behind;

        public Gate(RefusedSubmissions refused) {
            this.refused = refused;
        }

        /** Forwards everything to {@code ingest} from this call on. */
        public void open(Ingest ingest) {
            behind = ingest;
        }

        @Override
        public void submit(List<Submission> turn) {
            Ingest ingest = behind;
            if (ingest != null) {
                ingest.submit(turn);
                return;
            }
            for (Submission submission : turn) {
                refused.unavailable(STARTING.error());
                submission.answer().accept(STARTING);
            }
        }

        @Override
        public void lookUp(PcsId id, Consumer<Optional<Outcome>> answer) {
            Ingest ingest = behind;
            if (ingest != null) {
                ingest.lookUp(id, answer);
            } else {
                answer.accept(Optional.of(STARTING));
            }
        }
    }
}
