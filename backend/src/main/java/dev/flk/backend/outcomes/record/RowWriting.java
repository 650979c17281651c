// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import dev.flk.view.OpenDatabase;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/** The changes of {@link EmbeddedRows} in one batch, which takes effect completely or not at all. Must be closed. */
final class RowWriting implements AutoCloseable {
    private static final int MOST_KNOWN_SHARDS = 10_000;
    private static final int USUAL_BYTES = 2_048;
    private static final byte[] EMPTY = {};

    private final OpenDatabase opened;
    private final ColumnFamilyHandle rows;
    private final Set<String> knownShards;
    private final RandomGenerator random;
    private final WriteBatch batch;
    private final Map<RowKey, Current> changed = new HashMap<>();
    private final Map<Long, StoredVersion> added = new HashMap<>();
    private final Map<ByteBuffer, List<Long>> ids = new HashMap<>();
    private final Set<String> newShards = new HashSet<>();
    private Meta meta;

    /** A version that is current. */
    record Current(long row, StoredVersion version) {}

    /**
     * @param rows the family of the rows
     * @param knownShards some of the shards that have rows; shards are added to it and removed from it
     * @param random the source of the numbers of histories
     */
    RowWriting(OpenDatabase opened, ColumnFamilyHandle rows, Set<String> knownShards, RandomGenerator random)
            throws RocksDBException {
        this.opened = opened;
        this.rows = rows;
        this.knownShards = knownShards;
        this.random = random;
        byte[] value = get(RowFormat.META_KEY);
        this.meta = value == null ? Meta.NONE : Meta.decode(value);
        this.batch = new WriteBatch();
    }

    /**
     * Reads a value. The calls of RocksDB that allocate the array are not used, because they throw an exception
     * internally for each absent key, and nearly all keys are absent.
     */
    private byte @Nullable [] get(byte[] key) throws RocksDBException {
        byte[] value = new byte[USUAL_BYTES];
        int length = opened.rocks().get(rows, key, value);
        while (length > value.length) {
            value = new byte[length];
            length = opened.rocks().get(rows, key, value);
        }
        return length == RocksDB.NOT_FOUND ? null : Arrays.copyOf(value, length);
    }

    void apply(Group group) throws RocksDBException {
        Position position = group.position();
        int generation = 0;
        if (position != null) {
            byte[] value = get(RowFormat.positionKey(position.logId()));
            generation = value == null
                    ? RowFormat.ENDED
                    : StoredPosition.decode(position.logId(), value).generation();
            generation = generation == RowFormat.ENDED ? nextGeneration(group, position.logId()) : generation;
            batch.put(rows, RowFormat.positionKey(position.logId()), new StoredPosition(generation, position).encode());
        }
        for (Placed placed : group.placed()) {
            put(placed, generation);
        }
        for (Map.Entry<ByteBuffer, List<Long>> each : ids.entrySet()) {
            batch.put(rows, each.getKey().array(), RowFormat.rows(each.getValue()));
        }
        for (Map.Entry<String, String> note : group.notes().entrySet()) {
            batch.put(rows, RowFormat.noteKey(note.getKey()), RowFormat.utf8(note.getValue()));
        }
        write();
        if (knownShards.size() + newShards.size() > MOST_KNOWN_SHARDS) {
            knownShards.clear();
        }
        knownShards.addAll(newShards);
    }

    /**
     * Begins a generation. The history of changes is known from the log as long as there is only one generation, so
     * that cursors stay valid if the rows are lost and derived from the log again.
     */
    private int nextGeneration(Group group, String logId) {
        int next = meta.generation() + 1;
        long first = group.placed().isEmpty() ? 1 : group.placed().get(0).sequence();
        meta = new Meta(
                next == RowFormat.FIRST_GENERATION ? RowFormat.hash(logId) : random.nextLong(),
                next,
                RowFormat.row(next, first - 1),
                meta.removed(),
                meta.imported());
        return next;
    }

    void endLog(String logId) throws RocksDBException {
        batch.put(
                rows,
                RowFormat.positionKey(logId),
                new StoredPosition(RowFormat.ENDED, new Position(logId, 0, "")).encode());
        meta = meta.withHistory(random.nextLong());
        write();
    }

    private void write() throws RocksDBException {
        batch.put(rows, RowFormat.META_KEY, meta.encode());
        opened.write(batch);
    }

    private void put(Placed placed, int generation) throws RocksDBException {
        Version version = placed.version();
        RowKey key = version.key();
        Current before = current(key);
        boolean isImported = placed.sequence() == 0;
        if (!version.outcome()
                        .isChangedFrom(before == null ? null : before.version().outcome())
                || (isImported
                        && before != null
                        && (RowFormat.isOfALog(before.row()) || hasVersion(before, version)))) {
            return;
        }
        long row = isImported ? RowFormat.row(0, nextImported()) : RowFormat.row(generation, placed.sequence());
        List<Long> ofId = ids(key.pcsId());
        if (before != null) {
            removeIndex(before);
            ofId.remove(before.row());
        } else {
            putShard(key.shard());
        }
        ofId.add(row);
        StoredVersion stored = new StoredVersion(before == null ? 0 : before.row(), version);
        batch.put(rows, RowFormat.rowKey(row), stored.encode());
        for (byte[] each : RowFormat.indexKeys(version, row)) {
            batch.put(rows, each, EMPTY);
        }
        changed.put(key, new Current(row, stored));
        added.put(row, stored);
    }

    /** Returns whether a row has a version with this value, so that an import that is repeated changes nothing. */
    private boolean hasVersion(Current current, Version wanted) throws RocksDBException {
        StoredVersion version = current.version();
        while (!version.version().equals(wanted)) {
            StoredVersion before = added.get(version.before());
            byte[] value = before == null ? get(RowFormat.rowKey(version.before())) : null;
            if (before == null && value != null) {
                before = StoredVersion.decode(value);
            }
            if (before == null) {
                return false; // no row has the number 0, which stands for no version before
            }
            version = before;
        }
        return true;
    }

    private long nextImported() {
        meta = meta.withOneMoreImported();
        return meta.imported();
    }

    private void putShard(String shard) throws RocksDBException {
        if (!knownShards.contains(shard) && newShards.add(shard)) {
            batch.put(rows, RowFormat.shardKey(shard), EMPTY);
        }
    }

    private void removeIndex(Current current) throws RocksDBException {
        for (byte[] each : RowFormat.indexKeys(current.version().version(), current.row())) {
            batch.delete(rows, each);
        }
    }

    private List<Long> ids(String pcsId) throws RocksDBException {
        ByteBuffer key = ByteBuffer.wrap(RowFormat.idKey(pcsId));
        List<Long> known = ids.get(key);
        if (known == null) {
            byte[] value = get(key.array());
            known = value == null ? new ArrayList<>() : RowFormat.rows(value);
            ids.put(key, known);
        }
        return known;
    }

    private @Nullable Current current(RowKey key) throws RocksDBException {
        Current inBatch = changed.get(key);
        if (inBatch != null) {
            return inBatch;
        }
        for (long row : ids(key.pcsId())) {
            byte[] value = get(RowFormat.rowKey(row));
            StoredVersion version = value == null ? null : StoredVersion.decode(value);
            if (version != null && version.key().equals(key)) {
                return new Current(row, version);
            }
        }
        return null;
    }

    /** Removes rows with all their versions. */
    void remove(List<Current> currents) throws RocksDBException {
        Map<String, Integer> removedOf = new LinkedHashMap<>();
        for (Current current : currents) {
            removeIndex(current);
            RowKey key = current.version().key();
            ids(key.pcsId()).remove(current.row());
            removedOf.merge(key.shard(), 1, Integer::sum);
            long row = current.row();
            StoredVersion version = current.version();
            while (version != null) {
                batch.delete(rows, RowFormat.rowKey(row));
                meta = meta.withRemoved(row);
                row = version.before();
                byte[] value = row == 0 ? null : get(RowFormat.rowKey(row));
                version = value == null ? null : StoredVersion.decode(value);
            }
        }
        for (Map.Entry<ByteBuffer, List<Long>> each : ids.entrySet()) {
            if (each.getValue().isEmpty()) {
                batch.delete(rows, each.getKey().array());
            } else {
                batch.put(rows, each.getKey().array(), RowFormat.rows(each.getValue()));
            }
        }
        for (Map.Entry<String, Integer> each : removedOf.entrySet()) {
            removeShardUnlessMoreThan(each.getValue(), each.getKey());
        }
        write();
    }

    private void removeShardUnlessMoreThan(int removed, String shard) throws RocksDBException {
        byte[] head = RowFormat.epochHead(shard);
        int[] left = {-removed};
        try (RowSearch search = new RowSearch(opened.rocks(), rows)) {
            search.scan(head, RowFormat.join(head, RowFormat.LAST), (key, value) -> {
                left[0]++;
                return left[0] <= 0;
            });
        }
        if (left[0] <= 0) {
            batch.delete(rows, RowFormat.shardKey(shard));
            knownShards.remove(shard);
        }
    }

    @Override
    public void close() {
        batch.close();
    }
}
