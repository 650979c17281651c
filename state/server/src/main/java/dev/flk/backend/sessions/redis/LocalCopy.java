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
 * about an earlier version does not bring them back. The copy has a bound, which callers that update sessions must
 * observe with {@link #hasRoomFor}. Safe for any thread.
 */
final class LocalCopy {
    private static final Comparator<String> BY_AGENT =
            Comparator.comparing(Session::agentOf).thenComparing(Comparator.naturalOrder());

    /** The approximate memory of an entry of the map without its texts, counted in characters. */
    private static final int ENTRY_CHARS = 200;

    private final long maxChars;
    private final ConcurrentSkipListMap<String, StoredSession> sessions = new ConcurrentSkipListMap<>(BY_AGENT);
    private final AtomicLong changes = new AtomicLong();
    private final Set<Runnable> listeners = ConcurrentHashMap.newKeySet();
    private volatile boolean hasEnded;

    // guarded by this; so are all changes of the map
    private long chars;

    /** @param maxChars the bound for all sessions together, in characters */
    LocalCopy(long maxChars) {
        this.maxChars = maxChars;
    }

    /** Adds a version that this backend has read from Redis or written. */
    synchronized void add(StoredSession version) {
        StoredSession present = sessions.get(version.id());
        if (present == null || version.version() > present.version()) {
            sessions.put(version.id(), version);
            chars += length(version) - (present == null ? 0 : length(present));
        }
    }

    /**
     * Returns whether a session may get this state: the session does not become longer, or all sessions together stay
     * within the bound.
     */
    synchronized boolean hasRoomFor(String id, String state) {
        StoredSession present = sessions.get(id);
        long more = length(id, state) - (present == null ? 0 : length(present));
        return more <= 0 || chars + more <= maxChars;
    }

    /** Returns whether the copy exceeds twice the bound. Other backends may have a higher bound and fill the copy. */
    synchronized boolean isTooLong() {
        return chars > 2 * maxChars;
    }

    private static long length(StoredSession version) {
        return length(version.id(), version.json());
    }

    private static long length(String id, String state) {
        return (long) ENTRY_CHARS + id.length() + state.length();
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
        for (StoredSession each : sessions.values()) {
            if ((each.kind() == StoredSession.Kind.LIVE ? each.expiresAt() : each.changedAt()) < millis) {
                remove(each);
            }
        }
    }

    private synchronized void remove(StoredSession ended) {
        if (sessions.remove(ended.id(), ended)) {
            chars -= length(ended);
        }
    }
}
