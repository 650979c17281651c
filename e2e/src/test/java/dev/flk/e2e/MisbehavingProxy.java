// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;

/**
 * An HTTP proxy in front of one backend, which may be restarted on another port. What it does with the n-th request a seed decides.
 * Each misbehaviour has its turn early, at a request that carries certificates, so that a short ordeal has all of them. It never
 * answers 400 or 413 with a body like the backend's, since those are final. A thread a connection.
 */
final class MisbehavingProxy implements AutoCloseable {
    private static final int POSTS_TO_NEXT = 5;
    private static final int SLOW_MILLIS = 150;
    private static final int LATE_MILLIS = 4000;
    private static final Duration TIMEOUT = Duration.ofSeconds(20);
    private static final String JSON = "application/json";
    private static final String HTML = "text/html";

    private final ServerSocket server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final Set<Socket> clients = ConcurrentHashMap.newKeySet();
    private final CountDownLatch closing = new CountDownLatch(1);
    private final Random random;
    private final Map<Misbehaviour, Integer> done = new EnumMap<>(Misbehaviour.class);
    /** Those that had no turn yet. */
    private final Queue<Misbehaviour> toDeal;

    private int requests;
    private int posts;
    private volatile String backend;

    /** What it does with a request, and how long it waits where it is slow. */
    private record Turn(Misbehaviour what, long millis) {}

    private record Request(String method, String path, byte[] body) {}

    private record Answer(int status, String headers, byte[] body) {
        static Answer of(int status, String contentType, String headers, String body) {
            return new Answer(
                    status, "Content-Type: " + contentType + "\r\n" + headers, body.getBytes(StandardCharsets.UTF_8));
        }

        static Answer error(int status, String headers, String error) {
            return of(status, JSON, headers, "{\"error\":\"" + error + "\"}");
        }

        byte[] head() {
            return ("HTTP/1.1 " + status + " Any\r\n" + headers + "Content-Length: " + body.length + "\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);
        }

        /** Only the first half, as if that were all. */
        Answer half() {
            return new Answer(status, headers, Arrays.copyOf(body, body.length / 2));
        }
    }

    MisbehavingProxy(String backend, long seed) throws IOException {
        this.backend = backend;
        this.random = new Random(seed);
        List<Misbehaviour> each = Arrays.asList(Misbehaviour.values());
        Collections.shuffle(each, random);
        this.toDeal = new ArrayDeque<>(each);
        Future<?> unused = threads.submit(this::accept);
    }

    String url() {
        return "http://127.0.0.1:" + server.getLocalPort();
    }

    /** Passes on to this one from now on. */
    void passOnTo(String other) {
        backend = other;
    }

    /** How many requests came so far. */
    synchronized int requests() {
        return requests;
    }

    /** What was done how often, for people. */
    synchronized String tally() {
        return requests + " requests: " + done;
    }

    private synchronized Turn nextTurn(Request request) {
        requests++;
        Misbehaviour what = Misbehaviour.next(random);
        if (request.method().equals("POST") && ++posts % POSTS_TO_NEXT == 0 && !toDeal.isEmpty()) {
            what = toDeal.remove();
        }
        int slow = random.nextInt(SLOW_MILLIS);
        done.merge(what, 1, Integer::sum);
        return new Turn(what, what == Misbehaviour.LATE ? LATE_MILLIS : slow);
    }

    private void accept() {
        try {
            while (true) {
                Socket client = server.accept();
                clients.add(client);
                Future<?> unused = threads.submit(() -> serve(client));
            }
        } catch (IOException e) {
            // it is closed
        }
    }

    private void serve(Socket client) {
        try (client) {
            client.setTcpNoDelay(true);
            InputStream in = new BufferedInputStream(client.getInputStream());
            for (Request request = read(in); request != null && answer(request, client); request = read(in)) {
                // one after the other
            }
        } catch (IOException e) {
            // the agent was killed, or the backend; that is what this is for
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        } finally {
            clients.remove(client);
        }
    }

    /** False if the connection ends with it. */
    private boolean answer(Request request, Socket client) throws IOException, InterruptedException {
        Turn turn = nextTurn(request);
        switch (turn.what()) {
            case PASS_ON -> write(client, passOn(request));
            case SLOW_BEFORE -> {
                waitFor(turn);
                write(client, passOn(request));
            }
            case SLOW_AFTER, LATE -> {
                Answer answer = passOn(request);
                waitFor(turn);
                write(client, answer);
            }
            case SILENT -> {
                passOn(request);
                return client.getInputStream().read() >= 0;
            }
            case TOO_MANY_REQUESTS -> write(client, Answer.error(429, "Retry-After: 1\r\n", "Too many requests"));
            case STORE_UNAVAILABLE -> write(client, Answer.error(503, "Retry-After: 1\r\n", "dedup store unavailable"));
            case LOG_APPEND_FAILED -> write(client, Answer.error(500, "", "log append failed"));
            case HTML_200 -> write(client, Answer.of(200, HTML, wrongDate(), "<html>Please log in</html>"));
            case HTML_502 -> write(client, Answer.of(502, HTML, "", "<html>Bad Gateway</html>"));
            case REDIRECT ->
                write(client, Answer.of(307, HTML, "Location: " + url() + "/elsewhere\r\n", "<html>There</html>"));
            case WRONG_ID -> write(client, ofOthers(request));
            case TRUNCATED -> write(client, passOn(request).half());
            case BROKEN_OFF -> {
                Answer answer = passOn(request);
                client.getOutputStream().write(answer.head());
                client.getOutputStream().write(answer.half().body());
                return false;
            }
            case CLOSE_BEFORE -> {
                return false;
            }
            case CLOSE_AFTER -> {
                passOn(request);
                return false;
            }
        }
        return true;
    }

    private void waitFor(Turn turn) throws InterruptedException {
        boolean unused = closing.await(turn.millis(), TimeUnit.MILLISECONDS);
    }

    private static String wrongDate() {
        return "Date: "
                + DateTimeFormatter.RFC_1123_DATE_TIME.format(
                        Instant.now().plus(Duration.ofHours(1)).atOffset(ZoneOffset.UTC))
                + "\r\n";
    }

    /** As many outcomes as certificates, all of one that nobody sent. */
    private static Answer ofOthers(Request request) {
        String outcome = "{\"pcs_id\":\"" + "0".repeat(64) + "\",\"accepted\":true,\"escalated\":false,\"D_hat\":1.0}";
        if (!request.path().endsWith("/batch")) {
            return Answer.of(200, JSON, "", outcome);
        }
        return Answer.of(
                200,
                "application/x-ndjson",
                "",
                new String(request.body(), StandardCharsets.UTF_8)
                        .lines()
                        .map(line -> "{\"status\":200,\"body\":" + outcome + "}\n")
                        .collect(Collectors.joining()));
    }

    private Answer passOn(Request request) throws IOException, InterruptedException {
        HttpRequest.Builder passed = HttpRequest.newBuilder(URI.create(backend + request.path()))
                .timeout(TIMEOUT)
                .method(request.method(), BodyPublishers.ofByteArray(request.body()));
        HttpResponse<byte[]> answer = http.send(passed.build(), BodyHandlers.ofByteArray());
        String headers = answer.headers().map().entrySet().stream()
                .filter(header -> !header.getKey().equalsIgnoreCase("Content-Length"))
                .map(header -> header.getKey() + ": " + String.join(", ", header.getValue()) + "\r\n")
                .collect(Collectors.joining());
        return new Answer(answer.statusCode(), headers, answer.body());
    }

    private static void write(Socket client, Answer answer) throws IOException {
        var whole = new ByteArrayOutputStream();
        whole.writeBytes(answer.head());
        whole.writeBytes(answer.body());
        client.getOutputStream().write(whole.toByteArray());
    }

    /** The next request; null at the end of the connection. */
    private static Request read(InputStream in) throws IOException {
        String begun = line(in);
        if (begun.isEmpty()) {
            return null;
        }
        int length = 0;
        for (String header = line(in); !header.isEmpty(); header = line(in)) {
            if (header.regionMatches(true, 0, "Content-Length:", 0, 15)) {
                length = Integer.parseInt(header.substring(15).strip());
            }
        }
        String[] words = begun.split(" ", -1);
        return new Request(words[0], words[1], in.readNBytes(length));
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
            if (b != '\r') {
                line.append((char) b);
            }
        }
        return line.toString();
    }

    @Override
    public void close() throws IOException {
        closing.countDown();
        server.close();
        threads.shutdown();
        try {
            while (!threads.awaitTermination(100, TimeUnit.MILLISECONDS)) {
                for (Socket client : clients) {
                    client.close();
                }
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** What the proxy of the ordeal does with a request; each with its share of all requests, in thousandths. */
    private enum Misbehaviour {
        PASS_ON(649),
        SLOW_BEFORE(60),
        SLOW_AFTER(60),
        /** Answered so late that the backend may have been restarted with another key meanwhile. */
        LATE(3),
        /** Passed on and never answered: the agent's time-out has to end it. */
        SILENT(1),
        TOO_MANY_REQUESTS(7),
        STORE_UNAVAILABLE(7),
        LOG_APPEND_FAILED(40),
        HTML_200(25),
        HTML_502(25),
        REDIRECT(23),
        /** The outcome of another certificate. */
        WRONG_ID(25),
        /** Passed on; of the answer's body only the first half comes, with a length that fits. */
        TRUNCATED(25),
        /** The same with the length of all of it, and an end in the middle. */
        BROKEN_OFF(20),
        CLOSE_BEFORE(15),
        CLOSE_AFTER(15);

        private static final int ALL = 1000;

        private final int share;

        Misbehaviour(int share) {
            this.share = share;
        }

        /** The next of a plan that only the seed decides. */
        static Misbehaviour next(RandomGenerator random) {
            int drawn = random.nextInt(ALL);
            for (Misbehaviour one : values()) {
                drawn -= one.share;
                if (drawn < 0) {
                    return one;
                }
            }
            throw new AssertionError("the shares do not add up to " + ALL + ": " + Arrays.toString(values()));
        }
    }
}
