// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.state.Operation;
import io.grpc.StatusRuntimeException;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * The rights that the operations of each open transaction need, so that they are checked again at the commit. A
 * transaction is forgotten when it ends, or, after its time is over, when another one begins. Safe for any thread.
 */
final class StagedRights {
    private final LongSupplier nanoTicker;
    private final Map<Transaction, Needed> open = new ConcurrentHashMap<>();

    private record Transaction(String caller, String txId) {}

    private record Right(String namespace, String agentId, boolean writes) {}

    /** The rights of one transaction; changed only within {@code compute} of its entry. */
    private record Needed(long endNanos, Set<Right> rights) {}

    /** @param nanoTicker monotonic time */
    StagedRights(LongSupplier nanoTicker) {
        this.nanoTicker = nanoTicker;
    }

    /** @param timeout the time after which the transaction is over */
    void begun(Caller caller, String txId, Duration timeout) {
        long now = nanoTicker.getAsLong();
        open.values().removeIf(needed -> needed.endNanos() - now <= 0);
        open.put(new Transaction(caller.name(), txId), new Needed(now + timeout.toNanos(), new HashSet<>()));
    }

    /**
     * Requires the right to an operation, and stages the operation; an operation that can't be staged is not
     * remembered.
     */
    void stage(Caller caller, String txId, Operation operation, Runnable stage) {
        require(caller, right(operation));
        // without an entry the transaction is over, or belongs to another caller
        if (open.computeIfPresent(new Transaction(caller.name(), txId), (transaction, needed) -> {
                    stage.run();
                    needed.rights().add(right(operation));
                    return needed;
                })
                == null) {
            stage.run();
        }
    }

    private static Right right(Operation operation) {
        return new Right(
                operation.key().namespace(), operation.key().agentId(), !(operation instanceof Operation.Check));
    }

    /** Requires a right. A check reveals whether a version exists, so it needs the right to read. */
    private static void require(Caller caller, Right right) {
        if (right.writes()) {
            caller.requireWrite(right.namespace(), right.agentId());
        } else {
            caller.requireRead(right.namespace(), right.agentId());
        }
    }

    /** @throws StatusRuntimeException PERMISSION_DENIED */
    static void require(Caller caller, Operation operation) {
        require(caller, right(operation));
    }

    /**
     * Forgets a transaction that is being committed; its caller must still have the rights to all its operations.
     *
     * @throws StatusRuntimeException PERMISSION_DENIED
     */
    void commit(Caller caller, String txId) {
        Needed needed = open.remove(new Transaction(caller.name(), txId));
        if (needed != null) {
            needed.rights().forEach(right -> require(caller, right));
        }
    }

    /** Forgets a transaction that was aborted. */
    void aborted(Caller caller, String txId) {
        open.remove(new Transaction(caller.name(), txId));
    }
}
