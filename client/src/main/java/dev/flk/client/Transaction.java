// SPDX-License-Identifier: Apache-2.0
package dev.flk.client;

import dev.flk.client.proto.Check;
import dev.flk.client.proto.Delete;
import dev.flk.client.proto.Key;
import dev.flk.client.proto.Operation;
import dev.flk.client.proto.Write;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * Operations that are committed together or not at all. They are kept here until {@link #commit} sends them, in one call; a transaction that
 * is closed without it has done nothing. One thread.
 */
public final class Transaction implements AutoCloseable {
    private final StateClient client;
    private final String namespace;
    private final List<Operation> operations = new ArrayList<>();
    /** The same in each try, so that a commit whose answer was lost is not done twice. */
    private final String requestId = UUID.randomUUID().toString();

    private boolean isOver;

    Transaction(StateClient client, String namespace) {
        this.client = client;
        this.namespace = namespace;
    }

    /** Gives a key a value, one JSON value. */
    public Transaction write(String agentId, String key, String json) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder().setKey(key(agentId, key)).setJson(json)));
    }

    /** The same, if this version stands; 0: if the key does not exist. */
    public Transaction writeIf(String agentId, String key, String json, long version) {
        return add(Operation.newBuilder()
                .setWrite(Write.newBuilder()
                        .setKey(key(agentId, key))
                        .setJson(json)
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
        return Key.newBuilder()
                .setNamespace(namespace)
                .setAgentId(agentId)
                .setKey(key)
                .build();
    }

    private Transaction add(Operation.Builder operation) {
        requireOpen();
        operations.add(operation.build());
        return this;
    }

    private void requireOpen() {
        if (isOver) {
            throw new IllegalStateException("the transaction is over");
        }
    }

    /**
     * Makes all of it durable and visible, or none; the transaction is over in any case.
     *
     * @throws StateCallException {@link StateCallException.VersionConflict} if a condition does not hold
     */
    public Commit commit() {
        requireOpen();
        isOver = true;
        return client.commit(operations, requestId);
    }

    /** Forgets what was not committed. */
    @Override
    public void close() {
        isOver = true;
    }
}
