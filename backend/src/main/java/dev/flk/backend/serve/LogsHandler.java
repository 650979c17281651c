// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.logs.ForgettableLog.NotForgettableException;
import dev.flk.backend.logs.LogEntry;
import dev.flk.backend.logs.LogEntry.Figures;
import dev.flk.backend.logs.Logs;
import dev.flk.backend.logs.Logs.RegisteredLog;
import dev.flk.backend.logs.Logs.Status;
import dev.flk.backend.logs.Logs.View;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import io.netty.handler.codec.http.HttpMethod;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code GET /v1/logs}, the logs of this store and their backends, and of {@code POST /v1/logs/forget},
 * which gives up a log. The latter waits for the store, so it has a thread of its own; there is at most one at a time.
 */
final class LogsHandler implements AutoCloseable {
    private static final int MAX_BODY_BYTES = 4 << 10;
    private static final String LOG = "log";
    private static final Answer BUSY = Answer.error(409, "another log is being given up; try again");

    private final Supplier<Optional<Logs>> logs;
    private final OperatorGuard guard;
    private final ThreadPoolExecutor thread = new ThreadPoolExecutor(
            0, 1, 1, TimeUnit.SECONDS, new SynchronousQueue<>(), DaemonThreads.named("logs-forget"));

    /** The answer to {@code GET /v1/logs}. */
    private record Listing(
            List<Line> logs,
            @Nullable Instant readAt,
            @Nullable String problem) {}

    /** A log in that answer. */
    private record Line(
            String name,
            String logId,
            Status status,
            String instance,
            String version,
            String policy,
            String keys,
            Instant started,
            Instant seen,
            long last,
            long archivedUpTo,
            @Nullable Figures figures) {
        static Line of(RegisteredLog log) {
            LogEntry entry = log.entry();
            return new Line(
                    entry.name(),
                    entry.logId(),
                    log.status(),
                    entry.instance(),
                    entry.version(),
                    entry.policy(),
                    entry.keys(),
                    Instant.ofEpochMilli(entry.startedMillis()),
                    Instant.ofEpochMilli(entry.seenMillis()),
                    entry.last(),
                    entry.archivedUpTo(),
                    entry.figures());
        }
    }

    /** @param logs a supplier of the view; empty while this backend starts */
    LogsHandler(Supplier<Optional<Logs>> logs, OperatorGuard guard) {
        this.logs = logs;
        this.guard = guard;
    }

    Routes addTo(Routes routes) {
        return routes.get("/v1/logs", guard.reading(this::list))
                .route(
                        HttpMethod.POST,
                        "/v1/logs/forget",
                        guard.changing(MAX_BODY_BYTES, this::forget, UnaryOperator.identity()));
    }

    private void list(Request request, Exchange exchange) {
        exchange.answer(logs.get().map(found -> list(found.view())).orElse(Starting.ANSWER));
    }

    private static Answer list(View view) {
        return Answer.json(
                200,
                Json.bytes(new Listing(
                        view.logs().stream().map(Line::of).toList(),
                        view.readAt().orElse(null),
                        view.problem().orElse(null))));
    }

    private void forget(Request request, Exchange exchange) {
        Optional<Logs> found = logs.get();
        if (found.isEmpty()) {
            exchange.answer(Starting.ANSWER);
            return;
        }
        byte[] body = request.body().exact();
        try {
            thread.execute(() -> exchange.safely(() -> exchange.answer(forget(found.get(), body))));
        } catch (RejectedExecutionException e) {
            exchange.answer(BUSY);
        }
    }

    private Answer forget(Logs found, byte[] body) {
        try {
            LogEntry forgotten = found.forget(name(body), guard.user());
            return Answer.json(200, Json.bytes(Line.of(new RegisteredLog(forgotten, Status.FORGOTTEN, Duration.ZERO))));
        } catch (BadRequest e) {
            return Answer.error(400, e.text());
        } catch (NotForgettableException e) {
            return Answer.error(409, String.valueOf(e.getMessage()));
        } catch (StoreUnavailableException e) {
            return Answer.error(503, String.valueOf(e.getMessage()), Header.retryAfter(1));
        }
    }

    private static String name(byte[] body) {
        JsonNode parsed;
        try {
            parsed = Json.parse(new String(body, StandardCharsets.UTF_8));
        } catch (JsonProcessingException e) {
            throw new BadRequest("the body is not JSON");
        }
        if (parsed.size() != 1 || !parsed.path(LOG).isTextual()) {
            throw new BadRequest("the body is not an object with the member " + LOG + " only, a text");
        }
        return parsed.path(LOG).textValue();
    }

    @Override
    public void close() {
        thread.shutdown();
    }
}
