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
 * A transaction that waits to be committed.
 *
 * @param request under which its answer is remembered; null: it is not
 * @param content a digest of what is asked, told apart from other content under the same request
 * @param otherwise what it gets if no answer is remembered for it; null: it is committed then
 * @param answer completed once it is on disk, or was refused
 */
record PendingCommit(
        List<Operation> operations,
        @Nullable RequestKey request,
        String content,
        @Nullable StateException otherwise,
        CompletableFuture<Committed> answer) {
    /** What an operation takes in memory beside its names and its value, about. */
    static final long HELD_BYTES = 192;

    PendingCommit(
            List<Operation> operations,
            @Nullable RequestKey request,
            String content,
            @Nullable StateException otherwise) {
        this(operations, request, content, otherwise, new CompletableFuture<>());
    }

    /** How much memory it takes, about. */
    long held() {
        return bytes() + operations.size() * HELD_BYTES;
    }

    /** How much it adds to the storage, about. */
    long bytes() {
        return bytes(operations);
    }

    static long bytes(List<Operation> operations) {
        return operations.stream().mapToLong(Operation::bytes).sum();
    }

    /** A digest of operations: equal if they are, and otherwise not. */
    static String digest(List<Operation> operations) {
        try {
            MessageDigest sha256 = MessageDigest.getInstance("SHA-256");
            for (Operation operation : operations) {
                String json = operation instanceof Operation.Write write ? write.json() : "";
                String kind = operation.getClass().getSimpleName();
                // no part holds a line's end: names and values have no control characters outside of escapes
                String text = kind + "\n" + operation.key().namespace() + "\n"
                        + operation.key().agentId() + "\n"
                        + operation.key().name() + "\n" + operation.ifVersion() + "\n" + json + "\n";
                sha256.update(text.getBytes(StandardCharsets.UTF_8));
            }
            return HexFormat.of().formatHex(sha256.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java has SHA-256", e);
        }
    }
}
