// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import java.time.Duration;
import java.time.Instant;
import java.util.Locale;

/**
 * A version of a session, as Redis and Postgres store it. Times are in milliseconds since the epoch, by Redis' clock.
 *
 * @param changedAt the time of the update or deletion; for an expired session, the time of its removal or the end of
 *     its lifetime
 * @param expiresAt the end of the lifetime; not used for a session that has ended
 * @param json the state of the session; empty for a session that has ended
 */
public record StoredSession(String id, long version, Kind kind, long changedAt, long expiresAt, String json) {
    /** The kind of a version. */
    public enum Kind {
        LIVE,
        /** The session was deleted by a request. */
        DELETED,
        /** The session was not updated in time. */
        EXPIRED;

        /** Parses a name in lower case. */
        public static Kind parse(String text) {
            return valueOf(text.toUpperCase(Locale.ROOT));
        }

        /** Returns the name in lower case. */
        public String text() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Returns whether the session exists at {@code now}, in milliseconds since 1970. */
    public boolean isLive(long now) {
        return kind == Kind.LIVE && expiresAt > now;
    }

    /** Returns the session with the time that remains of its lifetime at {@code now}. */
    public Session session(long now) {
        return new Session(id, version, json, Instant.ofEpochMilli(changedAt), Duration.ofMillis(expiresAt - now));
    }
}
