// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.History.Events;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Place;
import java.util.List;
import java.util.OptionalLong;
import java.util.function.Predicate;

/**
 * A reader of the events of one replay, page by page. If the replay selects one agent, the reader looks up the places of
 * this agent's changes and reads only these changes. If a range of revisions has few changes, the reader reads all
 * events of the range instead.
 *
 * <p>Used by one thread at a time.
 */
public final class EventReader {
    private static final int PLACES_AT_ONCE = 1_000;

    private final StateEngine engine;
    private final History history;
    private final String historyId;
    private final String namespace;
    private final String agentId;
    private final Predicate<StateKey> wanted;
    private final Limits limits;

    /**
     * The limits that decide whether all changes of a range are read, or only those of the agent.
     *
     * @param fewChanges the maximum number of changes in a range that is read completely
     * @param placesAtOnce the number of the agent's changes that are looked up at once; all changes of a revision are
     *     looked up together
     */
    record Limits(int fewChanges, int placesAtOnce) {
        static final Limits DEFAULT = new Limits(1_000, 10_000);
    }

    /** The places of all changes of the agent from {@code knownFrom}, inclusive, to {@code knownTo}, exclusive. */
    private List<Place> known = List.of();

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
        if (agentId.isEmpty() || from >= end) {
            return history.events(historyId, from, end, namespace, wanted, maxBytes);
        }
        if (from < knownFrom || from >= knownTo) {
            if (hasFewChanges(from, end)) {
                return history.events(historyId, from, end, namespace, wanted, maxBytes);
            }
            lookUp(from, end);
        }
        return readKnown(from, Math.min(end, knownTo), maxBytes);
    }

    private boolean hasFewChanges(long from, long end) {
        int few = limits.fewChanges();
        return end - from <= few && engine.reading(reads -> reads.changes(from, end, few + 1L)) <= few;
    }

    private void lookUp(long from, long end) {
        int limit = limits.placesAtOnce();
        known = engine.reading(reads -> reads.places(namespace, agentId, from, end, limit));
        knownFrom = from;
        knownTo = known.size() < limit ? end : known.get(known.size() - 1).revision() + 1;
    }

    private Events readKnown(long from, long end, long maxBytes) {
        List<Place> inRange = known.subList(indexOf(from), indexOf(end));
        int length = Math.min(inRange.size(), PLACES_AT_ONCE);
        while (length < inRange.size()
                && inRange.get(length).revision() == inRange.get(length - 1).revision()) {
            length++;
        }
        List<Place> places = inRange.subList(0, length);
        List<Event> read = places.isEmpty()
                ? List.of()
                : engine.reading(reads -> reads.events(namespace, agentId, places, maxBytes));
        long found = read.stream().mapToLong(event -> event.changes().size()).sum();
        boolean isAll = found == inRange.size();
        OptionalLong lastAtMicros = isAll
                ? engine.reading(reads -> reads.committedAt(end - 1))
                : read.stream().mapToLong(Event::committedAtMicros).max();
        // if changes are missing because a removal deleted them, this call throws COMPACTED
        history.requireReplayable(historyId, from, namespace);
        if (lastAtMicros.isEmpty() || !isBeginning(read, places)) {
            throw Reason.STORE_DOWN.because("the state is damaged: a change of agent " + agentId + " between revision "
                    + from + " and " + end + " is missing; restore a dump into an empty directory or database");
        }
        long next = isAll ? end : read.get(read.size() - 1).revision() + 1;
        return new Events(History.selected(read, namespace, wanted), next, lastAtMicros.getAsLong());
    }

    /** Returns whether these events have exactly the first ones of these changes. */
    private static boolean isBeginning(List<Event> read, List<Place> places) {
        int place = 0;
        for (Event event : read) {
            for (int i = 0; i < event.changes().size(); i++, place++) {
                if (place == places.size() || places.get(place).revision() != event.revision()) {
                    return false;
                }
            }
            if (place < places.size() && places.get(place).revision() == event.revision()) {
                return false;
            }
        }
        return true;
    }

    /** Returns the index of the first known place at or after a revision. */
    private int indexOf(long revision) {
        int low = 0;
        int high = known.size();
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (known.get(middle).revision() < revision) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
