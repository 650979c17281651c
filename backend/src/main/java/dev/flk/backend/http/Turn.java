// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.metrics.Meters;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Collects what arrives on all connections of an event loop in one turn, and hands it to ingest as one list: a task put
 * into the loop runs when every connection that had something to read was read. If ingest throws, what it had not answered is
 * answered as broken. Owned by that loop.
 */
final class Turn {
    private static final Logger log = LoggerFactory.getLogger(Turn.class);

    private final Executor loop;
    private final Ingest ingest;
    private final Meters meters;
    private List<Submission> arrived = new ArrayList<>();

    Turn(Executor loop, Ingest ingest, Meters meters) {
        this.loop = loop;
        this.ingest = ingest;
        this.meters = meters;
    }

    void add(List<Submission> submissions) {
        if (arrived.isEmpty() && !submissions.isEmpty()) {
            loop.execute(this::handOverAll);
        }
        arrived.addAll(submissions);
    }

    private void handOverAll() {
        List<Submission> turn = arrived;
        arrived = new ArrayList<>();
        handOver(turn);
    }

    /** Hands these to ingest now. */
    void handOver(List<Submission> turn) {
        try {
            ingest.submit(turn);
        } catch (RuntimeException | Error e) {
            log.error("{} submissions could not be taken", turn.size(), e);
            for (Submission submission : turn) {
                meters.internalError(); // also for one that was answered before: nobody here can tell
                submission.answer().accept(new Outcome.Broken());
            }
        }
    }
}
