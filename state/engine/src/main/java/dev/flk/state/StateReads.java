// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.History.At;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Search;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/** Reads of values and lists, at the newest or at any retained revision. Safe for any thread. */
public final class StateReads {
    /** The maximum size of all values in one read of several keys; gRPC clients accept 4 MiB by default. */
    private static final long MAX_READ_BYTES = 3L << 20;

    private final StateEngine engine;
    private final History history;

    StateReads(StateEngine engine, History history) {
        this.engine = engine;
        this.history = history;
    }

    /** The result of reading a key. */
    public sealed interface Found {
        /**
         * The key or version was not written up to the revision that is read, or a compaction or trim left no trace of
         * the key.
         */
        record Absent() implements Found {}

        record Deleted(Version version) implements Found {}

        /** The version existed, but is no longer retained. */
        record Compacted() implements Found {}

        record Present(Version version) implements Found {}
    }

    /** The results of reading keys, all at one revision and in the order in which the keys were requested. */
    public record Read(long revision, List<Found> found) {}

    /**
     * Reads keys at one revision.
     *
     * @throws StateException INVALID for too many keys, or values that are too large together; COMPACTED if the state
     *     at {@code at} is no longer retained; HISTORY_CHANGED if the revision does not exist
     */
    public Read get(List<StateKey> keys, At at) {
        return get(keys, at, bytes -> {});
    }

    /**
     * Reads keys like {@link #get(List, At)}.
     *
     * @param reserve called with the size of all values before any of them is read; may refuse them by an exception.
     *     Called again if the values are read again at a newer revision
     */
    public Read get(List<StateKey> keys, At at, LongConsumer reserve) {
        if (keys.size() > StateEngine.MAX_PAGE) {
            throw Reason.INVALID.because("more than " + StateEngine.MAX_PAGE + " keys in one read: " + keys.size());
        }
        return readingAt(at, revision -> get(keys, revision, reserve));
    }

    private Read get(List<StateKey> keys, long revision, LongConsumer reserve) {
        long bytes = engine.reading(reads -> reads.newestBytes(keys, revision, MAX_READ_BYTES + 1));
        if (bytes > MAX_READ_BYTES && keys.size() > 1) {
            throw Reason.INVALID.because(
                    "the values are longer than " + MAX_READ_BYTES + " bytes together; request fewer keys");
        }
        reserve.accept(bytes);
        List<Found> found = engine.reading(reads -> reads.newest(keys, revision)).stream()
                .map(newest -> newest.map(StateReads::found).orElseGet(Found.Absent::new))
                .toList();
        keys.stream()
                .map(StateKey::namespace)
                .distinct()
                .forEach(namespace -> history.requireKept(revision, namespace));
        return new Read(revision, found);
    }

    private static Found found(Version version) {
        return version.isDeleted() ? new Found.Deleted(version) : new Found.Present(version);
    }

    /** Reads one version of a key. */
    public Read get(StateKey key, long version) {
        if (version < 1) {
            throw Reason.INVALID.because("the version must be at least 1: " + version);
        }
        long revision = history.revision(new At.Now());
        long above = Math.max(version, version + 1); // Long.MAX_VALUE has no successor
        List<Version> upTo = engine.reading(reads -> reads.history(key, above, 1, 0));
        Found found;
        if (upTo.isEmpty()) {
            // no version at or below the requested one exists; if the key has newer versions, the requested version was
            // removed
            List<Version> newest = engine.reading(reads -> reads.history(key, Long.MAX_VALUE, 1, 0));
            found = newest.isEmpty() ? new Found.Absent() : new Found.Compacted();
        } else {
            found = upTo.get(0).version() == version ? found(upTo.get(0)) : new Found.Absent();
        }
        return new Read(revision, List.of(found));
    }

    /**
     * Returns, for each key that currently has a lifetime, the end of the lifetime in microseconds since the epoch; see
     * {@link Storage.Reads#expiries}.
     */
    public Map<StateKey, Long> expiries(List<StateKey> keys) {
        engine.requireUp();
        return engine.reading(reads -> reads.expiries(keys));
    }

    /**
     * Returns the versions of a key, newest first.
     *
     * @param below the upper bound of the version numbers, exclusive
     * @param limit 1 to {@link StateEngine#MAX_PAGE}
     */
    public List<Version> history(StateKey key, long below, int limit) {
        engine.requireUp();
        return engine.reading(
                reads -> reads.history(key, below, Math.min(limit, StateEngine.MAX_PAGE), StateEngine.MAX_PAGE_BYTES));
    }

    /** Returns a page of the keys of an agent that exist at a point in history, in the order of their names. */
    public Page<KeyAt> keys(String namespace, String agentId, String prefix, @Nullable String after, At at, int limit) {
        StateKey.requireNamespace(namespace);
        StateKey.requireAgentId(agentId);
        requireText(prefix, after);
        return readingAt(at, revision -> {
            Page<KeyAt> page = engine.reading(reads ->
                    reads.keys(namespace, agentId, prefix, after, revision, Math.min(limit, StateEngine.MAX_PAGE)));
            history.requireKept(revision, namespace);
            return page;
        });
    }

    /**
     * Returns a page of the newest values of a namespace, in the order of keys.
     *
     * @param agentPrefix the beginning of the agents' ids
     * @param after the last key of the previous page; null for the first page
     * @param limit the maximum number of values, at most {@link StateEngine#MAX_PAGE}
     * @return an empty list after the last page
     */
    public List<Document> values(String namespace, String agentPrefix, @Nullable StateKey after, int limit) {
        StateKey.requireNamespace(namespace);
        requireText(agentPrefix, null);
        engine.requireUp();
        return engine.reading(reads -> reads.values(namespace, agentPrefix, after, limit, StateEngine.MAX_PAGE_BYTES));
    }

    /** Returns a page as large as possible; see {@link #values(String, String, StateKey, int)}. */
    public List<Document> values(String namespace, String agentPrefix, @Nullable StateKey after) {
        return values(namespace, agentPrefix, after, StateEngine.MAX_PAGE);
    }

    /**
     * Reads at a point in history. If later revisions are committed and the newest revision is compacted while it is
     * read, reads the revision that is the newest by then.
     */
    private <T> T readingAt(At at, LongFunction<T> read) {
        while (true) {
            long revision = history.revision(at);
            try {
                return read.apply(revision);
            } catch (StateException e) {
                if (e.reason() != Reason.COMPACTED || history.revision(at) == revision) {
                    throw e;
                }
            }
        }
    }

    /** Returns a page of the agents of a namespace that have keys, in order. */
    public Page<String> agents(String namespace, String prefix, @Nullable String after, int limit) {
        StateKey.requireNamespace(namespace);
        requireText(prefix, after);
        engine.requireUp();
        return engine.reading(reads -> reads.agents(namespace, prefix, after, Math.min(limit, StateEngine.MAX_PAGE)));
    }

    /** Returns a page of the namespaces that have keys, in order. */
    public Page<String> namespaces(String prefix, @Nullable String after, int limit) {
        requireText(prefix, after);
        engine.requireUp();
        return engine.reading(reads -> reads.namespaces(prefix, after, Math.min(limit, StateEngine.MAX_PAGE)));
    }

    /**
     * Returns a page of the keys whose newest value matches a search; see {@link Storage.Reads#find}.
     *
     * @param agentId the agent; empty for all agents
     */
    public Page<Document> find(String namespace, String agentId, Search search, @Nullable String after, int limit) {
        StateKey.requireNamespace(namespace);
        if (!agentId.isEmpty()) {
            StateKey.requireAgentId(agentId);
        }
        String position = search.order() == Search.Order.BY_KEY ? "" : "[0-9]{1,18}\0";
        if (after != null && !after.matches(position + "[^\\p{Cntrl}]+\0[^\\p{Cntrl}]+")) {
            throw Reason.INVALID.because("page_token was not returned by this Find");
        }
        engine.requireUp();
        return engine.reading(reads -> reads.find(
                namespace, agentId, search, after, Math.min(limit, StateEngine.MAX_PAGE), StateEngine.MAX_PAGE_BYTES));
    }

    /** Rejects control characters, which storages use as separators between names. */
    private static void requireText(String prefix, @Nullable String after) {
        if ((prefix + (after == null ? "" : after)).chars().anyMatch(Character::isISOControl)) {
            throw Reason.INVALID.because("a prefix, a path or a page_token has a control character");
        }
    }
}
