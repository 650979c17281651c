// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.Event.Change;
import dev.flk.state.StateKey;
import dev.flk.state.Storage;
import dev.flk.state.Storage.Answered;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Existing;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.LimitedList;
import dev.flk.state.Storage.Newest;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Place;
import dev.flk.state.Storage.RequestKey;
import dev.flk.state.Version;
import dev.flk.state.embedded.StateLayout.Header;
import dev.flk.state.embedded.StateLayout.Pointer;
import dev.flk.state.embedded.Tables.Scan;
import dev.flk.state.embedded.Tables.Table;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Reads in tables, which run concurrently with commits and removals. If a stored value can't be
 * decoded, a read throws an {@link IllegalArgumentException} or a {@link java.nio.BufferUnderflowException}.
 *
 * @param head returns the current head
 */
record TableReads(Tables tables, Supplier<Head> head) implements Storage.Reads {
    private static final int EXAMINED_AT_ONCE = 10_000;
    /** The maximum number of revisions whose changes are counted. */
    private static final int SHORT_RANGE = 1_000;

    /**
     * Returns the state needed to decide commits: the current head, the newest versions of these keys, and the
     * remembered answers to these requests.
     */
    Existing existing(Set<StateKey> keys, Set<RequestKey> requests) {
        Map<StateKey, Newest> newest = new HashMap<>();
        for (StateKey key : keys) {
            byte[] pointer = tables.get(Table.LATEST, StateLayout.latest(key));
            if (pointer != null) {
                Pointer found = Pointer.decode(pointer);
                newest.put(key, new Newest(found.version(), found.exists(), found.expiresAtMicros()));
            }
        }
        Map<RequestKey, Answered> answered = new HashMap<>();
        for (RequestKey request : requests) {
            byte[] answer = tables.get(Table.REQUESTS, StateLayout.request(request));
            if (answer != null) {
                answered.put(request, StateLayout.answered(answer));
            }
        }
        return new Existing(head.get(), newest, answered, 0);
    }

    @Override
    public List<Optional<Version>> newest(List<StateKey> keys, long upToRevision) {
        List<Optional<Version>> found = new ArrayList<>(keys.size());
        for (StateKey key : keys) {
            found.add(version(key, newest(key, upToRevision), upToRevision));
        }
        return found;
    }

    @Override
    public long newestBytes(List<StateKey> keys, long upToRevision, long enough) {
        long bytes = 0;
        for (StateKey key : keys) {
            Pointer pointer = bytes < enough ? newest(key, upToRevision) : null;
            if (pointer != null && pointer.exists()) {
                int length = tables.length(Table.EVENTS, StateLayout.event(pointer.revision(), pointer.place()));
                bytes += Math.max(0, length - StateLayout.changeBytes(key));
            }
        }
        return bytes;
    }

    /** Returns the version at a pointer, or the version that is newest now if that version was removed since. */
    private Optional<Version> version(StateKey key, @Nullable Pointer found, long upToRevision) {
        Pointer pointer = found;
        while (pointer != null) {
            Version version = version(key, pointer);
            if (version != null) {
                return Optional.of(version);
            }
            Pointer now = newest(key, upToRevision); // perhaps the version was removed after a newer one was written
            if (now != null && now.isAt(pointer.revision(), pointer.place())) {
                break;
            }
            pointer = now;
        }
        return Optional.empty();
    }

    private @Nullable Pointer newest(StateKey key, long upToRevision) {
        byte[] latest = tables.get(Table.LATEST, StateLayout.latest(key));
        return latest == null ? null : newest(key, Pointer.decode(latest), upToRevision);
    }

    private @Nullable Pointer newest(StateKey key, Pointer latest, long upToRevision) {
        if (latest.revision() <= upToRevision) {
            return latest;
        }
        try (Scan versions = tables.scan(Table.VERSIONS, prefixOf(key))) {
            return versions.seek(StateLayout.version(key, upToRevision, -1)) ? Pointer.decode(versions.value()) : null;
        }
    }

    private static byte[] prefixOf(StateKey key) {
        return StateLayout.path(key.namespace(), key.agentId(), key.name(), "");
    }

    /** Returns the version at a pointer; null if the version was removed after the pointer was read. */
    private @Nullable Version version(StateKey key, Pointer pointer) {
        if (!pointer.exists()) {
            return new Version(pointer.version(), pointer.revision(), pointer.committedAtMicros(), null);
        }
        byte[] change = tables.get(Table.EVENTS, StateLayout.event(pointer.revision(), pointer.place()));
        if (change == null) {
            // a removal deletes a change and the entry of its version in one batch
            if (tables.get(Table.VERSIONS, StateLayout.version(key, pointer.revision(), pointer.place())) == null) {
                return null;
            }
            throw new IllegalArgumentException("revision " + pointer.revision() + " lacks change " + pointer.place());
        }
        Change stored = StateLayout.change(change);
        return new Version(
                pointer.version(), pointer.revision(), pointer.committedAtMicros(), stored.json(), stored.ttlMicros());
    }

    @Override
    public List<Version> history(StateKey key, long below, int limit, long maxBytes) {
        LimitedList<Version> page = new LimitedList<>(maxBytes);
        try (Scan versions = tables.scan(Table.VERSIONS, prefixOf(key))) {
            boolean isValid = versions.seek(firstBelow(versions, key, below));
            for (; isValid && page.entries().size() < limit; isValid = versions.next()) {
                Pointer pointer = Pointer.decode(versions.value());
                if (pointer.version() >= below) {
                    continue;
                }
                // a version that was removed during this call ends the list, as if it had been removed before
                Version version = version(key, pointer);
                if (version == null || !page.add(version, version.jsonBytes())) {
                    break;
                }
            }
        }
        return page.entries();
    }

    /**
     * Returns the RocksDB key at which to begin reading the versions below {@code below}, newest first. The first
     * versions from this RocksDB key on may still be {@code below} or higher; the caller must skip them. Version
     * numbers rise with revisions, so a binary search over revisions finds the RocksDB key.
     */
    private static byte[] firstBelow(Scan versions, StateKey key, long below) {
        byte[] newestFirst = prefixOf(key);
        if (!versions.seek(newestFirst) || Pointer.decode(versions.value()).version() < below) {
            return newestFirst;
        }
        long tooLow = 0;
        long notLower = Pointer.decode(versions.value()).revision();
        while (notLower - tooLow > 1) {
            long middle = (tooLow + notLower) >>> 1;
            if (!versions.seek(StateLayout.version(key, middle, -1))) {
                tooLow = middle;
                continue;
            }
            Pointer pointer = Pointer.decode(versions.value());
            if (pointer.version() < below) {
                tooLow = middle;
            } else {
                notLower = pointer.revision();
            }
        }
        // this revision may have created several versions, some of them below the bound
        return StateLayout.version(key, notLower, -1);
    }

    @Override
    public Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit) {
        List<KeyAt> page = new ArrayList<>();
        byte[] from = StateLayout.path(namespace, agentId, after == null ? prefix : after);
        try (Scan latest = tables.scan(Table.LATEST, StateLayout.path(namespace, agentId, prefix))) {
            int looked = 0;
            for (boolean isValid = latest.seek(from); isValid; isValid = latest.next()) {
                String name = StateLayout.parts(latest.key())[2];
                if (name.equals(after)) {
                    continue;
                }
                Pointer pointer = Pointer.decode(latest.value());
                if (pointer.revision() > atRevision) {
                    pointer = newest(new StateKey(namespace, agentId, name), pointer, atRevision);
                }
                if (pointer != null && pointer.exists()) {
                    if (page.size() == limit) {
                        return new Page<>(page, page.get(page.size() - 1).name());
                    }
                    page.add(new KeyAt(name, pointer.version(), pointer.revision()));
                }
                looked++;
                if (looked == EXAMINED_AT_ONCE) {
                    return new Page<>(page, name);
                }
            }
        }
        return new Page<>(page, null);
    }

    @Override
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        return distinct(
                1,
                StateLayout.path(namespace, prefix),
                after == null ? null : StateLayout.path(namespace, after),
                limit);
    }

    @Override
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        return distinct(0, StateLayout.path(prefix), after == null ? null : StateLayout.path(after), limit);
    }

    /** Returns the distinct values of one part of the existing keys. Part 0 is the namespace, part 1 the agent. */
    private Page<String> distinct(int part, byte[] prefix, byte @Nullable [] after, int limit) {
        List<String> page = new ArrayList<>();
        try (Scan latest = tables.scan(Table.LATEST, prefix)) {
            boolean isValid = latest.seek(after == null ? prefix : behind(after));
            while (isValid) {
                if (!Pointer.decode(latest.value()).exists()) {
                    isValid = latest.next();
                    continue;
                }
                String[] parts = StateLayout.parts(latest.key());
                if (page.size() == limit) {
                    return new Page<>(page, page.get(page.size() - 1));
                }
                page.add(parts[part]);
                isValid = latest.seek(
                        behind(part == 0 ? StateLayout.path(parts[0]) : StateLayout.path(parts[0], parts[1])));
            }
        }
        return new Page<>(page, null);
    }

    /** Returns a key that sorts after all keys that begin with {@code part} and a zero byte. */
    private static byte[] behind(byte[] part) {
        return ByteBuffer.allocate(part.length + 1).put(part).put((byte) 1).array();
    }

    @Override
    public List<Event> events(long from, long maxBytes) {
        LimitedList<Event> page = new LimitedList<>(maxBytes);
        try (Scan events = tables.scan(Table.EVENTS, new byte[0])) {
            long revision = from;
            for (boolean isValid = events.seek(StateLayout.event(from, 0)); isValid; isValid = events.next()) {
                ByteBuffer key = ByteBuffer.wrap(events.key());
                List<Change> changes = null;
                Header header = Header.decode(events.value());
                if (key.getLong() == revision && key.getInt() == 0) {
                    changes = changes(events, revision, header.kept());
                }
                if (changes == null) {
                    if (revision <= head.get().floor()) {
                        // a concurrent removal deleted the event; the caller reads the head again and detects the
                        // removal
                        break;
                    }
                    throw new IllegalArgumentException("revision " + revision + " is incomplete");
                }
                Event event = new Event(revision, header.committedAtMicros(), changes, header.total());
                if (!page.add(event, event.bytes())) {
                    break;
                }
                revision++;
            }
        }
        return page.entries();
    }

    /** Returns the changes of an event; null if a change is missing. */
    private static @Nullable List<Change> changes(Scan events, long revision, int count) {
        List<Change> changes = new ArrayList<>(count);
        while (changes.size() < count) {
            if (!events.next() || ByteBuffer.wrap(events.key()).getLong() != revision) {
                return null;
            }
            changes.add(StateLayout.change(events.value()));
        }
        return changes;
    }

    /**
     * Looks for the places in the agent's versions. If the range is short and has fewer changes than the agent has
     * versions to examine, looks for them in the changes of the range instead.
     */
    @Override
    public List<Place> places(String namespace, String agentId, long from, long to, int limit) {
        long most = to - from <= SHORT_RANGE ? changes(from, to, Long.MAX_VALUE) : Long.MAX_VALUE;
        return placesByVersions(namespace, agentId, from, to, limit, most)
                .orElseGet(() -> placesByChanges(namespace, agentId, from, to, limit));
    }

    /** @param most the number of versions and keys after which to give up and return empty */
    private Optional<List<Place>> placesByVersions(
            String namespace, String agentId, long from, long to, int limit, long most) {
        TreeMap<Long, List<Place>> first = new TreeMap<>();
        int count = 0;
        long end = to;
        byte[] prefix = prefix(namespace, agentId);
        try (Scan versions = tables.scan(Table.VERSIONS, prefix)) {
            long examined = 0;
            for (boolean isValid = versions.seek(prefix); isValid; examined++) {
                if (examined > most) {
                    return Optional.empty();
                }
                Pointer pointer = Pointer.decode(versions.value());
                byte[] latest = Arrays.copyOf(versions.key(), versions.key().length - StateLayout.PLACE_BYTES);
                if (pointer.revision() >= end) {
                    // the versions of a key are ordered from the newest to the oldest
                    isValid = versions.seek(StateLayout.version(latest, end - 1, -1));
                } else if (pointer.revision() < from) {
                    isValid = versions.seek(behind(latest));
                } else {
                    first.computeIfAbsent(pointer.revision(), revision -> new ArrayList<>())
                            .add(new Place(pointer.revision(), pointer.place()));
                    count++;
                    while (count - first.lastEntry().getValue().size() >= limit) {
                        count -= first.pollLastEntry().getValue().size();
                        end = first.lastKey() + 1;
                    }
                    isValid = versions.next();
                }
            }
        }
        return Optional.of(first.values().stream()
                .flatMap(places -> places.stream().sorted(Comparator.comparingInt(Place::number)))
                .toList());
    }

    private List<Place> placesByChanges(String namespace, String agentId, long from, long to, int limit) {
        List<Place> places = new ArrayList<>();
        try (Scan events = tables.scan(Table.EVENTS, new byte[0])) {
            for (boolean isValid = events.seek(StateLayout.event(from, 0)); isValid; isValid = events.next()) {
                ByteBuffer key = ByteBuffer.wrap(events.key());
                long revision = key.getLong();
                int number = key.getInt();
                boolean isFull = number == 0 && places.size() >= limit;
                if (revision >= to || isFull) {
                    break;
                }
                if (number > 0 && StateLayout.isOfAgent(events.value(), namespace, agentId)) {
                    places.add(new Place(revision, number));
                }
            }
        }
        return places;
    }

    @Override
    public List<Event> events(String namespace, String agentId, List<Place> places, long maxBytes) {
        LimitedList<Event> page = new LimitedList<>(maxBytes);
        try (Scan events = tables.scan(Table.EVENTS, new byte[0])) {
            boolean isValid = false;
            for (int i = 0; i < places.size(); ) {
                long revision = places.get(i).revision();
                isValid = isAt(events, StateLayout.event(revision, 0), isValid);
                if (!isValid) {
                    return page.entries();
                }
                Header header = Header.decode(events.value());
                List<Change> changes = new ArrayList<>();
                for (; i < places.size() && places.get(i).revision() == revision; i++) {
                    isValid = isAt(
                            events, StateLayout.event(revision, places.get(i).number()), isValid);
                    if (!isValid) {
                        return page.entries();
                    }
                    changes.add(StateLayout.change(events.value()));
                }
                Event event = new Event(revision, header.committedAtMicros(), changes, header.total());
                if (!page.add(event, event.bytes())) {
                    break;
                }
            }
        }
        return page.entries();
    }

    /**
     * Moves to a key and returns whether it exists. The key is often the next one, which is cheaper than a seek.
     *
     * @param isValid whether the scan is at an earlier key
     */
    private static boolean isAt(Scan events, byte[] key, boolean isValid) {
        return (isValid && events.next() && Arrays.equals(events.key(), key))
                || (events.seek(key) && Arrays.equals(events.key(), key));
    }

    @Override
    public long changes(long from, long to, long enough) {
        long changes = 0;
        for (long revision = from; revision < to && changes < enough; revision++) {
            byte[] header = tables.get(Table.EVENTS, StateLayout.event(revision, 0));
            changes += header == null ? 0 : Header.decode(header).kept();
        }
        return changes;
    }

    @Override
    public OptionalLong committedAt(long revision) {
        byte[] header = tables.get(Table.EVENTS, StateLayout.event(revision, 0));
        return header == null
                ? OptionalLong.empty()
                : OptionalLong.of(Header.decode(header).committedAtMicros());
    }

    @Override
    public long revisionAt(long micros) {
        Head now = head.get();
        long atOrBefore = now.floor();
        long later = now.revision() + 1;
        while (later - atOrBefore > 1) {
            long middle = (atOrBefore + later) >>> 1;
            byte[] header = tables.get(Table.EVENTS, StateLayout.event(middle, 0));
            if (header == null && middle > head.get().floor()) {
                throw new IllegalArgumentException("revision " + middle + " is missing");
            }
            // if the header is missing, a compaction has removed it during this call; the revision then counts as early
            // enough, and the caller checks the new floor
            if (header == null || Header.decode(header).committedAtMicros() <= micros) {
                atOrBefore = middle;
            } else {
                later = middle;
            }
        }
        return atOrBefore;
    }

    @Override
    public boolean isChanged(String namespace, String agentId, Predicate<StateKey> wanted, long after, long upTo) {
        byte[] unknown = tables.get(Table.META, StateLayout.REMOVED_KEY);
        if (unknown != null && after < ByteBuffer.wrap(unknown).getLong()) {
            return true;
        }
        byte[] prefix = prefix(namespace, agentId);
        try (Scan versions = tables.scan(Table.VERSIONS, prefix)) {
            boolean isValid = versions.seek(prefix);
            while (isValid) {
                byte[] name = Arrays.copyOf(versions.key(), versions.key().length - StateLayout.PLACE_BYTES);
                StateKey key = StateLayout.key(name);
                isValid = versions.seek(StateLayout.version(key, upTo, -1));
                if (isValid
                        && StateLayout.startsWith(versions.key(), prefixOf(key))
                        && Pointer.decode(versions.value()).revision() > after
                        && wanted.test(key)) {
                    return true;
                }
                isValid = versions.seek(behind(name));
            }
        }
        // the records of removals must be read after the versions: a concurrent removal deletes a version and writes
        // its record in the same batch, so the opposite order could miss both
        byte[] removed = StateLayout.path(StateLayout.REMOVED + namespace, agentId);
        byte[] all = namespace.isEmpty() ? StateLayout.utf8(StateLayout.REMOVED) : removed;
        try (Scan agents = tables.scan(Table.META, all)) {
            for (boolean isValid = agents.seek(all); isValid; isValid = agents.next()) {
                String agent = StateLayout.text(agents.key(), StateLayout.REMOVED.length(), agents.key().length);
                int zero = agent.indexOf('\0');
                StateKey any = new StateKey(agent.substring(0, zero), agent.substring(zero + 1), "any");
                if (ByteBuffer.wrap(agents.value()).getLong() > after
                        && (agentId.isEmpty() || agentId.equals(any.agentId()))
                        && wanted.test(any)) {
                    return true;
                }
            }
        }
        return false;
    }

    /**
     * Returns the prefix of the keys of an agent, of a namespace if {@code agentId} is empty, or of all keys if {@code
     * namespace} is empty.
     */
    private static byte[] prefix(String namespace, String agentId) {
        if (namespace.isEmpty()) {
            return new byte[0];
        }
        return agentId.isEmpty() ? StateLayout.path(namespace, "") : StateLayout.path(namespace, agentId, "");
    }

    @Override
    public List<Document> existing(
            String namespace, String agentId, long revision, @Nullable StateKey after, int limit, long maxBytes) {
        return documents(prefix(namespace, agentId), revision, after, limit, maxBytes);
    }

    @Override
    public List<Document> values(
            String namespace, String agentPrefix, @Nullable StateKey after, int limit, long maxBytes) {
        return documents(StateLayout.path(namespace, agentPrefix), Long.MAX_VALUE, after, limit, maxBytes);
    }

    private List<Document> documents(
            byte[] prefix, long atRevision, @Nullable StateKey after, int limit, long maxBytes) {
        LimitedList<Document> page = new LimitedList<>(maxBytes);
        try (Scan latest = tables.scan(Table.LATEST, prefix);
                Scan versions = tables.scan(Table.VERSIONS, prefix)) {
            boolean isValid = latest.seek(after == null ? prefix : behind(StateLayout.latest(after)));
            for (; isValid && page.entries().size() < limit; isValid = latest.next()) {
                StateKey key = StateLayout.key(latest.key());
                Pointer pointer = Pointer.decode(latest.value());
                if (pointer.revision() > atRevision) {
                    boolean isFound = versions.seek(StateLayout.version(latest.key(), atRevision, -1))
                            && StateLayout.startsWith(versions.key(), prefixOf(key));
                    pointer = isFound ? Pointer.decode(versions.value()) : null;
                }
                Version version = pointer == null || !pointer.exists()
                        ? null
                        : version(key, pointer, atRevision).orElse(null);
                if (version != null
                        && !version.isDeleted()
                        && !page.add(new Document(key, version), version.jsonBytes())) {
                    break;
                }
            }
        }
        return page.entries();
    }

    @Override
    public List<StateKey> expired(long micros, int limit) {
        List<StateKey> keys = new ArrayList<>();
        byte[] prefix = StateLayout.lifetimesPrefix();
        try (Scan lifetimes = tables.scan(Table.REQUESTS, prefix)) {
            for (boolean isValid = lifetimes.seek(prefix);
                    isValid && keys.size() < limit && StateLayout.expiresAtMicros(lifetimes.key()) <= micros;
                    isValid = lifetimes.next()) {
                keys.add(StateLayout.key(StateLayout.expiring(lifetimes.key())));
            }
        }
        return keys;
    }

    @Override
    public Map<StateKey, Long> expiries(List<StateKey> keys) {
        Map<StateKey, Long> expiries = new HashMap<>();
        for (StateKey key : keys) {
            byte[] latest = tables.get(Table.LATEST, StateLayout.latest(key));
            long expiresAt = latest == null ? 0 : Pointer.decode(latest).expiresAtMicros();
            if (expiresAt != 0) {
                expiries.put(key, expiresAt);
            }
        }
        return expiries;
    }

    /** Returns the elapsed time at which the last remembered answer expires; 0 if there is no answer. */
    long lastExpiryMicros() {
        byte[] last = tables.lastKey(Table.REQUESTS); // expiries are the last keys of the table
        return last == null || !StateLayout.startsWith(last, StateLayout.expiriesPrefix())
                ? 0
                : StateLayout.expiresAtMicros(last);
    }
}
