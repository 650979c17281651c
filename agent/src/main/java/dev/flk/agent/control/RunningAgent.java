// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.control.LocalServer.Operations;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.outbox.certificate.CertificateSink;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.agent.outbox.certificate.JsonMembers;
import dev.flk.http.Answer;
import io.netty.handler.codec.http.QueryStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A client of an agent that runs in another process on the same machine. For each request, the client makes a new
 * connection to the operators' socket. Safe for any thread.
 */
public final class RunningAgent implements CertificateSink, Operations {
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .build();
    private static final int MAX_ANSWER_BYTES = 16 << 20;
    private static final Pattern HEAD = Pattern.compile(
            "HTTP/1\\.1 (\\d{3}) .*?\r\ncontent-length: (\\d+)\r\n.*", Pattern.DOTALL | Pattern.CASE_INSENSITIVE);
    /** The maximum number of ids in a request, whose first line must be shorter than 8 KiB. */
    private static final int IDS_A_REQUEST = 50;

    private static final Duration SOON = Duration.ofSeconds(10);
    /** The timeout of operations that may have to read or write large amounts of data. */
    private static final Duration PATIENCE = Duration.ofMinutes(30);

    private final Path socket;
    private final Path outbox;
    /** The limit of a running agent that does not name its own. */
    private volatile long maxBytes = 4 << 20;

    private RunningAgent(Path socket, Path outbox) {
        this.socket = socket;
        this.outbox = outbox;
    }

    /** The exception for a failed connection to an agent's socket. */
    public static final class NotThere extends IOException {
        private static final long serialVersionUID = 1;

        NotThere(Path socket, Throwable cause) {
            super("no agent answers at " + socket, cause);
        }
    }

    /**
     * Returns a client of the agent that owns an outbox and listens on a socket. This method does not connect yet. Each
     * call on the client throws {@link NotThere} if it cannot connect.
     */
    public static RunningAgent at(Path socket, Path outbox) {
        return new RunningAgent(socket, outbox);
    }

    @Override
    public void append(List<byte[]> certificates) throws IOException {
        var lines = new ByteArrayOutputStream();
        for (byte[] certificate : certificates) {
            lines.writeBytes(JsonMembers.onOneLine(certificate));
            lines.write('\n');
        }
        Answer answered =
                ask(socket, "POST", "/v1/pcs", "application/x-ndjson", lines.toByteArray(), SOON.multipliedBy(6));
        if (answered.status() == 503) {
            throw new OutboxFull(error(answered));
        }
        int added = JSON.readTree(require(answered, 202)).path("added").asInt();
        if (added != certificates.size()) {
            throw new IOException("the agent accepted " + added + " of " + certificates.size()
                    + " certificates; its version differs from this command's: use the flk-agent of the running agent");
        }
    }

    /**
     * Returns the maximum length of a certificate for the running agent, as {@link #requireThere} has found it. The
     * running agent checks whether the outbox has room.
     */
    @Override
    public long maxBytes() {
        return maxBytes;
    }

    @Override
    public String name() {
        return outbox.toString();
    }

    /** Requires that an agent answers at the socket. An agent answers even while an operation is in progress. */
    public void requireThere() throws IOException {
        byte[] health = require(ask(socket, "GET", "/health", "text/plain", new byte[0], SOON), 200);
        maxBytes = JSON.readTree(health).path("max_certificate_bytes").asLong(maxBytes);
    }

    @Override
    public StatusReport status() throws IOException {
        return JSON.readValue(
                require(ask(socket, "GET", "/v1/status", "text/plain", new byte[0], SOON), 200), StatusReport.class);
    }

    @Override
    public Report compact(Duration horizon, Mode mode) throws IOException {
        QueryStringEncoder uri = new QueryStringEncoder("/v1/compact");
        uri.addParam("horizon_days", Long.toString(horizon.toDays()));
        uri.addParam("dry_run", Boolean.toString(mode == Mode.DRY_RUN));
        return JSON.readValue(post(uri), Report.class);
    }

    @Override
    public int requeue(DeadLetterFilter which) throws IOException {
        return change("/v1/dlq/requeue", which, "requeued");
    }

    @Override
    public Requeue.Counts requeue(Requeue.Selection which) throws IOException {
        QueryStringEncoder uri = new QueryStringEncoder("/v1/outbox/requeue");
        uri.addParam("since", which.since().toString());
        which.until().ifPresent(until -> uri.addParam("until", until.toString()));
        which.shard().ifPresent(shard -> uri.addParam("shard", shard));
        uri.addParam("not_before", which.notBefore().toString());
        return JSON.readValue(post(uri), Requeue.Counts.class);
    }

    @Override
    public int purge(DeadLetterFilter which) throws IOException {
        return change("/v1/dlq/purge", which, "purged");
    }

    /** Requeues or purges dead letters, in several requests if there are many ids. Returns their number. */
    private int change(String path, DeadLetterFilter which, String member) throws IOException {
        int changed = 0;
        for (int from = 0; from == 0 || from < which.ids().size(); from += IDS_A_REQUEST) {
            List<String> ids = which.ids().subList(from, Math.min(which.ids().size(), from + IDS_A_REQUEST));
            DeadLetterFilter part = new DeadLetterFilter(which.reason(), which.since(), ids);
            changed += JSON.readTree(post(withFilter(path, part))).path(member).asInt();
        }
        return changed;
    }

    private static QueryStringEncoder withFilter(String path, DeadLetterFilter which) {
        QueryStringEncoder uri = new QueryStringEncoder(path);
        which.reason().ifPresent(reason -> uri.addParam("reason", reason));
        which.since().ifPresent(since -> uri.addParam("since", since.toString()));
        which.ids().forEach(id -> uri.addParam("id", id));
        if (which.isAll()) {
            uri.addParam("all", "true");
        }
        return uri;
    }

    private byte[] post(QueryStringEncoder uri) throws IOException {
        return require(ask(socket, "POST", uri.toString(), "text/plain", new byte[0], PATIENCE), 200);
    }

    private static byte[] require(Answer answered, int status) throws IOException {
        if (answered.status() != status) {
            throw new IOException("the running agent refused the request: " + error(answered));
        }
        return answered.body();
    }

    private static String error(Answer answered) throws IOException {
        return JSON.readTree(answered.body()).path("error").asText("status " + answered.status());
    }

    /**
     * Sends a request and waits for the answer.
     *
     * @throws NotThere if the client can't connect to the socket, for example because no process listens on the socket
     * @throws IOException if the connection fails, or no complete answer arrives within the timeout
     */
    static Answer ask(Path socket, String method, String uri, String contentType, byte[] body, Duration timeout)
            throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            CompletableFuture<Void> timer = CompletableFuture.runAsync(
                    () -> close(channel), CompletableFuture.delayedExecutor(timeout.toMillis(), TimeUnit.MILLISECONDS));
            try {
                connect(channel, socket);
                send(channel, method, uri, contentType, body);
                return receive(channel);
            } catch (ClosedChannelException e) {
                throw new IOException("no answer within " + timeout.toSeconds() + " s", e);
            } finally {
                timer.cancel(false);
            }
        } catch (NotThere e) {
            throw e;
        } catch (IOException e) {
            throw new IOException("the agent at " + socket + " did not answer: " + e.getMessage(), e);
        }
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            // ignored, because the request fails whether or not the channel can be closed
        }
    }

    private static void connect(SocketChannel channel, Path socket) throws IOException {
        try {
            boolean unused = channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            throw new NotThere(socket, e);
        }
    }

    private static void send(SocketChannel channel, String method, String uri, String contentType, byte[] body) {
        String head = method + " " + uri + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + contentType
                + "\r\nConnection: close\r\nContent-Length: " + body.length + "\r\n\r\n";
        try {
            for (byte[] part : new byte[][] {head.getBytes(StandardCharsets.US_ASCII), body}) {
                for (ByteBuffer left = ByteBuffer.wrap(part); left.hasRemaining(); ) {
                    int unused = channel.write(left);
                }
            }
        } catch (IOException e) {
            // ignored, because the agent may have answered and closed the connection before it read the entire request
        }
    }

    private static Answer receive(SocketChannel channel) throws IOException {
        var received = new ByteArrayOutputStream();
        ByteBuffer block = ByteBuffer.allocate(1 << 16);
        while (received.size() <= MAX_ANSWER_BYTES && channel.read(block.clear()) >= 0) {
            received.write(block.array(), 0, block.position());
        }
        byte[] bytes = received.toByteArray();
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int end = text.indexOf("\r\n\r\n") + 4;
        Matcher head = HEAD.matcher(text.substring(0, Math.max(0, end - 2)));
        if (!head.matches() || bytes.length - end != Integer.parseInt(head.group(2))) {
            throw new IOException("the connection was closed before the answer was complete");
        }
        return Answer.json(Integer.parseInt(head.group(1)), Arrays.copyOfRange(bytes, end, bytes.length));
    }
}
