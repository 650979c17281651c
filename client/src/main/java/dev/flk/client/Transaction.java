// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.Check;
import dev.flk.client.proto.Delete;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.Write;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Operations that are committed together or not at all, in one namespace or in several. They are kept here until {@link #commit} sends
 * them, in one call; a transaction that is closed without it has done nothing. One thread.
 */
public final class Transaction implements AutoCloseable {
    /** Less than the 15 minutes for which a backend remembers a request id, by more than a call takes after its deadline. */
    private static final Duration REMEMBERED = Duration.ofMinutes(14);

    private final StateClient client;
    private final String namespace;
    private final Shared shared;

    /** The state of a transaction, for all of its namespaces. */
    private static final class Shared {
        private final List<Operation> operations = new ArrayList<>();
        /** The same in each try, so that a commit whose answer was lost is not done twice. */
        private final String requestId = UUID.randomUUID().toString();

        private boolean isSent;
        private long sentNanos;
        private boolean isOver;
    }

    Transaction(StateClient client, String namespace) {
        this(client, namespace, new Shared());
    }

    private Transaction(StateClient client, String namespace, Shared shared) {
        this.client = client;
        this.namespace = namespace;
        this.shared = shared;
    }

    /** The same transaction, for operations in another namespace. */
    public Transaction namespace(String name) {
        return new Transaction(client, name, shared);
    }

    /** Gives a key a value, one JSON value. */
    public Transaction write(String agentId, String key, String json) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder().setKey(key(agentId, key)).setJson(StateClient.text("the value", json))));
    }

    /** The same, if this version stands; 0: if the key does not exist. */
    public Transaction writeIf(String agentId, String key, String json, long version) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder()
                        .setKey(key(agentId, key))
                        .setJson(StateClient.text("the value", json))
                        .setIfVersion(version)));
    }

    /** Deletes a key; one that does not exist is left alone. */
    public Transaction delete(String agentId, String key) {
        return add(Operation.newBuilder().setDelete(Delete.newBuilder().setKey(key(agentId, key))));
    }

    /** The same, if this version stands. */
    public Transaction deleteIf(String agentId, String key, long version) {
        return add(Operation.newBuilder()
                .setDelete(Delete.newBuilder().setKey(key(agentId, key)).setIfVersion(version)));
    }

    /** Lets the transaction be committed only if this version of a key stands; 0: if it does not exist. */
    public Transaction check(String agentId, String key, long version) {
        return add(Operation.newBuilder()
                .setCheck(Check.newBuilder().setKey(key(agentId, key)).setIfVersion(version)));
    }

    private Key key(String agentId, String key) {
        return StateClient.key(namespace, agentId, key);
    }

    private Transaction add(Operation.Builder operation) {
        requireOpen();
        if (shared.isSent) {
            throw new IllegalStateException("the transaction was sent: call commit again, or begin another one");
        }
        shared.operations.add(operation.build());
        return this;
    }

    private void requireOpen() {
        if (shared.isOver) {
            throw new IllegalStateException("the transaction is over");
        }
    }

    /**
     * Makes all of it durable and visible, or none. Tries for as long as the client's timeout. If that fails otherwise than by a refusal
     * ({@link StateCallException.VersionConflict}, {@link StateCallException.Invalid}, a value or transaction that is too large), it may be
     * called again, for 14 minutes after the first call: it returns what the first try came to, or does it now, and never does it twice.
     *
     * @throws StateCallException {@link StateCallException.VersionConflict} if a condition does not hold;
     *     {@link StateCallException.Unreachable} and {@link StateCallException.StoreDown} if the outcome is not known
     * @throws IllegalStateException if the transaction is over, or its outcome can no longer be asked for
     */
    public Commit commit() {
        requireOpen();
        if (!shared.isSent) {
            shared.isSent = true;
            shared.sentNanos = System.nanoTime();
        }
        Duration left = REMEMBERED.minusNanos(System.nanoTime() - shared.sentNanos);
        if (left.isNegative() || left.isZero()) {
            throw new IllegalStateException("the first commit of this transaction was " + REMEMBERED.toMinutes()
                    + " minutes ago, so that another one might do it twice: read whether it was done");
        }
        try {
            Commit commit = client.commit(shared.operations, shared.requestId, left);
            shared.isOver = true;
            return commit;
        } catch (StateCallException e) {
            shared.isOver = e.isRefusal();
            throw e;
        }
    }

    /** Forgets what was not committed. */
    @Override
    public void close() {
        shared.isOver = true;
    }
}
