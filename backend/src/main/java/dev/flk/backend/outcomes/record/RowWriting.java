// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import dev.flk.verification.Verdict.Kind;
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
    private final Map<RowKey, CurrentReview> reviewed = new HashMap<>();
    private final Map<ByteBuffer, Reviewed> addedReviews = new HashMap<>();
    private final Map<Long, StoredVersion> added = new HashMap<>();
    private final Map<ByteBuffer, List<Long>> ids = new HashMap<>();
    private final Set<String> newShards = new HashSet<>();
    private Meta meta;

    /** A version that is current. */
    record Current(long row, StoredVersion version) {}

    /** A review that is the newest of its row. */
    private record CurrentReview(long row, Reviewed reviewed) {
        Review review() {
            return reviewed.review();
        }
    }

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

    /**
     * Applies a group; returns the reviews whose versions their rows have with other content, and then applies nothing.
     */
    List<PlacedReview> apply(Group group) throws RocksDBException {
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
        List<PlacedReview> losers = new ArrayList<>();
        for (PlacedReview placed : group.reviews()) {
            if (!put(placed, generation)) {
                losers.add(placed);
            }
        }
        if (!losers.isEmpty()) {
            return losers;
        }
        for (Map.Entry<String, String> note : group.notes().entrySet()) {
            batch.put(rows, RowFormat.noteKey(note.getKey()), RowFormat.utf8(note.getValue()));
        }
        write();
        if (knownShards.size() + newShards.size() > MOST_KNOWN_SHARDS) {
            knownShards.clear();
        }
        knownShards.addAll(newShards);
        return losers;
    }

    /**
     * Begins a generation. The history of changes is known from the log as long as there is only one generation, so
     * that cursors stay valid if the rows are lost and derived from the log again.
     */
    private int nextGeneration(Group group, String logId) {
        int next = meta.generation() + 1;
        long first = Math.min(
                group.placed().isEmpty()
                        ? Long.MAX_VALUE
                        : group.placed().get(0).sequence(),
                group.reviews().isEmpty()
                        ? Long.MAX_VALUE
                        : group.reviews().get(0).sequence());
        meta = new Meta(
                next == RowFormat.FIRST_GENERATION ? RowFormat.hash(logId) : random.nextLong(),
                next,
                RowFormat.row(next, first == Long.MAX_VALUE ? 0 : first - 1),
                meta.removed(),
                meta.salvaged());
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
        for (Map.Entry<ByteBuffer, List<Long>> each : ids.entrySet()) {
            if (each.getValue().isEmpty()) {
                batch.delete(rows, each.getKey().array());
            } else {
                batch.put(rows, each.getKey().array(), RowFormat.rows(each.getValue()));
            }
        }
        batch.put(rows, RowFormat.META_KEY, meta.encode());
        opened.write(batch);
    }

    private void put(Placed placed, int generation) throws RocksDBException {
        Version version = placed.version();
        RowKey key = version.key();
        Current before = current(key);
        boolean isSalvaged = placed.sequence() == 0;
        if (!version.outcome()
                        .isChangedFrom(before == null ? null : before.version().outcome())
                || (isSalvaged
                        && before != null
                        && (RowFormat.isOfALog(before.row()) || hasVersion(before, version)))) {
            return;
        }
        long row = row(placed.sequence(), generation);
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
        Current current = new Current(row, stored);
        putIndex(current);
        changed.put(key, current);
        added.put(row, stored);
    }

    /** Adds a review, unless the row has it already; returns false if it has another one of the same version. */
    private boolean put(PlacedReview placed, int generation) throws RocksDBException {
        RowKey key = placed.reviewed().key();
        Review review = placed.reviewed().review();
        ByteBuffer versionKey = ByteBuffer.wrap(RowFormat.reviewKey(key, review.version()));
        Reviewed same = addedReviews.get(versionKey);
        if (same == null) {
            byte[] stored = get(versionKey.array());
            same = stored == null ? null : review(stored);
        }
        if (same != null) {
            return same.equals(placed.reviewed()) || placed.sequence() == 0;
        }
        long row = row(placed.sequence(), generation);
        batch.put(rows, RowFormat.rowKey(row), RowFormat.encode(placed.reviewed()));
        batch.put(rows, versionKey.array(), RowFormat.bytes(row));
        addedReviews.put(versionKey, placed.reviewed());
        CurrentReview newest = newestReview(key);
        if (newest == null || newest.review().version() < review.version()) {
            Current current = current(key);
            if (current != null) {
                removeIndex(current);
            }
            if (newest != null) {
                batch.delete(rows, RowFormat.reviewedKey(newest.reviewed(), newest.row()));
            }
            batch.put(rows, RowFormat.reviewKey(key), RowFormat.bytes(row));
            batch.put(rows, RowFormat.reviewedKey(placed.reviewed(), row), RowFormat.utf8(key.shard()));
            reviewed.put(key, new CurrentReview(row, placed.reviewed()));
            if (current != null) {
                putIndex(current);
            }
        }
        return true;
    }

    private @Nullable CurrentReview newestReview(RowKey key) throws RocksDBException {
        CurrentReview inBatch = reviewed.get(key);
        if (inBatch != null) {
            return inBatch;
        }
        byte[] row = get(RowFormat.reviewKey(key));
        return row == null ? null : new CurrentReview(RowFormat.rowAtEnd(row), review(row));
    }

    /** Returns the review of a ROW. */
    private Reviewed review(byte[] row) throws RocksDBException {
        byte[] value = get(RowFormat.rowKey(RowFormat.rowAtEnd(row)));
        if (value == null || !(RowFormat.decode(value) instanceof Reviewed found)) {
            throw new IllegalArgumentException("a review is missing");
        }
        return found;
    }

    /** Returns whether a row has a version with this value, so that a salvage that is repeated changes nothing. */
    private boolean hasVersion(Current current, Version wanted) throws RocksDBException {
        StoredVersion version = current.version();
        while (!version.version().equals(wanted)) {
            StoredVersion inBatch = added.get(version.before());
            StoredVersion before = inBatch == null ? stored(version.before()) : inBatch;
            if (before == null) {
                return false; // no row has the number 0, which stands for no version before
            }
            version = before;
        }
        return true;
    }

    /** Returns the ROW of the next version or review, which comes from no log if the sequence is 0. */
    private long row(long sequence, int generation) {
        if (sequence != 0) {
            return RowFormat.row(generation, sequence);
        }
        meta = meta.withOneMoreSalvaged();
        return RowFormat.row(0, meta.salvaged());
    }

    private @Nullable StoredVersion stored(long row) throws RocksDBException {
        byte[] value = get(RowFormat.rowKey(row));
        return value == null ? null : StoredVersion.decode(value);
    }

    private void putShard(String shard) throws RocksDBException {
        if (!knownShards.contains(shard) && newShards.add(shard)) {
            batch.put(rows, RowFormat.shardKey(shard), EMPTY);
        }
    }

    private void putIndex(Current current) throws RocksDBException {
        Version version = current.version().version();
        int kind = kind(version);
        List<byte[]> keys = RowFormat.indexKeys(version, current.row(), kind);
        for (byte[] each : keys) {
            batch.put(rows, each, EMPTY);
        }
        batch.put(rows, keys.get(2), RowFormat.encode(Shape.of(version)));
        if (RowKind.waits(kind)) {
            long group = OutcomeRows.waitingGroup(
                    version.key().shard(), version.outcome().cause());
            batch.put(rows, keys.get(0), RowFormat.bytes(group));
        }
    }

    private void removeIndex(Current current) throws RocksDBException {
        Version version = current.version().version();
        for (byte[] each : RowFormat.indexKeys(version, current.row(), kind(version))) {
            batch.delete(rows, each);
        }
    }

    private int kind(Version version) throws RocksDBException {
        if (version.outcome().verdict().kind() == Kind.ACCEPTED) {
            return RowKind.of(version.outcome());
        }
        CurrentReview newest = newestReview(version.key());
        return RowKind.of(version.outcome(), newest == null ? null : newest.review());
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
            StoredVersion version = stored(row);
            if (version != null && version.key().equals(key)) {
                return new Current(row, version);
            }
        }
        return null;
    }

    /**
     * Removes rows with all their versions. Their reviews stay until they are as old themselves, so that row numbers
     * are removed in the order of age, and no cursor becomes invalid early.
     *
     * @param reviewedOnly rows that do not exist, whose reviews are removed
     */
    void remove(List<Current> currents, List<RowKey> reviewedOnly) throws RocksDBException {
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
                version = row == 0 ? null : stored(row);
            }
        }
        for (RowKey key : reviewedOnly) {
            removeReviews(key);
        }
        for (Map.Entry<String, Integer> each : removedOf.entrySet()) {
            removeShardUnlessMoreThan(each.getValue(), each.getKey());
        }
        write();
    }

    private void removeReviews(RowKey key) throws RocksDBException {
        byte[] head = RowFormat.reviewKey(key);
        CurrentReview newest = newestReview(key);
        if (newest == null) {
            return;
        }
        batch.delete(rows, RowFormat.reviewedKey(newest.reviewed(), newest.row()));
        try (RowSearch search = new RowSearch(opened.rocks(), rows)) {
            search.scan(head, RowFormat.join(head, RowFormat.LAST), (each, row) -> {
                batch.delete(rows, each);
                batch.delete(rows, RowFormat.rowKey(RowFormat.rowAtEnd(row)));
                meta = meta.withRemoved(RowFormat.rowAtEnd(row));
                return true;
            });
        }
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
