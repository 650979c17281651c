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
 * Keeps what was committed. One thread commits, any thread reads. All methods throw {@link StateException} with STORE_DOWN if the storage
 * failed; it stays so until {@link #open} succeeds again.
 */
public interface Storage extends AutoCloseable {
    /**
     * Opens it, or opens it again behind a failure; does nothing if it is open. May take long.
     *
     * @throws StateException STORE_DOWN: what is wrong and what to do
     */
    void open();

    /**
     * Where others commit to the same storage, {@code toldOfNewest} hears of the newest revision, now and then, on a
     * thread of the storage.
     */
    default void whenOthersCommit(LongConsumer toldOfNewest) {}

    /**
     * Calls {@code told} with the cause each time the history gets a new id because commits that were answered are missing, or may
     * be; before the storage serves anything under the new id.
     */
    default void whenAnsweredAreMissing(Consumer<String> told) {}

    /** What is durable now. */
    Head head();

    /**
     * Commits a batch. Nobody else, of this process or another, commits between what {@code decide} is given and what it
     * returns. Durable when this returns; when it throws, the batch may be there as a whole, or not at all.
     *
     * @param keys whose newest versions are wanted
     * @param requests whose answers are wanted
     * @param decide called once, or again if the storage has to begin anew
     */
    void commit(Set<Key> keys, Set<RequestKey> requests, Function<Existing, Batch> decide);

    /** Of each key the newest version up to a revision, in their order. */
    List<Optional<Version>> newest(List<Key> keys, long upToRevision);

    /**
     * Versions of a key, newest first, those below {@code below}.
     *
     * @param maxBytes ends the list, but not before its first one
     */
    List<Version> history(Key key, long below, int limit, long maxBytes);

    /**
     * The names of an agent's keys that exist at a revision, in order.
     *
     * @param after where to go on; null: at the beginning
     */
    Page<KeyAt> keys(
            String namespace, String agentId, String prefix, @Nullable String after, long atRevision, int limit);

    /** The agents of a namespace that have a key now, in order. */
    Page<String> agents(String namespace, String prefix, @Nullable String after, int limit);

    /** The namespaces that have a key now, in order. */
    Page<String> namespaces(String prefix, @Nullable String after, int limit);

    /**
     * Keys whose newest value matches, in order.
     *
     * @param agentId empty: of all agents
     * @param after where to go on
     * @throws StateException INVALID: the path is none; UNIMPLEMENTED: this storage finds nothing by value
     */
    default Page<Document> find(
            String namespace, String agentId, String jsonPath, @Nullable String after, int limit, long maxBytes) {
        throw Reason.UNIMPLEMENTED.because("Find needs the state in Postgres (STATE_ENGINE=postgres)");
    }

    /**
     * Events in order.
     *
     * @param from the first revision, above the floor
     * @param maxBytes ends the list, but not before its first one
     */
    List<Event> events(long from, long maxBytes);

    /** The last revision that was committed at this time or before; the floor if there is none above it. */
    long revisionAt(long micros);

    /**
     * Removes what no read at {@code floor} or later and no replay from behind it needs. Beside commits and reads.
     *
     * @param floor a revision that is there
     */
    void compact(long floor);

    /**
     * Removes all of a namespace that was committed at this revision or before, also what stands. Its events stay, with fewer changes.
     * Beside commits and reads.
     *
     * @param upTo a revision that is there
     */
    void trim(String namespace, long upTo);

    /** Up to which revision a namespace was trimmed; 0: it was not. */
    long trimmedUpTo(String namespace);

    /**
     * Whether a change was committed after one revision and up to another. Asked of revisions that were compacted or trimmed: what was
     * removed there counts as well.
     *
     * @param namespace empty: any
     * @param agentId empty: any
     * @param wanted which changes; the same for all keys of an agent
     */
    boolean isChanged(String namespace, String agentId, Predicate<Key> wanted, long afterRevision, long upToRevision);

    /**
     * What stood at the floor, in the order of keys, a part at a time.
     *
     * @param namespace empty: of all
     * @param agentId empty: of all
     * @param after the last key before
     */
    List<Document> existing(
            String namespace, String agentId, long floor, @Nullable Key after, int limit, long maxBytes);

    /**
     * Copies what is durable now; others commit meanwhile.
     *
     * @return a directory that can be put in the place of the storage's
     * @throws StateException UNIMPLEMENTED: others do that
     */
    default Path backup() {
        throw Reason.UNIMPLEMENTED.because(
                "this engine is not backed up here: use the tools of Postgres, or flk backend state dump");
    }

    /**
     * Fills an empty storage with events that were dumped, under a new history id. A restore that was broken off can't be opened.
     *
     * @param floor up to where it was compacted; 0: it was not
     * @param events those of {@code floor} and before only tell what stood there, in any order; the others rise without gaps
     */
    void restore(long floor, long floorAtMicros, Iterator<Event> events);

    /** Refuses to restore into anything else. */
    default void requireEmpty(Head head) {
        if (head.revision() > 0) {
            throw Reason.INVALID.because("the state is not empty, it is at revision " + head.revision()
                    + ": restore into another STATE_DIR or database");
        }
    }

    /** Forgets answers that have expired; whether there are more than it does at once. */
    boolean forgetAnswers(long nowMicros);

    /**
     * Returns when the last of the remembered answers expires, so that the next process counts on from there whatever its
     * wall clock says; 0 if there are none, or if other processes remember answers here as well and only the wall clock is common.
     */
    default long lastExpiryMicros() {
        return 0;
    }

    /** How many keys there are, with those that are deleted; about. */
    long keys();

    /** How much it takes on disk, or in memory where there is none. */
    long bytes();

    @Override
    void close();

    /**
     * How far a history goes.
     *
     * @param revision the newest; 0: nothing was committed
     * @param committedAtMicros of that
     * @param floor what was before is compacted: reads at this revision and later are answered, and replay from the one behind it
     * @param floorAtMicros when the floor was committed
     */
    record Head(String historyId, long revision, long committedAtMicros, long floor, long floorAtMicros) {
        /** The same under another id. */
        public Head ofHistory(String otherId) {
            return new Head(otherId, revision, committedAtMicros, floor, floorAtMicros);
        }

        /** One step further. */
        public Head next(long atMicros) {
            return new Head(historyId, revision + 1, atMicros, floor, floorAtMicros);
        }
    }

    /**
     * A commit that can be told again.
     *
     * @param requestId unique for its caller
     */
    record RequestKey(String caller, String requestId) {}

    /**
     * What a request was answered.
     *
     * @param content a digest of what was asked
     * @param expiresAtMicros by the elapsed time of the engine, see {@link #lastExpiryMicros}
     */
    record Answered(String content, Committed committed, long expiresAtMicros) {}

    /** The newest version of a key, be it a deletion. */
    record Newest(long version, boolean exists) {
        /** Of a key that nobody wrote. */
        static final Newest NONE = new Newest(0, false);
    }

    /** What a batch is decided on; keys that nobody wrote and requests that nobody answered are missing. */
    record Existing(Head head, Map<Key, Newest> newest, Map<RequestKey, Answered> answered) {}

    /** What is to be kept: events behind the standing head, without gaps. */
    record Batch(List<Event> events, Map<RequestKey, Answered> answered) {
        public boolean isEmpty() {
            return events.isEmpty() && answered.isEmpty();
        }
    }

    /** A key that was found by its value. */
    record Document(Key key, Version version) {}

    /** A key that exists. */
    record KeyAt(String name, long version, long revision) {}

    /**
     * A part of a list.
     *
     * @param next where to go on, {@code after} of the next call; null: it is the last
     */
    record Page<T>(List<T> entries, @Nullable String next) {}
}
