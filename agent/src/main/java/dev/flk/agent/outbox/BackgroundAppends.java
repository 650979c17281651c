// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.program.logging.LineLimit;
import dev.flk.wal.Log;
import dev.flk.wal.Log.Append;
import dev.flk.wal.files.TooManyFilesException;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The appends that no caller waits for, such as the records of settlements. A record that the disk fails to write is
 * kept in memory and appended again; records beyond {@link #MOST_KEPT} are dropped. If the record of a settlement is
 * dropped, or lost in a crash, the certificates are sent again after the next start, and the backend answers them as
 * duplicates. Safe for several threads.
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

    /** Appends a record. Returns before the record is on disk. */
    void add(Entry note) {
        ForcedAppend.to(log, List.of(note), sequence -> {}).exceptionally(failure -> {
            keep(note, failure);
            return null;
        });
    }

    /**
     * Keeps a record that the disk has failed to write; {@link #retry} appends it again. Drops the record if {@link
     * #MOST_KEPT} records are kept already.
     */
    void keep(Entry note, Throwable failure) {
        synchronized (this) {
            if (refused.size() < MOST_KEPT) {
                refused.add(note);
            }
        }
        limit.say(
                "append",
                leftOut -> LOG.error(
                        "outbox append error: {}; the agent retries. If it crashes before the disk shows which"
                                + " certificates were sent and settled, some may be sent twice{}",
                        failure.getMessage(),
                        leftOut));
    }

    /** Appends what {@code corrected} returns for each kept record. */
    void retry(Function<Entry, Optional<Entry>> corrected) {
        List<Entry> again;
        synchronized (this) {
            again = List.copyOf(refused);
            refused.clear();
        }
        again.forEach(note -> corrected.apply(note).ifPresent(this::add));
    }

    /**
     * An append to the log.
     *
     * @param onDisk a callback that receives the sequence of the first record once all records are on disk; it runs on
     *     the log's thread, before {@code ended} completes
     * @param ended a future that completes once all records are on disk, and fails if the records could not be written
     */
    record ForcedAppend(List<Entry> entries, LongConsumer onDisk, CompletableFuture<Void> ended) implements Append {

        /**
         * Appends all of the records to a log, or none of them. If the log's queue is full or the log is closed,
         * returns a future that has already failed.
         */
        static CompletableFuture<Void> to(Log log, List<Entry> entries, LongConsumer onDisk) {
            ForcedAppend append = new ForcedAppend(entries, onDisk);
            if (!log.append(append)) {
                append.failed(
                        new IOException("the log of the outbox is closed, or too many records wait for the disk"));
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

        /** Nothing was added if no file could be opened, which ends without the disk being repaired. */
        @Override
        public void failed(IOException cause) {
            ended.completeExceptionally(
                    cause instanceof TooManyFilesException
                            ? new OutboxFull(String.valueOf(cause.getMessage()))
                            : cause);
        }
    }
}
