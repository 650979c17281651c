// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import org.jspecify.annotations.Nullable;

/** A client for the HTTP endpoints of a program, usually one on this machine. */
public final class LocalHttpClient {
    private final Duration patience;
    private final @Nullable SSLContext tls;

    /**
     * @param patience the longest time from a request to the end of its answer; for {@link #lines}, to the head of its
     *     answer
     */
    public LocalHttpClient(Duration patience) {
        this(patience, null);
    }

    /** @param tls the context for connections with TLS; null to trust the default authorities of the JVM */
    public LocalHttpClient(Duration patience, @Nullable SSLContext tls) {
        this.patience = patience;
        this.tls = tls;
    }

    /**
     * Returns the body of the answer to a GET, preceded by the status if the status is not 200.
     *
     * @param login the credentials of Basic Auth, if any
     * @throws IOException if the program is not running or does not answer; the message says which of the two
     */
    public String get(String url, Optional<String> login) throws IOException {
        HttpResponse<String> answer = ask(url, login);
        return answer.statusCode() == 200 ? answer.body() : "HTTP " + answer.statusCode() + "\n" + answer.body();
    }

    /**
     * Returns the answer to a GET.
     *
     * @throws IllegalArgumentException if {@code url} is not a URL
     * @throws ConnectException if nothing listens at the address
     */
    public HttpResponse<String> ask(String url, Optional<String> login) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        login.ifPresent(basic -> request.header("Authorization", "Basic " + basic));
        return send(request);
    }

    /**
     * Returns the answer to a request. An answer that is too long for the memory of a command is a failure.
     *
     * @throws ConnectException if nothing listens at the address
     */
    public HttpResponse<String> send(HttpRequest.Builder builder) throws IOException {
        return send(builder, BoundedText.whole());
    }

    /**
     * Returns the answer to a request as soon as the head of the answer arrives. The body is a stream of lines without
     * a time limit; the caller must close the stream.
     *
     * @throws ConnectException if nothing listens at the address
     */
    public HttpResponse<Stream<String>> lines(HttpRequest.Builder builder) throws IOException {
        return send(builder, BoundedText.lines());
    }

    private <T> HttpResponse<T> send(HttpRequest.Builder builder, BodyHandler<T> body) throws IOException {
        HttpRequest request = builder.build();
        URI url = request.uri();
        // the client is created on demand, because the JDK's client requires that all TLS properties of the JVM are
        // valid
        HttpClient.Builder client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1);
        if (tls != null) {
            client.sslContext(tls);
        }
        CompletableFuture<HttpResponse<T>> answer = client.build().sendAsync(request, body);
        try {
            return answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ConnectException) {
                throw new ConnectException(
                        "nothing listens at " + url + ": the program is not running, or the URL is wrong");
            }
            throw new IOException(url + " does not answer: " + e.getCause(), e);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new IOException(url + " does not answer within " + patience.toSeconds() + " s", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while waiting for " + url, e);
        }
    }
}
