// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxFull;
import dev.flk.agent.source.Intake;
import dev.flk.agent.source.Intake.Refused;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
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

    CompletableFuture<Answered> one(byte[] certificate) {
        List<Refused> refused = new ArrayList<>();
        return intake.admits(certificate, refused::add)
                ? take(List.of(certificate), refused)
                : done(Answered.error(400, refused.get(0).reason()));
    }

    CompletableFuture<Answered> lines(byte[] body) {
        List<Refused> refused = new ArrayList<>();
        List<byte[]> good;
        try {
            good = intake.goodLines(new ByteArrayInputStream(body), refused::add);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // memory does not fail
        }
        if (good.isEmpty()) {
            return done(Answered.json(400, report("nothing could be taken", 0, refused)));
        }
        return take(good, refused);
    }

    private CompletableFuture<Answered> take(List<byte[]> good, List<Refused> refused) {
        try {
            return outbox.add(good)
                    .handle((nothing, failure) -> failure == null
                            ? Answered.json(202, report(null, good.size(), refused))
                            : Answered.error(500, "outbox append failed: " + failure.getMessage()));
        } catch (OutboxFull e) {
            return done(Answered.busy(String.valueOf(e.getMessage())));
        } catch (IOException e) {
            return done(Answered.error(500, "outbox append failed: " + e.getMessage()));
        }
    }

    private static byte[] report(@Nullable String error, int added, List<Refused> refused) {
        return Json.object(json -> {
            if (error != null) {
                json.writeStringField("error", error);
            }
            json.writeNumberField("added", added);
            if (!refused.isEmpty()) {
                json.writeArrayFieldStart("refused");
                for (Refused one : refused) {
                    json.writeStartObject();
                    json.writeNumberField("line", one.line());
                    json.writeStringField("reason", one.reason());
                    json.writeEndObject();
                }
                json.writeEndArray();
            }
        });
    }

    private static CompletableFuture<Answered> done(Answered answered) {
        return CompletableFuture.completedFuture(answered);
    }
}
