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

/** What a program answers that runs on this machine. */
public final class LocalHttpClient {
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    private static final int MOST_BYTES = 16 << 20;

    /**
     * The answer to a GET: the status, if it is not 200, and the body, up to 16 MiB.
     *
     * @param login of Basic Auth, if there is one
     * @throws IOException saying that it does not run, or does not answer
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
                    ? new IOException("nothing listens at " + url + ": it is not running, or not here", e)
                    : new IOException(url + " does not answer: " + e.getCause(), e);
        } catch (TimeoutException e) {
            answer.cancel(true);
            throw new IOException(url + " does not answer within " + PATIENCE.toSeconds() + " s", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    /** Made when it is needed: the JDK's client wants all that the JVM is told of TLS to be right. */
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
