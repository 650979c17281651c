// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SubmitResult.Kind;
import dev.flk.canonical.Sha256;
import dev.flk.http.BodyMark;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeoutException;
import javax.net.ssl.SSLHandshakeException;
import org.jspecify.annotations.Nullable;

/**
 * The reader of replies, which determines the result of each certificate. An answer counts as the backend's only if its
 * body has the form of the backend's answers. Any other answer, for example from a proxy, a captive portal or a
 * half-started service, counts as an outage. Outages do not count towards {@code MAX_ATTEMPTS}. An answer that refuses
 * a certificate for good must also have the {@link BodyMark} of the bytes that were sent.
 */
final class AnswerReader {
    /** More than an answer has; each token takes much more memory than in the answer. */
    private static final int MAX_TOKENS = 1_000;

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES) // would keep the names of hostile answers
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxTokenCount(MAX_TOKENS)
                            .build())
                    .build())
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
        return reply == null
                ? Collections.nCopies(batch.size(), noAnswer(failure))
                : CertificateLimit.parsing(reply.body().length, () -> read(batch, reply));
    }

    private static List<SubmitResult> read(Batch batch, Reply reply) {
        List<String> ids = batch.pcsIds();
        if (ids.size() == 1) {
            return List.of(read(reply, ids.get(0), batch.lines().get(0)));
        }
        if (reply.status() == 200 || reply.status() == 202) {
            return readBatch(reply, batch);
        }
        // such an answer contains no ids, so the result is the same for all
        return Collections.nCopies(ids.size(), read(reply, ids.get(0), BackendClient.joined(batch.lines())));
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

    /**
     * Returns the result that a reply contains for the certificate with this id.
     *
     * @param sent the bytes to which the reply must belong: the certificate, or the body with several certificates
     */
    static SubmitResult read(Reply reply, String pcsId, byte[] sent) {
        JsonNode body = parse(reply.body());
        int status = reply.status();
        if (status == 200 || status == 202) {
            return recorded(reply, body, pcsId);
        }
        boolean isProven = isMarked(body, sent);
        Optional<String> error = isProven || body.size() == 1
                ? Optional.ofNullable(body.path("error").textValue())
                : Optional.empty();
        return switch (status) {
            case 400 ->
                error.filter(text -> text.startsWith(IN_FUTURE))
                        .map(text -> new SubmitResult(Kind.IN_FUTURE, 400, text))
                        .orElseGet(() -> refused(status, error, isProven));
            case 401 ->
                error.filter(BAD_SIGNATURE::equals)
                        .map(text -> isProven
                                ? new SubmitResult(Kind.BAD_SIGNATURE, 401, "")
                                : new SubmitResult(Kind.UNPROVEN_SIGNATURE, 401, unproven(401, error)))
                        .orElseGet(() -> foreign(401));
            case 404, 405, 407, 415 -> foreign(status);
            case 408, 429, 500, 503 ->
                error.map(text -> new SubmitResult(Kind.LATER, status, text, retryAfterSeconds(reply)))
                        .orElseGet(() -> new SubmitResult(
                                Kind.NO_ANSWER,
                                0,
                                "status " + status + " without the backend's body",
                                retryAfterSeconds(reply)));
            default ->
                status / 100 == 4
                        ? refused(status, error, isProven && status == 413)
                        : SubmitResult.noAnswer("status " + status);
        };
    }

    private static SubmitResult refused(int status, Optional<String> error, boolean isProven) {
        return isProven
                ? new SubmitResult(Kind.NEVER, status, error.orElse(""))
                : new SubmitResult(Kind.UNPROVEN, status, unproven(status, error));
    }

    private static SubmitResult foreign(int status) {
        return new SubmitResult(Kind.FOREIGN, status, "status " + status + "; is ENDPOINT a backend?");
    }

    private static String unproven(int status, Optional<String> error) {
        return "status " + status + " without the backend's mark"
                + error.map(text -> ": " + text).orElse("");
    }

    /** Returns whether an answer proves that the backend has judged exactly these bytes. See {@link BodyMark}. */
    static boolean isMarked(byte[] answer, byte[] sent) {
        return isMarked(parse(answer), sent);
    }

    private static boolean isMarked(JsonNode body, byte[] sent) {
        JsonNode bytes = body.path(BodyMark.BYTES);
        boolean isRightLength = bytes.isMissingNode()
                || (bytes.canConvertToLong() && bytes.isIntegralNumber() && bytes.longValue() == sent.length);
        String digest = body.path(BodyMark.SHA256).textValue();
        return digest != null
                && body.path("error").isTextual()
                && isRightLength
                && digest.equals(HexFormat.of().formatHex(Sha256.of(sent)));
    }

    /**
     * Returns the result of each certificate of a batch, in the order of the batch. If the answer does not have one
     * line for each certificate, every result is NO_ANSWER.
     */
    private static List<SubmitResult> readBatch(Reply reply, Batch batch) {
        List<String> pcsIds = batch.pcsIds();
        List<String> lines = new String(reply.body(), StandardCharsets.UTF_8)
                .lines()
                .limit(pcsIds.size() + 1L)
                .toList();
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
                            reply.keys(),
                            line.path("body").toString().getBytes(StandardCharsets.UTF_8)),
                    pcsIds.get(i),
                    batch.items().get(i).line()));
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

    /**
     * Returns the seconds of {@code Retry-After}, at most {@link #LONGEST_RETRY_AFTER_SECONDS}; 0 if the reply has no
     * valid {@code Retry-After}. A time is measured from the {@code Date} of the same reply, because the clock of this
     * machine may be wrong.
     */
    static long retryAfterSeconds(Reply reply) {
        String text = reply.retryAfter().orElse("");
        long seconds = text.matches("\\d{1,9}")
                ? Long.parseLong(text)
                : BackendClient.date(text)
                        .flatMap(until -> reply.date().map(date -> Duration.between(date, until)))
                        .map(Duration::toSeconds)
                        .orElse(0L);
        return Math.max(0, Math.min(seconds, LONGEST_RETRY_AFTER_SECONDS));
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
