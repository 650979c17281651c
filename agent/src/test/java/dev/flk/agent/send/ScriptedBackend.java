// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** A real HTTP server that answers as a test says. Its {@code Date} is the JDK's, so the machine's time. */
public final class ScriptedBackend implements Closeable {
    private static final Pattern ID = Pattern.compile("\"pcs_id\":\"([^\"]*)\"");

    /** What to answer; an answer with status 0 is none: the connection is closed. */
    public record Said(int status, String body, Map<String, String> headers) {
        public static Said of(int status, String body) {
            return new Said(status, body, Map.of());
        }

        public static Said error(int status, String error) {
            return of(status, "{\"error\":\"" + error + "\"}");
        }

        public static Said recorded(String certificate) {
            return of(200, "{\"pcs_id\":\"" + id(certificate) + "\",\"accepted\":true,\"escalated\":false}");
        }

        public static Said nothing() {
            return of(0, "");
        }

        public Said with(String header, String value) {
            return new Said(status, body, Map.of(header, value));
        }
    }

    /** Says this once, then records. */
    public static Function<String, Said> first(Said said) {
        AtomicInteger calls = new AtomicInteger();
        return certificate -> calls.getAndIncrement() == 0 ? said : Said.recorded(certificate);
    }

    private final HttpServer server;

    private final ExecutorService executor = Executors.newCachedThreadPool();
    /** Bodies of the submissions, single or batch, in the order they came. */
    public final List<String> received = new CopyOnWriteArrayList<>();

    final List<String> paths = new CopyOnWriteArrayList<>();
    public volatile Said health = Said.of(200, "OK");
    public volatile Said ready = Said.of(200, "{}");
    public volatile Function<String, Said> submit = Said::recorded;
    public volatile Function<String, Said> batch = this::eachLine;

    public ScriptedBackend() throws IOException {
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(executor);
        server.createContext("/", this::answer);
        server.start();
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getAddress().getPort());
    }

    public static String id(String certificate) {
        Matcher matcher = ID.matcher(certificate);
        return matcher.find() ? matcher.group(1) : "";
    }

    /** Answers a batch with what {@link #submit} says to each of its lines. */
    Said eachLine(String lines) {
        return Said.of(
                200,
                lines.lines()
                        .map(line -> submit.apply(line))
                        .map(said -> "{\"status\":" + said.status() + ",\"body\":" + said.body()
                                + (said.headers().containsKey("X-Flk-Conflict") ? ",\"conflict\":true" : "")
                                + (said.headers().containsKey("Retry-After")
                                        ? ",\"retry_after\":" + said.headers().get("Retry-After")
                                        : "")
                                + "}\n")
                        .collect(Collectors.joining()));
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
            String path = exchange.getRequestURI().getPath();
            paths.add(path);
            Said said = path.equals("/readyz") ? ready : health;
            if (path.startsWith("/v1/")) {
                received.add(body);
                said = (path.equals("/v1/pcs/batch") ? batch : submit).apply(body);
            }
            if (said.status() != 0) {
                said.headers().forEach(exchange.getResponseHeaders()::set);
                byte[] bytes = said.body().getBytes(StandardCharsets.UTF_8);
                exchange.sendResponseHeaders(said.status(), bytes.length == 0 ? -1 : bytes.length);
                exchange.getResponseBody().write(bytes);
            }
        }
    }

    @Override
    public void close() {
        server.stop(0);
        executor.shutdown();
    }
}
