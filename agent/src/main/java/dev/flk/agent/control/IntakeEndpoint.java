// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.agent.source.Intake;
import dev.flk.agent.source.Intake.Refused;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.json.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * The endpoint {@code POST /v1/pcs}. The body is one certificate or, with the content type {@code
 * application/x-ndjson}, one certificate on each line. The answer is 202 once all valid certificates are on disk, 400
 * if no certificate is valid, 413 if the only one or the whole body is too long, 503 if the outbox accepts no
 * certificates now, and 500 if writing to the outbox failed. After a 500, the client must send the certificates again,
 * although they may already be on disk. Safe for any thread.
 */
final class IntakeEndpoint {
    /** The maximum number of rejected lines that an answer names. */
    private static final int MOST_NAMED = 1_000;

    private final Outbox outbox;
    private final Intake intake;

    IntakeEndpoint(Outbox outbox) {
        this.outbox = outbox;
        this.intake = new Intake(outbox);
    }

    /**
     * Adds the certificates of a request to the outbox, and answers the request once the certificates are on disk.
     * Returns without waiting for this write.
     */
    void take(Request request, Exchange exchange) {
        byte[] body = request.body().exact();
        String type = request.header("Content-Type");
        if (type != null && type.startsWith("application/x-ndjson")) {
            // millions of bad lines take many seconds, in which the event loop must serve other clients
            exchange.runElsewhere(() -> lines(body).thenAccept(exchange::answer));
        } else {
            one(body).thenAccept(exchange::answer);
        }
    }

    /** Returns the maximum length of a certificate in bytes. */
    long longest() {
        return intake.longest();
    }

    private CompletableFuture<Answer> one(byte[] certificate) {
        Optional<String> objection = intake.objection(certificate);
        return objection.isEmpty()
                ? take(List.of(certificate), new RefusedLines())
                : done(Answer.error(certificate.length > intake.longest() ? 413 : 400, objection.get()));
    }

    private CompletableFuture<Answer> lines(byte[] body) {
        RefusedLines refused = new RefusedLines();
        List<byte[]> good;
        try {
            good = intake.goodLines(new ByteArrayInputStream(body), refused::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // reading from memory does not fail
        }
        if (good.isEmpty()) {
            return done(Answer.json(400, report("no line is a valid certificate", 0, refused)));
        }
        return take(good, refused);
    }

    private CompletableFuture<Answer> take(List<byte[]> good, RefusedLines refused) {
        try {
            return outbox.add(good)
                    .handle((nothing, failure) -> failure == null
                            ? Answer.json(202, report(null, good.size(), refused))
                            : appendFailed(failure));
        } catch (IOException e) {
            return done(appendFailed(e));
        }
    }

    private static Answer appendFailed(Throwable failure) {
        return failure instanceof OutboxFull
                ? Answer.error(503, String.valueOf(failure.getMessage()), Header.retryAfter(1))
                : Answer.error(500, "outbox append failed: " + failure.getMessage());
    }

    /**
     * The body of an answer.
     *
     * @param error the reason why no line was added; null if at least one line was added
     * @param added the number of added lines
     * @param refused the first rejected lines, at most {@link #MOST_NAMED}; null if no line was rejected
     * @param refusedLines the number of rejected lines; null if {@code refused} names all of them
     */
    private record Report(
            @Nullable String error,
            int added,
            @Nullable List<Refused> refused,
            @Nullable Long refusedLines) {}

    private static byte[] report(@Nullable String error, int added, RefusedLines refused) {
        return Json.bytes(new Report(
                error,
                added,
                refused.count == 0 ? null : refused.named,
                refused.count > MOST_NAMED ? refused.count : null));
    }

    private static final class RefusedLines {
        private final List<Refused> named = new ArrayList<>();
        private long count;

        void add(Refused one) {
            count++;
            if (count <= MOST_NAMED) {
                named.add(one);
            }
        }
    }

    private static CompletableFuture<Answer> done(Answer answered) {
        return CompletableFuture.completedFuture(answered);
    }
}
