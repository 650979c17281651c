// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.embedded;

import dev.flk.state.Event;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Head;
import dev.flk.state.embedded.Tables.Changes;
import dev.flk.state.embedded.Tables.Scan;
import dev.flk.state.embedded.Tables.Table;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;

/**
 * A start of {@link EmbeddedStorage}: reads the head from RocksDB, and replays into RocksDB those batches of the log
 * that RocksDB lacks. Gives the history a new id if answered commits are or may be missing.
 */
final class StateRecovery {
    private final Path directory;
    private final Supplier<String> newHistoryId;
    private final Database db;
    private final CommitLog commits;
    private final Map<String, Long> trimmed = new HashMap<>();
    private Optional<String> missing = Optional.empty();
    private boolean hasPosition;

    StateRecovery(Path directory, Supplier<String> newHistoryId, Database db, CommitLog commits) {
        this.directory = directory;
        this.newHistoryId = newHistoryId;
        this.db = db;
        this.commits = commits;
    }

    /**
     * Runs the recovery and returns the head.
     *
     * @throws StateException if an operator must look at the files
     */
    Head run() throws RocksDBException, IOException {
        Head found = readHead();
        byte[] stored = db.get(Table.META, StateLayout.NEXT_RECORD_KEY);
        hasPosition = stored != null;
        return complete(found, stored);
    }

    /** Returns the revision up to which each namespace is trimmed for readers. */
    Map<String, Long> trimmed() {
        return trimmed;
    }

    /** Returns why answered commits are or may be missing; empty if no loss was found. */
    Optional<String> missing() {
        return missing;
    }

    private Head readHead() throws RocksDBException {
        byte[] format = db.get(Table.META, StateLayout.FORMAT_KEY);
        byte[] last = db.lastKey(Table.EVENTS);
        if (format == null) {
            if (last != null) {
                throw Reason.STORE_DOWN.because("the state in " + directory
                        + " is an interrupted restore: empty the directory and restore again");
            }
            Head created = new Head(newHistoryId.get(), 0, 0, 0, 0);
            writeAndFlush(TableWrites.history(created));
            return created;
        }
        int found = ByteBuffer.wrap(format).getInt();
        if (found != StateLayout.FORMAT) {
            throw Reason.STORE_DOWN.because("the state in " + directory + " has format " + found
                    + ", this version reads " + StateLayout.FORMAT + ": run the version that wrote it");
        }
        byte[] historyId = db.required(Table.META, StateLayout.HISTORY_KEY, "the id of the history");
        ByteBuffer stored = ByteBuffer.wrap(db.required(Table.META, StateLayout.FLOOR_KEY, "the floor"));
        long floor = stored.getLong();
        long floorAtMicros = stored.getLong();
        long revision =
                last == null ? floor : Math.max(floor, ByteBuffer.wrap(last).getLong());
        readTrimmed();
        return new Head(
                StateLayout.text(historyId, 0, historyId.length),
                revision,
                revision == floor ? floorAtMicros : db.committedAt(revision),
                floor,
                floorAtMicros);
    }

    private void readTrimmed() {
        try (Scan all = db.scan(Table.META, StateLayout.trimmed(""))) {
            for (boolean isValid = all.seek(StateLayout.trimmed("")); isValid; isValid = all.next()) {
                String namespace = StateLayout.text(all.key(), StateLayout.TRIMMED.length(), all.key().length);
                trimmed.put(namespace, ByteBuffer.wrap(all.value()).getLong());
            }
        }
    }

    private void writeAndFlush(Changes changes) throws RocksDBException {
        db.write(changes);
        db.flush();
    }

    /** @param position the sequence of the first record that RocksDB lacks; null if RocksDB has no position */
    private Head complete(Head found, byte @Nullable [] position) throws RocksDBException, IOException {
        long next = position == null ? commits.end() : ByteBuffer.wrap(position).getLong();
        Head now = found;
        try (LogReader records = commits.read(next)) {
            for (LogRecord record = records.next(); record != null; record = records.next()) {
                Batch batch = CommitLog.batch(record);
                if (record.sequence() != next || !record.keyId().equals(now.historyId()) || !follows(now, batch)) {
                    break; // a repair has removed records before this one, or the log belongs to another history
                }
                write(db, batch, next);
                next++;
                for (Event event : batch.events()) {
                    now = now.next(event.committedAtMicros());
                }
            }
        }
        Optional<String> lost = next == commits.end()
                ? AnsweredFile.contradiction(directory, now, hasPosition)
                : Optional.of("the log in " + directory.resolve(EmbeddedStorage.LOG_DIRECTORY)
                        + " lacks records from record " + next + " on, with the commits after revision "
                        + now.revision());
        if (lost.isEmpty()) {
            return now;
        }
        now = now.ofHistory(newHistoryId.get());
        writeAndFlush(
                position(commits.end()).put(Table.META, StateLayout.HISTORY_KEY, StateLayout.utf8(now.historyId())));
        hasPosition = true;
        missing = Optional.of(lost.get() + "; the history is now " + now.historyId()
                + ", and clients that follow a replay must start over");
        return now;
    }

    /** Notes in RocksDB that the {@link AnsweredFile} exists, so that from now on a start misses it if it is removed. */
    void answeredFileExists() throws RocksDBException {
        if (!hasPosition) {
            writeAndFlush(position(commits.end()));
        }
    }

    private static boolean follows(Head head, Batch batch) {
        return batch.events().isEmpty() || batch.events().get(0).revision() == head.revision() + 1;
    }

    /** Writes the batch of a record of the log, together with the position after this record. */
    static void write(Tables tables, Batch batch, long sequence) {
        TableWrites writes = new TableWrites(tables, position(sequence + 1));
        writes.put(batch);
        tables.write(writes.changes());
    }

    private static Changes position(long next) {
        return new Changes().put(Table.META, StateLayout.NEXT_RECORD_KEY, StateLayout.longs(next));
    }
}
