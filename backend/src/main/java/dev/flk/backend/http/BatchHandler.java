// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.RejectReason;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * {@code POST /v1/pcs/batch}: NDJSON, a certificate a line.
 *
 * <p>A line ends with a newline, or a carriage return and a newline; the last may end with the body. An empty line
 * between others is a line, and as a certificate malformed: answers are told apart by their place. A batch without any
 * line is a 400.
 */
final class BatchHandler implements Endpoint {
    /** What working on a line takes, beside its bytes, until it is answered. */
    private static final int LINE_BYTES = 2 << 10;

    private static final int LINE_ANSWER_BYTES = 512;

    private final HttpConfig config;
    private final Limits limits;
    private final Meters meters;
    private final LongSupplier nanoTicker;

    BatchHandler(HttpConfig config, Limits limits, Meters meters, LongSupplier nanoTicker) {
        this.config = config;
        this.limits = limits;
        this.meters = meters;
        this.nanoTicker = nanoTicker;
    }

    @Override
    public Kind kind() {
        return Kind.SUBMISSION;
    }

    @Override
    public int maxBodyBytes() {
        return config.maxBatchBytes();
    }

    @Override
    public void serve(Request request, Exchange exchange) {
        BatchLines lines = new BatchLines(request.body(), config.maxBatchLines());
        int length = request.body().length();
        if (lines.count() == 0) {
            limits.failed(exchange.sender(), length);
            exchange.answer(Refusal.badRequest("empty batch, send a certificate a line"));
        } else if (lines.areMore()) {
            meters.rejected(RejectReason.TOO_LARGE);
            limits.failed(exchange.sender(), length);
            exchange.answer(Refusal.tooManyLines(config.maxBatchLines()));
        } else if (!exchange.holdMore(length + (long) lines.count() * LINE_BYTES)
                || !exchange.reserveAnswer((long) lines.count() * LINE_ANSWER_BYTES)) {
            exchange.refuseEarly();
        } else {
            submit(lines, new BatchAnswer(lines.count(), config.maxBodyBytes()), request.arrivedNanos(), exchange);
        }
    }

    private void submit(BatchLines lines, BatchAnswer answer, long arrivedNanos, Exchange exchange) {
        List<Submission> submissions = new ArrayList<>(answer.lines());
        for (int line = 0; line < answer.lines(); line++) {
            if (lines.length(line) > config.maxBodyBytes()) {
                meters.rejected(RejectReason.TOO_LARGE);
                limits.failed(exchange.sender(), lines.length(line));
            } else {
                int place = line;
                submissions.add(new Submission(
                        lines.length(line), () -> lines.line(place), exchange.sender(), outcome -> {
                            if (answer.take(place, outcome)) {
                                finish(answer, arrivedNanos, exchange);
                            }
                        }));
            }
        }
        if (answer.expect(submissions.size())) {
            finish(answer, arrivedNanos, exchange);
        }
        exchange.submit(submissions);
    }

    private void finish(BatchAnswer answer, long arrivedNanos, Exchange exchange) {
        exchange.answerLater(() -> {
            long nanos = nanoTicker.getAsLong() - arrivedNanos;
            for (int line = 0; line < answer.lines(); line++) {
                meters.submit.observeNanos(nanos);
            }
            return answer.render();
        });
    }
}
