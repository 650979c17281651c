// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.IndexEntry.Clock;
import dev.flk.backend.outcomes.record.IndexEntry.Scope;
import dev.flk.backend.outcomes.record.IndexSearch.Entries;
import dev.flk.backend.outcomes.record.IndexSearch.Range;
import dev.flk.backend.outcomes.record.IndexSearch.Selection;
import dev.flk.state.Event;
import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.StateEngine;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.StateKey;
import dev.flk.state.StateReads.Found;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.Head;
import dev.flk.view.NativeLibrary;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * An index of the record by time, verdict, regime, shard, key and id, in a RocksDB of its own. The index follows the
 * history of the state. Therefore, it also has the outcomes that other backends write to the same Postgres.
 *
 * <p>The index is derived from the record. Entries and the position in the history are written in one batch; after a
 * crash, the index continues at the saved position. An index that is missing, is damaged or belongs to another history
 * is built again. An entry may belong to an outcome that was removed or replaced, so readers compare each entry with
 * the current outcome.
 *
 * <p>One thread calls {@link #step}; any thread reads.
 */
public final class RecordIndex implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    /** The key of the position, which sorts before the keys of all entries. */
    private static final byte[] POSITION = {0};

    private static final byte[] AFTER_ALL = {(byte) 0xff};
    private static final long STEP_BYTES = 1 << 20;
    private static final long STEPS_BETWEEN_SWEEPS = 100;
    private static final int SWEPT_AT_ONCE = 100;
    /** The number of values in one read of the state, whose total size is limited. */
    private static final int READ_AT_ONCE = 10;

    private static final int REPORT_EVERY = 500_000;

    private final StateEngine engine;
    private final @Nullable Path directory;

    /** Every use of the database holds the read lock; opening and closing it holds the write lock. */
    private final ReentrantReadWriteLock open = new ReentrantReadWriteLock();

    // guarded by open
    private @Nullable IndexDatabase database;
    private boolean isClosed;

    private volatile boolean isComplete;
    private volatile boolean hasFailed;
    private volatile boolean isDamaged;

    // used only by the thread that calls step()
    private @Nullable Position position;
    private boolean isVerified;
    private long built;
    private long stepsToSweep;
    private @Nullable String reportedFailure;

    /**
     * Creates an index; opens nothing yet.
     *
     * @param directory a directory for the index only; null to keep the index in memory
     */
    public RecordIndex(StateEngine engine, @Nullable Path directory) {
        this.engine = engine;
        this.directory = directory;
    }

    /**
     * The point of the history up to which the record is indexed.
     *
     * @param isBuilding true while the current values are being indexed, false after that
     * @param after the key of the last value that was indexed while building; null before the first value, and when
     *     building is over
     */
    private record Position(
            String historyId,
            long revision,
            long micros,
            boolean isBuilding,
            @Nullable StateKey after) {
        byte[] encode() {
            String place = after == null ? "\n" : after.agentId() + "\n" + after.name();
            return (historyId + "\n" + revision + "\n" + micros + "\n" + isBuilding + "\n" + place)
                    .getBytes(StandardCharsets.UTF_8);
        }

        static Position decode(byte[] encoded) {
            String[] lines = new String(encoded, StandardCharsets.UTF_8).split("\n", -1);
            return new Position(
                    lines[0],
                    Long.parseLong(lines[1]),
                    Long.parseLong(lines[2]),
                    Boolean.parseBoolean(lines[3]),
                    lines[4].isEmpty() ? null : new StateKey(RecordedOutcomes.NAMESPACE, lines[4], lines[5]));
        }
    }

    /** A use of the open database. */
    private interface Use<T> {
        T of(IndexDatabase opened) throws RocksDBException;
    }

    /**
     * Indexes some of the outcomes that are not indexed yet. If the database fails, logs the failure and returns false.
     *
     * @return whether there is more to index now
     * @throws StateException if the state can't be read, or if this index is closed
     */
    boolean step() {
        try {
            if (hasFailed) {
                closeDatabase();
            }
            openDatabase();
            boolean isMore = using(this::step);
            reportedFailure = null;
            return isMore;
        } catch (RocksDBException | IOException | UnsatisfiedLinkError e) {
            failed(e);
            String message = String.valueOf(e.getMessage());
            if (!message.equals(reportedFailure)) {
                LOG.error(
                        "the index of the record of outcomes has failed; outcomes can't be searched until it can be"
                                + " opened again, which is retried: {}",
                        message);
                reportedFailure = message;
            }
            return false;
        }
    }

    /** Records a failure. The next step opens the database again, or an empty one if the files are damaged. */
    private void failed(Throwable e) {
        isDamaged |= e instanceof RocksDBException failure && IndexDatabase.isDamage(failure);
        hasFailed = true;
    }

    private boolean step(IndexDatabase opened) throws RocksDBException {
        Head head = engine.head();
        Position now = position;
        if (now == null) {
            byte[] saved = opened.rocks().get(POSITION);
            now = saved == null ? null : Position.decode(saved);
        }
        if (now == null || !now.historyId().equals(head.historyId())) {
            now = startOver(opened, head);
        }
        try {
            Position next = now.isBuilding() ? build(opened, now) : follow(opened, now);
            boolean isMore = next.isBuilding() || next.revision() < head.revision();
            if (!isMore && !isComplete) {
                isComplete = true;
                if (built > 0) {
                    LOG.info("the index of the record of outcomes is complete; {} outcomes were indexed", built);
                }
            }
            if (!isMore && --stepsToSweep < 0) {
                stepsToSweep = sweep(opened) ? 0 : STEPS_BETWEEN_SWEEPS;
            }
            return isMore;
        } catch (StateException e) {
            position = null;
            isVerified = false;
            if (e.reason() != Reason.COMPACTED && e.reason() != Reason.HISTORY_CHANGED) {
                throw e;
            }
            startOver(opened, engine.head());
            return true;
        }
    }

    /** Empties the index, so that it is built again. */
    private Position startOver(IndexDatabase opened, Head head) throws RocksDBException {
        isComplete = false;
        isVerified = true;
        built = 0;
        Position start = new Position(head.historyId(), head.revision(), head.committedAtMicros(), true, null);
        try (WriteBatch batch = new WriteBatch()) {
            batch.deleteRange(POSITION, AFTER_ALL);
            write(opened, batch, start);
        }
        return start;
    }

    /**
     * Indexes the next part of the current values, in the order of keys. If a value changes meanwhile, the change has a
     * later revision than the position, so that {@link #follow} indexes it.
     */
    private Position build(IndexDatabase opened, Position from) throws RocksDBException {
        List<Document> values = engine.reads().values(RecordedOutcomes.NAMESPACE, "", from.after());
        try (WriteBatch batch = new WriteBatch()) {
            for (Document value : values) {
                add(batch, value.key(), value.version().json());
            }
            boolean isEnd = values.isEmpty();
            StateKey after = isEnd ? null : values.get(values.size() - 1).key();
            Position next = new Position(from.historyId(), from.revision(), from.micros(), !isEnd, after);
            write(opened, batch, next);
            return next;
        }
    }

    private static boolean isRecorded(StateKey key) {
        return key.namespace().equals(RecordedOutcomes.NAMESPACE);
    }

    private Position follow(IndexDatabase opened, Position from) throws RocksDBException {
        long revision = isVerified
                ? from.revision()
                : engine.history()
                        .resume(
                                new Token(from.historyId(), from.revision(), from.micros()),
                                "",
                                "",
                                RecordIndex::isRecorded);
        Events part = engine.history()
                .events(from.historyId(), revision + 1, Long.MAX_VALUE, "", RecordIndex::isRecorded, STEP_BYTES);
        isVerified = true;
        if (part.next() == revision + 1) {
            return from;
        }
        try (WriteBatch batch = new WriteBatch()) {
            for (Event event : part.events()) {
                for (Event.Change change : event.changes()) {
                    add(batch, change.key(), change.json());
                }
            }
            Position next = new Position(from.historyId(), part.next() - 1, part.lastAtMicros(), false, null);
            write(opened, batch, next);
            return next;
        }
    }

    private void add(WriteBatch batch, StateKey key, @Nullable String json) throws RocksDBException {
        Optional<IndexEntry> entry = json == null ? Optional.empty() : IndexEntry.of(key, json);
        if (entry.isEmpty()) {
            return;
        }
        byte[] value = entry.get().value();
        for (byte[] each : entry.get().keys()) {
            batch.put(each, value);
        }
        if (!isComplete && ++built % REPORT_EVERY == 0) {
            LOG.info("the index of the record of outcomes is being built: {} outcomes so far", built);
        }
    }

    private void write(IndexDatabase opened, WriteBatch batch, Position next) throws RocksDBException {
        batch.put(POSITION, next.encode());
        opened.write(batch);
        position = next;
    }

    /**
     * Examines the oldest entries, and removes each entry whose outcome is no longer in the record.
     *
     * @return whether there may be more to remove: true if entries were examined and all of them were removed
     */
    private boolean sweep(IndexDatabase opened) throws RocksDBException {
        Selection oldest = new Selection(Scope.ALL, Clock.RECEIVED, "", Optional.empty(), Optional.empty());
        List<IndexEntry> entries = IndexSearch.find(
                        opened.rocks(), oldest, Range.EVERYTHING, SWEPT_AT_ONCE, SWEPT_AT_ONCE, entry -> true)
                .entries();
        List<StateKey> keys = entries.stream().map(IndexEntry::key).toList();
        List<Found> found = new ArrayList<>();
        for (int from = 0; from < keys.size(); from += READ_AT_ONCE) {
            List<StateKey> some = keys.subList(from, Math.min(keys.size(), from + READ_AT_ONCE));
            found.addAll(engine.reads().get(some, new At.Now()).found());
        }
        int removed = 0;
        try (WriteBatch batch = new WriteBatch()) {
            for (int i = 0; i < entries.size(); i++) {
                if (!(found.get(i) instanceof Found.Present)) {
                    for (byte[] key : entries.get(i).keys()) {
                        batch.delete(key);
                    }
                    removed++;
                }
            }
            opened.write(batch);
        }
        return removed > 0 && removed == entries.size();
    }

    /**
     * Returns the entries that belong to a selection, are in a range, and are accepted by {@code wanted}. They are in
     * the order of time, or newest first if the range says so.
     *
     * @param limit the number of returned entries at which the search ends; only entries at the same place exceed it
     * @param maxExamined the number of entries passed to {@code wanted} at which the search ends, in the same way
     * @throws StateException STARTING if the index is not complete or can't be read
     */
    Entries find(Selection selection, Range range, int limit, int maxExamined, Predicate<IndexEntry> wanted) {
        return reading(opened -> IndexSearch.find(opened.rocks(), selection, range, limit, maxExamined, wanted));
    }

    /**
     * Returns at most {@code limit} entries whose ids begin with the hex digits {@code prefix}, in the order of ids.
     *
     * @throws StateException as {@link #find}
     */
    List<IndexEntry> withId(String prefix, int limit) {
        return reading(opened -> IndexSearch.withId(opened.rocks(), prefix, limit));
    }

    private <T> T reading(Use<T> use) {
        if (!isComplete) {
            throw Reason.STARTING.because("the index of the record is being built; try again later");
        }
        try {
            return using(use);
        } catch (RocksDBException e) {
            failed(e);
            LOG.error(
                    "the index of the record of outcomes can't be read and will be {}: {}",
                    isDamaged ? "built again" : "opened again",
                    e.getMessage());
            throw Reason.STARTING.because("the index of the record can't be read; the backend's log has the problem");
        }
    }

    private <T> T using(Use<T> use) throws RocksDBException {
        open.readLock().lock();
        try {
            if (database == null) {
                throw Reason.STARTING.because("the index of the record is not open");
            }
            return use.of(database);
        } finally {
            open.readLock().unlock();
        }
    }

    private void openDatabase() throws IOException, RocksDBException {
        open.writeLock().lock();
        try {
            if (database != null || isClosed) {
                return;
            }
            if (directory == null) {
                NativeLibrary.load(Files.createTempDirectory("flk"));
            } else {
                Files.createDirectories(directory, OwnerOnly.directory(directory));
                NativeLibrary.load(directory.resolve(NativeLibrary.DIRECTORY));
            }
            database = new IndexDatabase(directory, isDamaged);
            isDamaged = false;
            position = null;
            isComplete = false; // changes that were not flushed before a failure are missing
            built = 0;
            isVerified = false;
            hasFailed = false;
        } finally {
            open.writeLock().unlock();
        }
    }

    private void closeDatabase() {
        open.writeLock().lock();
        try {
            if (database != null) {
                database.close();
                database = null;
            }
        } finally {
            open.writeLock().unlock();
        }
    }

    /** Waits for reads in progress, and closes the files. Later reads fail. Idempotent. */
    @Override
    public void close() {
        open.writeLock().lock();
        try {
            isClosed = true;
            closeDatabase();
        } finally {
            open.writeLock().unlock();
        }
    }
}
