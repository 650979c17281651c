// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.History.Events;
import dev.flk.state.StateException.Reason;
import java.util.Arrays;
import java.util.List;
import java.util.function.Predicate;

/**
 * A reader of the events of one replay, page by page. If the replay selects one agent, the reader looks up the
 * revisions that changed this agent and reads only their events. If a range of revisions is short, or many revisions in
 * the range changed the agent, the reader reads all events of the range instead.
 *
 * <p>Used by one thread at a time.
 */
public final class EventReader {
    private static final int EVENTS_AT_ONCE = 100;

    private final StateEngine engine;
    private final History history;
    private final String historyId;
    private final String namespace;
    private final String agentId;
    private final Predicate<StateKey> wanted;
    private final Limits limits;

    /**
     * The limits that decide whether all revisions of a range are read, or only the revisions that changed the agent.
     *
     * @param shortRange the maximum length, in revisions, of a range that is read completely without looking up the
     *     agent's revisions
     * @param revisionsAtOnce the maximum number of the agent's revisions that are looked up at once
     * @param leastDistance the minimum average distance between the agent's revisions in a range; if the average
     *     distance is smaller, the range is read completely
     */
    record Limits(int shortRange, int revisionsAtOnce, int leastDistance) {
        static final Limits DEFAULT = new Limits(1_000, 10_000, 4);
    }

    /** All revisions that changed the agent, from {@code knownFrom}, inclusive, to {@code knownTo}, exclusive. */
    private long[] known = {};

    private long knownFrom;
    private long knownTo;

    /**
     * @param namespace the namespace of the changes; empty for all namespaces
     * @param agentId the only agent whose changes {@code wanted} selects; empty if {@code wanted} selects changes of
     *     several agents. Ignored if {@code namespace} is empty
     * @param wanted selects changes by their keys
     */
    EventReader(
            StateEngine engine,
            String historyId,
            String namespace,
            String agentId,
            Predicate<StateKey> wanted,
            Limits limits) {
        this.engine = engine;
        this.history = engine.history();
        this.historyId = historyId;
        this.namespace = namespace;
        this.agentId = namespace.isEmpty() ? "" : agentId;
        this.wanted = wanted;
        this.limits = limits;
    }

    /** Returns a page of events, as {@link History#events} does. */
    public Events read(long from, long to, long maxBytes) {
        long end = Math.min(
                to, history.requireReplayable(historyId, from, namespace).revision() + 1);
        if (agentId.isEmpty() || end - from <= limits.shortRange()) {
            return history.events(historyId, from, end, namespace, wanted, maxBytes);
        }
        if (from < knownFrom || from >= knownTo) {
            lookUp(from, end);
        }
        if (known.length > (knownTo - knownFrom) / limits.leastDistance()) {
            return history.events(historyId, from, Math.min(end, knownTo), namespace, wanted, maxBytes);
        }
        return readKnown(from, Math.min(end, knownTo), maxBytes);
    }

    private void lookUp(long from, long end) {
        int limit = limits.revisionsAtOnce();
        known = engine.reading(reads -> reads.revisions(namespace, agentId, from, end, limit));
        knownFrom = from;
        knownTo = known.length < limit ? end : known[known.length - 1] + 1;
    }

    private Events readKnown(long from, long end, long maxBytes) {
        int first = indexOf(from);
        int afterLast = Math.min(indexOf(end), first + EVENTS_AT_ONCE);
        long[] revisions = Arrays.copyOfRange(known, first, afterLast);
        List<Event> read = revisions.length == 0
                ? List.of()
                : engine.reading(reads -> reads.events(namespace, agentId, revisions, maxBytes));
        boolean isAll = read.size() == revisions.length && afterLast == indexOf(end);
        List<Event> upToNewest = isAll ? engine.reading(reads -> reads.events(end - 1, 0)) : read;
        // if events are missing because a removal deleted them, this call throws COMPACTED
        history.requireReplayable(historyId, from, namespace);
        if (!isBeginning(read, revisions) || upToNewest.isEmpty()) {
            throw Reason.STORE_DOWN.because("the state is damaged: an event of agent " + agentId + " between revision "
                    + from + " and " + end + " is missing; restore a dump into an empty directory or database");
        }
        Event newest = upToNewest.get(upToNewest.size() - 1);
        return new Events(History.selected(read, namespace, wanted), newest.revision() + 1, newest.committedAtMicros());
    }

    private static boolean isBeginning(List<Event> read, long[] revisions) {
        for (int i = 0; i < read.size(); i++) {
            if (read.get(i).revision() != revisions[i]) {
                return false;
            }
        }
        return read.size() > 0 || revisions.length == 0;
    }

    /** Returns the index of the first known revision at or after a revision. */
    private int indexOf(long revision) {
        int index = Arrays.binarySearch(known, revision);
        return index < 0 ? -index - 1 : index;
    }
}
