// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SubmitResult.Kind;
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
 * The reader of replies, which determines the result of each certificate. An answer counts as the backend's only if its
 * body has the form of the backend's answers. Any other answer, for example from a proxy, a captive portal or a
 * half-started service, counts as an outage. Outages do not count towards {@code MAX_ATTEMPTS}.
 */
final class AnswerReader {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(JsonParser.Feature.INCLUDE_SOURCE_IN_LOCATION)
            .build();
    private static final String BAD_SIGNATURE = "Signature verification failed";
    private static final String IN_FUTURE = "timestamp in future";
    /**
     * The longest time that {@code Retry-After} can request. Without a limit, a wrong header could stop an agent for
     * years.
     */
    private static final long LONGEST_RETRY_AFTER_SECONDS = 3600;

    private AnswerReader() {}

    /**
     * Returns the result of each certificate of a batch, in the order of the batch. If no complete answer came, {@code
     * reply} is null and {@code failure} is the reason.
     */
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

    /** Returns the first result if all results are outages; otherwise empty. */
    static Optional<SubmitResult> outage(List<SubmitResult> answers) {
        return answers.stream().allMatch(SubmitResult::isOutage)
                ? answers.stream().findFirst()
                : Optional.empty();
    }

    /** Returns the result of a request without an answer: NOT_SENT if no connection was made, otherwise NO_ANSWER. */
    private static SubmitResult noAnswer(@Nullable Throwable failure) {
        Throwable cause =
                failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
        boolean connected = !(cause instanceof ConnectException
                || cause instanceof HttpConnectTimeoutException
                || cause instanceof SSLHandshakeException);
        return new SubmitResult(connected ? Kind.NO_ANSWER : Kind.NOT_SENT, 0, describe(cause));
    }

    /**
     * Describes why a request failed. The result is never empty, although some exceptions of the JDK have no message.
     */
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

    /** Returns the result that a reply contains for the certificate with this id. */
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
            case 400 -> new SubmitResult(error.startsWith(IN_FUTURE) ? Kind.IN_FUTURE : Kind.NEVER, 400, error);
            case 413 -> new SubmitResult(Kind.NEVER, 413, error);
            case 401 ->
                error.equals(BAD_SIGNATURE)
                        ? new SubmitResult(Kind.BAD_SIGNATURE, 401, "")
                        : SubmitResult.noAnswer("status 401 without the backend's body");
            case 408, 429, 500, 503 -> new SubmitResult(Kind.LATER, reply.status(), error, retryAfterSeconds(reply));
            default -> SubmitResult.noAnswer("status " + reply.status());
        };
    }

    /**
     * Returns the result of each certificate of a batch, in the order of the batch. If the answer does not have one
     * line for each certificate, every result is NO_ANSWER.
     */
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

    /**
     * Returns the result of an answer of 200 or 202. The answer counts as the backend's only if its body contains the
     * id of the certificate and a decision that matches the status. A server that only echoes the certificate returns
     * no decision.
     */
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
            return new SubmitResult(Kind.CONFLICT, reply.status(), "");
        }
        Kind kind = accepted.asBoolean() ? Kind.RECORDED : Kind.REJECTED;
        return new SubmitResult(kind, reply.status(), body.path("reason").asText());
    }

    /** Returns the text of {@code {"error":"…"}}; empty if the body has any other form. */
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
