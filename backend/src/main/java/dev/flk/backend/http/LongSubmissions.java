// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Submission;
import java.util.List;

/** What is too long to be parsed in one go, which the event loop does: some of it, or the next if that alone is long, in each step. */
final class LongSubmissions implements LongWork.Work {
    /** A hundred usual certificates, which take two milliseconds. */
    private static final long PART_BYTES = 256 << 10;
    /** What checking a signature takes is as much as parsing so many bytes. */
    private static final long SIGNATURE_BYTES = 2 << 10;
    /** Far longer than certificates are: many of them may come at once, and then each waits for its turn. */
    private static final long LONG_BYTES = 16 << 10;

    private final List<Submission> submissions;
    private final Turn turn;
    private final Exchange exchange;
    private int next;

    LongSubmissions(List<Submission> submissions, Turn turn, Exchange exchange) {
        this.submissions = submissions;
        this.turn = turn;
        this.exchange = exchange;
    }

    /** Whether these are so long, all together or each of them. */
    static boolean areLong(List<Submission> submissions) {
        long bytes = 0;
        for (Submission submission : submissions) {
            bytes += submission.bodyBytes();
        }
        int count = submissions.size();
        return bytes + SIGNATURE_BYTES * count > PART_BYTES || bytes > LONG_BYTES * count;
    }

    @Override
    public boolean goOn() {
        int end = endOfPart();
        List<Submission> part = submissions.subList(next, end);
        next = end;
        turn.handOver(part);
        return next < submissions.size();
    }

    @Override
    public void drop() {
        exchange.letGo();
    }

    private int endOfPart() {
        long bytes = 0;
        int end = next;
        while (end < submissions.size()) {
            bytes += submissions.get(end).bodyBytes() + SIGNATURE_BYTES;
            if (bytes > PART_BYTES && end > next) {
                return end;
            }
            end++;
        }
        return end;
    }
}
