// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.Append;
import dev.flk.wal.Entry;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** An append to the log and the future of its first sequence, which completes on the log's thread once it is on disk. */
record ForcedAppend(List<Entry> entries, CompletableFuture<Long> firstSequence) implements Append {

    ForcedAppend(List<Entry> entries) {
        this(entries, new CompletableFuture<>());
    }

    @Override
    public void forced(long sequence) {
        firstSequence.complete(sequence);
    }

    @Override
    public void failed(IOException cause) {
        firstSequence.completeExceptionally(cause);
    }
}
