// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.program.logging.LineLimit;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The appends that no caller waits for: records that entries are settled, or did not arrive. Records that the disk
 * fails to write are kept, up to a bound, and appended again. If a record is lost because of the bound or a crash, its
 * certificates are sent once more and answered as duplicates. Safe for several threads.
 */
final class BackgroundAppends {
    private static final Logger LOG = LoggerFactory.getLogger(Outbox.class);
    private static final int MOST_KEPT = 10_000;

    private final Log log;
    private final LineLimit limit;
    private final Queue<Entry> refused = new ArrayDeque<>();

    BackgroundAppends(Log log, LineLimit limit) {
        this.log = log;
        this.limit = limit;
    }

    /** Appends a record; returns before it is on disk. */
    void add(Entry note) {
        ForcedAppend.to(log, List.of(note), sequence -> {}).exceptionally(failure -> {
            keep(note, failure);
            return null;
        });
    }

    /** Keeps a record that the disk has failed to write, for {@link #retry}. */
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

    /** Appends the kept records again. */
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
     * @param onDisk a callback for the first sequence; runs on the log's thread, before the future completes there
     * @param ended a future that completes once the records are on disk
     */
    record ForcedAppend(List<Entry> entries, LongConsumer onDisk, CompletableFuture<Void> ended) implements Append {

        /** Appends all records to a log or none. Returns a failed future at once if the log accepts no more. */
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
