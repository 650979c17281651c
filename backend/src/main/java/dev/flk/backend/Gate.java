// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Answers {@code starting} while the log is being read, and lets everything through afterwards. Safe for any thread. */
final class Gate implements Ingest {
    private static final long RETRY_AFTER_SECONDS = 1;
    private static final Outcome STARTING = new Outcome.Unavailable(Outcome.Cause.STARTING, RETRY_AFTER_SECONDS);

    private final Meters meters;
    private volatile @Nullable Ingest behind;

    Gate(Meters meters) {
        this.meters = meters;
    }

    /** From now on everything goes to {@code ingest}. */
    void open(Ingest ingest) {
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
            meters.unavailable(Outcome.Cause.STARTING.error());
            submission.answer().accept(STARTING);
        }
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        Ingest ingest = behind;
        if (ingest != null) {
            ingest.lookUp(id, answer);
        } else {
            answer.accept(new LookUp.Unavailable(Outcome.Cause.STARTING, RETRY_AFTER_SECONDS));
        }
    }
}
