// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.canonical.Sha256;
import dev.flk.http.BodyMark;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** A real HTTP server whose answers a test defines. */
public final class ScriptedBackend implements Closeable {
    private static final Pattern ID = Pattern.compile("\"pcs_id\":\"([^\"]*)\"");

    /** An answer; with status 0, the server closes the connection without answering. */
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
            Map<String, String> all = new TreeMap<>(headers);
            all.put(header, value);
            return new Said(status, body, all);
        }

        /** Returns this answer with the headers that name the keys of its backend. */
        Said by(BackendKeys keys) {
            Map<String, String> all = new TreeMap<>(headers);
            all.putIfAbsent("X-Flk-Instance", keys.instance());
            all.putIfAbsent("X-Flk-Keys", keys.state());
            return new Said(status, body, all);
        }
    }

    /** Returns a function that answers the first submission with {@code said}, and all later ones as recorded. */
    public static Function<String, Said> first(Said said) {
        AtomicInteger calls = new AtomicInteger();
        return certificate -> calls.getAndIncrement() == 0 ? said : Said.recorded(certificate);
    }

    private final ServerSocket server;

    private final ExecutorService executor = Executors.newCachedThreadPool();
    private final Set<Socket> connections = ConcurrentHashMap.newKeySet();
    /** The bodies of the submissions, single or batch, in order of arrival. */
    public final List<String> received = new CopyOnWriteArrayList<>();

    /** The clock for the {@code Date} header of answers that do not set their own. */
    volatile InstantSource clock = InstantSource.system();

    final List<String> paths = new CopyOnWriteArrayList<>();
    public volatile Said health = Said.of(200, "OK");
    public volatile Said ready = Said.of(200, "{}");
    /** The keys that answers to submissions name unless they set their own; null for an older backend. */
    public volatile @Nullable BackendKeys keys = new BackendKeys("0123456789abcdef", "0000000000000001");

    /** Whether refusals have the mark of the bytes to which they belong. */
    public volatile boolean marks = true;

    public volatile Function<String, Said> submit = Said::recorded;
    public volatile Function<String, Said> batch = this::eachLine;

    public ScriptedBackend() throws IOException {
        server = new ServerSocket(0, 0, InetAddress.getLoopbackAddress());
        executor.execute(this::accept);
    }

    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    /** Returns the settings of an agent that sends to this backend and has its files in a directory. */
    public Map<String, String> settings(Path directory) {
        return new TreeMap<>(Map.of(
                "ENDPOINT",
                endpoint().toString(),
                "PCS_SIGN_ALG",
                "hmac",
                "PCS_HMAC_KEY",
                "secret",
                "OUTBOX_PATH",
                directory.resolve("outbox").toString(),
                "OUTBOX_MIN_FREE_BYTES",
                "0",
                "HEARTBEAT",
                "0",
                "DLQ_PATH",
                directory.resolve("dlq.jsonl").toString()));
    }

    public static String id(String certificate) {
        Matcher matcher = ID.matcher(certificate);
        return matcher.find() ? matcher.group(1) : "";
    }

    /** Answers a batch with the answers of {@link #submit} to each of its lines. */
    Said eachLine(String lines) {
        return eachLine(lines, submit);
    }

    /** Answers a batch with an answer to each of its lines. */
    Said eachLine(String lines, Function<String, Said> each) {
        return Said.of(
                200,
                lines.lines()
                        .map(line -> marked(each.apply(line), line))
                        .map(said -> "{\"status\":" + said.status() + ",\"body\":" + said.body()
                                + (said.headers().containsKey("X-Flk-Conflict") ? ",\"conflict\":true" : "")
                                + (said.headers().containsKey("Retry-After")
                                        ? ",\"retry_after\":" + said.headers().get("Retry-After")
                                        : "")
                                + "}\n")
                        .collect(Collectors.joining()));
    }

    private void accept() {
        try {
            while (true) {
                Socket connection = server.accept();
                connections.add(connection);
                executor.execute(() -> serve(connection));
            }
        } catch (IOException | RejectedExecutionException e) {
            // closed
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            InputStream in = new BufferedInputStream(connection.getInputStream());
            String request = line(in);
            while (!request.isEmpty()) {
                int bodyBytes = 0;
                for (String header = line(in); !header.isEmpty(); header = line(in)) {
                    if (header.toLowerCase(Locale.ROOT).startsWith("content-length:")) {
                        bodyBytes = Integer.parseInt(
                                header.substring(header.indexOf(':') + 1).strip());
                    }
                }
                String body = new String(in.readNBytes(bodyBytes), StandardCharsets.UTF_8);
                Said said = answer(URI.create(request.split(" ", -1)[1]).getPath(), body);
                if (said.status() == 0) {
                    return;
                }
                connection.getOutputStream().write(bytes(said));
                request = line(in);
            }
        } catch (IOException e) {
            // the agent has closed the connection
        } finally {
            connections.remove(connection);
        }
    }

    /** Reads a line without its line end; returns an empty text at the end of the stream. */
    private static String line(InputStream in) throws IOException {
        var line = new ByteArrayOutputStream();
        for (int b = in.read(); b >= 0 && b != '\n'; b = in.read()) {
            line.write(b);
        }
        return line.toString(StandardCharsets.US_ASCII).strip();
    }

    private Said answer(String path, String body) {
        paths.add(path);
        if (path.startsWith("/v1/")) {
            if (!path.startsWith("/v1/agents")
                    && !path.startsWith("/v1/sessions")) { // a heartbeat may come at any time
                received.add(body);
            }
            Said said = marked((path.equals("/v1/pcs/batch") ? batch : submit).apply(body), body);
            BackendKeys named = keys;
            return named == null || said.status() == 0 ? said : said.by(named);
        }
        return path.equals("/readyz") ? ready : health;
    }

    /** Returns the answer with a mark, if it refuses the certificate for good. */
    private Said marked(Said said, String sent) {
        boolean isMarked = marks
                && Set.of(400, 401, 413).contains(said.status())
                && said.body().startsWith("{\"error\":");
        return isMarked ? new Said(said.status(), marked(said.body(), sent), said.headers()) : said;
    }

    static String marked(String body, String sent) {
        byte[] digest = Sha256.of(sent.getBytes(StandardCharsets.UTF_8));
        return new String(BodyMark.added(body.getBytes(StandardCharsets.UTF_8), digest), StandardCharsets.UTF_8);
    }

    private byte[] bytes(Said said) throws IOException {
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("Date", date(clock.instant()));
        headers.putAll(said.headers());
        byte[] body = said.body().getBytes(StandardCharsets.UTF_8);
        headers.put("Content-Length", Integer.toString(body.length));
        var answer = new ByteArrayOutputStream();
        answer.write(("HTTP/1.1 " + said.status() + " \r\n").getBytes(StandardCharsets.US_ASCII));
        for (Map.Entry<String, String> header : headers.entrySet()) {
            answer.write((header.getKey() + ": " + header.getValue() + "\r\n").getBytes(StandardCharsets.US_ASCII));
        }
        answer.write("\r\n".getBytes(StandardCharsets.US_ASCII));
        answer.write(body);
        return answer.toByteArray();
    }

    /** Returns the value of a {@code Date} header. */
    static String date(Instant instant) {
        return DateTimeFormatter.RFC_1123_DATE_TIME.format(instant.atOffset(ZoneOffset.UTC));
    }

    @Override
    public void close() {
        try {
            server.close();
            for (Socket connection : connections) {
                connection.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            executor.shutdown();
        }
    }
}
