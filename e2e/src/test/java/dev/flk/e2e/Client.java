// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import javax.net.ssl.SSLContext;

/** An HTTP client of a backend. */
final class Client {
    /** The default time limit for a condition that a test waits for. */
    static final Duration PATIENCE = Duration.ofSeconds(60);

    private final HttpClient http;

    private static final Set<String> ALWAYS =
            Set.of("content-type", "content-length", "date", "x-flk-instance", "x-flk-keys");

    private final String url;
    private final boolean isDocumented;
    private final String authorization;

    Client(String url) {
        this(url, http(HttpClient.newBuilder()), false, "");
    }

    /** Creates a client that connects with TLS. */
    Client(String url, SSLContext tls) {
        this(url, http(HttpClient.newBuilder().sslContext(tls)), false, "");
    }

    private Client(String url, HttpClient http, boolean isDocumented, String authorization) {
        this.url = url;
        this.http = http;
        this.isDocumented = isDocumented;
        this.authorization = authorization;
    }

    private static HttpClient http(HttpClient.Builder builder) {
        return builder.version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(10))
                .build();
    }

    /** Returns a client that compares each answer with {@code docs/openapi.yaml}. */
    static Client comparing(String url) {
        return new Client(url, http(HttpClient.newBuilder()), true, "");
    }

    /** Returns a copy of this client that uses Basic authentication. */
    Client withLogin(String user, String password) {
        byte[] login = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        return new Client(
                url, http, isDocumented, "Basic " + Base64.getEncoder().encodeToString(login));
    }

    /** The status, body and headers of an answer. */
    record Answer(int status, String body, java.net.http.HttpHeaders headers) {
        boolean has(String header) {
            return headers.firstValue(header).isPresent();
        }

        String header(String name) {
            return headers.firstValue(name).orElseThrow(() -> new AssertionError("no " + name + " in " + headers));
        }

        /** Returns the error text. Fails unless the body is exactly {@code {"error":"…"}}. */
        String error() {
            assertThat(header("Content-Type")).isEqualTo("application/json");
            return StrictJson.onlyMember("error", StrictJson.read(body));
        }

        /** Returns all headers except those that every answer has. */
        Map<String, String> marks() {
            return headers.map().entrySet().stream()
                    .filter(header -> !ALWAYS.contains(header.getKey().toLowerCase(Locale.ROOT)))
                    .collect(Collectors.toMap(
                            header -> header.getKey().toLowerCase(Locale.ROOT),
                            header -> String.join(", ", header.getValue())));
        }
    }

    Answer submit(Pcs pcs) throws IOException, InterruptedException {
        return submit(pcs.bytes());
    }

    Answer submit(byte[] body) throws IOException, InterruptedException {
        return post("/v1/pcs/submit", body);
    }

    Answer batch(String lines) throws IOException, InterruptedException {
        return post("/v1/pcs/batch", lines.getBytes(StandardCharsets.UTF_8));
    }

    Answer post(String path, byte[] body) throws IOException, InterruptedException {
        return send(request(path).POST(BodyPublishers.ofByteArray(body)));
    }

    Answer get(String path) throws IOException, InterruptedException {
        return send(request(path).GET());
    }

    HttpRequest.Builder request(String path) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(URI.create(url + path)).timeout(Duration.ofMinutes(2));
        return authorization.isEmpty() ? request : request.header("Authorization", authorization);
    }

    Answer send(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpRequest sent = request.build();
        HttpResponse<String> response = http.send(sent, BodyHandlers.ofString(StandardCharsets.UTF_8));
        Answer answer = new Answer(response.statusCode(), response.body(), response.headers());
        if (isDocumented) {
            OpenApi.document().require(sent.method(), sent.uri().getRawPath(), answer);
        }
        return answer;
    }

    /** Sends a request for an endless answer, and returns when the headers have arrived. */
    HttpResponse<InputStream> open(HttpRequest.Builder request) throws IOException, InterruptedException {
        return http.send(request.build(), BodyHandlers.ofInputStream());
    }

    /** Returns the value of one metrics sample. */
    double metric(String sample) throws IOException, InterruptedException {
        return get("/metrics")
                .body()
                .lines()
                .filter(line -> line.startsWith(sample + " "))
                .mapToDouble(line -> Double.parseDouble(line.substring(sample.length() + 1)))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no sample " + sample));
    }

    /** Blocks until {@code /readyz} reports that submissions are accepted and decided. */
    void awaitReady() {
        awaitUntil(() -> get("/readyz").status() == 200);
    }

    void awaitUnready() {
        awaitUntil(() -> get("/readyz").status() == 503);
    }

    /** Blocks until every submission in the log is decided. */
    void awaitNothingPending() {
        awaitUntil(() -> metric("flk_inbox_pending") == 0);
    }

    static void awaitUntil(Callable<Boolean> condition) {
        await().atMost(PATIENCE).pollInterval(Duration.ofMillis(20)).until(condition);
    }
}
