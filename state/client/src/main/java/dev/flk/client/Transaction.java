// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.Check;
import dev.flk.client.proto.Delete;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.Touch;
import dev.flk.client.proto.Write;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Operations, in one or more namespaces, that are committed together or not at all. The operations are kept in the
 * client until {@link #commit} sends them in one call. A transaction that is closed without a commit has no effect.
 * Confined to one thread.
 */
public final class Transaction implements AutoCloseable {
    /**
     * The time after the first call within which a commit may be repeated. It ends one minute before the backend
     * forgets the request id, because a call may still be in progress for up to a minute after its deadline.
     */
    private static final Duration REPEATABLE = Duration.ofMinutes(14);

    private final StateClient client;
    private final String namespace;
    private final Shared shared;

    /** The state of a transaction, shared by its {@code Transaction} objects for different namespaces. */
    private static final class Shared {
        private final List<Operation> operations = new ArrayList<>();
        /** An id that all tries share, so that a commit whose response was lost is not applied twice. */
        private final String requestId = UUID.randomUUID().toString();

        private boolean isSent;
        private long sentNanos;
        private boolean hasEnded;
    }

    Transaction(StateClient client, String namespace) {
        this(client, namespace, new Shared());
    }

    private Transaction(StateClient client, String namespace, Shared shared) {
        this.client = client;
        this.namespace = namespace;
        this.shared = shared;
    }

    /** Returns the same transaction for operations in another namespace. */
    public Transaction namespace(String name) {
        return new Transaction(client, name, shared);
    }

    /** Writes one JSON value to a key. */
    public Transaction write(String agentId, String key, String json) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder().setKey(key(agentId, key)).setJson(Messages.text("the value", json))));
    }

    /**
     * Writes a value. The commit fails unless the current version of the key is {@code version}; 0 means that the key
     * does not exist.
     */
    public Transaction writeIf(String agentId, String key, String json, long version) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder()
                        .setKey(key(agentId, key))
                        .setJson(Messages.text("the value", json))
                        .setIfVersion(version)));
    }

    /**
     * Writes a value to a key with a lifetime. When the lifetime is over, the backend deletes the key, unless another
     * write or {@link #touch} came first.
     *
     * @param ttl 1 second to 30 days
     */
    public Transaction write(String agentId, String key, String json, Duration ttl) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder()
                        .setKey(key(agentId, key))
                        .setJson(Messages.text("the value", json))
                        .setTtl(Messages.duration(ttl))));
    }

    /**
     * Writes a value to a key with a lifetime, as {@link #write(String, String, String, Duration)} does. The commit
     * fails unless the current version of the key is {@code version}; 0 means that the key does not exist.
     */
    public Transaction writeIf(String agentId, String key, String json, long version, Duration ttl) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder()
                        .setKey(key(agentId, key))
                        .setJson(Messages.text("the value", json))
                        .setIfVersion(version)
                        .setTtl(Messages.duration(ttl))));
    }

    /**
     * Restarts the lifetime of a key that has a lifetime, without creating a new version. The commit fails if the key
     * does not exist.
     *
     * @param ttl 1 second to 30 days
     */
    public Transaction touch(String agentId, String key, Duration ttl) {
        return add(Operation.newBuilder()
                .setTouch(Touch.newBuilder().setKey(key(agentId, key)).setTtl(Messages.duration(ttl))));
    }

    /** Deletes a key; has no effect if the key does not exist. */
    public Transaction delete(String agentId, String key) {
        return add(Operation.newBuilder().setDelete(Delete.newBuilder().setKey(key(agentId, key))));
    }

    /** Deletes a key. The commit fails unless the current version of the key is {@code version}. */
    public Transaction deleteIf(String agentId, String key, long version) {
        return add(Operation.newBuilder()
                .setDelete(Delete.newBuilder().setKey(key(agentId, key)).setIfVersion(version)));
    }

    /** Makes the commit conditional on the version of a key; version 0 means that the key does not exist. */
    public Transaction check(String agentId, String key, long version) {
        return add(Operation.newBuilder()
                .setCheck(Check.newBuilder().setKey(key(agentId, key)).setIfVersion(version)));
    }

    private Key key(String agentId, String key) {
        return Messages.key(namespace, agentId, key);
    }

    private Transaction add(Operation.Builder operation) {
        requireOpen();
        if (shared.isSent) {
            throw new IllegalStateException(
                    "commit was already called, so no operation can be added: call commit again to learn its result, or"
                            + " begin another transaction");
        }
        shared.operations.add(operation.build());
        return this;
    }

    private void requireOpen() {
        if (shared.hasEnded) {
            throw new IllegalStateException("the transaction is over");
        }
    }

    /**
     * Commits the transaction: either all operations become durable and visible, or none. The client retries until its
     * timeout. If this method throws, it may be called again within 14 minutes of the first call, unless the commit was
     * rejected ({@link StateCallException.VersionConflict}, {@link StateCallException.Invalid}, a value or transaction
     * that is too large). If an earlier call did commit, a repeated call returns the result of that commit; otherwise,
     * it commits now. Nothing is committed twice.
     *
     * @throws StateCallException {@link StateCallException.VersionConflict} if a condition does not hold; {@link
     *     StateCallException.Unreachable} and {@link StateCallException.StoreDown} if the outcome is unknown
     * @throws IllegalStateException if the transaction has ended, or it is too late to ask for its outcome
     */
    public Commit commit() {
        requireOpen();
        if (!shared.isSent) {
            shared.isSent = true;
            shared.sentNanos = System.nanoTime();
        }
        Duration left = REPEATABLE.minusNanos(System.nanoTime() - shared.sentNanos);
        if (left.isNegative() || left.isZero()) {
            throw new IllegalStateException("commit was first called more than " + REPEATABLE.toMinutes()
                    + " minutes ago, and another call might apply the transaction twice: read the keys to learn"
                    + " whether it was applied");
        }
        try {
            Commit commit = client.commit(shared.operations, shared.requestId, left);
            shared.hasEnded = true;
            return commit;
        } catch (StateCallException e) {
            shared.hasEnded = e.isRejection();
            throw e;
        }
    }

    /** Discards the transaction if it was not committed. */
    @Override
    public void close() {
        shared.hasEnded = true;
    }
}
