// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.serve.guard.Client;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Sha256;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.BodyMark;
import dev.flk.http.Refusal;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/** The only renderer of outcomes as status codes, headers and bodies. */
public final class OutcomeRenderer {
    private static final byte[] RATE_LIMITED = Client.RATE_LIMITED.getBytes(StandardCharsets.US_ASCII);
    private static final List<Header> DUPLICATE = List.of(new Header("X-Flk-Duplicate", "true"));
    private static final List<Header> CONFLICT =
            List.of(new Header("X-Flk-Duplicate", "true"), new Header("X-Flk-Conflict", "true"));

    private OutcomeRenderer() {}

    /** Returns the answer to a single submission. */
    public static Answer answer(Outcome outcome) {
        Rendered rendered = render(outcome);
        return new Answer(rendered.status, "application/json", rendered.body, rendered.headers);
    }

    /**
     * Appends an outcome as one line of the answer to a batch, including the newline.
     *
     * @param certificate a supplier of the submitted line, with which a refusal is marked; empty for no mark
     */
    static void appendLine(ByteArrayOutputStream out, Outcome outcome, Optional<Supplier<byte[]>> certificate) {
        Rendered rendered = render(outcome);
        appendAscii(out, "{\"status\":" + rendered.status + ",\"body\":");
        boolean isFinal = rendered.status == 400 || rendered.status == 401;
        out.writeBytes(marked(rendered.body, isFinal ? certificate : Optional.empty()));
        appendAscii(
                out,
                switch (rendered.relation) {
                    case FIRST -> "";
                    case DUPLICATE -> ",\"duplicate\":true";
                    case CONFLICT -> ",\"duplicate\":true,\"conflict\":true";
                });
        if (rendered.retryAfterSeconds > 0) {
            appendAscii(out, ",\"retry_after\":" + rendered.retryAfterSeconds);
        }
        appendAscii(out, "}\n");
    }

    /** Appends the line for a certificate that is too long to be accepted. */
    static void appendTooLongLine(ByteArrayOutputStream out, int maxBytes, Optional<Supplier<byte[]>> certificate) {
        appendAscii(out, "{\"status\":413,\"body\":");
        out.writeBytes(marked(errorBody(Refusal.tooLong(maxBytes)), certificate));
        appendAscii(out, "}\n");
    }

    private static byte[] marked(byte[] body, Optional<Supplier<byte[]>> certificate) {
        return certificate
                .map(bytes -> BodyMark.added(body, Sha256.of(bytes.get())))
                .orElse(body);
    }

    /**
     * Returns the answer to a look-up. If an outcome is stored, returns the stored body with status 200, whatever the
     * status of the first answer was. If no outcome is stored, returns 404; if the look-up failed, returns the error.
     */
    static Answer lookUpAnswer(Optional<Outcome> found) {
        if (found.isEmpty()) {
            return Answer.error(404, "no outcome recorded");
        }
        return found.get() instanceof Decided decided ? Answer.json(200, decided.body()) : answer(found.get());
    }

    /** @param retryAfterSeconds the seconds for {@code Retry-After}; 0 for none */
    private record Rendered(int status, byte[] body, List<Header> headers, Relation relation, long retryAfterSeconds) {
        static Rendered retry(int status, byte[] body, long seconds, Header... more) {
            long afterSeconds = Math.max(1, seconds);
            List<Header> headers = new ArrayList<>(List.of(more));
            headers.add(0, Header.retryAfter(afterSeconds));
            return new Rendered(status, body, headers, Relation.FIRST, afterSeconds);
        }
    }

    private static Rendered render(Outcome outcome) {
        if (outcome instanceof Decided decided) {
            List<Header> headers = switch (decided.relation()) {
                case FIRST -> List.of();
                case DUPLICATE -> DUPLICATE;
                case CONFLICT -> CONFLICT;
            };
            return new Rendered(decided.status(), decided.body(), headers, decided.relation(), 0);
        }
        if (outcome instanceof Outcome.RateLimited limited) {
            Throttled throttled = limited.throttled();
            return Rendered.retry(
                    429,
                    RATE_LIMITED,
                    throttled.waitSeconds(),
                    new Header("X-Flk-Limit", throttled.limit().label()));
        }
        Outcome.Refused refused = (Outcome.Refused) outcome;
        int status = switch (refused.why()) {
            case MALFORMED -> 400;
            case BAD_SIGNATURE -> 401;
            case LOG_FAILED, BROKEN -> 500;
            case STORE_DOWN, DISK_FULL, OVERLOADED, STARTING, UNDECIDED, KEYS_OUTDATED -> 503;
        };
        byte[] body = errorBody(refused.error());
        return status == 503
                ? Rendered.retry(status, body, refused.retryAfterSeconds())
                : new Rendered(status, body, List.of(), Relation.FIRST, 0);
    }

    /** Renders an error body in ASCII, with all non-ASCII characters escaped. */
    private static byte[] errorBody(String error) {
        return ("{\"error\":" + CanonicalString.quote(error) + "}").getBytes(StandardCharsets.US_ASCII);
    }

    private static void appendAscii(ByteArrayOutputStream out, String text) {
        out.writeBytes(text.getBytes(StandardCharsets.US_ASCII));
    }
}
