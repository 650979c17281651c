// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Outcome;
import java.io.ByteArrayOutputStream;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.jspecify.annotations.Nullable;

/** The answer to a batch while its lines come in, from any thread and in any order. */
final class BatchAnswer {
    private static final int USUAL_LINE_BYTES = 256;

    /** By line; a line that was never submitted, being too long, stays null. */
    private final AtomicReferenceArray<@Nullable Outcome> outcomes;

    private final AtomicInteger open = new AtomicInteger();
    private final int maxLineBytes;

    BatchAnswer(int lines, int maxLineBytes) {
        this.outcomes = new AtomicReferenceArray<>(lines);
        this.maxLineBytes = maxLineBytes;
    }

    int lines() {
        return outcomes.length();
    }

    /** Says how many outcomes will come; true if all of them are there. */
    boolean expect(int submitted) {
        return open.addAndGet(submitted) == 0;
    }

    /** Takes the outcome of a line, of which the first counts; true for the last one that was expected. */
    boolean take(int line, Outcome outcome) {
        return outcomes.compareAndSet(line, null, outcome) && open.decrementAndGet() == 0;
    }

    /** The whole answer; to be called once every outcome was taken. */
    Answer render() {
        var lines = new ByteArrayOutputStream(lines() * USUAL_LINE_BYTES);
        for (int line = 0; line < lines(); line++) {
            Outcome outcome = outcomes.get(line);
            if (outcome == null) {
                OutcomeRenderer.appendTooLongLine(lines, maxLineBytes);
            } else {
                OutcomeRenderer.appendLine(lines, outcome);
            }
        }
        return new Answer(200, Answer.NDJSON, lines.toByteArray(), List.of());
    }
}
