// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Head;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Access to the events of a {@link StateEngine}: replay, the tokens with which a replay resumes, points in history, and
 * the removal of old events. Safe for any thread.
 */
public final class History {
    private final StateEngine engine;
    private final Watches watches;

    History(StateEngine engine, Watches watches) {
        this.engine = engine;
        this.watches = watches;
    }

    /**
     * A position in a history. A replay with the token begins after this position.
     *
     * @param committedAtMicros the commit time of the revision. If the history has a different time for this revision,
     *     the number now belongs to another commit. Null to accept any time
     */
    public record Token(
            String historyId, long revision, @Nullable Long committedAtMicros) {
        /** Creates a position that accepts any commit time. */
        public Token(String historyId, long revision) {
            this(historyId, revision, null);
        }
    }

    /** A point in history. */
    public sealed interface At {
        /** The newest revision. */
        record Now() implements At {}

        record Revision(long revision) implements At {}

        /** The last revision that was committed at or before this time. */
        record Time(Instant time) implements At {}
    }

    /**
     * A page of events.
     *
     * @param next the revision at which the next page begins
     * @param lastAtMicros the commit time of the last revision read, in microseconds since the epoch; 0 if no revision
     *     was read
     */
    public record Events(List<Event> events, long next, long lastAtMicros) {}

    /**
     * Returns a page of the events that pass a filter.
     *
     * @param historyId the history to read
     * @param from the first revision
     * @param to the end of the range, exclusive; may be beyond the newest revision
     * @param namespace the namespace of the changes; empty for all namespaces, in which case trimmed changes are left
     *     out without an error
     * @param wanted selects changes
     * @param maxBytes the maximum size of the events that are read, unless the first event alone is larger; events that
     *     the filter leaves out count as well
     * @return one page; in the last page, {@code next} is {@code to} or the revision after the newest, whichever is
     *     lower
     * @throws StateException COMPACTED if {@code from} is no longer retained, or was trimmed in the given namespace;
     *     HISTORY_CHANGED if the history was replaced
     */
    public Events events(
            String historyId, long from, long to, String namespace, Predicate<StateKey> wanted, long maxBytes) {
        long end = Math.min(to, requireReplayable(historyId, from, namespace).revision() + 1);
        if (from >= end) {
            return new Events(List.of(), from, 0);
        }
        List<Event> read = engine.reading(reads -> reads.events(from, maxBytes));
        requireReplayable(historyId, from, namespace);
        List<Event> inRange =
                read.stream().takeWhile(event -> event.revision() < end).toList();
        if (inRange.isEmpty()) {
            return new Events(List.of(), from, 0);
        }
        Event last = inRange.get(inRange.size() - 1);
        return new Events(selected(inRange, namespace, wanted), last.revision() + 1, last.committedAtMicros());
    }

    /** Returns the events with only their selected changes. Leaves out events without a selected change. */
    static List<Event> selected(List<Event> events, String namespace, Predicate<StateKey> wanted) {
        List<Event> selected = new ArrayList<>(events.size());
        for (Event event : events) {
            List<Event.Change> changes = event.changes().stream()
                    .filter(change ->
                            namespace.isEmpty() || namespace.equals(change.key().namespace()))
                    .filter(change -> wanted.test(change.key()))
                    .toList();
            if (!changes.isEmpty()) {
                selected.add(new Event(event.revision(), event.committedAtMicros(), changes, event.operationsTotal()));
            }
        }
        return selected;
    }

    /**
     * Creates a reader of the events of one replay. If the replay selects one agent, the reader usually reads less than
     * {@link #events}.
     *
     * @param namespace the namespace of the changes; empty for all
     * @param agentId the agent; empty for all
     * @param wanted selects changes; must reject changes of other agents if {@code agentId} is given
     */
    public EventReader reader(String historyId, String namespace, String agentId, Predicate<StateKey> wanted) {
        return new EventReader(engine, historyId, namespace, agentId, wanted, EventReader.Limits.DEFAULT);
    }

    /**
     * Calls {@code listener} once, as soon as a revision above {@code revision} is durable or the history was replaced.
     * The listener runs immediately on this thread, or later on any thread that learns of the revision, such as the
     * writer's thread. The listener must not block.
     *
     * @return a step that cancels the callback
     */
    public Runnable whenBeyond(String historyId, long revision, Runnable listener) {
        return watches.whenBeyond(historyId, revision, listener);
    }

    /** Returns the number of pending callbacks. */
    public int watches() {
        return watches.count();
    }

    /**
     * Returns the revision after which a replay with a token continues. This is usually the revision of the token. If
     * later revisions were compacted or trimmed, but the replay selects no change in them, this is the last of those
     * revisions.
     *
     * @param namespace the namespace; empty for all
     * @param agentId the agent; empty for all
     * @param wanted selects changes; the result must be the same for all keys of an agent
     * @throws StateException HISTORY_CHANGED if the token belongs to another history, if its revision does not exist,
     *     or if another commit now has its revision number; COMPACTED if the replay selects a change in a revision that
     *     is no longer retained
     */
    public long resume(Token token, String namespace, String agentId, Predicate<StateKey> wanted) {
        Head head = requireHistory(token.historyId());
        if (token.revision() > head.revision()) {
            throw changed("revision " + token.revision() + " does not exist; the newest is " + head.revision(), head);
        }
        Long tokenMicros = token.committedAtMicros();
        if (tokenMicros != null && !isCommittedAt(head, token.revision(), tokenMicros)) {
            throw changed("revision " + token.revision() + " is not the commit that the token names", head);
        }
        long floor = floor(head, namespace);
        if (token.revision() >= floor) {
            return token.revision();
        }
        if (engine.reading(reads -> reads.isChanged(namespace, agentId, wanted, token.revision(), floor))) {
            throw compacted("the history after revision " + token.revision(), floor);
        }
        return floor;
    }

    /**
     * Returns whether a revision was committed at this time. Returns true if the time of the revision is no longer
     * known.
     */
    private boolean isCommittedAt(Head head, long revision, long micros) {
        if (revision == head.floor()) {
            return micros == head.floorAtMicros();
        }
        List<Event> found = revision < head.floor() ? List.of() : engine.reading(reads -> reads.events(revision, 0));
        return found.isEmpty()
                || found.get(0).revision() != revision
                || found.get(0).committedAtMicros() == micros;
    }

    private Head requireHistory(String historyId) {
        Head head = engine.head();
        if (!historyId.equals(head.historyId())) {
            throw changed("history " + historyId + " was replaced", head);
        }
        return head;
    }

    /**
     * Returns the revision at a point in history. A revision number is returned as it is, even if that revision is no
     * longer retained.
     *
     * @throws StateException COMPACTED if the state at a given time is no longer retained; HISTORY_CHANGED if a given
     *     revision does not exist; INVALID if a given revision is negative
     */
    public long revision(At at) {
        Head head = engine.head();
        if (at instanceof At.Now) {
            return head.revision();
        }
        if (at instanceof At.Time time) {
            long micros = StateEngine.micros(time.time());
            requireKept(time.time(), head);
            long found = engine.reading(reads -> reads.revisionAt(micros));
            requireKept(time.time(), engine.head());
            return found;
        }
        long revision = ((At.Revision) at).revision();
        if (revision < 0) {
            throw Reason.INVALID.because("revision " + revision + " is negative; the first revision is 1");
        }
        if (revision > head.revision()) {
            throw changed(
                    "revision " + revision + " does not exist; the newest is " + head.revision()
                            + ". If it existed before, commits were lost",
                    head);
        }
        return revision;
    }

    /**
     * Returns the first revision of a replay that begins at a point in history. The same revision is the exclusive end
     * of a replay up to this point. For an {@link At.Time}, returns the first revision that was committed at or after
     * the time, or the revision after the newest if there is no such revision. For {@link At.Now}, returns the revision
     * after the newest. For an {@link At.Revision}, returns the given number, or 1 if the number is 0; the revision
     * need not exist.
     *
     * @throws StateException COMPACTED if events at or after a given time are no longer retained; INVALID for a
     *     negative revision
     */
    public long firstAt(At at) {
        Head head = engine.head();
        if (at instanceof At.Revision revision) {
            if (revision.revision() < 0) {
                throw Reason.INVALID.because("a revision must not be negative: " + revision.revision());
            }
            return Math.max(1, revision.revision()); // revision 0 is the empty state
        }
        if (at instanceof At.Time time) {
            long micros = StateEngine.micros(time.time());
            requireEventsFrom(time.time(), micros, head);
            long found = engine.reading(reads -> reads.revisionAt(micros - 1)) + 1;
            requireEventsFrom(time.time(), micros, engine.head()); // a compaction may have removed events meanwhile
            return found;
        }
        return head.revision() + 1;
    }

    private static void requireEventsFrom(Instant time, long micros, Head head) {
        if (micros <= head.floorAtMicros() && head.floor() > 0) {
            throw compacted("the history from " + time + " on", head.floor());
        }
    }

    /**
     * Requires that the state at a time is retained. If the history was never compacted, every time is valid, because
     * the state was empty before the first commit.
     */
    private static void requireKept(Instant time, Head head) {
        if (head.floor() > 0 && StateEngine.micros(time) < head.floorAtMicros()) {
            throw compacted("the state at " + time, head.floor());
        }
    }

    /**
     * Requires that the state at a revision is retained. Called after reading, because a removal may run concurrently.
     */
    void requireKept(long revision, String namespace) {
        long floor = floor(engine.head(), namespace);
        if (revision < floor) {
            throw compacted("the state at revision " + revision, floor);
        }
    }

    Head requireReplayable(String historyId, long from, String namespace) {
        Head head = requireHistory(historyId);
        long floor = floor(head, namespace);
        if (from <= floor) {
            throw compacted("revision " + from, floor);
        }
        return head;
    }

    private long floor(Head head, String namespace) {
        return namespace.isEmpty()
                ? head.floor()
                : Math.max(head.floor(), engine.using(storage -> storage.trimmedUpTo(namespace)));
    }

    private static StateException compacted(String what, long floor) {
        return Reason.COMPACTED.because(
                what + " is no longer retained; the oldest revision is " + (floor + 1),
                Map.of("oldest_revision", Long.toString(floor + 1)));
    }

    private static StateException changed(String what, Head head) {
        return Reason.HISTORY_CHANGED.because(
                what + "; the history is now " + head.historyId() + ": start over",
                Map.of("history_id", head.historyId()));
    }

    /** Removes history before a point; replays from this point still work. See {@link Storage#compact}. */
    public void compact(At at) {
        long floor = lastBefore(at);
        if (floor > engine.head().floor()) {
            engine.using(storage -> {
                storage.compact(floor);
                return true;
            });
        }
    }

    private long lastBefore(At at) {
        if (at instanceof At.Revision revision) {
            return revision(new At.Revision(Math.max(0, revision.revision() - 1)));
        }
        return revision(at instanceof At.Time time ? new At.Time(time.time().minus(1, ChronoUnit.MICROS)) : at);
    }

    /**
     * Returns a page of the values that existed at the floor; see {@link Storage.Reads#existing}.
     *
     * @param head a head that the caller has read; its floor is the revision of the values
     * @throws StateException COMPACTED if the floor was raised after {@code head} was read; HISTORY_CHANGED if the
     *     history was replaced
     */
    public List<Document> existing(Head head, String namespace, String agentId, @Nullable StateKey after) {
        List<Document> page = engine.reading(reads -> reads.existing(
                namespace, agentId, head.floor(), after, StateEngine.MAX_PAGE, StateEngine.MAX_PAGE_BYTES));
        requireHistory(head.historyId());
        requireKept(head.floor(), "");
        return page;
    }

    /**
     * Removes everything in a namespace that was committed at or before a point; see {@link Storage#trim}.
     *
     * @throws StateException as {@link #revision}
     */
    public void trim(String namespace, At at) {
        long upTo = revision(at);
        if (upTo > 0) {
            engine.using(storage -> {
                storage.trim(namespace, upTo);
                return true;
            });
        }
    }

    /** Returns the oldest revision of a namespace that can be replayed; an empty name selects all namespaces. */
    public long oldest(String namespace) {
        return floor(engine.head(), namespace) + 1;
    }
}
