// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * A durable store of commits. One thread commits, any thread reads. If the storage fails, all methods throw a {@link
 * StateException} with STORE_DOWN until {@link #open} succeeds again.
 */
public interface Storage extends AutoCloseable {
    /**
     * Opens the storage, or reopens it after a failure; does nothing if it is open. May take long.
     *
     * @throws StateException STORE_DOWN, with the problem and what to do
     */
    void open();

    /**
     * Registers a callback for the newest revision if other processes commit to the same storage. The storage calls it
     * from time to time on a thread of its own.
     */
    default void whenOthersCommit(LongConsumer toldOfNewest) {}

    /**
     * Calls {@code listener} with the cause whenever the history gets a new id because answered commits are missing, or may
     * be. The call is made before the storage serves anything under the new id.
     */
    default void whenAnsweredAreMissing(Consumer<String> listener) {}

    /** Returns the newest durable revision. */
    Head head();

    /**
     * Commits a batch. No other thread or process commits between the state that {@code decide} receives and the batch
     * that it returns. The batch is durable when this method returns; when it throws, the batch may have taken effect
     * completely or not at all.
     *
     * @param keys the keys whose newest versions {@code decide} needs
     * @param requests the requests whose answers {@code decide} needs
     * @param decide called once, or again if the storage has to start the commit over
     */
    void commit(Set<StateKey> keys, Set<RequestKey> requests, Function<Existing, Batch> decide);

    /** Runs a step that reads. */
    <T> T read(Function<Reads, T> reading);

    /** The reads of a storage, which run concurrently with commits and removals. */
    interface Reads {
        /** Returns the newest version of each key up to a revision, in the order of the keys. */
        List<Optional<Version>> newest(List<StateKey> keys, long upToRevision);

        /**
         * Returns the versions of a key below {@code below}, newest first.
         *
         * @param maxBytes the size at which the list ends, after at least one entry
         */
        List<Version> history(StateKey key, long below, int limit, long maxBytes);

        /**
         * Returns the names of an agent's keys that exist at a revision, in order.
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
         * Returns keys whose newest value matches a path, in order.
         *
         * @param agentId the agent; empty for all agents
         * @param after the position after which to continue
         * @throws StateException INVALID if the path is invalid; UNIMPLEMENTED if this storage can't search values
         */
        default Page<Document> find(
                String namespace, String agentId, String jsonPath, @Nullable String after, int limit, long maxBytes) {
            throw Reason.UNIMPLEMENTED.because("Find needs the state in Postgres (STATE_ENGINE=postgres)");
        }

        /**
         * Returns events in order.
         *
         * @param from the first revision, above the floor
         * @param maxBytes the size at which the list ends, after at least one entry
         */
        List<Event> events(long from, long maxBytes);

        /** Returns the last revision that was committed at or before this time, but at least the floor. */
        long revisionAt(long micros);

        /**
         * Returns whether a change was committed after one revision and up to another. For revisions that were compacted or
         * trimmed, changes that were removed count as well.
         *
         * @param namespace the namespace; empty for all
         * @param agentId the agent; empty for all
         * @param wanted selects changes; the result must be the same for all keys of an agent
         */
        boolean isChanged(
                String namespace, String agentId, Predicate<StateKey> wanted, long afterRevision, long upToRevision);

        /**
         * Returns one page of the values that existed at the floor, in the order of keys.
         *
         * @param namespace the namespace; empty for all
         * @param agentId the agent; empty for all agents
         * @param after the last key of the previous page
         */
        List<Document> existing(
                String namespace, String agentId, long floor, @Nullable StateKey after, int limit, long maxBytes);
    }

    /**
     * Removes everything that is not needed by reads at {@code floor} or later and by replays after it. Runs
     * concurrently with commits and reads.
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

    /** Returns the revision up to which a namespace was trimmed; 0 if it was not. */
    long trimmedUpTo(String namespace);

    /**
     * Copies the durable state while commits continue.
     *
     * @return a directory that can replace the storage's own
     * @throws StateException UNIMPLEMENTED if other tools make backups of this storage
     */
    default Path backup() {
        throw Reason.UNIMPLEMENTED.because(
                "this storage has no backup of its own; use the tools of Postgres, or flk-backend state dump");
    }

    /**
     * Fills an empty storage with events from a dump, under a new history id. An interrupted restore leaves a storage
     * that can't be opened.
     *
     * @param floor the revision up to which the history was compacted; 0 if it was not
     * @param events events up to {@code floor} only describe the values that existed there, in any order; later ones
     *     have consecutive revisions
     */
    void restore(long floor, long floorAtMicros, Iterator<Event> events);

    /** Requires that the storage is empty, before a restore. */
    default void requireEmpty(Head head) {
        if (head.revision() > 0) {
            throw Reason.INVALID.because("the state is not empty, it is at revision " + head.revision()
                    + ": restore into another STATE_DIR or database");
        }
    }

    /** Removes expired answers, a limited number at once; returns whether there are more. */
    boolean forgetAnswers(long nowMicros);

    /**
     * Returns the time at which the last remembered answer expires, so that the next process continues elapsed time
     * from there regardless of its wall clock; 0 if there is no answer, or if other processes remember answers here
     * too, so that only the wall clock is common.
     */
    default long lastExpiryMicros() {
        return 0;
    }

    /** Returns the approximate number of keys, including deleted ones. */
    long keys();

    /** Returns the size on disk, or in memory for a storage without a disk. */
    long bytes();

    @Override
    void close();

    /**
     * The extent of a history.
     *
     * @param revision the newest revision; 0 if nothing was committed
     * @param committedAtMicros the time of the newest revision
     * @param floor the revision before which history is compacted: reads work at this revision and later, replays from
     *     the next one
     * @param floorAtMicros the time of the floor's commit
     */
    record Head(String historyId, long revision, long committedAtMicros, long floor, long floorAtMicros) {
        /** Returns a copy under another history id. */
        public Head ofHistory(String otherId) {
            return new Head(otherId, revision, committedAtMicros, floor, floorAtMicros);
        }

        /** Returns the head after one more commit. */
        public Head next(long atMicros) {
            return new Head(historyId, revision + 1, atMicros, floor, floorAtMicros);
        }
    }

    /**
     * The identity of a request whose answer can be repeated.
     *
     * @param requestId an id that is unique for its caller
     */
    record RequestKey(String caller, String requestId) {}

    /**
     * The remembered answer to a request.
     *
     * @param content a digest of the transaction
     * @param expiresAtMicros the expiry in elapsed time of the engine, see {@link #lastExpiryMicros}
     */
    record Answered(String content, Committed committed, long expiresAtMicros) {}

    /** The newest version of a key, which may be a deletion. */
    record Newest(long version, boolean exists) {
        /** The state of a key that was never written. */
        static final Newest NONE = new Newest(0, false);
    }

    /** The state on which a batch is decided; keys without versions and requests without answers are missing. */
    record Existing(Head head, Map<StateKey, Newest> newest, Map<RequestKey, Answered> answered) {}

    /** The changes to store: events that follow the current head without gaps, and answers. */
    record Batch(List<Event> events, Map<RequestKey, Answered> answered) {
        public boolean isEmpty() {
            return events.isEmpty() && answered.isEmpty();
        }
    }

    /** A key that matched by its value. */
    record Document(StateKey key, Version version) {}

    /** A key that exists. */
    record KeyAt(String name, long version, long revision) {}

    /**
     * A page of a list.
     *
     * @param next the value for {@code after} in the next call; null for the last page
     */
    record Page<T>(List<T> entries, @Nullable String next) {}
}
