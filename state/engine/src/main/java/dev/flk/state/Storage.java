// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A durable store of commits. One thread commits, any thread reads. If the storage fails, methods throw a {@link
 * StateException} with STORE_DOWN; some storages then reject all calls until {@link #open} succeeds again.
 */
public interface Storage extends AutoCloseable {
    /**
     * Opens the storage, or reopens it after a failure. Does nothing if the storage is open. This call may take a long
     * time.
     *
     * @throws StateException STORE_DOWN, with the problem and what to do
     */
    void open();

    /**
     * Registers a callback that informs the engine of commits by other processes. The storage calls the callback from
     * time to time, on a thread of its own, with the newest revision. Does nothing if no other process can commit to
     * this storage.
     */
    default void whenOthersCommit(LongConsumer onNewRevision) {}

    /**
     * Registers a listener that is called with the cause whenever the history gets a new id because answered commits
     * are or may be missing. The listener is called before the storage serves anything under the new id.
     */
    default void whenAnsweredAreMissing(Consumer<String> listener) {}

    /** Returns the head of the history: its id, its newest durable revision and its floor. */
    Head head();

    /**
     * Commits the batch that {@code decide} returns. No other thread or process commits between the reading of the
     * state that {@code decide} receives and the commit of the batch. The batch is durable when this method returns. If
     * this method throws, the batch has taken effect either completely or not at all.
     *
     * @param keys the keys whose newest versions {@code decide} needs
     * @param requests the requests whose answers {@code decide} needs
     * @param decide a function that returns the batch; the storage calls the function again if it has to start the
     *     commit over
     */
    void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide);

    /** Calls {@code reading} with the reads of this storage and returns the result. */
    <T> T read(Function<Reads, T> reading);

    /** The reads of a storage, which run concurrently with commits and removals. */
    interface Reads {
        /**
         * Returns the newest version of each key at or before a revision, in the order of {@code keys}. The entry of a
         * key without such a version is empty.
         */
        List<Optional<Version>> newest(List<StateKey> keys, long upToRevision);

        /**
         * Returns the size of the values that {@link #newest} returns for these keys, without reading the values; or any
         * size of at least {@code enough} if they have that many bytes. A removal may change them between the two calls.
         */
        long newestBytes(List<StateKey> keys, long upToRevision, long enough);

        /**
         * Returns the versions of a key whose numbers are below {@code below}, newest first.
         *
         * @param maxBytes the maximum size of the list, unless its first entry alone is larger
         */
        List<Version> history(StateKey key, long below, int limit, long maxBytes);

        /**
         * Returns the keys of an agent that exist at a revision and whose names begin with {@code prefix}, in order. A
         * page may have fewer keys than {@code limit}, or none, although more follow, because the storage examines a
         * limited number of keys. The last page follows the last key only if such a search ended there.
         *
         * @param after the name after which to continue; null for the beginning
         */
        Page<KeyAt> keys(
                String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit);

        /** Returns the agents of a namespace that currently have a key, in order. */
        Page<String> agents(String namespace, String prefix, @Nullable String after, int limit);

        /** Returns the namespaces that currently have a key, in order. */
        Page<String> namespaces(String prefix, @Nullable String after, int limit);

        /**
         * Returns a page of a namespace's keys whose newest value matches a search, each key with this value.
         *
         * @param agentId the agent; empty for all agents
         * @param after {@link Page#next} of the previous page; null for the first page
         * @throws StateException INVALID if the search is invalid; UNIMPLEMENTED if this storage can't search values
         */
        default Page<Document> find(
                String namespace, String agentId, Search search, @Nullable String after, int limit, long maxBytes) {
            throw Reason.UNIMPLEMENTED.because("Find needs the state in Postgres (STATE_ENGINE=postgres)");
        }

        /**
         * Returns events in order.
         *
         * @param from the first revision; must be above the floor
         * @param maxBytes the maximum size of the list, unless its first entry alone is larger
         */
        List<Event> events(long from, long maxBytes);

        /**
         * Returns the places of an agent's changes in a range of revisions, in order. If there are more than {@code
         * limit}, returns only those of the first revisions that have at least {@code limit} together. The cost depends
         * on the number of versions that the agent has, or on the number of changes in the range, whichever is lower.
         *
         * @param from the first revision; must be above the floor
         * @param to the end of the range, exclusive
         */
        List<Place> places(String namespace, String agentId, long from, long to, int limit);

        /**
         * Returns the events with these changes of an agent, and with no other changes. The list ends before the first
         * revision that a concurrent removal has deleted.
         *
         * @param places places that {@link #places} returned, all or consecutive ones; must be above the floor
         * @param maxBytes as for {@link #events(long, long)}
         */
        List<Event> events(String namespace, String agentId, List<Place> places, long maxBytes);

        /**
         * Returns the number of changes in a range of revisions, or any number of at least {@code enough} if there are
         * that many.
         *
         * @param from the first revision
         * @param to the end of the range, exclusive
         */
        long changes(long from, long to, long enough);

        /** Returns the time at which a revision was committed; empty if the revision is not retained. */
        OptionalLong committedAt(long revision);

        /**
         * Returns the last revision that was committed at or before {@code micros}, a time in microseconds since the
         * epoch. If there is no such revision after the floor, returns the floor.
         */
        long revisionAt(long micros);

        /**
         * Returns whether a selected change was committed after {@code afterRevision} and at or before {@code
         * upToRevision}. Changes that were removed by a compaction or trim count as well.
         *
         * @param namespace the namespace; empty for all
         * @param agentId the agent; empty for all
         * @param wanted selects changes; the result must be the same for all keys of an agent
         */
        boolean isChanged(
                String namespace, String agentId, Predicate<StateKey> wanted, long afterRevision, long upToRevision);

        /**
         * Returns one page of the values that existed at a revision, in the order of keys.
         *
         * @param namespace the namespace; empty for all
         * @param agentId the agent; empty for all agents
         * @param revision the floor or a later revision
         * @param after the last key of the previous page; null for the first page
         */
        List<Document> existing(
                String namespace, String agentId, long revision, @Nullable StateKey after, int limit, long maxBytes);

        /**
         * Returns a page of newest values, in the order of keys. The cost does not depend on the length of the history.
         * If a key is changed during the call, the page may or may not contain this key.
         *
         * @param agentPrefix the beginning of the agents' ids
         * @param after the key after which the page begins; null for the first page
         * @param maxBytes the maximum size of the page, unless its first value alone is larger
         */
        List<Document> values(String namespace, String agentPrefix, @Nullable StateKey after, int limit, long maxBytes);

        /** Returns keys whose lifetimes end at or before {@code micros}, ordered by the ends of the lifetimes. */
        List<StateKey> expired(long micros, int limit);

        /**
         * Returns, for each key that currently has a lifetime, the end of the lifetime in microseconds since the epoch,
         * by the clock with which {@link StateEngine} ends lifetimes.
         */
        Map<StateKey, Long> expiries(List<StateKey> keys);
    }

    /**
     * Removes history before a floor. Reads at the floor or later, and replays of revisions after the floor, still
     * work. Runs concurrently with commits and reads.
     *
     * @param floor an existing revision
     */
    void compact(long floor);

    /**
     * Removes everything in a namespace that was committed at or before a revision, including current values. The
     * events remain, with fewer changes. Runs concurrently with commits and reads.
     *
     * @param upTo an existing revision
     */
    void trim(String namespace, long upTo);

    /** Returns the revision up to which a namespace was trimmed; 0 if it was never trimmed. */
    long trimmedUpTo(String namespace);

    /**
     * Copies the durable state while commits continue.
     *
     * @return the directory of the copy, which can replace the storage's directory
     * @throws StateException UNIMPLEMENTED if this storage can't make backups
     */
    default Path backup() {
        throw Reason.UNIMPLEMENTED.because(
                "this storage has no backup of its own; use the tools of Postgres, or flk-backend state dump");
    }

    /**
     * Fills an empty storage with events from a dump, under a new history id. An interrupted restore may leave a
     * storage that can't be opened.
     *
     * @param floor the revision up to which the history was compacted; 0 if it was never compacted
     * @param floorAtMicros the time of the floor's commit
     * @param events first the events at or before {@code floor}, in any order and with only the values that existed at
     *     the floor; then all later events, in order and without gaps
     * @param nowMicros the time at which the lifetimes of the restored keys begin
     */
    void restore(long floor, long floorAtMicros, Iterator<Event> events, long nowMicros);

    /** Throws INVALID if the storage is not empty, because a restore needs an empty storage. */
    default void requireEmpty(Head head) {
        if (head.revision() > 0) {
            throw Reason.INVALID.because("the state is not empty, it is at revision " + head.revision()
                    + ": restore into another STATE_DIR or database");
        }
    }

    /**
     * Removes a limited number of remembered answers that have expired; returns whether there may be more.
     *
     * @param nowMicros the elapsed time of the engine, see {@link #lastExpiryMicros}
     */
    boolean forgetAnswers(long nowMicros);

    /**
     * Returns the elapsed time at which the last remembered answer expires; 0 if there is no answer. A new process
     * derives its elapsed time from this value, not from the wall clock, and thus continues the elapsed time of the
     * previous process. A storage that several processes share returns 0, because all of them begin at the time of
     * {@link #clockMicros}.
     */
    default long lastExpiryMicros() {
        return 0;
    }

    /**
     * Returns the time, in microseconds since the epoch, of a clock that is shared by all processes that commit to this
     * storage; 0 if only one process commits.
     */
    default long clockMicros() {
        return 0;
    }

    /** Returns the approximate number of keys, including deleted ones. */
    long keys();

    /** Returns the size in bytes on disk, or in memory if the storage is not on disk. */
    long bytes();

    @Override
    void close();

    /**
     * The id of a history, its newest revision and its floor.
     *
     * @param revision the newest revision; 0 if nothing was committed
     * @param committedAtMicros the time of the newest revision
     * @param floor the revision up to which history was compacted; 0 if it was never compacted. Reads work at this
     *     revision and later; replays work from the next revision on
     * @param floorAtMicros the time of the floor's commit
     */
    record Head(String historyId, long revision, long committedAtMicros, long floor, long floorAtMicros) {
        /** Returns a copy under another history id. */
        public Head ofHistory(String otherId) {
            return new Head(otherId, revision, committedAtMicros, floor, floorAtMicros);
        }

        /** Returns the head after one more commit, which has the next revision. */
        public Head next(long atMicros) {
            return new Head(historyId, revision + 1, atMicros, floor, floorAtMicros);
        }
    }

    /**
     * The identity of a request whose answer can be repeated.
     *
     * @param requestId an id that is unique among the requests of {@code caller}
     */
    record RequestKey(String caller, String requestId) {}

    /**
     * The remembered answer to a request.
     *
     * @param content a text that reveals whether a caller uses the same request id for another transaction: a digest of
     *     the operations, the id of a staged transaction, or the text of a removal
     * @param expiresAtMicros the expiry in elapsed time of the engine, see {@link #lastExpiryMicros}
     */
    record Answered(String content, Committed committed, long expiresAtMicros) {}

    /**
     * The newest version of a key, which may be a deletion.
     *
     * @param expiresAtMicros the end of the key's lifetime, as in {@link Reads#expiries}; 0 if the key has no lifetime
     */
    record Newest(long version, boolean exists, long expiresAtMicros) {
        /** The state of a key that was never written. */
        static final Newest NONE = new Newest(0, false, 0);
    }

    /**
     * The state on which a batch is decided. The maps have no entries for keys without versions or for requests without
     * answers.
     *
     * @param clockMicros the time of the storage's clock, as {@link Storage#clockMicros}
     */
    record Existing(Head head, Map<StateKey, Newest> newest, Map<RequestKey, Answered> answered, long clockMicros) {}

    /**
     * The changes to store.
     *
     * @param events events that follow the current head without gaps
     * @param expiries the new end of the lifetime, in microseconds since the epoch, of each key whose lifetime begins
     *     or ends with this batch; 0 if the key no longer has a lifetime. A changed key that is missing here had no
     *     lifetime before and has none now
     */
    record Batch(List<Event> events, Map<RequestKey, Answered> answered, Map<StateKey, Long> expiries) {
        public boolean isEmpty() {
            return events.isEmpty() && answered.isEmpty() && expiries.isEmpty();
        }

        /**
         * Returns the ends of lifetimes that a restore stores for these events: for each changed key, the end of the
         * lifetime that begins at {@code nowMicros}, or 0 if the key has no lifetime.
         */
        public static Map<StateKey, Long> expiries(List<Event> events, long nowMicros) {
            Map<StateKey, Long> expiries = new HashMap<>();
            for (Event event : events) {
                event.changes()
                        .forEach(change -> expiries.put(
                                change.key(), change.ttlMicros() == 0 ? 0 : nowMicros + change.ttlMicros()));
            }
            return expiries;
        }
    }

    /**
     * A search in the newest values, in SQL/JSON as Postgres understands it. The search has a path, a contained
     * document, or both.
     *
     * @param jsonPath a path that finds something in the value, or a predicate that is true of it; empty for none
     * @param contains a JSON document that the value contains; empty for none
     * @param order the order of the results
     */
    record Search(String jsonPath, String contains, Order order) {
        private static final int MOST_CHARS = 10_000;

        /** The order of results. */
        public enum Order {
            /** The order of agents, then keys. */
            BY_KEY,
            /** The order of commit times, newest first. */
            NEWEST_FIRST,
            /** The order of commit times, oldest first. */
            OLDEST_FIRST
        }

        public Search {
            if (jsonPath.isEmpty() && contains.isEmpty()) {
                throw Reason.INVALID.because("json_path and contains are both empty; give one of them");
            }
            for (String text : List.of(jsonPath, contains)) {
                if (text.length() > MOST_CHARS || text.indexOf('\0') >= 0) {
                    throw Reason.INVALID.because((text.equals(jsonPath) ? "json_path" : "contains")
                            + (text.length() > MOST_CHARS
                                    ? " is longer than " + MOST_CHARS + " characters"
                                    : " contains a zero character"));
                }
            }
        }

        /** Returns a search by path, in the order of keys. */
        public static Search path(String jsonPath) {
            return new Search(jsonPath, "", Order.BY_KEY);
        }
    }

    /**
     * The place of a change in the history.
     *
     * @param number the number of the change among those of its revision, from 1; opaque to callers
     */
    record Place(long revision, int number) {}

    /** A key with one of its versions. */
    record Document(StateKey key, Version version) {}

    /** A key that exists at a revision, with its version and the revision that created this version. */
    record KeyAt(String name, long version, long revision) {}

    /**
     * A page of a list.
     *
     * @param next the value for {@code after} in the next call; null for the last page
     */
    record Page<T>(List<T> entries, @Nullable String next) {}

    /** A list that accepts entries up to a total size; the first entry may be larger. Not for several threads. */
    final class LimitedList<T> {
        private final List<T> entries = new ArrayList<>();
        private final long maxBytes;
        private long bytes;
        private boolean isFull;

        public LimitedList(long maxBytes) {
            this.maxBytes = maxBytes;
        }

        /** Adds an entry, unless the total size would then exceed the maximum; returns whether it was added. */
        public boolean add(T entry, long size) {
            bytes += size;
            isFull = bytes > maxBytes && !entries.isEmpty();
            return !isFull && entries.add(entry);
        }

        /** Returns whether the last entry was not added. */
        public boolean isFull() {
            return isFull;
        }

        public List<T> entries() {
            return entries;
        }
    }
}
