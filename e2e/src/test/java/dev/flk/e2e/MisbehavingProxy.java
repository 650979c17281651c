// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * An HTTP proxy in front of one backend, which may be restarted on another port. The seed decides what the proxy does with each request.
 * Each misbehaviour occurs early, at a request that carries certificates, so that a short ordeal has all of them. The proxy never
 * returns 400 or 413 with a body like the backend's, since those are final.
 */
final class MisbehavingProxy implements AutoCloseable {
    private static final int POSTS_TO_NEXT = 5;
    private static final Duration TIMEOUT = Duration.ofSeconds(20);

    private final HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 50);
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Random random;
    private final Map<Misbehaviour, Integer> done = new EnumMap<>(Misbehaviour.class);
    /** Those that have not occurred yet. */
    private final Queue<Misbehaviour> toDeal;

    private int requests;
    private int posts;
    private volatile String backend;

    /** What the proxy does with a request; each with its share of all requests in thousandths, and the longest delay. */
    private enum Misbehaviour {
        PASS_ON(649, 0),
        SLOW_BEFORE(60, 150),
        SLOW_AFTER(60, 150),
        /** Answered so late that the backend may have been restarted with another key meanwhile. */
        LATE(3, 4000),
        /** Passed on and never answered: the agent's time-out has to end it. */
        SILENT(1, 10_000),
        TOO_MANY_REQUESTS(7, 0),
        STORE_UNAVAILABLE(7, 0),
        LOG_APPEND_FAILED(40, 0),
        HTML_200(25, 0),
        HTML_502(25, 0),
        REDIRECT(23, 0),
        /** The outcome of another certificate. */
        WRONG_ID(25, 0),
        /** Passed on; the response has only the first half of the body, with a length that fits. */
        TRUNCATED(25, 0),
        /** The same with the length of the complete body, and an end in the middle. */
        BROKEN_OFF(20, 0),
        CLOSE_BEFORE(15, 0),
        CLOSE_AFTER(15, 0);

        private final int share;
        private final int delayMillis;

        Misbehaviour(int share, int delayMillis) {
            this.share = share;
            this.delayMillis = delayMillis;
        }

        static Misbehaviour next(Random random) {
            int drawn = random.nextInt(1000);
            Misbehaviour[] all = values();
            int i = 0;
            while (drawn >= all[i].share) {
                drawn -= all[i++].share;
            }
            return all[i];
        }
    }

    private record Answer(int status, Map<String, List<String>> headers, byte[] body) {
        static Answer of(int status, String contentType, String body) {
            return new Answer(
                    status,
                    Map.of("Content-Type", List.of(contentType), "Retry-After", List.of("1")),
                    body.getBytes(StandardCharsets.UTF_8));
        }

        static Answer error(int status, String error) {
            return of(status, "application/json", "{\"error\":\"" + error + "\"}");
        }

        byte[] half() {
            return Arrays.copyOf(body, body.length / 2);
        }
    }

    MisbehavingProxy(String backend, long seed) throws IOException {
        this.backend = backend;
        this.random = new Random(seed);
        List<Misbehaviour> each = Arrays.asList(Misbehaviour.values());
        Collections.shuffle(each, random);
        this.toDeal = new ArrayDeque<>(each);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
    }

    String url() {
        return "http://127.0.0.1:" + server.getAddress().getPort();
    }

    /** Passes requests on to another backend from now on. */
    void passOnTo(String other) {
        backend = other;
    }

    synchronized int requests() {
        return requests;
    }

    /** The number of requests by misbehaviour, for people. */
    synchronized String tally() {
        return requests + " requests: " + done;
    }

    private synchronized Misbehaviour next(String method) {
        requests++;
        Misbehaviour what = Misbehaviour.next(random);
        if (method.equals("POST") && ++posts % POSTS_TO_NEXT == 0 && !toDeal.isEmpty()) {
            what = toDeal.remove();
        }
        done.merge(what, 1, Integer::sum);
        return what;
    }

    /** Handles one request; an exchange that is closed before its answer is complete ends the connection. */
    private void handle(HttpExchange exchange) throws IOException {
        try (exchange) {
            byte[] body = exchange.getRequestBody().readAllBytes();
            Misbehaviour what = next(exchange.getRequestMethod());
            if (what == Misbehaviour.SLOW_BEFORE) {
                delay(what);
            }
            if (what == Misbehaviour.CLOSE_BEFORE) {
                return;
            }
            Answer answer = answer(what, exchange, body);
            if (what != Misbehaviour.SLOW_BEFORE) {
                delay(what);
            }
            if (what == Misbehaviour.CLOSE_AFTER || what == Misbehaviour.SILENT) {
                return;
            }
            answer.headers().forEach(exchange.getResponseHeaders()::put);
            exchange.sendResponseHeaders(answer.status(), answer.body().length == 0 ? -1 : answer.body().length);
            exchange.getResponseBody().write(what == Misbehaviour.BROKEN_OFF ? answer.half() : answer.body());
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private void delay(Misbehaviour what) throws InterruptedException {
        boolean unused = closing.await(what.delayMillis, TimeUnit.MILLISECONDS);
    }

    private Answer answer(Misbehaviour what, HttpExchange exchange, byte[] body)
            throws IOException, InterruptedException {
        return switch (what) {
            case TOO_MANY_REQUESTS -> Answer.error(429, "Too many requests");
            case STORE_UNAVAILABLE -> Answer.error(503, "dedup store unavailable");
            case LOG_APPEND_FAILED -> Answer.error(500, "log append failed");
            case HTML_200 -> Answer.of(200, "text/html", "<html>Please log in</html>");
            case HTML_502 -> Answer.of(502, "text/html", "<html>Bad Gateway</html>");
            case REDIRECT -> new Answer(307, Map.of("Location", List.of(url() + "/elsewhere")), new byte[0]);
            case WRONG_ID -> outcomesOfAnother(exchange, body);
            case TRUNCATED -> {
                Answer complete = passOn(exchange, body);
                yield new Answer(complete.status(), complete.headers(), complete.half());
            }
            default -> passOn(exchange, body);
        };
    }

    /** Returns an outcome for each certificate of the request, all of an id that nobody sent. */
    private static Answer outcomesOfAnother(HttpExchange exchange, byte[] body) {
        String outcome = "{\"pcs_id\":\"" + "0".repeat(64) + "\",\"accepted\":true,\"escalated\":false,\"D_hat\":1.0}";
        if (!exchange.getRequestURI().getPath().endsWith("/batch")) {
            return Answer.of(200, "application/json", outcome);
        }
        String lines = new String(body, StandardCharsets.UTF_8)
                .lines()
                .map(line -> "{\"status\":200,\"body\":" + outcome + "}\n")
                .collect(Collectors.joining());
        return Answer.of(200, "application/x-ndjson", lines);
    }

    private Answer passOn(HttpExchange exchange, byte[] body) throws IOException, InterruptedException {
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(backend + exchange.getRequestURI()))
                .timeout(TIMEOUT)
                .method(exchange.getRequestMethod(), BodyPublishers.ofByteArray(body));
        HttpResponse<byte[]> answer = http.send(request.build(), BodyHandlers.ofByteArray());
        return new Answer(answer.statusCode(), answer.headers().map(), answer.body());
    }

    @Override
    public void close() throws IOException {
        closing.countDown();
        server.stop(0);
        threads.shutdown();
        try {
            boolean unused = threads.awaitTermination(TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
