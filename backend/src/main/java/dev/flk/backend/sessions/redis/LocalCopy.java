// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.StoredSession;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * A copy of all sessions in Redis. Changes already arrive while the copy is being filled from Redis; therefore, a
 * version replaces only an older version. Sessions that have ended stay in the copy for a while, so that a late message
 * about an earlier version does not bring them back. Safe for any thread.
 */
final class LocalCopy {
    private static final Comparator<String> BY_AGENT =
            Comparator.comparing(Session::agentOf).thenComparing(Comparator.naturalOrder());

    private final ConcurrentSkipListMap<String, StoredSession> sessions = new ConcurrentSkipListMap<>(BY_AGENT);
    private final AtomicLong changes = new AtomicLong();
    private final Set<Runnable> listeners = ConcurrentHashMap.newKeySet();
    private volatile boolean hasEnded;

    /** Adds a version that this backend has read from Redis or written. */
    void add(StoredSession version) {
        sessions.merge(version.id(), version, (old, other) -> other.version() > old.version() ? other : old);
    }

    /** Adds a version that Redis has published, and calls the listeners. */
    void follow(StoredSession version) {
        add(version);
        changes.incrementAndGet();
        callListeners();
    }

    /** Calls all listeners, and from now on calls each new listener at once, because the link has ended. */
    void end() {
        hasEnded = true;
        callListeners();
    }

    /** Removes all listeners and calls each of them once. */
    private void callListeners() {
        List.copyOf(listeners).stream().filter(listeners::remove).forEach(Runnable::run);
    }

    /** Returns the number of published versions so far. */
    long changes() {
        return changes.get();
    }

    /**
     * Calls a listener once, as soon as the number of published versions differs from {@code seen} or the link ends.
     * Returns a function that removes the listener.
     */
    Runnable whenBeyond(long seen, Runnable listener) {
        listeners.add(listener);
        if ((hasEnded || changes.get() != seen) && listeners.remove(listener)) {
            listener.run();
        }
        return () -> listeners.remove(listener);
    }

    Optional<StoredSession> get(String id) {
        return Optional.ofNullable(sessions.get(id));
    }

    /**
     * Returns the sessions after the session {@code id}, or all sessions if {@code id} is null. The sessions are in the
     * order of their agents, then of their ids.
     */
    Collection<StoredSession> after(@Nullable String id) {
        return (id == null ? sessions : sessions.tailMap(id, false)).values();
    }

    /** Removes the sessions that ended before a time. */
    void forgetEndedBefore(long millis) {
        sessions.values()
                .removeIf(each ->
                        each.kind() == StoredSession.Kind.LIVE ? each.expiresAt() < millis : each.changedAt() < millis);
    }
}
