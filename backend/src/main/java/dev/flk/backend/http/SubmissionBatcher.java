// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Outcome;
import dev.flk.backend.ingest.Submission;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.http.Endpoint.Request;
import dev.flk.http.Exchange;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.program.logging.LineLimit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The way to ingest: {@code POST /v1/pcs/submit} and {@code GET /v1/pcs/{pcs_id}}. What arrives on all connections of
 * an event loop in one turn is handed over as one list: a task put into the loop runs when every connection that had
 * something to read was read.
 */
final class SubmissionBatcher {
    private static final Logger LOG = LoggerFactory.getLogger(SubmissionBatcher.class);
    /** Longer than a usual batch of 100 certificates; parsing as much takes about two milliseconds. */
    private static final long LONG_BYTES = 256 << 10;

    /** What parsing takes at the most for each byte of a body: an object of a million short keys. */
    private static final int PARSED_BYTES_PER_BYTE = 16;

    private final Ingest ingest;
    private final Meters meters;
    private final LongSupplier nanoTicker;
    private final Bound parsing;
    private final LineLimit lines;
    /** What has arrived in this turn, by the thread of the event loop. */
    private final ThreadLocal<List<Submission>> arrived = ThreadLocal.withInitial(ArrayList::new);

    /** @param maxParsingBytes what parsing long bodies may take */
    SubmissionBatcher(Ingest ingest, Meters meters, LongSupplier nanoTicker, long maxParsingBytes) {
        this.parsing = new Bound(maxParsingBytes);
        this.lines = new LineLimit(1, Duration.ofSeconds(10), nanoTicker);
        this.ingest = ingest;
        this.meters = meters;
        this.nanoTicker = nanoTicker;
    }

    Meters meters() {
        return meters;
    }

    /** The body is one certificate. */
    void submit(Request request, Exchange exchange) {
        handOver(
                List.of(new Submission(
                        request.body().length(),
                        request.body()::exact,
                        Client.of(exchange),
                        outcome -> exchange.answerLater(() -> {
                            observe(request, 1);
                            return OutcomeRenderer.answer(outcome);
                        }))),
                exchange);
    }

    /** Notes that certificates are answered which came with this request. */
    void observe(Request request, int certificates) {
        long nanos = nanoTicker.getAsLong() - request.arrivedNanos();
        for (int i = 0; i < certificates; i++) {
            meters.submit.observeNanos(nanos);
        }
    }

    /** The stored outcome. */
    void lookUp(Request request, Exchange exchange) {
        Optional<PcsId> id = PcsId.parse(request.lastSegment());
        if (id.isEmpty()) {
            Client.answerBadRequest(exchange, "pcs_id is not 64 lower-case hex digits");
            return;
        }
        ingest.lookUp(id.get(), found -> exchange.answerLater(() -> OutcomeRenderer.answer(found)));
    }

    /** Hands these over with all else that arrives in this turn of the event loop; long ones on another thread. */
    void handOver(List<Submission> submissions, Exchange exchange) {
        long bytes = submissions.stream().mapToLong(Submission::bodyBytes).sum();
        if (bytes > LONG_BYTES) {
            handOverLong(submissions, exchange);
            return;
        }
        List<Submission> turn = arrived.get();
        if (turn.isEmpty() && !submissions.isEmpty()) {
            exchange.afterReading().execute(() -> {
                arrived.remove();
                handOver(turn);
            });
        }
        turn.addAll(submissions);
    }

    /** One certificate is parsed after the other: the longest says how much memory that may take. */
    private void handOverLong(List<Submission> submissions, Exchange exchange) {
        int longest = submissions.stream().mapToInt(Submission::bodyBytes).max().orElse(0);
        long parsedBytes = (long) longest * PARSED_BYTES_PER_BYTE;
        if (!parsing.take(parsedBytes)) {
            lines.say(
                    "memory",
                    leftOut -> LOG.error(
                            "no memory to read a body of {} bytes; raise -Xmx or lower MAX_BODY_BYTES{}",
                            longest,
                            leftOut));
            exchange.refuseEarly();
            return;
        }
        boolean taken = exchange.runElsewhere(() -> {
            try {
                handOver(submissions);
            } finally {
                parsing.giveBack(parsedBytes);
            }
        });
        if (!taken) {
            parsing.giveBack(parsedBytes);
        }
    }

    /** If ingest throws, what it had not answered is answered as broken. */
    private void handOver(List<Submission> turn) {
        try {
            ingest.submit(turn);
        } catch (RuntimeException | Error e) {
            LOG.error("{} submissions could not be taken", turn.size(), e);
            for (Submission submission : turn) {
                meters.internalError(); // also for one that was answered before, which is not known here
                submission.answer().accept(new Outcome.Broken());
            }
        }
    }
}
