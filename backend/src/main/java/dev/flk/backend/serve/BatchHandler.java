// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.RefusedSubmissions;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.backend.serve.guard.Client;
import dev.flk.http.Answer;
import dev.flk.http.BodyBuffer;
import dev.flk.http.Exchange;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code POST /v1/pcs/batch}: NDJSON with one certificate per line.
 *
 * <p>A line ends with a newline, or with a carriage return and a newline; the last line may also end at the end of the
 * body. An empty line counts as a malformed certificate, because each answer belongs to the line at the same position.
 * A batch without lines gets a 400.
 */
final class BatchHandler implements Endpoint.Handler {
    /** The number of bytes of memory that a line needs, in addition to its text, until the batch is answered. */
    static final int LINE_BYTES = 2 << 10;

    static final int LINE_ANSWER_BYTES = 512;

    private final HttpConfig config;
    private final Limits limits;
    private final RefusedSubmissions refused;
    private final SubmissionBatcher turns;

    BatchHandler(HttpConfig config, Limits limits, SubmissionBatcher turns) {
        this.config = config;
        this.limits = limits;
        this.refused = turns.metrics().refused;
        this.turns = turns;
    }

    @Override
    public void serve(Request request, Exchange exchange) {
        BatchLines lines = new BatchLines(request.body(), config.maxBatchLines());
        int length = request.body().length();
        Submitter sender = Client.of(exchange);
        if (lines.count() == 0) {
            limits.failed(sender, length);
            Client.answerBadRequest(exchange, "empty batch, send one certificate per line");
        } else if (lines.areMore()) {
            refused.rejected.increment(RejectReason.TOO_LARGE);
            limits.failed(sender, length);
            exchange.answer(Answer.error(413, "batch over " + config.maxBatchLines() + " lines"));
        } else if (!exchange.holdMore(length + (long) lines.count() * LINE_BYTES)
                || !exchange.reserveAnswer((long) lines.count() * LINE_ANSWER_BYTES)) {
            exchange.refuseEarly();
        } else {
            submit(lines, new BatchAnswer(lines, config.maxBodyBytes(), exchange.isMarked()), request, exchange);
        }
    }

    private void submit(BatchLines lines, BatchAnswer answer, Request request, Exchange exchange) {
        Submitter sender = Client.of(exchange);
        List<Submission> submissions = new ArrayList<>(answer.lines());
        for (int line = 0; line < answer.lines(); line++) {
            if (lines.length(line) > config.maxBodyBytes()) {
                refused.rejected.increment(RejectReason.TOO_LARGE);
                limits.failed(sender, lines.length(line));
            } else {
                int place = line;
                submissions.add(new Submission(lines.length(line), () -> lines.line(place), sender, outcome -> {
                    if (answer.take(place, outcome)) {
                        finish(answer, request, exchange);
                    }
                }));
            }
        }
        if (answer.expect(submissions.size())) {
            finish(answer, request, exchange);
        }
        turns.handOver(submissions, exchange);
    }

    private void finish(BatchAnswer answer, Request request, Exchange exchange) {
        exchange.answerLater(() -> {
            turns.observe(request, answer.lines());
            return answer.render();
        });
    }

    /** The answer to a batch, collected from outcomes that arrive on any thread and in any order. */
    private static final class BatchAnswer {
        private static final int USUAL_LINE_BYTES = 256;

        /**
         * The outcome of each line; null until the outcome arrives. A line that was too long to be submitted never has
         * an outcome.
         */
        private final AtomicReferenceArray<@Nullable Outcome> outcomes;

        private final AtomicInteger open = new AtomicInteger();
        private final BatchLines submitted;
        private final int maxLineBytes;
        private final boolean isMarked;

        /** @param isMarked whether refusals are marked with the digests of their lines */
        BatchAnswer(BatchLines submitted, int maxLineBytes, boolean isMarked) {
            this.outcomes = new AtomicReferenceArray<>(submitted.count());
            this.submitted = submitted;
            this.maxLineBytes = maxLineBytes;
            this.isMarked = isMarked;
        }

        int lines() {
            return outcomes.length();
        }

        /** Sets the number of outcomes that will arrive; returns whether all these outcomes have arrived already. */
        boolean expect(int submitted) {
            return open.addAndGet(submitted) == 0;
        }

        /**
         * Stores an outcome, unless the line already has one. Returns true if the stored outcome completes the answer.
         */
        boolean take(int line, Outcome outcome) {
            return outcomes.compareAndSet(line, null, outcome) && open.decrementAndGet() == 0;
        }

        /**
         * Renders the complete answer; must be called after every outcome has arrived, and before the request is
         * answered, because that releases the lines.
         */
        Answer render() {
            var lines = new ByteArrayOutputStream(lines() * USUAL_LINE_BYTES);
            for (int line = 0; line < lines(); line++) {
                int place = line;
                Optional<Supplier<byte[]>> certificate =
                        isMarked ? Optional.of(() -> submitted.line(place)) : Optional.empty();
                Outcome outcome = outcomes.get(line);
                if (outcome == null) {
                    OutcomeRenderer.appendTooLongLine(lines, maxLineBytes, certificate);
                } else {
                    OutcomeRenderer.appendLine(lines, outcome, certificate);
                }
            }
            return new Answer(200, "application/x-ndjson", lines.toByteArray(), List.of());
        }
    }

    /**
     * The lines of a batch. The scan reads each byte once, and stops after the first line beyond the allowed number.
     */
    private static final class BatchLines {
        private static final int FIRST_LINES = 64;

        private final BodyBuffer body;
        private final int most;
        /** The position of the newline after each line; for a last line without a newline, the end of the body. */
        private int[] ends = new int[FIRST_LINES];

        private int found;

        /** @param most the largest allowed number of lines */
        BatchLines(BodyBuffer body, int most) {
            this.body = body;
            this.most = most;
            find();
        }

        private void find() {
            int at = 0;
            while (at < body.length() && found <= most) {
                int newline = body.indexOf((byte) '\n', at);
                add(newline);
                at = newline + 1;
            }
        }

        private void add(int end) {
            if (found == ends.length) {
                ends = Arrays.copyOf(ends, 2 * found);
            }
            ends[found++] = end;
        }

        /** Returns the number of lines; if there are more than allowed, the allowed number plus one. */
        int count() {
            return found;
        }

        /** Returns whether there are more lines than allowed. */
        boolean areMore() {
            return found > most;
        }

        /** Returns the number of bytes of a line, without its line end. */
        int length(int line) {
            return end(line) - start(line);
        }

        /** Returns a copy of a line, without its line end. */
        byte[] line(int line) {
            return body.copy(start(line), end(line));
        }

        private int start(int line) {
            return line == 0 ? 0 : ends[line - 1] + 1;
        }

        private int end(int line) {
            int end = ends[line];
            boolean hasReturn = end < body.length() && end > start(line) && body.at(end - 1) == '\r';
            return hasReturn ? end - 1 : end;
        }
    }
}
