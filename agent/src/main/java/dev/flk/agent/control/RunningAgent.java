// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.control.LocalServer.Operations;
import dev.flk.agent.outbox.CertificateSink;
import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.JsonMembers;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.http.Answer;
import io.netty.handler.codec.http.QueryStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** A running agent, as another process on the same machine uses it. Any thread. */
public final class RunningAgent implements CertificateSink, Operations {
    private static final JsonMapper JSON = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .build();
    private static final Duration SOON = Duration.ofSeconds(10);
    /** The timeout of operations that read or write large amounts of data. */
    private static final Duration PATIENCE = Duration.ofMinutes(30);

    private final Path socket;
    private final Path outbox;

    private RunningAgent(Path socket, Path outbox) {
        this.socket = socket;
        this.outbox = outbox;
    }

    /** The failure to connect to an agent's socket. */
    public static final class NotThere extends IOException {
        private static final long serialVersionUID = 1;

        NotThere(Path socket, Throwable cause) {
            super("no agent answers at " + socket, cause);
        }
    }

    /**
     * Returns the agent that owns an outbox and listens on a socket. Each call on the result may throw
     * {@link NotThere}.
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
        Answer answered = LocalClient.ask(
                socket, "POST", "/v1/pcs", "application/x-ndjson", lines.toByteArray(), SOON.multipliedBy(6));
        if (answered.status() == 503) {
            throw new OutboxFull(error(answered));
        }
        int added = JSON.readTree(require(answered, 202)).path("added").asInt();
        if (added != certificates.size()) {
            throw new IOException("the agent accepted " + added + " of " + certificates.size()
                    + " certificates; it has another version, use the flk-agent of that version");
        }
    }

    /** Returns a size that fits into one request; the running agent itself checks that the outbox has room. */
    @Override
    public long maxBytes() {
        return LocalServer.MAX_BODY_BYTES / 2;
    }

    @Override
    public String name() {
        return outbox.toString();
    }

    @Override
    public StatusReport status() throws IOException {
        return StatusReport.decode(
                require(LocalClient.ask(socket, "GET", "/v1/status", "text/plain", new byte[0], SOON), 200));
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
        return JSON.readTree(post(withFilter("/v1/dlq/requeue", which)))
                .path("requeued")
                .asInt();
    }

    @Override
    public int purge(DeadLetterFilter which) throws IOException {
        return JSON.readTree(post(withFilter("/v1/dlq/purge", which)))
                .path("purged")
                .asInt();
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
        return require(LocalClient.ask(socket, "POST", uri.toString(), "text/plain", new byte[0], PATIENCE), 200);
    }

    private static byte[] require(Answer answered, int status) throws IOException {
        if (answered.status() != status) {
            throw new IOException("the running agent refused: " + error(answered));
        }
        return answered.body();
    }

    private static String error(Answer answered) throws IOException {
        return JSON.readTree(answered.body()).path("error").asText("status " + answered.status());
    }
}
