// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.Event.Change;
import dev.flk.state.StateException.Reason;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A storage in memory, for tests and trials; nothing is durable. Bounded; safe for any thread. */
public final class MemoryStorage implements Storage, Storage.Reads {
    private final long maxBytes;
    private final TreeMap<StateKey, List<Version>> versions = new TreeMap<>();
    private final TreeMap<Long, Event> events = new TreeMap<>();
    private final Map<RequestKey, Answered> answered = new HashMap<>();
    /** The ends of lifetimes, for keys that have one. */
    private final Map<StateKey, Long> expiries = new HashMap<>();

    private final Map<String, Long> trimmed = new HashMap<>();
    /**
     * The newest revision, by agent, of the removed changes that {@link #isChanged} can no longer find in the versions.
     */
    private final Map<Agent, Long> removed = new HashMap<>();

    private final Supplier<String> newHistoryId;
    private Head head;
    private long bytes;

    private record Agent(String namespace, String agentId) {}

    /**
     * Creates an empty storage.
     *
     * @param newHistoryId generates the id of a new history
     * @param maxBytes the approximate size, in bytes, above which commits are rejected
     */
    public MemoryStorage(Supplier<String> newHistoryId, long maxBytes) {
        this.newHistoryId = newHistoryId;
        this.head = new Head(newHistoryId.get(), 0, 0, 0, 0);
        this.maxBytes = maxBytes;
    }

    @Override
    public void open() {
        // it is always open
    }

    @Override
    public synchronized Head head() {
        return head;
    }

    @Override
    public synchronized void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide) {
        Map<StateKey, Newest> newest = new HashMap<>();
        for (StateKey key : keys) {
            List<Version> of = versions.get(key);
            if (of != null) {
                Version last = of.get(of.size() - 1);
                newest.put(key, new Newest(last.version(), !last.isDeleted(), expiries.getOrDefault(key, 0L)));
            }
        }
        Map<RequestKey, Answered> known = requests.stream()
                .filter(answered::containsKey)
                .collect(Collectors.toMap(Function.identity(), answered::get));
        Batch batch = decide.apply(new Existing(head, newest, known, 0));
        long more = batch.events().stream().mapToLong(Event::bytes).sum();
        if (bytes + more > maxBytes) {
            throw Reason.DISK_FULL.because("the state in memory is full: it can hold at most " + maxBytes
                    + " bytes (STATE_CACHE_BYTES); compact the history, or raise that setting");
        }
        for (Event event : batch.events()) {
            events.put(event.revision(), event);
            addVersions(event);
            head = head.next(event.committedAtMicros());
        }
        bytes += more;
        answered.putAll(batch.answered());
        putExpiries(batch.expiries());
    }

    private void putExpiries(Map<StateKey, Long> given) {
        expiries.putAll(given);
        expiries.values().removeIf(expiresAt -> expiresAt == 0);
    }

    private void addVersions(Event event) {
        for (Change change : event.changes()) {
            versions.computeIfAbsent(change.key(), key -> new ArrayList<>())
                    .add(new Version(
                            change.version(),
                            event.revision(),
                            event.committedAtMicros(),
                            change.json(),
                            change.ttlMicros()));
        }
    }

    @Override
    public <T> T read(Function<Reads, T> reading) {
        return reading.apply(this);
    }

    @Override
    public synchronized List<Optional<Version>> newest(List<StateKey> keys, long upToRevision) {
        return keys.stream()
                .map(key -> existing(versions.getOrDefault(key, List.of()), upToRevision))
                .toList();
    }

    private static Optional<Version> existing(List<Version> of, long upToRevision) {
        for (int i = of.size() - 1; i >= 0; i--) {
            if (of.get(i).revision() <= upToRevision) {
                return Optional.of(of.get(i));
            }
        }
        return Optional.empty();
    }

    @Override
    public synchronized List<Version> history(StateKey key, long below, int limit, long maxBytes) {
        List<Version> newestFirst = new ArrayList<>(versions.getOrDefault(key, List.of()));
        Collections.reverse(newestFirst);
        List<Version> page = new ArrayList<>();
        long taken = 0;
        for (Version version : newestFirst) {
            if (version.version() < below) {
                taken += version.jsonBytes();
                if (page.size() == limit || (taken > maxBytes && !page.isEmpty())) {
                    break;
                }
                page.add(version);
            }
        }
        return page;
    }

    @Override
    public synchronized Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit) {
        List<KeyAt> found = new ArrayList<>();
        for (Map.Entry<StateKey, List<Version>> entry : versions.entrySet()) {
            StateKey key = entry.getKey();
            if (key.namespace().equals(namespace)
                    && key.agentId().equals(agentId)
                    && key.name().startsWith(prefix)
                    && (after == null || StateKey.compareBytes(key.name(), after) > 0)) {
                existing(entry.getValue(), atRevision)
                        .filter(version -> !version.isDeleted())
                        .ifPresent(version -> found.add(new KeyAt(key.name(), version.version(), version.revision())));
            }
        }
        return page(found, limit, KeyAt::name);
    }

    @Override
    public synchronized Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        List<String> agents = existing()
                .filter(key -> key.namespace().equals(namespace))
                .map(StateKey::agentId)
                .filter(agentId -> agentId.startsWith(prefix))
                .filter(agentId -> after == null || StateKey.compareBytes(agentId, after) > 0)
                .distinct()
                .toList();
        return page(agents, limit, Function.identity());
    }

    @Override
    public synchronized Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        List<String> namespaces = existing()
                .map(StateKey::namespace)
                .filter(namespace -> namespace.startsWith(prefix))
                .filter(namespace -> after == null || namespace.compareTo(after) > 0)
                .distinct()
                .toList();
        return page(namespaces, limit, Function.identity());
    }

    private Stream<StateKey> existing() {
        return versions.entrySet().stream()
                .filter(entry ->
                        !entry.getValue().get(entry.getValue().size() - 1).isDeleted())
                .map(Map.Entry::getKey);
    }

    private static <T> Page<T> page(List<T> all, int limit, Function<T, String> name) {
        List<T> page = List.copyOf(all.subList(0, Math.min(limit, all.size())));
        return new Page<>(page, page.size() < all.size() ? name.apply(page.get(page.size() - 1)) : null);
    }

    @Override
    public synchronized List<Event> events(long from, long maxBytes) {
        List<Event> page = new ArrayList<>();
        long taken = 0;
        for (Event event : events.tailMap(Math.max(from, head.floor() + 1)).values()) {
            taken += event.bytes();
            if (taken > maxBytes && !page.isEmpty()) {
                break;
            }
            page.add(event);
        }
        return page;
    }

    /** The number of a place counts only the changes of the agent, because a trim may remove others before them. */
    @Override
    public synchronized List<Place> places(String namespace, String agentId, long from, long to, int limit) {
        List<Place> places = new ArrayList<>();
        if (from < to) {
            for (Event event : events.subMap(from, to).values()) {
                if (places.size() >= limit) {
                    break;
                }
                int count = ofAgent(event, namespace, agentId).size();
                for (int number = 1; number <= count; number++) {
                    places.add(new Place(event.revision(), number));
                }
            }
        }
        return places;
    }

    private static List<Change> ofAgent(Event event, String namespace, String agentId) {
        return event.changes().stream()
                .filter(change -> change.key().namespace().equals(namespace)
                        && change.key().agentId().equals(agentId))
                .toList();
    }

    @Override
    public synchronized List<Event> events(String namespace, String agentId, List<Place> places, long maxBytes) {
        List<Event> page = new ArrayList<>();
        long taken = 0;
        for (long revision :
                places.stream().mapToLong(Place::revision).distinct().toArray()) {
            Event event = events.get(revision);
            List<Change> changes = event == null ? List.of() : ofAgent(event, namespace, agentId);
            if (event == null || changes.isEmpty()) {
                break;
            }
            Event found = new Event(revision, event.committedAtMicros(), changes, event.operationsTotal());
            taken += found.bytes();
            if (taken > maxBytes && !page.isEmpty()) {
                break;
            }
            page.add(found);
        }
        return page;
    }

    @Override
    public synchronized long changes(long from, long to, long enough) {
        return from >= to
                ? 0
                : events.subMap(from, to).values().stream()
                        .mapToLong(event -> event.changes().size())
                        .sum();
    }

    @Override
    public synchronized OptionalLong committedAt(long revision) {
        Event event = events.get(revision);
        return event == null ? OptionalLong.empty() : OptionalLong.of(event.committedAtMicros());
    }

    @Override
    public synchronized long revisionAt(long micros) {
        long found = head.floor();
        for (Event event : events.tailMap(head.floor() + 1).values()) {
            if (event.committedAtMicros() > micros) {
                break;
            }
            found = event.revision();
        }
        return found;
    }

    @Override
    public synchronized void compact(long floor) {
        if (floor <= head.floor()) {
            return;
        }
        long at = Objects.requireNonNull(events.get(floor), "an existing revision")
                .committedAtMicros();
        head = new Head(head.historyId(), head.revision(), head.committedAtMicros(), floor, at);
        events.headMap(floor, true).clear();
        versions.entrySet().removeIf(entry -> {
            StateKey key = entry.getKey();
            List<Version> of = entry.getValue();
            Optional<Version> stood = existing(of, floor);
            stood.ifPresent(kept ->
                    of.removeIf(version -> version.revision() <= floor && (!version.equals(kept) || kept.isDeleted())));
            stood.filter(Version::isDeleted).ifPresent(deletion -> noteRemoved(key, deletion));
            return of.isEmpty();
        });
        count();
    }

    private void noteRemoved(StateKey key, Version version) {
        removed.merge(new Agent(key.namespace(), key.agentId()), version.revision(), Math::max);
    }

    @Override
    public synchronized boolean isChanged(
            String namespace, String agentId, Predicate<StateKey> wanted, long afterRevision, long upToRevision) {
        Predicate<StateKey> selected = wanted.and(key -> (namespace.isEmpty() || namespace.equals(key.namespace()))
                && (agentId.isEmpty() || agentId.equals(key.agentId())));
        return versions.entrySet().stream()
                        .filter(entry -> selected.test(entry.getKey()))
                        .flatMap(entry -> entry.getValue().stream())
                        .anyMatch(version -> version.revision() > afterRevision && version.revision() <= upToRevision)
                || removed.entrySet().stream()
                        .filter(entry -> entry.getValue() > afterRevision)
                        .anyMatch(entry -> selected.test(new StateKey(
                                entry.getKey().namespace(), entry.getKey().agentId(), "any")));
    }

    private void count() {
        bytes = events.values().stream().mapToLong(Event::bytes).sum()
                + versions.values().stream()
                        .flatMap(List::stream)
                        .filter(version -> version.revision() <= head.floor() && version.json() != null)
                        .mapToLong(version ->
                                Objects.requireNonNull(version.json()).length())
                        .sum();
    }

    @Override
    public synchronized void trim(String namespace, long upTo) {
        trimmed.merge(namespace, upTo, Math::max);
        versions.forEach((key, of) -> {
            if (key.namespace().equals(namespace)) {
                existing(of, upTo).ifPresent(newest -> noteRemoved(key, newest));
                of.removeIf(version -> version.revision() <= upTo);
            }
        });
        versions.values().removeIf(List::isEmpty);
        expiries.keySet().retainAll(versions.keySet());
        events.headMap(upTo, true)
                .replaceAll((revision, event) -> new Event(
                        revision,
                        event.committedAtMicros(),
                        event.changes().stream()
                                .filter(change -> !change.key().namespace().equals(namespace))
                                .toList(),
                        event.operationsTotal()));
        count();
    }

    @Override
    public synchronized long trimmedUpTo(String namespace) {
        return trimmed.getOrDefault(namespace, 0L);
    }

    @Override
    public synchronized List<Document> existing(
            String namespace, String agentId, long revision, @Nullable StateKey after, int limit, long most) {
        List<Document> page = new ArrayList<>();
        long taken = 0;
        for (Map.Entry<StateKey, List<Version>> entry :
                (after == null ? versions : versions.tailMap(after, false)).entrySet()) {
            StateKey key = entry.getKey();
            Optional<Version> stood = existing(entry.getValue(), revision).filter(version -> !version.isDeleted());
            if (stood.isPresent()
                    && (namespace.isEmpty() || namespace.equals(key.namespace()))
                    && (agentId.isEmpty() || agentId.equals(key.agentId()))) {
                taken += stood.get().jsonBytes();
                if (page.size() == limit || (taken > most && !page.isEmpty())) {
                    break;
                }
                page.add(new Document(key, stood.get()));
            }
        }
        return page;
    }

    @Override
    public synchronized List<Document> values(
            String namespace, String agentPrefix, @Nullable StateKey after, int limit, long most) {
        List<Document> page = new ArrayList<>();
        long taken = 0;
        for (Map.Entry<StateKey, List<Version>> entry :
                (after == null ? versions : versions.tailMap(after, false)).entrySet()) {
            StateKey key = entry.getKey();
            Version newest = entry.getValue().get(entry.getValue().size() - 1);
            if (!newest.isDeleted()
                    && key.namespace().equals(namespace)
                    && key.agentId().startsWith(agentPrefix)) {
                taken += newest.jsonBytes();
                if (page.size() == limit || (taken > most && !page.isEmpty())) {
                    break;
                }
                page.add(new Document(key, newest));
            }
        }
        return page;
    }

    @Override
    public synchronized List<StateKey> expired(long micros, int limit) {
        return expiries.entrySet().stream()
                .filter(entry -> entry.getValue() <= micros)
                .sorted(Map.Entry.<StateKey, Long>comparingByValue().thenComparing(Map.Entry.comparingByKey()))
                .limit(limit)
                .map(Map.Entry::getKey)
                .toList();
    }

    @Override
    public synchronized Map<StateKey, Long> expiries(List<StateKey> keys) {
        Map<StateKey, Long> found = new HashMap<>(expiries);
        found.keySet().retainAll(Set.copyOf(keys));
        return found;
    }

    @Override
    public synchronized void restore(long floor, long floorAtMicros, Iterator<Event> restored, long nowMicros) {
        requireEmpty(head);
        head = new Head(newHistoryId.get(), floor, floorAtMicros, floor, floorAtMicros);
        while (restored.hasNext()) {
            Event event = restored.next();
            addVersions(event);
            putExpiries(Batch.expiries(List.of(event), nowMicros));
            if (event.revision() > floor) {
                events.put(event.revision(), event);
                head = head.next(event.committedAtMicros());
            }
        }
        count();
    }

    @Override
    public synchronized boolean forgetAnswers(long nowMicros) {
        answered.values().removeIf(answer -> answer.expiresAtMicros() <= nowMicros);
        return false;
    }

    @Override
    public synchronized long lastExpiryMicros() {
        return answered.values().stream()
                .mapToLong(Answered::expiresAtMicros)
                .max()
                .orElse(0);
    }

    @Override
    public synchronized long keys() {
        return versions.size();
    }

    @Override
    public synchronized long bytes() {
        return bytes;
    }

    @Override
    public void close() {
        // no resources to release
    }
}
