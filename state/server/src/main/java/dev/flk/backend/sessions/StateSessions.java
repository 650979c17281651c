// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.state.Committed;
import dev.flk.state.Event;
import dev.flk.state.EventReader;
import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.Operation;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Head;
import dev.flk.state.Version;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Sessions as keys with a lifetime in the namespace {@code flk.sessions} of the state. The session id is the name of
 * the key; the agent in the session id is the agent id of the key. Backends that share the state share the sessions.
 */
public final class StateSessions implements SessionStorage {
    /** The namespace of the sessions. */
    public static final String NAMESPACE = "flk.sessions";

    private static final String CALLER = "sessions";
    private static final Pattern TOKEN = Pattern.compile("([0-9A-Za-z-]{1,64})-([0-9]{1,18})\\.([0-9]{1,18})");

    private final StateEngine engine;
    private final Duration ttl;
    private final InstantSource clock;
    private final GroupedUpdates updates = new GroupedUpdates();

    /**
     * Creates a store.
     *
     * @param ttl the lifetime of a session, which begins again with each update
     * @param clock the clock by which {@code engine} begins lifetimes
     */
    public StateSessions(StateEngine engine, Duration ttl, InstantSource clock) {
        this.engine = engine;
        this.ttl = ttl;
        this.clock = clock;
    }

    @Override
    public Found get(String id) {
        StateKey key = key(id);
        StateReads.Found found =
                engine.reads().get(List.of(key), new At.Now()).found().get(0);
        if (found instanceof StateReads.Found.Present present) {
            return new Found.Present(
                    session(key, present.version(), engine.reads().expiries(List.of(key))));
        }
        if (found instanceof StateReads.Found.Deleted deleted) {
            Version deletion = deleted.version();
            Instant at = StateEngine.time(deletion.committedAtMicros());
            return isExpiry(key, deletion) ? new Found.Expired(at) : new Found.Deleted(at);
        }
        return new Found.Unknown();
    }

    private static StateKey key(String id) {
        return new StateKey(NAMESPACE, Session.agentOf(id), id);
    }

    /** Returns whether a session had reached the end of its lifetime when it was deleted. */
    private boolean isExpiry(StateKey key, Version deletion) {
        List<Version> before = engine.reads().history(key, deletion.version(), 1);
        return !before.isEmpty()
                && before.get(0).ttlMicros() > 0
                && deletion.committedAtMicros()
                        >= before.get(0).committedAtMicros() + before.get(0).ttlMicros();
    }

    private Session session(StateKey key, Version version, Map<StateKey, Long> expiries) {
        long expiresAt = expiries.getOrDefault(key, version.committedAtMicros() + version.ttlMicros());
        return new Session(
                key.name(),
                version.version(),
                String.valueOf(version.json()),
                StateEngine.time(version.committedAtMicros()),
                Duration.of(expiresAt - StateEngine.micros(clock.instant()), ChronoUnit.MICROS));
    }

    @Override
    public CompletionStage<Updated> put(String id, String json, long ifVersion, String nonce) {
        try {
            Operation.Write write = engine.write(key(id), json, ifVersion, Operation.ttlMicros(ttl));
            if (!write.json().startsWith("{")) {
                throw Reason.INVALID.because("a session is a JSON object");
            }
            return ifVersion == ANY_VERSION ? updates.add(() -> apply(write)) : apply(write);
        } catch (StateException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    @Override
    public CompletionStage<Updated> delete(String id, long ifVersion, String nonce) {
        try {
            return apply(new Operation.Delete(key(id), ifVersion));
        } catch (StateException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    private CompletionStage<Updated> apply(Operation operation) {
        return engine.apply(CALLER, List.of(operation), "").handle((committed, failure) -> {
            if (failure == null) {
                return updated(committed);
            }
            Throwable cause =
                    failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
            if (cause instanceof StateException refused && refused.reason() == Reason.VERSION_CONFLICT) {
                throw new ConflictException(
                        operation.ifVersion(), Long.parseLong(refused.details().getOrDefault("actual", "0")));
            }
            throw new CompletionException(cause);
        });
    }

    private static Updated updated(Committed committed) {
        return new Updated(
                committed.versions().get(0),
                committed.revision() == 0 ? null : StateEngine.time(committed.committedAtMicros()));
    }

    @Override
    public Page list(String prefix, Duration silentFor, @Nullable String after, int limit) {
        Instant before = clock.instant().minus(silentFor);
        List<Session> found = new ArrayList<>();
        long chars = 0;
        StateKey last = after == null ? null : key(after);
        while (true) {
            // of a full page, only one more session is read, which says whether another page follows
            int most = Math.min(StateEngine.MAX_PAGE, limit + 1 - found.size());
            List<Document> page = engine.reads().values(NAMESPACE, agentPrefix(prefix), last, most);
            Map<StateKey, Long> expiries =
                    engine.reads().expiries(page.stream().map(Document::key).toList());
            for (Document each : page) {
                Session session = session(each.key(), each.version(), expiries);
                if (session.id().startsWith(prefix)
                        && (silentFor.isZero() || !session.updatedAt().isAfter(before))) {
                    chars += session.json().length();
                    if (found.size() == limit || (chars > MAX_PAGE_CHARS && !found.isEmpty())) {
                        return new Page(found, found.get(found.size() - 1).id());
                    }
                    found.add(session);
                }
            }
            if (page.isEmpty()) {
                return new Page(found, null);
            }
            last = page.get(page.size() - 1).key();
        }
    }

    /** Returns the prefix of agent ids that a prefix of session ids implies: the part before the first slash. */
    private static String agentPrefix(String prefix) {
        int slash = prefix.indexOf('/');
        return slash < 0 ? prefix : prefix.substring(0, slash);
    }

    @Override
    public Changes changes(String prefix, @Nullable String after) {
        Head head = engine.head();
        String agents = agentPrefix(prefix);
        long last = after == null
                ? head.revision()
                : engine.history()
                        .resume(
                                token(after),
                                NAMESPACE,
                                "",
                                key -> key.agentId().startsWith(agents));
        return new Following(prefix, head.historyId(), last + 1);
    }

    /** Changes that are read from the events of the state. */
    private final class Following implements Changes {
        private final String historyId;
        private final EventReader reader;
        private long next;

        Following(String prefix, String historyId, long next) {
            this.historyId = historyId;
            this.reader = engine.history()
                    .reader(historyId, NAMESPACE, "", key -> key.name().startsWith(prefix));
            this.next = next;
        }

        @Override
        public List<Change> next() {
            while (true) {
                Events page = reader.read(next, Long.MAX_VALUE, StateEngine.MAX_PAGE_BYTES);
                boolean isEnd = page.next() == next;
                next = page.next();
                if (isEnd || !page.events().isEmpty()) {
                    return page.events().stream().flatMap(this::changes).toList();
                }
            }
        }

        private Stream<Change> changes(Event event) {
            int last = event.changes().size() - 1;
            return IntStream.rangeClosed(0, last).mapToObj(i -> {
                Event.Change change = event.changes().get(i);
                return new Change(
                        change.key().name(),
                        change.version(),
                        StateEngine.time(event.committedAtMicros()),
                        change.json(),
                        i < last ? null : historyId + "-" + event.revision() + "." + event.committedAtMicros());
            });
        }

        @Override
        public Runnable whenMore(Runnable listener) {
            return engine.history().whenBeyond(historyId, next - 1, listener);
        }
    }

    private static Token token(String text) {
        Matcher parts = TOKEN.matcher(text);
        if (!parts.matches()) {
            throw Reason.INVALID.because("Last-Event-ID is not the id of an event");
        }
        return new Token(parts.group(1), Long.parseLong(parts.group(2)), Long.parseLong(parts.group(3)));
    }

    @Override
    public Counts count(Duration silentFor) {
        long before = StateEngine.micros(clock.instant().minus(silentFor));
        long sessions = 0;
        long silent = 0;
        StateKey last = null;
        for (List<Document> page = engine.reads().values(NAMESPACE, "", null);
                !page.isEmpty();
                page = engine.reads().values(NAMESPACE, "", last)) {
            sessions += page.size();
            silent += page.stream()
                    .filter(each -> each.version().committedAtMicros() <= before)
                    .count();
            last = page.get(page.size() - 1).key();
        }
        return new Counts(sessions, silent);
    }
}
