// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.state.StateException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;

/**
 * A store of sessions. Reads block and throw a {@link StateException} if the store can't be read. Safe for any thread.
 */
public interface SessionStorage {
    /** The value of {@code ifVersion} for a call without a condition. */
    long ANY_VERSION = -1;

    /** The result of looking for a session. */
    sealed interface Found {
        record Present(Session session) implements Found {}

        /** The session was not updated in time. */
        record Expired(Instant at) implements Found {}

        /** The session was deleted by a request. */
        record Deleted(Instant at) implements Found {}

        /** The session never existed, or its traces were removed. */
        record Unknown() implements Found {}
    }

    /**
     * A version that an update created.
     *
     * @param at the time of the update; null if there was no session to delete
     */
    record Updated(long version, @Nullable Instant at) {}

    /** The failure of an update whose nonce was already used by an earlier update. */
    final class ReplayedException extends RuntimeException {
        private static final long serialVersionUID = 1;

        public ReplayedException() {
            super("the nonce was used before", null, false, false);
        }
    }

    /** The failure of an update whose condition on the version of the session does not hold. */
    final class ConflictException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final long expected;
        private final long actual;

        public ConflictException(long expected, long actual) {
            super("expected version " + expected + ", found " + actual, null, false, false);
            this.expected = expected;
            this.actual = actual;
        }

        /** Returns the version that the caller expected; 0 if the session must not exist. */
        public long expected() {
            return expected;
        }

        /** Returns the newest version of the session, which may be a deletion; 0 if it never existed. */
        public long actual() {
            return actual;
        }
    }

    /** The maximum number of characters of JSON in a page, unless its first session alone is longer. */
    int MAX_PAGE_CHARS = 1 << 20;

    /**
     * A page of sessions in the order of their agents, then of their ids.
     *
     * @param next the id after which the next page begins; null for the last page
     */
    record Page(List<Session> sessions, @Nullable String next) {}

    /** The number of sessions, and the number of sessions that were not updated for a while. */
    record Counts(long sessions, long silent) {}

    Found get(String id);

    /**
     * Creates or replaces a session and begins another lifetime.
     *
     * @param json a JSON object; the stage fails with a {@link StateException} INVALID for other text
     * @param ifVersion the version that the session must have; 0 if it must not exist; {@link #ANY_VERSION} for no
     *     condition. If the condition does not hold, the stage fails with a {@link ConflictException}
     * @param nonce identifies a signed request; empty for none. A storage that remembers nonces for all backends
     *     accepts only the first update with a nonce; the stages of later updates with the same nonce fail with a
     *     {@link ReplayedException}
     * @return a stage that completes when the store has the update
     */
    CompletionStage<Updated> put(String id, String json, long ifVersion, String nonce);

    /** Puts a session without a nonce. */
    default CompletionStage<Updated> put(String id, String json, long ifVersion) {
        return put(id, json, ifVersion, "");
    }

    /**
     * Deletes a session, with a condition and a nonce as for {@link #put}; does nothing if the session does not exist.
     */
    CompletionStage<Updated> delete(String id, long ifVersion, String nonce);

    /** Deletes a session without a nonce. */
    default CompletionStage<Updated> delete(String id, long ifVersion) {
        return delete(id, ifVersion, "");
    }

    /**
     * Returns a page of sessions. The page has fewer than {@code limit} sessions if its JSON would otherwise exceed
     * {@link #MAX_PAGE_CHARS}.
     *
     * @param prefix the beginning of the ids
     * @param silentFor only sessions that were not updated for this time; zero for all
     * @param after the id after which the page begins; null for the first page
     * @param limit the maximum number of sessions
     */
    Page list(String prefix, Duration silentFor, @Nullable String after, int limit);

    /**
     * A change of a session.
     *
     * @param json the session; null if it was deleted or has expired
     * @param token the position after this change; null if the same commit has more changes
     */
    record Change(
            String id,
            long version,
            Instant at,
            @Nullable String json,
            @Nullable String token) {}

    /** The changes after a position, in order. Used by one thread at a time. */
    interface Changes {
        /**
         * Returns the next changes; an empty list if no more have occurred.
         *
         * @throws StateException HISTORY_CHANGED or COMPACTED if the next changes are lost
         */
        List<Change> next();

        /**
         * Calls {@code listener} once, on any thread, when there may be more changes. The listener must not block.
         *
         * @return a function that cancels the pending call of the listener
         */
        Runnable whenMore(Runnable listener);
    }

    /**
     * Returns the changes of sessions whose ids begin with a prefix.
     *
     * @param after the token of a change; null for changes from now on
     * @throws StateException HISTORY_CHANGED or COMPACTED if the changes after {@code after} are lost; INVALID if it is
     *     not a token
     */
    Changes changes(String prefix, @Nullable String after);

    /** Counts all sessions, and separately the sessions that were not updated for {@code silentFor}. */
    Counts count(Duration silentFor);
}
