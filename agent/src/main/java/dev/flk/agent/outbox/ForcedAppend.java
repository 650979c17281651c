// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.wal.Append;
import dev.flk.wal.Entry;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;

/**
 * An append to the log.
 *
 * @param onDisk called with the first sequence, on the log's thread, before the future completes there
 * @param ended completes with nothing once it is on disk
 */
record ForcedAppend(List<Entry> entries, LongConsumer onDisk, CompletableFuture<Void> ended) implements Append {

    ForcedAppend(List<Entry> entries, LongConsumer onDisk) {
        this(entries, onDisk, new CompletableFuture<>());
    }

    @Override
    public void forced(long firstSequence) {
        onDisk.accept(firstSequence);
        ended.complete(null);
    }

    @Override
    public void failed(IOException cause) {
        ended.completeExceptionally(cause);
    }
}
