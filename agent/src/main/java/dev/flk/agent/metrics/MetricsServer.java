// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.metrics;

import dev.flk.http.Admission.Visitor;
import dev.flk.http.Answer;
import dev.flk.http.HttpEvents;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.metrics.Exposition;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The HTTP server of {@code GET /metrics}, with its own port and one thread. */
public final class MetricsServer implements Closeable {
    /** The setting of the port for metrics. */
    public static final Key<Integer> PORT = Key.of(
            "METRICS_PORT",
            Quantities::port,
            "A port for metrics, on all addresses; 0: any free port. Not set: no metrics.");

    private static final int MAX_CONNECTIONS = 64;
    private static final int MAX_SKIPPED_BYTES = 64 << 10;
    private static final long MAX_ANSWERS_BYTES = 16 << 20;
    private static final Duration TIMEOUT = Duration.ofSeconds(30);

    private final HttpServer server = new HttpServer(
            new HttpOptions(
                    "metrics",
                    1,
                    MAX_CONNECTIONS,
                    MAX_CONNECTIONS,
                    MAX_SKIPPED_BYTES,
                    MAX_SKIPPED_BYTES,
                    MAX_ANSWERS_BYTES,
                    TIMEOUT,
                    TIMEOUT,
                    TIMEOUT.multipliedBy(4),
                    Duration.ofSeconds(1)),
            HttpEvents.NONE,
            InstantSource.system(),
            System::nanoTime);
    private final AgentMeters meters;
    private final int port;

    /** A client, whose connection makes room for a new one, so that idle connections keep no scraper out. */
    private static final class Scraper implements Visitor {
        @Override
        public boolean isReplaceable() {
            return true;
        }
    }

    private MetricsServer(int wanted, AgentMeters meters) throws IOException {
        this.meters = meters;
        Endpoint metrics = Endpoint.always((request, exchange) -> exchange.answer(render(request.header("Accept"))));
        port = server.listen(new Listener(
                new InetSocketAddress(wanted),
                "METRICS_PORT " + wanted,
                "METRICS_PORT",
                "too many connections to METRICS_PORT: the oldest was closed; the limit is " + MAX_CONNECTIONS,
                new Routes(Endpoint.always(Refusal.notFound())).get("/metrics", metrics),
                remote -> new Scraper(),
                null));
    }

    /** Starts a server on all addresses of the machine. If {@code port} is 0, the server uses any free port. */
    public static MetricsServer start(int port, AgentMeters meters) throws IOException {
        return new MetricsServer(port, meters);
    }

    /** Returns the port that the server listens on. */
    public int port() {
        return port;
    }

    private Answer render(@Nullable String accept) {
        Exposition text = Exposition.of(meters.registry(), Exposition.format(accept));
        return new Answer(200, text.contentType(), text.text(), List.of());
    }

    @Override
    public void close() {
        server.close();
    }
}
