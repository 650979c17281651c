// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.access.keys.RequestCheck.Received;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.agents.AgentMetrics.Refused;
import dev.flk.backend.agents.AgentReport;
import dev.flk.backend.agents.AgentReport.State;
import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.agents.AgentReports.Page;
import dev.flk.backend.agents.AgentReports.Result;
import dev.flk.backend.agents.Agents;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.Client;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.http.Answer;
import dev.flk.http.Exchange;
import dev.flk.http.HttpEvents;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.Utf8;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpMethod;
import java.nio.charset.CharacterCodingException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code PUT /v1/agents/ID}, the signed report of an agent, and of {@code GET /v1/agents}, the list for
 * operators. Reports are checked and stored on the event loop; lists are made on a thread of their own.
 */
final class AgentsHandler implements AutoCloseable {
    private static final String PATH = "/v1/agents";
    /** Where agents of 0.1.0 report; a report is an update of the session that has the agent's name. */
    private static final String FORMER = "/v1/sessions";

    private static final Set<String> QUERY = Set.of("prefix", "silent", "limit", "page");
    private static final int MAX_LIMIT = 1_000;
    private static final int MAX_WAITING = 16;
    private static final long MAX_ANSWER_BYTES = 4 << 20;
    private static final Answer UNAUTHORIZED = Answer.error(401, "unauthorized");
    private static final Answer ELSEWHERE = Answer.error(
            404, "not found: the program flk-state has the sessions now, on its own PORT (8081 by default)");

    private final Supplier<Optional<Agents>> agents;
    private final OperatorGuard guard;
    private final InstantSource clock;
    private final ThreadPoolExecutor thread = DaemonThreads.pool("agent-lists", 1, MAX_WAITING);

    /** The answer to a report. */
    private record Stored(String id, Instant receivedAt) {}

    /** The answer that agents of 0.1.0 know. */
    private record FormerlyStored(String id, long version, Instant updatedAt) {}

    /** An agent in the list. */
    private record Line(
            String id,
            State state,
            Instant receivedAt,
            long age,
            @Nullable List<String> duplicates,
            Object report) {}

    /**
     * @param since the start of the backend, while agents that have reported before it may be missing
     * @param page the {@code page} of the next request; null on the last page
     */
    private record Listed(
            List<Line> agents,
            @Nullable Instant since,
            @Nullable String page) {}

    AgentsHandler(Supplier<Optional<Agents>> agents, OperatorGuard guard, InstantSource clock) {
        this.agents = agents;
        this.guard = guard;
        this.clock = clock;
    }

    Routes addList(Routes routes) {
        return routes.get(PATH, guard.reading(this::list));
    }

    Routes addReports(Routes routes, AgentMetrics metrics, Limits limits) {
        HttpEvents early = new HttpEvents() {
            @Override
            public void refusedEarly() {
                metrics.refused.increment(Refused.UNAVAILABLE);
            }

            @Override
            public void bodyTooLong() {
                metrics.refused.increment(Refused.TOO_LARGE);
            }

            @Override
            public void bodyTooSlow() {
                metrics.refused.increment(Refused.MALFORMED);
            }
        };
        Gate gate = (head, exchange) -> OperatorGuard.refusalOfForeignSite(head.headers())
                .or(() -> Client.held(exchange).map(answer -> new Gate.Refused(answer, Duration.ZERO)));
        for (String path : List.of(PATH, FORMER)) {
            routes.route(
                    HttpMethod.PUT,
                    path + "/**",
                    Endpoint.withBody(
                                    AgentReports.MAX_BYTES,
                                    (request, exchange) -> report(request, exchange, path, metrics, limits),
                                    early)
                            .behind(gate));
        }
        Endpoint elsewhere = Endpoint.always(ELSEWHERE).behind(Client.unknown(limits));
        return routes.get(FORMER, elsewhere)
                .get(FORMER + "/**", elsewhere)
                .route(HttpMethod.DELETE, FORMER + "/**", elsewhere);
    }

    private void report(Request request, Exchange exchange, String path, AgentMetrics metrics, Limits limits) {
        Optional<Agents> opened = agents.get();
        if (opened.isEmpty()) {
            exchange.answer(Starting.ANSWER);
            return;
        }
        Optional<Answer> held = Client.held(exchange);
        if (held.isPresent()) {
            exchange.answer(held.get());
            return;
        }
        Refused refused;
        Answer answer;
        try {
            String id = BadRequest.decodedPath(request.path().substring(path.length() + 1));
            if (path.equals(FORMER)
                    && (!AgentReports.isId(id) || request.header(HttpHeaderNames.AUTHORIZATION) != null)) {
                exchange.answer(ELSEWHERE); // a session, but no report of an agent about itself
                return;
            }
            if (!AgentReports.isId(id)) {
                throw new BadRequest(
                        "the id of an agent is 1 to 256 bytes of UTF-8 without slashes and control" + " characters");
            }
            byte[] body = request.body().exact();
            RequestCheck.Result checked = opened.get()
                    .check()
                    .check(
                            new Received(
                                    request.method().name(),
                                    request.target(),
                                    name -> request.headers().getAll(name),
                                    body),
                            id);
            if (checked instanceof RequestCheck.Result.Accepted signed) {
                limits.sentSigned(Client.of(exchange));
                Result result = opened.get().reports().accept(id, Utf8.decode(body), signed.created());
                if (result instanceof Result.Accepted accepted) {
                    exchange.answer(Answer.json(
                            200,
                            Json.bytes(
                                    path.equals(PATH)
                                            ? new Stored(id, accepted.receivedAt())
                                            : new FormerlyStored(id, 1, accepted.receivedAt()))));
                    return;
                }
                Result.Older older = (Result.Older) result;
                metrics.refused.increment(Refused.OLDER);
                exchange.answer(Answer.error(
                        409,
                        "a later report of this agent, from host " + older.lastHost() + ", was received at "
                                + older.lastReceivedAt()
                                + "; another agent may use this id, or the clock was set back: then a report is accepted"
                                + " five minutes after that one"));
                return;
            }
            refused = Refused.valueOf(
                    ((RequestCheck.Result.Refused) checked).why().name());
            answer = refused == Refused.UNAVAILABLE ? Refusal.overloaded() : UNAUTHORIZED;
        } catch (BadRequest | IllegalArgumentException | CharacterCodingException e) {
            refused = Refused.MALFORMED;
            answer = Answer.error(
                    400,
                    e instanceof CharacterCodingException ? "the body is not UTF-8" : String.valueOf(e.getMessage()));
        }
        metrics.refused.increment(refused);
        if (refused != Refused.UNAVAILABLE) {
            limits.failed(Client.of(exchange), 0);
        }
        exchange.answer(answer);
    }

    private void list(Request request, Exchange exchange) {
        Optional<Agents> opened = agents.get();
        if (opened.isEmpty()) {
            exchange.answer(Starting.ANSWER);
            return;
        }
        if (!exchange.reserveAnswer(guard.memory(), MAX_ANSWER_BYTES)) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        try {
            thread.execute(() -> exchange.safely(
                    () -> exchange.answer(list(request, opened.get().reports()))));
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    private Answer list(Request request, AgentReports reports) {
        try {
            Map<String, String> query = BadRequest.query(request, QUERY);
            Page page = reports.list(
                    query.getOrDefault("prefix", ""),
                    BadRequest.parsed("silent", query.getOrDefault("silent", "0s"), Quantities::duration),
                    query.get("page"),
                    BadRequest.parsed("limit", query.getOrDefault("limit", "100"), Quantities.count(1, MAX_LIMIT)));
            Instant now = clock.instant();
            return Answer.json(
                    200,
                    Json.bytes(new Listed(
                            page.reports().stream()
                                    .map(report -> line(report, now, reports.silentAfter()))
                                    .toList(),
                            reports.incompleteSince().orElse(null),
                            page.next())));
        } catch (BadRequest e) {
            return Answer.error(400, e.text());
        }
    }

    private static Line line(AgentReport report, Instant now, Duration silentAfter) {
        List<String> hosts = report.hostsOfTwo(now);
        return new Line(
                report.id(),
                report.state(now, silentAfter),
                report.receivedAt(),
                report.age(now).toSeconds(),
                hosts.isEmpty() ? null : hosts,
                Json.raw(report.json()));
    }

    @Override
    public void close() {
        thread.shutdownNow();
    }
}
