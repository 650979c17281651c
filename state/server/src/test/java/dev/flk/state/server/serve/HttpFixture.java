// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.serve.guard.AnswerMetrics;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.Sessions;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import dev.flk.state.StateEngine;
import dev.flk.state.server.config.ServerConfig;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandler;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** A server on a free port, which is closed after each test. */
final class HttpFixture implements AfterEachCallback {
    static final Instant NOW = Instant.parse("2026-01-09T10:30:45Z");

    private final Metrics metrics = new Metrics("test");
    private final AnswerMetrics http = new AnswerMetrics(metrics) {};
    private final OperatorRefusals refusals = new OperatorRefusals(metrics, System::nanoTime);
    final SessionMetrics sessionMetrics = new SessionMetrics(metrics);
    private final Map<String, String> settings =
            new HashMap<>(Map.of("PORT", "0", "BIND_ADDR", "127.0.0.1", "STATE_PORT", "0", "PCS_SIGN_ALG", "none"));
    private final HttpClient client = HttpClient.newHttpClient();
    private Limits.Sizes limits = new Limits.Sizes(BigDecimal.TEN, 10, null, BigDecimal.ZERO, 1, Integer.MAX_VALUE);

    /** The time of the server's clock. */
    volatile Instant now = NOW;

    /** Whether the server serves the sessions and the state below; else, it is starting. */
    boolean isOpen = true;

    /** The sessions to serve; null for none. */
    Sessions sessions;

    /** The state to show; null for none. */
    StateEngine state;

    private StateHttp server;

    HttpFixture with(String setting, String value) {
        settings.put(setting, value);
        return this;
    }

    HttpFixture limits(Limits.Sizes sizes) {
        limits = sizes;
        return this;
    }

    /** Returns the port of the server, and starts the server if necessary. */
    int port() throws IOException {
        if (server == null) {
            ServerConfig config = ServerConfig.load(settings, null);
            server = StateHttp.forSessions(
                    new StateHttp.Parts(
                            config,
                            new Limits(limits, System::nanoTime, metrics),
                            List::of,
                            new StateHttp.ServerMetrics(metrics, http, sessionMetrics, refusals),
                            () -> now),
                    null);
        }
        if (isOpen) {
            server.use(Optional.ofNullable(state), Optional.ofNullable(sessions));
        }
        return server.port();
    }

    HttpResponse<String> send(String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        return send(BodyHandlers.ofString(), method, target, body, headers);
    }

    <T> HttpResponse<T> send(BodyHandler<T> reader, String method, String target, String body, String... headers)
            throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port() + target))
                .method(method, body.isEmpty() ? BodyPublishers.noBody() : BodyPublishers.ofString(body));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return client.send(request.build(), reader);
    }

    /** Returns the value of the sample whose line starts with {@code name}. */
    String sample(String name) {
        return ScrapedText.text(metrics)
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .findFirst()
                .orElseThrow()
                .substring(name.length() + 1);
    }

    @Override
    public void afterEach(ExtensionContext context) {
        if (server != null) {
            server.close();
        }
    }
}
