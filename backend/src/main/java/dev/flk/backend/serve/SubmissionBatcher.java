// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.serve.guard.Client;
import dev.flk.certificate.PcsId;
import dev.flk.http.Exchange;
import dev.flk.http.Routes.Endpoint.Request;
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
 * The handler of {@code POST /v1/pcs/submit} and {@code GET /v1/pcs/{pcs_id}}. It passes submissions to ingest, also
 * those of batches. An event loop works in turns: in each turn, it reads every connection that has input. The
 * submissions that arrive in one turn are passed to ingest as one list at the end of the turn, except those of long
 * requests.
 */
final class SubmissionBatcher {
    private static final Logger LOG = LoggerFactory.getLogger(SubmissionBatcher.class);
    /**
     * The number of bytes above which the submissions of a request are not parsed on the event loop but on another
     * thread. A usual batch of 100 certificates is smaller; parsing it takes about 2 ms.
     */
    private static final long LONG_BYTES = 256 << 10;

    /**
     * The maximum number of bytes of memory that parsing takes per byte of a body. An object with a million short keys
     * reaches this maximum.
     */
    static final int PARSED_BYTES_PER_BYTE = 16;

    private final Ingest ingest;
    private final HttpMetrics metrics;
    private final LongSupplier nanoTicker;
    private final Bound parsing;
    private final LineLimit lines;
    /** The submissions that arrived in this turn; each event loop's thread has its own list. */
    private final ThreadLocal<List<Submission>> arrived = ThreadLocal.withInitial(ArrayList::new);

    /** @param maxParsingBytes the memory that parsing long bodies may take in total */
    SubmissionBatcher(Ingest ingest, HttpMetrics metrics, LongSupplier nanoTicker, long maxParsingBytes) {
        this.parsing = new Bound(maxParsingBytes);
        this.lines = new LineLimit(1, Duration.ofSeconds(10), nanoTicker);
        this.ingest = ingest;
        this.metrics = metrics;
        this.nanoTicker = nanoTicker;
    }

    HttpMetrics metrics() {
        return metrics;
    }

    /** Submits the one certificate that is the body of a request. */
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

    /** Records the latency of a request once for each certificate in it. */
    void observe(Request request, int certificates) {
        long nanos = nanoTicker.getAsLong() - request.arrivedNanos();
        for (int i = 0; i < certificates; i++) {
            metrics.submit.observeNanos(nanos);
        }
    }

    /** Answers a look-up with the stored outcome, or with 400 if {@code pcsId} is not an id. */
    void lookUp(String pcsId, boolean isOperator, Exchange exchange) {
        Optional<PcsId> id = PcsId.parse(pcsId);
        if (id.isEmpty()) {
            Client.answerBadRequest(exchange, "pcs_id is not 8 to 64 lower-case hex digits");
            return;
        }
        ingest.lookUp(id.get(), isOperator, found -> exchange.answerLater(() -> OutcomeRenderer.lookUpAnswer(found)));
    }

    /**
     * Passes the submissions of one request to {@link Ingest}: on another thread if their bodies exceed {@link
     * #LONG_BYTES} in total; otherwise together with all other submissions that arrive in this turn of the event loop.
     */
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

    /**
     * Hands over submissions on another thread, which parses them one after another. Therefore, memory is reserved only
     * for the longest submission; if too little memory is left, the request is refused.
     */
    private void handOverLong(List<Submission> submissions, Exchange exchange) {
        int longest = submissions.stream().mapToInt(Submission::bodyBytes).max().orElse(0);
        long parsedBytes = (long) longest * PARSED_BYTES_PER_BYTE;
        if (!parsing.take(parsedBytes)) {
            lines.say(
                    "memory",
                    leftOut -> LOG.error(
                            "not enough memory to read a certificate of {} bytes; raise -Xmx or lower MAX_BODY_BYTES{}",
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

    /** Hands over submissions to ingest. If ingest throws, submissions without an answer get an internal error. */
    private void handOver(List<Submission> turn) {
        try {
            ingest.submit(turn);
        } catch (RuntimeException | Error e) {
            LOG.error(
                    "an unexpected exception ended the processing of {} submissions; those that were not answered"
                            + " before are answered 500 internal error",
                    turn.size(),
                    e);
            for (Submission submission : turn) {
                metrics.refused.internalErrors
                        // this number may be too high: it includes submissions that ingest had already answered
                        .increment();
                submission.answer().accept(Outcome.Refused.BROKEN);
            }
        }
    }
}
