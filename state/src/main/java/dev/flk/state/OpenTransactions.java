// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateEngine.Begun;
import dev.flk.state.StateException.Reason;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The transactions that callers stage step by step. They live in memory, of one instance, and end by themselves; their ids tell when.
 * The last ends are remembered. Bounded; safe for any thread.
 *
 * <p>An id is 24 bytes in Base64 for URLs: the instance, a random number, and the end of its time in microseconds since the epoch,
 * 8 bytes each.
 */
final class OpenTransactions {
    private static final int ENDS_REMEMBERED = 65_536;
    private static final int ID_BYTES = 3 * Long.BYTES;

    private final Limits limits;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final RandomGenerator random;
    private final long instance;
    private final Map<String, Open> open = new HashMap<>();
    private final Map<String, End> ends = new LinkedHashMap<>();
    private long stagedBytes;
    private long expired;

    /**
     * How much is taken.
     *
     * @param timeout of a transaction, at most and by default
     * @param maxOpen transactions at a time
     * @param maxOperations of one transaction
     * @param maxBytes of one transaction, names and values
     * @param maxStagedBytes of all open transactions together
     */
    record Limits(Duration timeout, int maxOpen, int maxOperations, long maxBytes, long maxStagedBytes) {
        /** @throws StateException TX_TOO_LARGE */
        void require(int operations, long bytes) {
            if (operations > maxOperations) {
                throw Reason.TX_TOO_LARGE.because(
                        "the transaction has more than " + maxOperations + " operations; commit it in parts");
            }
            if (bytes > maxBytes) {
                throw Reason.TX_TOO_LARGE.because(
                        "the transaction is longer than " + maxBytes + " bytes; commit it in parts");
            }
        }
    }

    private static final class Open {
        private final String caller;
        private final long endNanos;
        private final List<Operation> operations = new ArrayList<>();
        private long bytes;

        long held() {
            return bytes + (long) operations.size() * PendingCommit.HELD_BYTES;
        }

        Open(String caller, long endNanos) {
            this.caller = caller;
            this.endNanos = endNanos;
        }
    }

    /**
     * The end of a transaction.
     *
     * @param committed the revision, once it is known what the commit came to; null: it was aborted
     * @param historyId the history that replaced the one of the transaction; empty: none did
     */
    private record End(String caller, @Nullable CompletableFuture<Long> committed, String historyId) {
        End(String caller, @Nullable CompletableFuture<Long> committed) {
            this(caller, committed, "");
        }
    }

    OpenTransactions(Limits limits, InstantSource clock, LongSupplier nanoTicker, RandomGenerator random) {
        this.limits = limits;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.random = random;
        this.instance = random.nextLong();
    }

    /**
     * Opens one.
     *
     * @throws StateException INVALID: a time-out of nothing or beyond the longest; TOO_MANY_TX
     */
    synchronized Begun begin(String caller, @Nullable Duration wished) {
        Duration timeout = wished == null ? limits.timeout() : wished;
        if (timeout.isNegative() || timeout.isZero() || timeout.compareTo(limits.timeout()) > 0) {
            throw Reason.INVALID.because("the time-out must be above 0 and at most "
                    + limits.timeout().toMillis() + " ms (STATE_TX_TIMEOUT): " + timeout.toMillis() + " ms");
        }
        expire();
        if (open.size() >= limits.maxOpen()) {
            throw Reason.TOO_MANY_TX.because(limits.maxOpen() + " transactions are open (STATE_MAX_OPEN_TX)");
        }
        Instant expiresAt = clock.instant().plus(timeout);
        byte[] id = ByteBuffer.allocate(ID_BYTES)
                .putLong(instance)
                .putLong(random.nextLong())
                .putLong(StateEngine.micros(expiresAt))
                .array();
        String txId = Base64.getUrlEncoder().withoutPadding().encodeToString(id);
        open.put(txId, new Open(caller, nanoTicker.getAsLong() + timeout.toNanos()));
        return new Begun(txId, expiresAt);
    }

    /**
     * Adds an operation.
     *
     * @throws StateException also if it is not open any more
     */
    synchronized void stage(String caller, String txId, Operation operation) {
        Open transaction = find(caller, txId);
        long bytes = transaction.bytes + operation.bytes();
        limits.require(transaction.operations.size() + 1, bytes);
        long held = operation.bytes() + PendingCommit.HELD_BYTES;
        if (stagedBytes + held > limits.maxStagedBytes()) {
            throw Reason.TOO_MANY_TX.because(
                    "open transactions hold more than " + limits.maxStagedBytes() + " bytes together");
        }
        stagedBytes += held;
        transaction.bytes = bytes;
        transaction.operations.add(operation);
    }

    /**
     * Ends it and hands out what was staged.
     *
     * @param answer what its commit comes to
     * @throws StateException if it is not open any more
     */
    synchronized List<Operation> commit(String caller, String txId, CompletableFuture<Committed> answer) {
        Open transaction = find(caller, txId);
        end(txId, new End(caller, answer.thenApply(Committed::revision)));
        return transaction.operations;
    }

    /** What a commit of it that was begun before will have come to; null: there is none under way. */
    synchronized @Nullable CompletableFuture<Long> underWay(String caller, String txId) {
        End end = ends.get(txId);
        CompletableFuture<Long> committed = end == null || !end.caller().equals(caller) ? null : end.committed();
        return committed == null || committed.isDone() ? null : committed;
    }

    /**
     * Ends it; does nothing if it is aborted, expired, or of another instance.
     *
     * @throws StateException TX_COMMITTED; STORE_DOWN: whether it was committed is not known
     */
    synchronized void abort(String caller, String txId) {
        try {
            Open unused = find(caller, txId);
            end(txId, new End(caller, null));
        } catch (StateException e) {
            if (e.reason() == Reason.TX_COMMITTED
                    || e.reason() == Reason.STORE_DOWN
                    || e.reason() == Reason.HISTORY_CHANGED) {
                throw e;
            }
        }
    }

    /** A commit that could not even be tried ends it, too. */
    synchronized void giveUp(String caller, String txId) {
        Open transaction = open.get(txId);
        if (transaction != null && transaction.caller.equals(caller)) {
            end(txId, new End(caller, null));
        }
    }

    private Open find(String caller, String txId) {
        Open transaction = open.get(txId);
        if (transaction != null && transaction.caller.equals(caller)) {
            if (transaction.endNanos - nanoTicker.getAsLong() > 0) {
                return transaction;
            }
            expire();
            throw expired(txId, "nothing of it was done");
        }
        End end = ends.get(txId);
        if (end != null && end.caller().equals(caller)) {
            throw ended(txId, end);
        }
        if (transaction == null && end == null && isOver(txId)) {
            throw expired(txId, "unless it was committed before, nothing of it was done");
        }
        throw Reason.TX_NOT_FOUND.because(
                "no transaction " + txId + " of this instance; it ended long ago, or another one began it");
    }

    private static StateException ended(String txId, End end) {
        if (!end.historyId().isEmpty()) {
            return Reason.HISTORY_CHANGED.because(
                    "transaction " + txId
                            + " is of a history that is not continued; read what is there, and begin again",
                    Map.of("history_id", end.historyId()));
        }
        if (end.committed() == null) {
            return Reason.TX_ABORTED.because("transaction " + txId + " was aborted");
        }
        if (!end.committed().isDone()) { // two ends at the same moment; others need the lock
            return Reason.STORE_DOWN.because("transaction " + txId + " is being committed; ask again in a moment");
        }
        try {
            long revision = end.committed().join();
            return Reason.TX_COMMITTED.because(
                    "transaction " + txId + " was committed", Map.of("revision", Long.toString(revision)));
        } catch (CompletionException e) {
            return e.getCause() instanceof StateException known && !known.isOutage()
                    ? Reason.TX_ABORTED.because("the commit of transaction " + txId + " failed, which ended it")
                    : Reason.STORE_DOWN.because("whether transaction " + txId
                            + " was committed is not known, as the storage failed meanwhile; read what is there");
        }
    }

    private static StateException expired(String txId, String what) {
        return Reason.TX_EXPIRED.because("the time of transaction " + txId + " is over; " + what);
    }

    /** Whether its time is over: one of this instance is no longer open; of another one its id has the end, by the wall clock. */
    private boolean isOver(String txId) {
        try {
            byte[] id = Base64.getUrlDecoder().decode(txId);
            return id.length == ID_BYTES
                    && (ByteBuffer.wrap(id).getLong() == instance
                            || ByteBuffer.wrap(id).getLong(2 * Long.BYTES) <= StateEngine.micros(clock.instant()));
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    private void end(String txId, End end) {
        Open ended = open.remove(txId);
        stagedBytes -= ended == null ? 0 : ended.held();
        ends.put(txId, end);
        if (ends.size() > ENDS_REMEMBERED) {
            Iterator<String> oldest = ends.keySet().iterator();
            oldest.next();
            oldest.remove();
        }
    }

    /** Ends all, also those that ended before: another history replaced theirs, and may lack what they committed. */
    synchronized void endAll(String historyId) {
        Map<String, Open> begun = Map.copyOf(open);
        begun.forEach((txId, transaction) -> end(txId, new End(transaction.caller, null)));
        ends.replaceAll((txId, end) -> new End(end.caller(), null, historyId));
    }

    /** Ends those whose time is over. */
    synchronized void expire() {
        long now = nanoTicker.getAsLong();
        open.values().removeIf(transaction -> {
            boolean isOver = transaction.endNanos - now <= 0;
            stagedBytes -= isOver ? transaction.held() : 0;
            expired += isOver ? 1 : 0;
            return isOver;
        });
    }

    /** How many are open. */
    synchronized int open() {
        return open.size();
    }

    /** How many ended by themselves. */
    synchronized long expired() {
        return expired;
    }
}
