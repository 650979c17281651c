// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.Storage.RequestKey;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A transaction that is queued for commit.
 *
 * @param caller the caller, among whom commits are divided fairly; empty for the engine itself, or without tokens
 * @param operations the operations; empty if {@code removal} replaces them
 * @param conditions additional checks that must hold; they add no versions to the answer
 * @param removal the keys to delete, which are selected when the transaction is decided; null if the transaction is not
 *     a removal
 * @param request the request under which the answer is remembered; null if the answer is not remembered
 * @param content a text that reveals whether a caller uses the same request id for another transaction: a digest of the
 *     operations, the id of a staged transaction, or the text of a removal; unused if {@code request} is null
 * @param otherwise an error that was found before the commit was queued; null for none. The commit is queued all the
 *     same, because an answer to its request may be remembered. If no answer is remembered, the commit is rejected with
 *     this error
 * @param answer completes when the transaction is durable or rejected
 */
record PendingCommit(
        String caller,
        List<Operation> operations,
        List<Operation> conditions,
        @Nullable Removal removal,
        @Nullable RequestKey request,
        String content,
        @Nullable StateException otherwise,
        CompletableFuture<Committed> answer) {
    /**
     * The deletion of all keys of an agent that begin with a prefix, in one commit.
     *
     * @param prefix the prefix; empty for all keys of the agent
     * @param ifRevision if one of the keys was written after this revision, the commit is rejected with
     *     VERSION_CONFLICT; {@link #ANY_REVISION} for no such condition
     */
    record Removal(String namespace, String agentId, String prefix, long ifRevision) {
        static final long ANY_REVISION = -1;

        /** Returns a text that differs between removals. */
        String content() {
            // line feeds separate the parts unambiguously, because names have no control characters
            return "remove\n" + namespace + "\n" + agentId + "\n" + prefix + "\n" + ifRevision;
        }

        @Override
        public String toString() {
            return namespace + "/" + agentId + "/" + prefix + "*";
        }
    }

    /** The approximate number of bytes of memory that an operation takes in addition to {@link Operation#bytes}. */
    static final long HELD_BYTES = 192;

    PendingCommit(
            String caller,
            List<Operation> operations,
            List<Operation> conditions,
            @Nullable RequestKey request,
            String content,
            @Nullable StateException otherwise,
            CompletableFuture<Committed> answer) {
        this(caller, operations, conditions, null, request, content, otherwise, answer);
    }

    /** Creates a removal. */
    PendingCommit(String caller, Removal removal, @Nullable RequestKey request) {
        this(caller, List.of(), List.of(), removal, request, removal.content(), null, new CompletableFuture<>());
    }

    /** Returns a copy that is rejected with this error, unless an answer to its request is remembered. */
    PendingCommit failing(StateException error) {
        return new PendingCommit(caller, operations, conditions, removal, request, content, error, answer);
    }

    /** Returns a copy with these conditions and another answer. */
    PendingCommit with(List<Operation> conditions, CompletableFuture<Committed> answer) {
        return new PendingCommit(caller, operations, conditions, removal, request, content, otherwise, answer);
    }

    /** Returns the approximate size of the operations in memory, in bytes. */
    long held() {
        return bytes() + operations.size() * HELD_BYTES;
    }

    /** Returns the approximate number of bytes that the operations add to the storage; 0 for a removal. */
    long bytes() {
        return bytes(operations);
    }

    static long bytes(List<Operation> operations) {
        return operations.stream().mapToLong(Operation::bytes).sum();
    }

    private static String lifetime(Operation operation) {
        long ttlMicros = operation instanceof Operation.Write write
                ? write.ttlMicros()
                : operation instanceof Operation.Touch touch ? touch.ttlMicros() : 0;
        return ttlMicros == 0 ? "" : "ttl " + ttlMicros + "\n";
    }

    /**
     * Returns a digest of operations. Two lists have the same digest exactly if they have equal operations in the same
     * order.
     */
    static String digest(List<Operation> operations) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            for (Operation operation : operations) {
                String json = operation instanceof Operation.Write write ? write.json() : "";
                String kind = operation.getClass().getSimpleName();
                // line feeds separate the parts unambiguously, because names and values have no unescaped control
                // characters
                String text = kind + "\n" + operation.key().namespace() + "\n"
                        + operation.key().agentId() + "\n"
                        + operation.key().name() + "\n" + operation.ifVersion() + "\n" + json + "\n"
                        + lifetime(operation);
                sha256.update(text.getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(sha256.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("this JVM has no SHA-256", e);
        }
    }
}
