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
import java.util.concurrent.CompletionStage;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/**
 * The transactions whose operations callers stage one by one. Open transactions are kept in the memory of one instance
 * and time out. The outcomes of recent transactions are remembered. Bounded; safe for any thread.
 *
 * <p>The id of a transaction is 24 bytes in URL-safe Base64, 8 bytes each: the instance, a random number, and the time
 * of expiry in microseconds since the epoch.
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
     * The limits of open transactions.
     *
     * @param timeout the maximum and default timeout of a transaction
     * @param maxOpen the maximum number of open transactions
     * @param maxOperations the maximum number of operations of one transaction
     * @param maxBytes the maximum size of one transaction, the sum of {@link Operation#bytes}
     * @param maxStagedBytes the maximum approximate size in memory of all open transactions together
     */
    record Limits(Duration timeout, int maxOpen, int maxOperations, long maxBytes, long maxStagedBytes) {
        /** @throws StateException TX_TOO_LARGE if a limit is exceeded */
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

        /** @throws StateException TX_TOO_LARGE if a limit is exceeded */
        void requireRemoval(PendingCommit.Removal removal, int keys, long bytes) {
            if (keys > maxOperations || bytes > maxBytes) {
                throw Reason.TX_TOO_LARGE.because(removal + " has more than " + maxOperations
                        + " keys, or their names are longer than " + maxBytes
                        + " bytes; remove it in parts, with longer prefixes");
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
     * @param committed completes with the revision of the commit; null if the transaction was aborted or its history
     *     was replaced
     * @param historyId the id of the history that replaced the transaction's history; empty if the history was not
     *     replaced
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
     * Opens a transaction.
     *
     * @throws StateException INVALID for a timeout of 0 or less, or above the maximum; TOO_MANY_TX if the maximum
     *     number of transactions is open, of this caller or of all
     */
    synchronized Begun begin(String caller, @Nullable Duration wished) {
        Duration timeout = wished == null ? limits.timeout() : wished;
        if (timeout.isNegative() || timeout.isZero() || timeout.compareTo(limits.timeout()) > 0) {
            throw Reason.INVALID.because("the time-out must be above 0 and at most "
                    + limits.timeout().toMillis() + " ms (STATE_TX_TIMEOUT): " + timeout.toMillis() + " ms");
        }
        expire();
        long ofCaller = open.values().stream()
                .filter(each -> each.caller.equals(caller))
                .count();
        if (ofCaller >= share(caller, limits.maxOpen())) {
            throw Reason.TOO_MANY_TX.because(ofCaller + " transactions of this caller are open, the maximum, half of"
                    + " STATE_MAX_OPEN_TX; end some of them first");
        }
        if (open.size() >= limits.maxOpen()) {
            throw Reason.TOO_MANY_TX.because(
                    limits.maxOpen() + " transactions are open, the maximum (STATE_MAX_OPEN_TX)");
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
     * Returns the part of a limit that one caller may use: half of it, so that others are served too. Callers without
     * names are all one caller, which has no limit of its own.
     */
    private static long share(String caller, long limit) {
        return caller.isEmpty() ? Long.MAX_VALUE : (limit + 1) / 2;
    }

    /**
     * Adds an operation.
     *
     * @throws StateException TX_TOO_LARGE or TOO_MANY_TX if a limit is exceeded; another reason if the transaction is
     *     not open
     */
    synchronized void stage(String caller, String txId, Operation operation) {
        Open transaction = find(caller, txId);
        long bytes = transaction.bytes + operation.bytes();
        limits.require(transaction.operations.size() + 1, bytes);
        long held = operation.bytes() + PendingCommit.HELD_BYTES;
        long share = share(caller, limits.maxStagedBytes());
        if (stagedBytes + held > share && heldBy(caller) + held > share) {
            throw Reason.TOO_MANY_TX.because("open transactions of this caller would hold more than " + share
                    + " bytes together; commit some of them first");
        }
        if (stagedBytes + held > limits.maxStagedBytes()) {
            throw Reason.TOO_MANY_TX.because(
                    "open transactions would hold more than " + limits.maxStagedBytes() + " bytes together");
        }
        stagedBytes += held;
        transaction.bytes = bytes;
        transaction.operations.add(operation);
    }

    private long heldBy(String caller) {
        return open.values().stream()
                .filter(each -> each.caller.equals(caller))
                .mapToLong(Open::held)
                .sum();
    }

    /**
     * Ends a transaction that is about to be committed, and returns its staged operations.
     *
     * @param permit receives the operations; if it throws, the transaction is aborted and the exception is rethrown
     * @param answer completes with the result of the commit
     * @throws StateException if the transaction is no longer open
     */
    synchronized List<Operation> commit(
            String caller, String txId, Consumer<List<Operation>> permit, CompletableFuture<Committed> answer) {
        Open transaction = find(caller, txId);
        try {
            permit.accept(transaction.operations);
        } catch (RuntimeException e) {
            end(txId, new End(caller, null));
            throw e;
        }
        end(txId, new End(caller, answer.thenApply(Committed::revision)));
        return transaction.operations;
    }

    /**
     * Runs a call that ends a transaction. If a commit of this transaction is in progress, the call runs after that
     * commit, because the answer to the call depends on the commit's result.
     */
    <T> CompletionStage<T> afterCommitInProgress(String caller, String txId, Supplier<CompletionStage<T>> end) {
        CompletableFuture<Long> first = commitInProgress(caller, txId);
        if (first == null) {
            return end.get();
        }
        return first.handle((revision, failure) -> end.get()).thenCompose(Function.identity());
    }

    private synchronized @Nullable CompletableFuture<Long> commitInProgress(String caller, String txId) {
        End end = ends.get(txId);
        CompletableFuture<Long> committed = end == null || !end.caller().equals(caller) ? null : end.committed();
        return committed == null || committed.isDone() ? null : committed;
    }

    /**
     * Aborts a transaction. Does nothing if the transaction was already aborted, has expired, or is unknown to this
     * instance.
     *
     * @throws StateException TX_COMMITTED if the transaction was committed; STORE_DOWN if the result of its commit is
     *     not known; HISTORY_CHANGED if the history was replaced after the transaction began
     */
    synchronized void abort(String caller, String txId) {
        try {
            find(caller, txId);
            end(txId, new End(caller, null));
        } catch (StateException e) {
            if (e.reason() == Reason.TX_COMMITTED
                    || e.reason() == Reason.STORE_DOWN
                    || e.reason() == Reason.HISTORY_CHANGED) {
                throw e;
            }
        }
    }

    /**
     * Aborts a transaction whose commit was rejected before its operations were read; does nothing if the caller has no
     * such open transaction.
     */
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
            throw expired(txId, "nothing was committed");
        }
        End end = ends.get(txId);
        if (end != null && end.caller().equals(caller)) {
            throw ended(txId, end);
        }
        if (transaction == null && end == null && isOver(txId)) {
            throw expired(
                    txId,
                    "if you sent Commit before, it may have taken effect: read the current state; otherwise, nothing"
                            + " was committed");
        }
        throw Reason.TX_NOT_FOUND.because("this instance has no transaction " + txId
                + ": the transaction ended long ago, or another instance opened it");
    }

    private static StateException ended(String txId, End end) {
        if (!end.historyId().isEmpty()) {
            return Reason.HISTORY_CHANGED.because(
                    "transaction " + txId
                            + " belongs to a history that was replaced; read the current state and begin again",
                    Map.of("history_id", end.historyId()));
        }
        if (end.committed() == null) {
            return Reason.TX_ABORTED.because("transaction " + txId + " was aborted");
        }
        // another call is committing the transaction; waiting here for its result would hold the lock
        if (!end.committed().isDone()) {
            return Reason.STORE_DOWN.because("transaction " + txId + " is being committed; ask again in a moment");
        }
        try {
            long revision = end.committed().join();
            return Reason.TX_COMMITTED.because(
                    "transaction " + txId + " was committed", Map.of("revision", Long.toString(revision)));
        } catch (CompletionException e) {
            return e.getCause() instanceof StateException known && !known.isOutage()
                    ? Reason.TX_ABORTED.because("transaction " + txId + " has ended, because its commit failed")
                    : Reason.STORE_DOWN.because("it is not known whether transaction " + txId
                            + " was committed, because the storage failed; read the current state");
        }
    }

    private static StateException expired(String txId, String what) {
        return Reason.TX_EXPIRED.because("transaction " + txId + " has timed out; " + what);
    }

    /**
     * Returns whether a transaction has timed out; called only for a transaction that is neither open nor remembered. A
     * transaction of this instance is assumed to have timed out. For a transaction of another instance, the expiry in
     * its id is compared with the wall clock.
     */
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

    /**
     * Ends all open transactions because the history was replaced. From then on, calls for these transactions and for
     * all remembered transactions are answered with HISTORY_CHANGED, because the new history may lack their commits.
     */
    synchronized void endAll(String historyId) {
        Map<String, Open> begun = Map.copyOf(open);
        begun.forEach((txId, transaction) -> end(txId, new End(transaction.caller, null)));
        ends.replaceAll((txId, end) -> new End(end.caller(), null, historyId));
    }

    /** Ends the transactions that have timed out. */
    synchronized void expire() {
        long now = nanoTicker.getAsLong();
        open.values().removeIf(transaction -> {
            boolean isOver = transaction.endNanos - now <= 0;
            stagedBytes -= isOver ? transaction.held() : 0;
            expired += isOver ? 1 : 0;
            return isOver;
        });
    }

    /** Returns the number of open transactions. */
    synchronized int open() {
        return open.size();
    }

    /** Returns the number of transactions that have timed out so far. */
    synchronized long expired() {
        return expired;
    }
}
