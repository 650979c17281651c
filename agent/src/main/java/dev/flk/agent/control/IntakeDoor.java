// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.source.Intake;
import dev.flk.agent.source.Intake.Refused;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Endpoint.Request;
import dev.flk.http.Exchange;
import dev.flk.program.cli.Json;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * {@code POST /v1/pcs}: a certificate, or one a line with the content type {@code application/x-ndjson}. Answered 202 only once what was
 * taken is on disk; 400 if nothing could be taken; 503 if there is no room now; 500 if the disk refuses, and then it may be there all
 * the same. Any thread.
 */
final class IntakeDoor {
    private final Outbox outbox;
    private final Intake intake;

    IntakeDoor(Outbox outbox) {
        this.outbox = outbox;
        this.intake = new Intake(outbox);
    }

    /** Takes what a request brings. */
    void take(Request request, Exchange exchange) {
        byte[] body = request.body().exact();
        String type = request.header("Content-Type");
        var unused = (type != null && type.startsWith("application/x-ndjson") ? lines(body) : one(body))
                .thenAccept(exchange::answer);
    }

    private CompletableFuture<Answer> one(byte[] certificate) {
        Optional<String> objection = intake.objection(certificate);
        return objection.isEmpty() ? take(List.of(certificate), List.of()) : done(Answer.error(400, objection.get()));
    }

    private CompletableFuture<Answer> lines(byte[] body) {
        List<Refused> refused = new ArrayList<>();
        List<byte[]> good;
        try {
            good = intake.goodLines(new ByteArrayInputStream(body), refused::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        if (good.isEmpty()) {
            return done(Answer.json(400, report("nothing could be taken", 0, refused)));
        }
        return take(good, refused);
    }

    private CompletableFuture<Answer> take(List<byte[]> good, List<Refused> refused) {
        try {
            return outbox.add(good)
                    .handle((nothing, failure) -> failure == null
                            ? Answer.json(202, report(null, good.size(), refused))
                            : Answer.error(500, "outbox append failed: " + failure.getMessage()));
        } catch (OutboxFull e) {
            return done(Answer.error(503, String.valueOf(e.getMessage()), Header.retryAfter(1)));
        } catch (IOException e) {
            return done(Answer.error(500, "outbox append failed: " + e.getMessage()));
        }
    }

    /** What became of the lines of a request. */
    private record Report(
            @Nullable String error, int added, @Nullable List<Refused> refused) {}

    private static byte[] report(@Nullable String error, int added, List<Refused> refused) {
        return Json.bytes(new Report(error, added, refused.isEmpty() ? null : refused));
    }

    private static CompletableFuture<Answer> done(Answer answered) {
        return CompletableFuture.completedFuture(answered);
    }
}
