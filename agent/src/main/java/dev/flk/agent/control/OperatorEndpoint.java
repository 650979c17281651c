// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.agent.control.LocalServer.Operations;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import io.netty.handler.codec.http.QueryStringDecoder;
import java.io.Closeable;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The HTTP endpoints for operators: {@code GET /v1/status}, {@code POST /v1/compact?horizon_days=14&dry_run=true}, and
 * {@code POST /v1/dlq/requeue} and {@code POST /v1/dlq/purge}. The requests to requeue and purge dead letters need
 * either {@code all=true} or at least one of the parameters {@code reason}, {@code since} and {@code id}, but not both.
 * The parameter {@code id} may be repeated. One operation runs at a time. Requests for the status do not wait for it. At
 * most {@value #WAITING} requests for operations and {@value #WAITING} for the status wait; further requests are
 * answered with 503.
 */
final class OperatorEndpoint implements Closeable {
    private static final int WAITING = 16;
    private static final long MAX_DAYS = 36_500;

    private final Operations operations;
    private final ThreadPoolExecutor executor = oneThread("operations");
    /** The thread of {@code /v1/status}, which is also answered while an operation is in progress. */
    private final ThreadPoolExecutor statusExecutor = oneThread("status");

    OperatorEndpoint(Operations operations) {
        this.operations = operations;
    }

    /** An operation that a request starts. */
    private interface Operation {
        /** Runs the operation. Returns the result, which becomes the JSON body of the answer. */
        Object run(QueryStringDecoder query) throws IOException;
    }

    private static ThreadPoolExecutor oneThread(String name) {
        return new ThreadPoolExecutor(
                1, 1, 0, TimeUnit.SECONDS, new ArrayBlockingQueue<>(WAITING), DaemonThreads.named(name));
    }

    Routes addTo(Routes routes) {
        return routes.get("/v1/status", later(statusExecutor, query -> operations.status()))
                .post("/v1/compact", later(executor, this::compact))
                .post("/v1/outbox/requeue", later(executor, query -> operations.requeue(selection(query))))
                .post(
                        "/v1/dlq/requeue",
                        later(executor, query -> Map.of("requeued", operations.requeue(filter(query)))))
                .post("/v1/dlq/purge", later(executor, query -> Map.of("purged", operations.purge(filter(query)))));
    }

    private static Endpoint later(ThreadPoolExecutor executor, Operation operation) {
        return Endpoint.asking((request, exchange) -> {
            try {
                executor.execute(() -> exchange.safely(() -> exchange.answer(run(operation, request))));
            } catch (RejectedExecutionException e) {
                exchange.answer(busy("other operations are in progress; try again"));
            }
        });
    }

    private static Answer run(Operation operation, Request request) {
        try {
            return Answer.json(200, Json.bytes(operation.run(new QueryStringDecoder(request.query(), false))));
        } catch (IllegalArgumentException e) {
            return Answer.error(400, String.valueOf(e.getMessage()));
        } catch (OutboxFull e) {
            return busy(String.valueOf(e.getMessage()));
        } catch (IOException e) {
            return Answer.error(500, String.valueOf(e.getMessage()));
        }
    }

    private static Answer busy(String what) {
        return Answer.error(503, what, Header.retryAfter(1));
    }

    private Report compact(QueryStringDecoder query) throws IOException {
        long days = first(query, "horizon_days").map(OperatorEndpoint::days).orElse(14L);
        boolean dryRun = first(query, "dry_run").map(Boolean::parseBoolean).orElse(false);
        return operations.compact(Duration.ofDays(days), dryRun ? Mode.DRY_RUN : Mode.RUN);
    }

    private static long days(String text) {
        if (!text.matches("\\d{1,5}") || Long.parseLong(text) > MAX_DAYS) {
            throw new IllegalArgumentException(
                    "horizon_days must be a whole number from 0 to " + MAX_DAYS + ", not \"" + text + "\"");
        }
        return Long.parseLong(text);
    }

    private static DeadLetterFilter filter(QueryStringDecoder query) {
        DeadLetterFilter filter = new DeadLetterFilter(
                first(query, "reason"),
                first(query, "since").map(OperatorEndpoint::instant),
                query.parameters().getOrDefault("id", List.of()));
        boolean all = first(query, "all").map(Boolean::parseBoolean).orElse(false);
        if (filter.isAll() != all) {
            throw new IllegalArgumentException("select letters by reason, since or id, or set all=true, not both");
        }
        return filter;
    }

    private static Requeue.Selection selection(QueryStringDecoder query) {
        return new Requeue.Selection(
                instant(first(query, "since").orElse("")),
                first(query, "until").map(OperatorEndpoint::instant),
                first(query, "shard"),
                instant(first(query, "not_before").orElse("")));
    }

    private static Instant instant(String text) {
        try {
            return Instant.parse(text);
        } catch (DateTimeException e) {
            throw new IllegalArgumentException(
                    "a time is \"" + text + "\"; write a time such as 2026-11-20T08:00:00Z", e);
        }
    }

    private static Optional<String> first(QueryStringDecoder query, String name) {
        return query.parameters().getOrDefault(name, List.of()).stream().findFirst();
    }

    /** Drops waiting requests without an answer, and waits until the operations in progress have ended. */
    @Override
    public void close() {
        close(statusExecutor);
        close(executor);
    }

    private static void close(ThreadPoolExecutor executor) {
        executor.getQueue().clear();
        executor.shutdown();
        boolean interrupted = false;
        while (!executor.isTerminated()) {
            try {
                executor.awaitTermination(1, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
