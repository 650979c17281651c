// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.logging.LineLimit;
import dev.flk.wal.Entry;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Records that nobody waits for: that entries are settled, or did not arrive. What the disk refuses is kept, up to a bound, and appended
 * again; what is lost by that bound or a crash is sent once more and answered as a duplicate. Safe for several threads.
 */
final class Notes {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    private static final int MOST_KEPT = 10_000;

    private final Log log;
    private final LineLimit limit;
    private final Queue<Entry> refused = new ArrayDeque<>();

    Notes(Log log, LineLimit limit) {
        this.log = log;
        this.limit = limit;
    }

    /** Appends a record; returns before it is on disk. */
    void add(Entry note) {
        var unused = ForcedAppend.to(log, List.of(note), sequence -> {}).exceptionally(failure -> {
            keep(note, failure);
            return null;
        });
    }

    /** Keeps a record that the disk has refused. */
    void keep(Entry note, Throwable failure) {
        synchronized (this) {
            if (refused.size() < MOST_KEPT) {
                refused.add(note);
            }
        }
        limit.say(
                "append",
                leftOut -> LOG.error(
                        "outbox append error: {}; what was sent and settled is noted again when the disk takes it,"
                                + " after a crash some is sent again{}",
                        failure.getMessage(),
                        leftOut));
    }

    /** Appends again what was refused. */
    void retry() {
        List<Entry> again;
        synchronized (this) {
            again = List.copyOf(refused);
            refused.clear();
        }
        again.forEach(this::add);
    }

    /**
     * An append to the log.
     *
     * @param onDisk called with the first sequence, on the log's thread, before the future completes there
     * @param ended completes with nothing once it is on disk
     */
    record ForcedAppend(List<Entry> entries, LongConsumer onDisk, CompletableFuture<Void> ended) implements Append {

        /** Appends to a log, all or nothing; a log that can take no more refuses at once, by a failed future. */
        static CompletableFuture<Void> to(Log log, List<Entry> entries, LongConsumer onDisk) {
            ForcedAppend append = new ForcedAppend(entries, onDisk);
            if (!log.append(append)) {
                append.failed(new IOException("too much waits for the disk"));
            }
            return append.ended();
        }

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
}
