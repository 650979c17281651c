// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.agent.send.BackendClient.Reply;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;

/**
 * Reads what a reply means for each certificate. An answer is the backend's only if its body has the backend's form; what a proxy, a
 * captive portal or a half-started service says is an outage, which costs a certificate no attempt.
 */
final class AnswerReader {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(JsonParser.Feature.INCLUDE_SOURCE_IN_LOCATION)
            .build();
    private static final String BAD_SIGNATURE = "Signature verification failed";
    private static final String IN_FUTURE = "timestamp in future";
    /** Longer waits are cut to this: a wrong header must not stop an agent for good. */
    private static final long LONGEST_RETRY_AFTER_SECONDS = 3600;

    private AnswerReader() {}

    /** The result of each certificate of a batch, in its order; {@code reply} is null if there was none. */
    static List<SubmitResult> read(Batch batch, @Nullable Reply reply, @Nullable Throwable failure) {
        List<String> ids = batch.pcsIds();
        if (reply == null) {
            return Collections.nCopies(ids.size(), noAnswer(failure));
        }
        if (ids.size() > 1 && (reply.status() == 200 || reply.status() == 202)) {
            return readBatch(reply, ids);
        }
        return ids.stream().map(id -> read(reply, id)).toList();
    }

    /** If all of them are outages, the first: then the backend did not answer. */
    static Optional<SubmitResult> outage(List<SubmitResult> answers) {
        return answers.stream().allMatch(SubmitResult::isOutage)
                ? answers.stream().findFirst()
                : Optional.empty();
    }

    /** What to make of a request that got no answer. */
    private static SubmitResult noAnswer(@Nullable Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        boolean connected = !(cause instanceof ConnectException
                || cause instanceof HttpConnectTimeoutException
                || cause instanceof SSLHandshakeException);
        return connected ? SubmitResult.noAnswer(describe(cause)) : SubmitResult.notSent(describe(cause));
    }

    /** A failed request in words; the JDK has none for some. */
    static String describe(@Nullable Throwable failure) {
        if (failure instanceof CompletionException && failure.getCause() != null) {
            return describe(failure.getCause());
        }
        Optional<String> tls = TlsMessages.what(failure);
        if (tls.isPresent()) {
            return tls.get();
        }
        if (failure instanceof HttpConnectTimeoutException) {
            return "no connection within the time-out";
        }
        if (failure instanceof ConnectException) {
            return "no connection";
        }
        if (failure instanceof TimeoutException) {
            return "no answer within REQUEST_TIMEOUT";
        }
        String message = failure == null ? null : failure.getMessage();
        return message == null ? "no answer" : "no answer: " + message;
    }

    /** The meaning of the reply to the certificate with this id. */
    static SubmitResult read(Reply reply, String pcsId) {
        JsonNode body = parse(reply.body());
        if (reply.status() == 200 || reply.status() == 202) {
            return recorded(reply, body, pcsId);
        }
        String error = error(body).orElse(null);
        if (error == null) {
            return SubmitResult.noAnswer("status " + reply.status() + " without the backend's body");
        }
        return switch (reply.status()) {
            case 400 -> error.startsWith(IN_FUTURE) ? SubmitResult.inFuture(error) : SubmitResult.never(400, error);
            case 413 -> SubmitResult.never(413, error);
            case 401 ->
                error.equals(BAD_SIGNATURE)
                        ? SubmitResult.badSignature()
                        : SubmitResult.noAnswer("status 401 without the backend's body");
            case 408, 429, 500, 503 -> SubmitResult.later(reply.status(), error, retryAfterSeconds(reply));
            default -> SubmitResult.noAnswer("status " + reply.status());
        };
    }

    /** The meanings of the lines that answer a batch, in the order of its certificates. */
    private static List<SubmitResult> readBatch(Reply reply, List<String> pcsIds) {
        List<String> lines =
                new String(reply.body(), StandardCharsets.UTF_8).lines().toList();
        if (reply.status() != 200 || lines.size() != pcsIds.size()) {
            return Collections.nCopies(
                    pcsIds.size(),
                    SubmitResult.noAnswer("status " + reply.status() + " without a line for each certificate"));
        }
        List<SubmitResult> answers = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            JsonNode line = parse(lines.get(i).getBytes(StandardCharsets.UTF_8));
            answers.add(read(
                    new Reply(
                            line.path("status").isInt() ? line.path("status").intValue() : 0,
                            line.path("conflict").isBoolean()
                                    && line.path("conflict").booleanValue(),
                            Optional.of(line.path("retry_after"))
                                    .filter(JsonNode::isIntegralNumber)
                                    .map(JsonNode::asText),
                            reply.date(),
                            line.path("body").toString().getBytes(StandardCharsets.UTF_8)),
                    pcsIds.get(i)));
        }
        return answers;
    }

    /** An outcome says what was decided, and that fits the status: an echo of the certificate does not. */
    private static SubmitResult recorded(Reply reply, JsonNode body, String pcsId) {
        JsonNode accepted = body.path("accepted");
        JsonNode escalated = body.path("escalated");
        boolean outcome = accepted.isBoolean()
                && escalated.isBoolean()
                && reply.status() == (accepted.asBoolean() && !escalated.asBoolean() ? 200 : 202);
        if (!outcome || !pcsId.equals(body.path("pcs_id").textValue())) {
            return SubmitResult.noAnswer("status " + reply.status() + " without the outcome of this certificate");
        }
        if (reply.conflict()) {
            return SubmitResult.conflict(reply.status());
        }
        String reason = body.path("reason").asText();
        return accepted.asBoolean() ? SubmitResult.recorded(reply.status(), reason) : SubmitResult.rejected(reason);
    }

    /** The text of {@code {"error":"…"}}, if the body is exactly that. */
    private static Optional<String> error(JsonNode body) {
        JsonNode error = body.path("error");
        return body.size() == 1 && error.isTextual() ? Optional.of(error.asText()) : Optional.empty();
    }

    private static long retryAfterSeconds(Reply reply) {
        String text = reply.retryAfter().orElse("");
        return text.matches("\\d{1,9}") ? Math.min(Long.parseLong(text), LONGEST_RETRY_AFTER_SECONDS) : 0;
    }

    private static JsonNode parse(byte[] body) {
        try {
            JsonNode node = JSON.readTree(body);
            return node == null ? MissingNode.getInstance() : node;
        } catch (IOException e) {
            return MissingNode.getInstance();
        }
    }
}
