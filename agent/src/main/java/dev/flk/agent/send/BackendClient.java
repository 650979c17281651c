// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.canonical.Sha256;
import dev.flk.http.BodyMark;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A client of the backend's HTTP API, with kept-alive HTTP/1.1 connections. It follows no redirects. Each method that
 * sends a request returns at once, and later calls {@code ended} exactly once, on any thread: with a complete reply and
 * null, or with null and the failure. Thread-safe.
 */
public final class BackendClient {
    private static final int MAX_SINGLE_BYTES = 64 << 10;
    /**
     * The maximum size of an answer with outcomes. For each certificate, such an answer contains little more than an id
     * and a reason, but the reason may quote the certificate.
     */
    private static final int MAX_OUTCOMES_BYTES = 16 << 20;

    private final HttpClient http;
    private final String base;
    private final Duration requestTimeout;
    private volatile Optional<Instant> certificateEnd = Optional.empty();

    /**
     * Creates a client of the backend at a base URL. The URL may have a path and end with a slash. If {@code tls} is
     * empty, the JDK's defaults apply.
     */
    public BackendClient(URI endpoint, Duration requestTimeout, Optional<ClientTls> tls) {
        this.base = endpoint.toString().replaceAll("/+$", "");
        this.requestTimeout = requestTimeout;
        HttpClient.Builder http = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .followRedirects(HttpClient.Redirect.NEVER)
                .connectTimeout(requestTimeout);
        tls.map(ClientTls::context).ifPresent(http::sslContext);
        this.http = http.build();
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
        post("/v1/pcs/submit", "application/json", line, ended);
    }

    /** Sends several certificates in one request, each on its own line. */
    void submitBatch(List<byte[]> lines, BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        post("/v1/pcs/batch", "application/x-ndjson", joined(lines), ended);
    }

    /** Returns the body of a batch: one array, because only then does the request have a {@code Content-Length}. */
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
            String path, String contentType, byte[] body, BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        exchange(
                request(path, contentType)
                        .header(BodyMark.HEADER, BodyMark.header(Sha256.of(body)))
                        .POST(BodyPublishers.ofByteArray(body)),
                MAX_OUTCOMES_BYTES,
                ended);
    }

    /**
     * Requests {@code /health}. The answer shows whether the backend serves, and contains the backend's time as {@code
     * Date}.
     */
    public void health(BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        exchange(request("/health", "text/plain").GET(), MAX_SINGLE_BYTES, ended);
    }

    /** Requests {@code /readyz}, which shows whether the backend is ready. */
    public void readiness(BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        exchange(request("/readyz", "text/plain").GET(), MAX_SINGLE_BYTES, ended);
    }

    /**
     * Stores a session.
     *
     * @param path the path of the session below the base URL
     * @param headers the headers of the signature
     */
    public void putSession(
            String path,
            Map<String, String> headers,
            byte[] json,
            BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        HttpRequest.Builder request = request(path, "application/json").PUT(BodyPublishers.ofByteArray(json));
        headers.forEach(request::header);
        exchange(request, MAX_SINGLE_BYTES, ended);
    }

    private HttpRequest.Builder request(String path, String contentType) {
        return HttpRequest.newBuilder(URI.create(base + path))
                .header("Content-Type", contentType)
                .header("User-Agent", "flk-agent");
    }

    private void exchange(
            HttpRequest.Builder request, int maxBytes, BiConsumer<@Nullable Reply, @Nullable Throwable> ended) {
        CompletableFuture<HttpResponse<byte[]>> exchange =
                http.sendAsync(request.build(), info -> new BoundedBody(maxBytes));
        // does not use the time-out of an HttpRequest, because that time-out covers only the headers, and because JDK
        // 17 measures it with the wall clock
        exchange.thenApply(this::reply)
                .orTimeout(requestTimeout.toMillis(), TimeUnit.MILLISECONDS)
                .whenComplete((reply, failure) -> {
                    exchange.cancel(true);
                    ended.accept(reply, failure);
                });
    }

    private Reply reply(HttpResponse<byte[]> response) {
        response.sslSession().flatMap(ClientTls::endOfPeer).ifPresent(end -> certificateEnd = Optional.of(end));
        HttpHeaders headers = response.headers();
        return new Reply(
                response.statusCode(),
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

    /** A response body in memory, of limited length. A longer body fails the request and closes the connection. */
    private static final class BoundedBody implements BodySubscriber<byte[]> {
        private final int maxBytes;
        private final ByteArrayOutputStream received = new ByteArrayOutputStream();
        private final CompletableFuture<byte[]> body = new CompletableFuture<>();
        private @Nullable Subscription subscription;

        BoundedBody(int maxBytes) {
            this.maxBytes = maxBytes;
        }

        @Override
        public CompletionStage<byte[]> getBody() {
            return body;
        }

        @Override
        public void onSubscribe(Subscription given) {
            subscription = given;
            given.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(List<ByteBuffer> buffers) {
            for (ByteBuffer buffer : buffers) {
                if (body.isDone()) {
                    return;
                }
                if (received.size() + buffer.remaining() > maxBytes) {
                    body.completeExceptionally(new IOException("the answer is longer than " + maxBytes + " bytes"));
                    if (subscription != null) {
                        subscription.cancel();
                    }
                    return;
                }
                byte[] bytes = new byte[buffer.remaining()];
                buffer.get(bytes);
                received.writeBytes(bytes);
            }
        }

        @Override
        public void onError(Throwable error) {
            body.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            body.complete(received.toByteArray());
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
