// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Submission;
import java.util.List;

/** What is too long to be parsed in one go, which the event loop does: some of it, or the next if that alone is long, in each step. */
final class LongSubmissions implements LongWork.Work {
    /** That many bytes are parsed in less than a millisecond. */
    private static final long PART_BYTES = 256 << 10;

    private final List<Submission> submissions;
    private final Turn turn;
    private int next;

    LongSubmissions(List<Submission> submissions, Turn turn) {
        this.submissions = submissions;
        this.turn = turn;
    }

    /** Whether all of it is one part. */
    boolean areShort() {
        return endOfPart() == submissions.size();
    }

    @Override
    public boolean goOn() {
        int end = endOfPart();
        turn.handOver(submissions.subList(next, end));
        next = end;
        return next < submissions.size();
    }

    private int endOfPart() {
        long bytes = 0;
        int end = next;
        while (end < submissions.size()) {
            bytes += submissions.get(end).bodyBytes();
            if (bytes > PART_BYTES && end > next) {
                return end;
            }
            end++;
        }
        return end;
    }
}
