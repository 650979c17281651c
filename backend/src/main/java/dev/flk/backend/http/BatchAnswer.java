// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Outcome;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** The answer to a batch while its lines come in, from any thread and in any order. */
final class BatchAnswer {
    private static final int USUAL_LINE_BYTES = 256;

    /** By line; a line that was never submitted, being too long, stays null. Published by {@link #open}. */
    private final @Nullable Outcome[] outcomes;

    private final AtomicInteger open;
    private final int maxLineBytes;

    BatchAnswer(int lines, int maxLineBytes) {
        this.outcomes = new Outcome[lines];
        this.open = new AtomicInteger(0);
        this.maxLineBytes = maxLineBytes;
    }

    int lines() {
        return outcomes.length;
    }

    /** Says how many outcomes will come; true if all of them are there. */
    boolean expect(int submitted) {
        return open.addAndGet(submitted) == 0;
    }

    /** Takes the outcome of a line; true for the last one that was expected. */
    boolean take(int line, Outcome outcome) {
        outcomes[line] = outcome;
        return open.decrementAndGet() == 0;
    }

    /** The whole answer; to be called once every outcome was taken. */
    Answer render() {
        var lines = new ByteArrayOutputStream(outcomes.length * USUAL_LINE_BYTES);
        for (Outcome outcome : outcomes) {
            if (outcome == null) {
                OutcomeRenderer.appendTooLongLine(lines, maxLineBytes);
            } else {
                OutcomeRenderer.appendLine(lines, outcome);
            }
        }
        return new Answer(200, Answer.NDJSON, lines.toByteArray(), List.of());
    }
}
