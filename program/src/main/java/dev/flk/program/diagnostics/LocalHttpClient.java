// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A client for the HTTP endpoints of a program, usually one on this machine. */
public final class LocalHttpClient {
    private final Duration patience;

    /** @param patience the longest time from a request to the end of its answer */
    public LocalHttpClient(Duration patience) {
        this.patience = patience;
    }

    /**
     * Returns the body of the answer to a GET, preceded by the status if it is not 200.
     *
     * @param login the credentials of Basic Auth, if any
     * @throws IOException if the program is not running or does not answer; the message says which
     */
    public String get(String url, Optional<String> login) throws IOException {
        HttpResponse<String> answer = ask(url, login);
        return answer.statusCode() == 200 ? answer.body() : "HTTP " + answer.statusCode() + "\n" + answer.body();
    }

    /**
     * Returns the answer to a GET.
     *
     * @throws IllegalArgumentException if {@code url} is not a URL
     */
    public HttpResponse<String> ask(String url, Optional<String> login) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        login.ifPresent(basic -> request.header("Authorization", "Basic " + basic));
        // created on demand, because the JDK's client requires that all TLS properties of the JVM are valid
        CompletableFuture<HttpResponse<String>> answer = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .build()
                .sendAsync(request.build(), BodyHandlers.ofString());
        try {
            return answer.get(patience.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof ConnectException
                    ? new IOException(
                            "nothing listens at " + url + ": the program is not running, or not on this machine", e)
                    : new IOException(url + " does not answer: " + e.getCause(), e);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new IOException(url + " does not answer within " + patience.toSeconds() + " s", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while waiting for " + url, e);
        }
    }
}
