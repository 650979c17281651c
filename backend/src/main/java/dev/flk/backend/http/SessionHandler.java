// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionAccess.Decision;
import dev.flk.backend.sessions.SessionAccess.Received;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionMetrics.Refused;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.ConflictException;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.ReplayedException;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.backend.sessions.Sessions;
import dev.flk.http.Answer;
import dev.flk.http.Answer.Header;
import dev.flk.http.Exchange;
import dev.flk.http.HttpEvents;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.program.cli.Json;
import dev.flk.program.config.Quantities;
import dev.flk.program.threads.DaemonThreads;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import io.netty.handler.codec.http.HttpMethod;
import java.nio.ByteBuffer;
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
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The handler of {@code /v1/sessions} and the paths below it. Every request needs credentials, even from this machine.
 * Updates run on the event loop, because they only queue a commit. Reads take time, so they run on separate threads.
 */
final class SessionHandler implements AutoCloseable {
    /** The header with the time of a session's last update. */
    static final String UPDATED_AT = "X-Flk-Updated-At";

    /** The header with the number of seconds until a session expires unless it is updated. */
    static final String EXPIRES_IN = "X-Flk-Expires-In";

    private static final String PATH = "/v1/sessions";
    private static final String ALL_BELOW = PATH + "/**";
    private static final Set<String> QUERY = Set.of("prefix", "silent", "limit", "page");
    private static final String USUAL_LIMIT = "100";
    private static final int MAX_LIMIT = 1_000;
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 64;
    private static final long MAX_ANSWER_BYTES = 4 << 20;
    private static final Pattern ETAG = Pattern.compile("\"([1-9][0-9]{0,17})\"");
    private static final Answer UNAUTHORIZED =
            Answer.error(401, "unauthorized", new Header("WWW-Authenticate", "Bearer"));

    private final Supplier<Optional<Sessions>> sessions;
    private final SessionMetrics metrics;
    private final InstantSource clock;
    private final SessionChanges changes = new SessionChanges();
    private final ThreadPoolExecutor threads = new ThreadPoolExecutor(
            THREADS,
            THREADS,
            10,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(MAX_WAITING),
            DaemonThreads.named("session-requests"));

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
     */
    SessionHandler(Supplier<Optional<Sessions>> sessions, SessionMetrics metrics, InstantSource clock) {
        this.sessions = sessions;
        this.metrics = metrics;
        this.clock = clock;
        threads.allowCoreThreadTimeOut(true);
    }

    Routes addTo(Routes routes) {
        return routes.get(PATH, Endpoint.asking(this::list))
                .get(PATH + "/changes", Endpoint.asking(this::changes))
                .get(ALL_BELOW, Endpoint.asking(this::get))
                .route(HttpMethod.PUT, ALL_BELOW, Endpoint.withBody(Session.MAX_BYTES, this::put, earlyRefusals()))
                .route(HttpMethod.DELETE, ALL_BELOW, Endpoint.asking(this::delete));
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
                new byte[0],
                exchange,
                (found, id, ifVersion, nonce) -> found.store().delete(id, ifVersion, nonce));
    }

    private interface Update {
        CompletionStage<Updated> of(Sessions found, String id, long ifVersion, String nonce);
    }

    private void update(Request request, byte[] body, Exchange exchange, Update update) {
        Optional<Sessions> opened = sessions.get();
        if (opened.isEmpty()) {
            exchange.answer(off());
            return;
        }
        Sessions found = opened.get();
        try {
            String id = id(request);
            Decision decision = found.access().toOne(received(request, body), id, true);
            if (!(decision instanceof Decision.Admitted admitted)) {
                exchange.answer(denied(((Decision.Denied) decision).reason()));
                return;
            }
            boolean isHeartbeat = admitted.isSigned() && request.method().equals(HttpMethod.PUT);
            long ifVersion = ifVersion(request);
            Long expiresIn =
                    request.method().equals(HttpMethod.PUT) ? found.ttl().toSeconds() : null;
            int status = expiresIn != null && ifVersion == 0 ? 201 : 200;
            update.of(found, id, ifVersion, admitted.nonce()).whenComplete((updated, failure) -> {
                if (failure == null && isHeartbeat) {
                    metrics.heartbeats.increment();
                }
                exchange.answer(failure == null ? updated(id, updated, status, expiresIn) : failed(failure));
            });
        } catch (BadRequest e) {
            exchange.answer(failed(e));
        }
    }

    private static Answer updated(String id, Updated updated, int status, @Nullable Long expiresIn) {
        return Answer.json(
                status,
                Json.bytes(new Version(id, updated.version(), updated.at(), expiresIn)),
                etag(updated.version()));
    }

    private void get(Request request, Exchange exchange) {
        read(exchange, found -> {
            String id = id(request);
            return decided(
                    found.access().toOne(received(request, new byte[0]), id, false), () -> one(found.store(), id));
        });
    }

    private Answer one(SessionStorage store, String id) {
        Found found = store.get(id);
        if (found instanceof Found.Present present) {
            Session session = present.session();
            return Answer.json(
                    200,
                    session.json().getBytes(StandardCharsets.UTF_8),
                    etag(session.version()),
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
        read(exchange, found -> {
            Map<String, String> query = BadRequest.query(request, QUERY);
            String prefix = query.getOrDefault("prefix", "");
            return decided(
                    found.access().toAll(received(request, new byte[0]), prefix),
                    () -> page(found.store(), query, prefix));
        });
    }

    private void changes(Request request, Exchange exchange) {
        read(exchange, found -> {
            Map<String, String> query = BadRequest.query(request, QUERY);
            String prefix = query.getOrDefault("prefix", "");
            if (query.size() > (query.containsKey("prefix") ? 1 : 0)) {
                throw new BadRequest("changes can only be selected by prefix");
            }
            Received received = received(request, new byte[0]);
            Decision decision = found.access().toAll(received, prefix);
            if (decision instanceof Decision.Denied denied) {
                return denied(denied.reason());
            }
            changes.open(
                    found.store(),
                    prefix,
                    request.header("Last-Event-ID"),
                    () -> found.access().toAll(received, prefix) instanceof Decision.Admitted,
                    exchange);
            return null;
        });
    }

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

    private Answer decided(Decision decision, Supplier<Answer> answer) {
        return decision instanceof Decision.Denied denied ? denied(denied.reason()) : answer.get();
    }

    /**
     * Answers the exchange on another thread, or with an error if sessions are off or the server is overloaded.
     *
     * @param answer a function that returns the answer, or null if the function has answered the exchange itself
     */
    private void read(Exchange exchange, Function<Sessions, @Nullable Answer> answer) {
        Optional<Sessions> opened = sessions.get();
        if (opened.isEmpty()) {
            exchange.answer(off());
            return;
        }
        if (!exchange.reserveLesserAnswer(MAX_ANSWER_BYTES)) {
            exchange.answer(denied(Refused.UNAVAILABLE));
            return;
        }
        try {
            threads.execute(() -> exchange.safely(() -> {
                Answer given;
                try {
                    given = answer.apply(opened.get());
                } catch (BadRequest | StateException e) {
                    given = failed(e);
                }
                if (given != null) {
                    exchange.answer(given);
                }
            }));
        } catch (RejectedExecutionException e) {
            exchange.answer(denied(Refused.UNAVAILABLE));
        }
    }

    private static Answer off() {
        return Answer.error(
                404, "this backend is still starting, or has no sessions because SESSION_STORE or STATE_PORT is off");
    }

    private Answer denied(Refused reason) {
        metrics.refused.increment(reason);
        return switch (reason) {
            case FORBIDDEN -> Answer.error(403, "this token has no right to these sessions");
            case UNAVAILABLE -> Refusal.overloaded();
            default -> UNAUTHORIZED;
        };
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
                    etag(conflict.actual()));
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

    private static Header etag(long version) {
        return new Header("ETag", "\"" + version + "\"");
    }

    /** Returns the version that the headers {@code If-Match} and {@code If-None-Match} require the session to have. */
    private static long ifVersion(Request request) {
        List<String> match = request.headers().getAll("If-Match");
        List<String> noneMatch = request.headers().getAll("If-None-Match");
        if (match.isEmpty() && noneMatch.isEmpty()) {
            return SessionStorage.ANY_VERSION;
        }
        if (match.isEmpty() && noneMatch.equals(List.of("*"))) {
            return 0;
        }
        Matcher version = ETAG.matcher(match.size() == 1 ? match.get(0) : "");
        if (!noneMatch.isEmpty() || !version.matches()) {
            throw new BadRequest("give If-Match with one version in quotes, such as \"7\", or If-None-Match: *");
        }
        return Long.parseLong(version.group(1));
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
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new BadRequest("the body is not UTF-8");
        }
    }

    @Override
    public void close() {
        changes.close();
        threads.shutdownNow();
    }
}
