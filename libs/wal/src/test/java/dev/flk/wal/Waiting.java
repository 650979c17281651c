// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static dev.flk.wal.SimulatedLog.entry;

import dev.flk.wal.Log.Append;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** An append whose outcome can be awaited. */
record Waiting(List<Entry> entries, CompletableFuture<Long> end) implements Append {
    static Waiting of(String body) {
        return new Waiting(List.of(entry(body)), new CompletableFuture<>());
    }

    /** Hands an append to the log, which must accept it. */
    static Waiting append(Log log, String body) {
        Waiting append = of(body);
        if (!log.append(append)) {
            throw new IllegalStateException("refused");
        }
        return append;
    }

    @Override
    public void forced(long firstSequence) {
        end.complete(firstSequence);
    }

    @Override
    public void failed(IOException cause) {
        end.completeExceptionally(cause);
    }
}
