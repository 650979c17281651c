// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.canonical.Sha256;
import dev.flk.http.BodyMark;
import dev.flk.http.client.BoundedHttpClient;
import dev.flk.http.client.BoundedHttpClient.Request;
import dev.flk.http.client.BoundedHttpClient.Response;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.net.URI;
import java.net.http.HttpHeaders;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A client of the backend's HTTP API, with kept-alive HTTP/1.1 connections. It follows no redirects. Each method that
 * sends a request returns at once, and later calls {@code ended} exactly once, on any thread: with a complete reply and
 * null, or with null and the failure. An answer that is longer than the backend's can be is a failure. Thread-safe.
 */
public final class BackendClient implements Closeable {
    /** The maximum length of an answer that has no outcome, and the least that is allowed for any answer. */
    static final int MAX_PLAIN_BYTES = 64 << 10;

    private static final String CONTENT_TYPE = "Content-Type";
    private static final byte[] NONE = {};

    private final BoundedHttpClient http;
    private final String base;
    private final String path;
    private final Duration requestTimeout;
    private volatile Optional<Instant> certificateEnd = Optional.empty();

    /**
     * Creates a client of the backend at a base URL. The URL may have a path and end with a slash. If {@code tls} is
     * empty, the JDK's defaults apply.
     */
    public BackendClient(URI endpoint, Duration requestTimeout, Optional<ClientTls> tls) {
        this.base = endpoint.toString().replaceAll("/+$", "");
        this.requestTimeout = requestTimeout;
        this.path = URI.create(base).getRawPath();
        this.http = new BoundedHttpClient(endpoint, "flk-agent-http", tls.map(ClientTls::context));
    }

    /** Returns the base URL, for messages. */
    public String base() {
        return base;
    }

    /**
     * Returns the earliest expiry of a certificate in the chain that the backend presented for its last answer; empty
     * before the first answer, and for a backend without TLS.
     */
    public Optional<Instant> certificateEnd() {
        return certificateEnd;
    }

    /** Sends one certificate. */
    public void submit(byte[] line, BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        post("/v1/pcs/submit", "application/json", line, Math.max(MAX_PLAIN_BYTES, Batch.maxAnswerBytes(line)), ended);
    }

    /** Sends several certificates in one request, each on its own line. */
    void submitBatch(Batch batch, BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        post("/v1/pcs/batch", "application/x-ndjson", joined(batch.lines()), batch.maxAnswerBytes(), ended);
    }

    /** Returns the body of a batch. */
    static byte[] joined(List<byte[]> lines) {
        ByteArrayOutputStream body = new ByteArrayOutputStream();
        for (byte[] line : lines) {
            body.writeBytes(line);
            body.write('\n');
        }
        return body.toByteArray();
    }

    /** Sends certificates with their digest, so that the backend marks its refusals. See {@link BodyMark}. */
    private void post(
            String target,
            String contentType,
            byte[] body,
            int maxAnswerBytes,
            BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        Map<String, String> headers =
                Map.of(CONTENT_TYPE, contentType, BodyMark.HEADER, BodyMark.header(Sha256.of(body)));
        exchange("POST", target, headers, body, maxAnswerBytes, ended);
    }

    /**
     * Requests {@code /health}. The answer shows whether the backend serves, and contains the backend's time as {@code
     * Date}.
     */
    public void health(BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        exchange("GET", "/health", Map.of(), NONE, MAX_PLAIN_BYTES, ended);
    }

    /** Requests {@code /readyz}, which shows whether the backend is ready. */
    public void readiness(BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        exchange("GET", "/readyz", Map.of(), NONE, MAX_PLAIN_BYTES, ended);
    }

    /**
     * Sends a report of the agent's state.
     *
     * @param target the path of the report below the base URL
     * @param headers the headers of the signature
     */
    public void report(
            String target,
            Map<String, String> headers,
            byte[] json,
            BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        Map<String, String> all = new HashMap<>(headers);
        all.put(CONTENT_TYPE, "application/json");
        exchange("PUT", target, all, json, MAX_PLAIN_BYTES, ended);
    }

    private void exchange(
            String method,
            String target,
            Map<String, String> headers,
            byte[] body,
            int maxAnswerBytes,
            BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        Map<String, String> all = new HashMap<>(headers);
        all.put("User-Agent", "flk-agent");
        http.send(
                new Request(method, path + target, all, body, maxAnswerBytes),
                requestTimeout,
                (response, failure) -> ended.accept(response == null ? null : reply(response), failure));
    }

    /** Ends the connections as soon as all requests have ended. No other request may be sent. */
    @Override
    public void close() {
        http.close();
    }

    private Reply reply(Response response) {
        response.tls().flatMap(ClientTls::endOfPeer).ifPresent(end -> certificateEnd = Optional.of(end));
        HttpHeaders headers = response.headers();
        return new Reply(
                response.status(),
                headers.firstValue("X-Flk-Conflict")
                        .filter("true"::equalsIgnoreCase)
                        .isPresent(),
                headers.firstValue("Retry-After"),
                headers.firstValue("Date").flatMap(BackendClient::date),
                BackendKeys.of(headers),
                response.body());
    }

    /** Returns the time of a header such as {@code Date}; empty if the text is not a time. */
    static Optional<Instant> date(String text) {
        try {
            return Optional.of(ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME)
                    .toInstant());
        } catch (DateTimeParseException e) {
            return Optional.empty();
        }
    }

    /**
     * The reply to a request, or to one certificate of a batch: a complete HTTP answer, or one line of the answer to
     * the batch.
     *
     * @param conflict whether other content was recorded under the id of the certificate
     * @param retryAfter the text of {@code Retry-After}; empty if the answer has none
     * @param date the {@code Date} of the answer, in whole seconds; empty if the answer has no valid {@code Date}
     * @param keys the keys of the backend, if the answer names them
     * @param body the body, whose length the client limits
     */
    public record Reply(
            int status,
            boolean conflict,
            Optional<String> retryAfter,
            Optional<Instant> date,
            Optional<BackendKeys> keys,
            byte[] body) {
        /** Returns whether this reply proves that the backend has refused exactly these bytes. See {@link BodyMark}. */
        public boolean isMarkedFor(byte[] sent) {
            return AnswerReader.isMarked(body, sent);
        }
    }
}
