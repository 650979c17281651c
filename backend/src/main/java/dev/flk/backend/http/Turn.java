// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Submission;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;

/**
 * Collects what arrives on all connections of an event loop in one turn, and hands it to ingest as one list: a task put
 * into the loop runs when every connection that had something to read was read. Owned by that loop.
 */
final class Turn {
    private final Executor loop;
    private final Ingest ingest;
    private List<Submission> arrived = new ArrayList<>();

    Turn(Executor loop, Ingest ingest) {
        this.loop = loop;
        this.ingest = ingest;
    }

    void add(List<Submission> submissions) {
        if (arrived.isEmpty() && !submissions.isEmpty()) {
            loop.execute(this::handOver);
        }
        arrived.addAll(submissions);
    }

    private void handOver() {
        List<Submission> turn = arrived;
        arrived = new ArrayList<>();
        ingest.submit(turn);
    }
}
