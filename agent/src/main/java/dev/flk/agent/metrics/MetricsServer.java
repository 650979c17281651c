// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.metrics;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.prometheus.client.exporter.common.TextFormat;
import java.io.Closeable;
import java.io.IOException;
import java.io.StringWriter;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** Serves {@code GET /metrics} on a port of its own, with one thread. */
public final class MetricsServer implements Closeable {
    private final HttpServer server;
    private final ExecutorService executor;
    private final AgentMeters meters;

    private MetricsServer(HttpServer server, AgentMeters meters) {
        this.server = server;
        this.meters = meters;
        this.executor = Executors.newSingleThreadExecutor(task -> {
            Thread thread = new Thread(task, "metrics");
            thread.setDaemon(true);
            return thread;
        });
    }

    /** Listens on all addresses; port 0 takes a free one. */
    public static MetricsServer start(int port, AgentMeters meters) throws IOException {
        HttpServer server;
        try {
            server = HttpServer.create(new InetSocketAddress(port), 0);
        } catch (BindException e) {
            throw new IOException("METRICS_PORT " + port + " can't be used: " + e.getMessage() + "; choose another", e);
        }
        MetricsServer metrics = new MetricsServer(server, meters);
        server.createContext("/metrics", metrics::answer);
        server.setExecutor(metrics.executor);
        server.start();
        return metrics;
    }

    /** The port it listens on. */
    public int port() {
        return server.getAddress().getPort();
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            if (!exchange.getRequestURI().getPath().equals("/metrics")) {
                exchange.sendResponseHeaders(404, -1);
                return;
            }
            String format =
                    TextFormat.chooseContentType(exchange.getRequestHeaders().getFirst("Accept"));
            StringWriter text = new StringWriter();
            TextFormat.writeFormat(format, text, meters.registry().metricFamilySamples());
            byte[] body = text.toString().getBytes(StandardCharsets.UTF_8);
            exchange.getResponseHeaders().set("Content-Type", format);
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
        }
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdown();
    }
}
