// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.serve;

import dev.flk.backend.access.keys.RequestCheck.Received;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.serve.guard.BadRequest;
import dev.flk.backend.serve.guard.Client;
import dev.flk.backend.serve.guard.IfVersion;
import dev.flk.backend.serve.guard.OperatorGuard;
import dev.flk.backend.serve.guard.Starting;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionAccess.Decision;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionMetrics.Refused;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Change;
import dev.flk.backend.sessions.SessionStorage.Changes;
import dev.flk.backend.sessions.SessionStorage.ConflictException;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.ReplayedException;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.backend.sessions.Sessions;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.EventStreams;
import dev.flk.http.EventStreams.Part;
import dev.flk.http.Exchange;
import dev.flk.http.HttpEvents;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.program.config.Quantities;
import dev.flk.program.files.Utf8;
import dev.flk.program.json.Json;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import io.netty.handler.codec.http.HttpMethod;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code /v1/sessions} and the paths below it. Every request needs credentials, even from this machine.
 * Credentials are checked on the event loop, before a request takes memory or a place in a queue; requests that are
 * refused count against their address. Updates run on the event loop, because they only queue a commit. Reads take time,
 * so they run on separate threads: some for agents, others for operators' tokens.
 */
public final class SessionHandler implements AutoCloseable {
    /** The header with the time of a session's last update. */
    public static final String UPDATED_AT = "X-Flk-Updated-At";

    /** The header with the number of seconds until a session expires unless it is updated. */
    public static final String EXPIRES_IN = "X-Flk-Expires-In";

    private static final int MOST_STREAMS = 256;
    private static final String PATH = "/v1/sessions";
    private static final String ALL_BELOW = PATH + "/**";
    private static final Set<String> QUERY = Set.of("prefix", "silent", "limit", "page");
    private static final String USUAL_LIMIT = "100";
    private static final int MAX_LIMIT = 1_000;
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 64;
    private static final long MAX_ANSWER_BYTES = 4 << 20;
    private static final byte[] NO_BODY = {};
    private static final Answer UNAUTHORIZED =
            Answer.error(401, "unauthorized", new Header("WWW-Authenticate", "Bearer"));

    private final Supplier<Optional<Sessions>> sessions;
    private final Starting starting;
    private final SessionMetrics metrics;
    private final InstantSource clock;
    private final Limits limits;
    private final Bound memory;
    private final EventStreams changes;
    private final ThreadPoolExecutor agentThreads = DaemonThreads.pool("agent-session-requests", THREADS, MAX_WAITING);
    private final ThreadPoolExecutor tokenThreads = DaemonThreads.pool("session-requests", THREADS, MAX_WAITING);

    /**
     * The answer to an update.
     *
     * @param updatedAt the time of the update; null if there was no session to delete
     */
    private record Version(
            String id,
            long version,
            @Nullable Instant updatedAt,
            @Nullable Long expiresIn) {}

    /** The answer to a request whose condition on the version does not hold. */
    private record Conflict(String error, long expected, long actual) {}

    /** The answer for a session that does not exist. */
    private record Missing(
            String error, String reason, @Nullable Instant at) {}

    /** A session in a list. */
    private record Entry(String id, long version, Instant updatedAt, long age, long expiresIn, Object state) {}

    /** @param page the {@code page} of the next request; null on the last page */
    private record Listed(List<Entry> sessions, @Nullable String page) {}

    /**
     * @param sessions a supplier of the sessions; the supplier returns empty if sessions are off or the backend has not
     *     opened them yet
     * @param memoryBytes the memory for answers and streams
     */
    public SessionHandler(
            Supplier<Optional<Sessions>> sessions,
            Starting starting,
            SessionMetrics metrics,
            InstantSource clock,
            Limits limits,
            long memoryBytes) {
        this.sessions = sessions;
        this.starting = starting;
        this.metrics = metrics;
        this.clock = clock;
        this.limits = limits;
        this.memory = new Bound(memoryBytes);
        this.changes = new EventStreams("session-changes", MOST_STREAMS, memory);
    }

    public Routes addTo(Routes routes) {
        Gate ownSite = (head, exchange) -> OperatorGuard.refusalOfForeignSite(head.headers());
        return routes.get(PATH, Endpoint.always(this::list).behind(ownSite))
                .get(PATH + "/changes", Endpoint.always(this::changes).behind(ownSite))
                .get(ALL_BELOW, Endpoint.always(this::get).behind(ownSite))
                .route(
                        HttpMethod.PUT,
                        ALL_BELOW,
                        Endpoint.withBody(Session.MAX_BYTES, this::put, earlyRefusals())
                                .behind((head, exchange) ->
                                        ownSite.refusal(head, exchange).or(() -> refusalOfHead(head, exchange))))
                .route(
                        HttpMethod.DELETE,
                        ALL_BELOW,
                        Endpoint.asking(this::delete).behind(ownSite));
    }

    private HttpEvents earlyRefusals() {
        return new HttpEvents() {
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
    }

    /**
     * Refuses a PUT before its body is read: with a token, unless the token may write the session; without a token, if
     * the limit of the address is exceeded. A signature can be checked only with the body.
     */
    private Optional<Gate.Refused> refusalOfHead(Request head, Exchange exchange) {
        Received received = received(head, NO_BODY);
        Optional<Sessions> opened = sessions.get();
        Optional<Answer> refusal;
        if (opened.isEmpty() || !SessionAccess.hasToken(received)) {
            refusal = Client.held(exchange);
        } else {
            try {
                Decision decision = opened.get().access().toOne(received, id(head), true);
                refusal = decision instanceof Decision.Denied denied
                        ? Optional.of(denied(denied.reason(), exchange))
                        : Optional.empty();
            } catch (BadRequest e) {
                refusal = Optional.of(malformed(e, exchange));
            }
        }
        return refusal.map(answer -> new Gate.Refused(answer, Duration.ZERO));
    }

    private void put(Request request, Exchange exchange) {
        byte[] body = request.body().exact();
        update(request, body, exchange, (found, id, ifVersion, nonce) -> {
            String json = utf8(body);
            return found.store().put(id, json, ifVersion, nonce);
        });
    }

    private void delete(Request request, Exchange exchange) {
        update(
                request,
                NO_BODY,
                exchange,
                (found, id, ifVersion, nonce) -> found.store().delete(id, ifVersion, nonce));
    }

    private interface Update {
        CompletionStage<Updated> of(Sessions found, String id, long ifVersion, String nonce);
    }

    private void update(Request request, byte[] body, Exchange exchange, Update update) {
        ask(exchange, found -> {
            String id = id(request);
            Received received = received(request, body);
            admitted(received, exchange, () -> found.access().toOne(received, id, true))
                    .ifPresent(admitted -> update(request, found, id, admitted, exchange, update));
        });
    }

    private void update(
            Request request, Sessions found, String id, Decision.Admitted admitted, Exchange exchange, Update update) {
        boolean isHeartbeat = admitted.isSigned() && request.method().equals(HttpMethod.PUT);
        long ifVersion = IfVersion.of(request, 1);
        Long expiresIn = request.method().equals(HttpMethod.PUT) ? found.ttl().toSeconds() : null;
        int status = expiresIn != null && ifVersion == 0 ? 201 : 200;
        update.of(found, id, ifVersion, admitted.nonce()).whenComplete((updated, failure) -> {
            if (failure == null && isHeartbeat) {
                metrics.heartbeats.increment();
            }
            exchange.answer(failure == null ? updated(id, updated, status, expiresIn) : failed(failure));
        });
    }

    private static Answer updated(String id, Updated updated, int status, @Nullable Long expiresIn) {
        return Answer.json(
                status,
                Json.bytes(new Version(id, updated.version(), updated.at(), expiresIn)),
                IfVersion.etag(updated.version()));
    }

    private void get(Request request, Exchange exchange) {
        ask(exchange, found -> {
            String id = id(request);
            Received received = received(request, NO_BODY);
            admitted(received, exchange, () -> found.access().toOne(received, id, false))
                    .ifPresent(admitted -> read(
                            admitted.isSigned() ? agentThreads : tokenThreads,
                            Session.MAX_BYTES,
                            exchange,
                            () -> exchange.answer(one(found.store(), id))));
        });
    }

    private Answer one(SessionStorage store, String id) {
        Found found = store.get(id);
        if (found instanceof Found.Present present) {
            Session session = present.session();
            return Answer.json(
                    200,
                    session.json().getBytes(StandardCharsets.UTF_8),
                    IfVersion.etag(session.version()),
                    new Header(UPDATED_AT, session.updatedAt().toString()),
                    new Header(EXPIRES_IN, Long.toString(session.remaining().toSeconds())));
        }
        Missing missing = found instanceof Found.Expired expired
                ? new Missing("the session has expired, because it was not updated in time", "expired", expired.at())
                : found instanceof Found.Deleted deleted
                        ? new Missing("the session was deleted", "deleted", deleted.at())
                        : new Missing("there is no such session", "unknown", null);
        return Answer.json(404, Json.bytes(missing));
    }

    private void list(Request request, Exchange exchange) {
        ask(exchange, found -> {
            Map<String, String> query = BadRequest.query(request, QUERY);
            String prefix = query.getOrDefault("prefix", "");
            Received received = received(request, NO_BODY);
            admitted(received, exchange, () -> found.access().toAll(received, prefix))
                    .ifPresent(admitted -> read(
                            tokenThreads,
                            MAX_ANSWER_BYTES,
                            exchange,
                            () -> exchange.answer(page(found.store(), query, prefix))));
        });
    }

    private void changes(Request request, Exchange exchange) {
        ask(exchange, found -> {
            Map<String, String> query = BadRequest.query(request, QUERY);
            String prefix = query.getOrDefault("prefix", "");
            if (query.size() > (query.containsKey("prefix") ? 1 : 0)) {
                throw new BadRequest("changes can only be selected by prefix");
            }
            Received received = received(request, NO_BODY);
            admitted(received, exchange, () -> found.access().toAll(received, prefix))
                    .ifPresent(admitted -> read(
                            tokenThreads,
                            0,
                            exchange,
                            () -> follow(
                                    found.store(),
                                    prefix,
                                    request.header("Last-Event-ID"),
                                    () -> found.access().toAll(received, prefix) instanceof Decision.Admitted,
                                    exchange)));
        });
    }

    /**
     * Answers an exchange with a stream of changes as JSON, in events {@code update} and {@code delete}. The last event
     * of each commit has an id, from which a client resumes. If changes after a client's position are lost, the stream
     * begins with an event {@code reset}, and the client must list the sessions again.
     *
     * @param after the id of the last event that the client has; null to begin with the next change
     * @param isAllowed returns whether the client may still see the changes
     * @throws StateException if the store can't be read, or {@code after} is not the id of an event
     */
    private void follow(
            SessionStorage store, String prefix, @Nullable String after, BooleanSupplier isAllowed, Exchange exchange) {
        Changes found;
        String greeting = EventStreams.COMMENT;
        try {
            found = store.changes(prefix, after);
        } catch (StateException e) {
            if (e.reason() != Reason.HISTORY_CHANGED && e.reason() != Reason.COMPACTED) {
                throw e;
            }
            found = store.changes(prefix, null);
            greeting =
                    event("reset", null, Json.line(Map.of("reason", e.reason().name())));
        }
        changes.open(exchange, new Part(greeting, null, null, "", true), new Followed(found, isAllowed));
    }

    private static String event(String name, @Nullable String id, String line) {
        return (id == null ? "" : "id: " + id + "\n") + "event: " + name + "\ndata: " + line + "\n";
    }

    /** The events of one stream of changes. */
    private record Followed(Changes changes, BooleanSupplier allowed) implements EventStreams.Source {
        @Override
        public Optional<Part> next() {
            List<Change> page;
            try {
                page = changes.next();
            } catch (StateException e) {
                return Optional.empty();
            }
            StringBuilder events = new StringBuilder();
            for (Change change : page) {
                String json = change.json();
                Object state = json == null ? null : Json.raw(json);
                String data = Json.line(new Changed(change.id(), change.version(), change.at(), state));
                events.append(event(json == null ? "delete" : "update", change.token(), data));
            }
            return Optional.of(new Part(events.toString(), null, null, "", !page.isEmpty()));
        }

        @Override
        public Runnable whenMore(Runnable listener) {
            return changes.whenMore(listener);
        }

        @Override
        public boolean isAllowed() {
            return allowed.getAsBoolean();
        }
    }

    /** The data of an event. */
    private record Changed(
            String id, long version, Instant at, @Nullable Object state) {}

    private Answer page(SessionStorage store, Map<String, String> query, String prefix) {
        Duration silentFor = BadRequest.parsed("silent", query.getOrDefault("silent", "0s"), Quantities::duration);
        String after = query.get("page");
        if (after != null) {
            requireId(after, "page was not returned by a list");
        }
        int limit =
                BadRequest.parsed("limit", query.getOrDefault("limit", USUAL_LIMIT), Quantities.count(1, MAX_LIMIT));
        SessionStorage.Page page = store.list(prefix, silentFor, after, limit);
        Instant now = clock.instant();
        List<Entry> entries = new ArrayList<>();
        for (Session session : page.sessions()) {
            entries.add(new Entry(
                    session.id(),
                    session.version(),
                    session.updatedAt(),
                    Math.max(0, Duration.between(session.updatedAt(), now).toSeconds()),
                    session.remaining().toSeconds(),
                    Json.raw(session.json())));
        }
        return Answer.json(200, Json.bytes(new Listed(entries, page.next())));
    }

    /** Runs {@code work}. Answers with an error instead if the backend is starting, sessions are off, or {@code work} reports a mistake. */
    private void ask(Exchange exchange, Consumer<Sessions> work) {
        if (starting.refuses(exchange)) {
            return;
        }
        Optional<Sessions> opened = sessions.get();
        if (opened.isEmpty()) {
            exchange.answer(off());
            return;
        }
        try {
            work.accept(opened.get());
        } catch (BadRequest e) {
            exchange.answer(malformed(e, exchange));
        }
    }

    /**
     * Returns the result of {@code check} if it admits the request; otherwise, answers with the refusal and returns
     * empty. Signatures, whose check takes time, are not checked while the limit of the address is exceeded.
     */
    private Optional<Decision.Admitted> admitted(Received received, Exchange exchange, Supplier<Decision> check) {
        Optional<Answer> held = SessionAccess.hasToken(received) ? Optional.empty() : Client.held(exchange);
        if (held.isPresent()) {
            exchange.answer(held.get());
            return Optional.empty();
        }
        Decision decision = check.get();
        if (decision instanceof Decision.Admitted admitted) {
            if (admitted.isSigned()) {
                limits.sentSigned(Client.of(exchange));
            } else {
                OperatorGuard.admitted(exchange);
            }
            return Optional.of(admitted);
        }
        exchange.answer(denied(((Decision.Denied) decision).reason(), exchange));
        return Optional.empty();
    }

    /**
     * Runs {@code work}, which answers the exchange, on another thread. If no thread or memory is free, answers that the
     * server is overloaded.
     */
    private void read(ThreadPoolExecutor threads, long answerBytes, Exchange exchange, Runnable work) {
        if (!exchange.reserveAnswer(memory, answerBytes)) {
            exchange.answer(denied(Refused.UNAVAILABLE));
            return;
        }
        try {
            threads.execute(() -> exchange.safely(() -> {
                try {
                    work.run();
                } catch (BadRequest | StateException e) {
                    exchange.answer(failed(e));
                }
            }));
        } catch (RejectedExecutionException e) {
            exchange.answer(denied(Refused.UNAVAILABLE));
        }
    }

    private static Answer off() {
        return Answer.error(404, "this backend has no sessions because SESSION_STORE or STATE_PORT is off");
    }

    private Answer denied(Refused reason) {
        metrics.refused.increment(reason);
        return switch (reason) {
            case FORBIDDEN -> Answer.error(403, "this token has no right to these sessions");
            case UNAVAILABLE -> Refusal.overloaded();
            default -> UNAUTHORIZED;
        };
    }

    /**
     * Returns the refusal of a request because of its credentials, and counts it as a failure of the address unless the
     * credentials are valid or could not be checked.
     */
    private Answer denied(Refused reason, Exchange exchange) {
        Answer answer = denied(reason);
        if (reason == Refused.FORBIDDEN || reason == Refused.UNAVAILABLE) {
            return answer;
        }
        Optional<Answer> held = Client.held(exchange);
        limits.failed(Client.of(exchange), 0);
        return held.orElse(answer);
    }

    /** Returns the answer to a malformed request, and counts the request as a failure of the address. */
    private Answer malformed(BadRequest e, Exchange exchange) {
        limits.failed(Client.of(exchange), 0);
        return failed(e);
    }

    private Answer failed(Throwable thrown) {
        Throwable failure =
                thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        if (failure instanceof ConflictException conflict) {
            metrics.refused.increment(Refused.CONFLICT);
            return Answer.json(
                    412,
                    Json.bytes(
                            new Conflict("Concurrent modification detected", conflict.expected(), conflict.actual())),
                    IfVersion.etag(conflict.actual()));
        }
        if (failure instanceof ReplayedException) {
            return denied(Refused.REPLAYED);
        }
        if (failure instanceof BadRequest bad) {
            metrics.refused.increment(Refused.MALFORMED);
            return Answer.error(400, bad.text());
        }
        if (failure instanceof StateException e
                && (e.reason() == Reason.INVALID || e.reason() == Reason.VALUE_TOO_LARGE)) {
            boolean isLarge = e.reason() == Reason.VALUE_TOO_LARGE;
            metrics.refused.increment(isLarge ? Refused.TOO_LARGE : Refused.MALFORMED);
            return Answer.error(isLarge ? 413 : 400, e.getMessage());
        }
        metrics.refused.increment(Refused.UNAVAILABLE);
        boolean isFull = failure instanceof StateException e && e.reason() == Reason.DISK_FULL;
        return Answer.error(
                503,
                isFull ? "the store of sessions is full: " + failure.getMessage() : "the sessions can't be reached now",
                Header.retryAfter(1));
    }

    private static Received received(Request request, byte[] body) {
        String query = request.query();
        boolean hasQuery = request.target().indexOf('?') >= 0;
        return new Received(
                request.method().name(),
                request.path() + (hasQuery ? "?" + query : ""),
                name -> request.headers().getAll(name),
                body);
    }

    private static String id(Request request) {
        String id = BadRequest.decodedPath(request.path().substring(PATH.length() + 1));
        requireId(id, null);
        return id;
    }

    private static void requireId(String id, @Nullable String problem) {
        try {
            String unused = Session.agentOf(id);
        } catch (IllegalArgumentException e) {
            throw new BadRequest(problem == null ? String.valueOf(e.getMessage()) : problem);
        }
    }

    private static String utf8(byte[] body) {
        try {
            return Utf8.decode(body);
        } catch (CharacterCodingException e) {
            throw new BadRequest("the body is not UTF-8");
        }
    }

    @Override
    public void close() {
        changes.close();
        agentThreads.shutdownNow();
        tokenThreads.shutdownNow();
    }
}
