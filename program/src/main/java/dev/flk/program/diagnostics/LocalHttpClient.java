// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A client for the HTTP endpoints of a program on this machine. */
public final class LocalHttpClient {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final int MOST_BYTES = 16 << 20;

    /**
     * Returns the body of the answer to a GET, at most 16 MiB, preceded by the status if it is not 200.
     *
     * @param login the credentials of Basic Auth, if any
     * @throws IOException if the program is not running or does not answer, as the message says
     */
    public String get(String url, Optional<String> login) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
        login.ifPresent(basic -> request.header("Authorization", "Basic " + basic));
        CompletableFuture<String> answer = client().sendAsync(request.build(), BodyHandlers.ofInputStream())
                .thenApplyAsync(LocalHttpClient::text);
        try {
            return answer.get(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof ConnectException
                    ? new IOException("nothing listens at " + url + ": it is not running, or not on this machine", e)
                    : new IOException(url + " does not answer: " + e.getCause(), e);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new IOException(url + " does not answer within " + PATIENCE.toSeconds() + " s", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /** Creates the client on demand, because the JDK's client requires that all TLS properties of the JVM are valid. */
    private static HttpClient client() {
        return HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(PATIENCE)
                .build();
    }

    private static String text(HttpResponse<InputStream> response) {
        try (InputStream body = response.body()) {
            String text = new String(body.readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
            return response.statusCode() == 200 ? text : "HTTP " + response.statusCode() + "\n" + text;
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
