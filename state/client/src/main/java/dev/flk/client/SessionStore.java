// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.SessionCallException.ConcurrencyException;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A client of the sessions that a backend serves over HTTP. Each method except {@link #retrying} and {@link #subscribe}
 * sends one request. A method throws a {@link SessionCallException} if its request is refused or gets no answer in
 * time. Safe for any thread.
 */
public final class SessionStore {
    private static final int CONFLICT = 412;
    private static final int NOT_FOUND = 404;
    private static final long ANY_VERSION = -1;
    private static final long FIRST_PAUSE_MILLIS = 10;
    private static final long LONGEST_PAUSE_MILLIS = 1_000;

    private final String base;
    private final Credentials credentials;
    private final Duration timeout;
    private final HttpClient http;

    /** The credentials of requests. */
    @FunctionalInterface
    public interface Credentials {
        /**
         * Returns the headers to add to a request.
         *
         * @param target the path and the query as they are sent
         * @param headers the headers that the request already has and that a signature must cover
         * @param body the body; may be empty
         */
        Map<String, String> headers(String method, String target, Map<String, String> headers, byte[] body);

        /** Returns the credentials of an operator: a token of the backend's {@code STATE_TOKENS_FILE}. */
        static Credentials token(String token) {
            return (method, target, headers, body) -> Map.of("Authorization", "Bearer " + token);
        }
    }

    /**
     * A session.
     *
     * @param version 1, 2, 3 … for each update, deletion or expiry
     * @param json the JSON object
     * @param remaining the time until the session expires unless it is updated
     */
    public record Session(String id, long version, String json, Instant updatedAt, Duration remaining) {}

    /**
     * A change of a session.
     *
     * @param json the JSON object; null if the session was deleted or has expired
     */
    public record Change(
            String id, long version, Instant at, @Nullable String json) {}

    /** A listener for changes of sessions, called on the thread of its subscription. */
    @FunctionalInterface
    public interface Listener {
        void changed(Change change);

        /**
         * Reports that changes may have been missed, so the application must read the sessions again. Called before any
         * later change is reported.
         */
        default void reset() {}
    }

    private SessionStore(String base, Credentials credentials, Duration timeout, HttpClient http) {
        this.base = base;
        this.credentials = credentials;
        this.timeout = timeout;
        this.http = http;
    }

    /**
     * Returns a client of a backend. Each request, except those of {@link #subscribe}, has a timeout of ten seconds.
     *
     * @param url the base URL, such as {@code http://localhost:8080}
     * @param credentials a token, or a signer with the key of an agent. An example of a signer is {@code (method,
     *     target, headers, body) -> MessageSigner.of(key).sign(method, target, headers, body, Instant.now(), nonce())}
     */
    public static SessionStore connect(String url, Credentials credentials) {
        return connect(url, credentials, Duration.ofSeconds(10), HttpClient.newHttpClient());
    }

    /**
     * Returns a client of a backend.
     *
     * @param timeout the maximum duration of a request, except of the requests of {@link #subscribe}
     * @param http the HTTP client for all requests; it determines which certificate authorities are trusted
     */
    public static SessionStore connect(String url, Credentials credentials, Duration timeout, HttpClient http) {
        return new SessionStore(url.replaceAll("/+$", ""), credentials, timeout, http);
    }

    /** Returns a session; empty if it does not exist. */
    public Optional<Session> get(String id) {
        HttpResponse<String> answer = send("GET", id, null, ANY_VERSION);
        if (answer.statusCode() == NOT_FOUND) {
            return Optional.empty();
        }
        require(answer);
        return Optional.of(new Session(
                id,
                version(answer),
                answer.body(),
                value(answer, "X-Flk-Updated-At", Instant::parse),
                Duration.ofSeconds(value(answer, "X-Flk-Expires-In", Long::valueOf))));
    }

    /**
     * Creates a session and returns its version.
     *
     * @throws ConcurrencyException if the session exists
     */
    public long create(String id, String json) {
        return changed(id, send("PUT", id, json, 0), 0);
    }

    /**
     * Replaces a session and returns its new version.
     *
     * @param version the version that the session must have
     * @throws ConcurrencyException if the session has another version, or does not exist
     */
    public long update(String id, String json, long version) {
        return changed(id, send("PUT", id, json, version), version);
    }

    /** Creates or replaces a session, whatever its version, and returns its new version. */
    public long put(String id, String json) {
        return changed(id, send("PUT", id, json, ANY_VERSION), ANY_VERSION);
    }

    /** Deletes a session; does nothing if it does not exist. */
    public void delete(String id) {
        long unused = changed(id, send("DELETE", id, null, ANY_VERSION), ANY_VERSION);
    }

    /**
     * Reads a session, changes it and writes it back. Starts over, after a random pause that grows, if another client
     * has changed the session in the meantime. Returns the new version.
     *
     * @param attempts the maximum number of attempts
     * @param change computes the new JSON object from the current one, which is {@code {}} if the session does not
     *     exist; may be called several times
     * @throws ConcurrencyException if the session was changed during each attempt, or the thread was interrupted in a
     *     pause
     */
    public long retrying(int attempts, String id, UnaryOperator<String> change) {
        long pauseMillis = FIRST_PAUSE_MILLIS;
        for (int left = attempts; ; left--) {
            Optional<Session> current = get(id);
            try {
                String next = change.apply(current.map(Session::json).orElse("{}"));
                return current.isPresent() ? update(id, next, current.get().version()) : create(id, next);
            } catch (ConcurrencyException e) {
                if (left <= 1 || !pause(pauseMillis)) {
                    throw e;
                }
                pauseMillis = Math.min(2 * pauseMillis, LONGEST_PAUSE_MILLIS);
            }
        }
    }

    /** Returns whether the thread was not interrupted. */
    private static boolean pause(long mostMillis) {
        try {
            Thread.sleep(ThreadLocalRandom.current().nextLong(mostMillis / 2, mostMillis));
            return true;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return false;
        }
    }

    /**
     * Calls a listener for each change from now on, on a thread of its own, until the subscription is closed. If the
     * connection is lost, the subscription reconnects and resumes after the last commit that it received completely.
     * Only operators may subscribe.
     *
     * @param prefix the beginning of the session ids; empty for all
     */
    public SessionSubscription subscribe(String prefix, Listener listener) {
        return SessionSubscription.start(this, prefix, listener);
    }

    /**
     * Opens the stream of the changes after a position; if the position is empty, the stream starts with the next
     * change.
     */
    HttpResponse<InputStream> changes(String prefix, String after) throws IOException, InterruptedException {
        String target = "/v1/sessions/changes?prefix=" + encoded(prefix);
        Map<String, String> headers = after.isEmpty() ? Map.of() : Map.of("Last-Event-ID", after);
        return answer(request("GET", target, headers, null), BodyHandlers.ofInputStream());
    }

    /**
     * Returns an answer; its body as well must arrive within the timeout, unless it is a stream. The timeout of an
     * {@link HttpRequest} covers only the head with some JDKs.
     */
    private <T> HttpResponse<T> answer(HttpRequest.Builder request, BodyHandler<T> body)
            throws IOException, InterruptedException {
        CompletableFuture<HttpResponse<T>> answer = http.sendAsync(request.build(), body);
        try {
            return answer.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new IOException(base + " did not answer within " + timeout.toSeconds() + " s", e);
        } catch (ExecutionException e) {
            throw new IOException(base + " did not answer: " + e.getCause(), e);
        }
    }

    private HttpResponse<String> send(String method, String id, @Nullable String json, long ifVersion) {
        Map<String, String> condition = ifVersion == ANY_VERSION
                ? Map.of()
                : ifVersion == 0 ? Map.of("If-None-Match", "*") : Map.of("If-Match", "\"" + ifVersion + "\"");
        String target = "/v1/sessions/" + encoded(id).replace("%2F", "/");
        try {
            return answer(request(method, target, condition, json), info -> new BoundedText());
        } catch (IOException e) {
            throw new SessionCallException(String.valueOf(e.getMessage()), e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new SessionCallException("interrupted while waiting for " + base, e);
        }
    }

    private HttpRequest.Builder request(
            String method, String target, Map<String, String> headers, @Nullable String json) {
        byte[] body = json == null ? new byte[0] : json.getBytes(StandardCharsets.UTF_8);
        Map<String, String> all = new HashMap<>(headers);
        all.putAll(credentials.headers(method, target, headers, body));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(base + target))
                .method(method, json == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body));
        all.forEach(request::header);
        return request;
    }

    private static long changed(String id, HttpResponse<String> answer, long expected) {
        if (answer.statusCode() == CONFLICT) {
            throw new ConcurrencyException(id, expected, version(answer));
        }
        require(answer);
        return version(answer);
    }

    private static void require(HttpResponse<String> answer) {
        if (answer.statusCode() / 100 != 2) {
            throw new SessionCallException(answer.statusCode(), "status " + answer.statusCode() + ": " + answer.body());
        }
    }

    private static long version(HttpResponse<String> answer) {
        return value(answer, "ETag", text -> Long.valueOf(text.replace("\"", "")));
    }

    private static <T> T value(HttpResponse<String> answer, String name, Function<String, T> parse) {
        try {
            return parse.apply(header(answer, name));
        } catch (NumberFormatException | DateTimeException e) {
            throw new SessionCallException(
                    "the answer has an invalid header " + name + "; does the URL name the right server?", e);
        }
    }

    private static String header(HttpResponse<String> answer, String name) {
        return answer.headers()
                .firstValue(name)
                .orElseThrow(() -> new SessionCallException(
                        answer.statusCode(),
                        "the answer has no header " + name + "; does the URL name the right server?"));
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8).replace("+", "%20");
    }
}
