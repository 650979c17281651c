// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.outcomes.record.RecordedOutcomes.Order;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Span;
import dev.flk.backend.outcomes.record.RecordedOutcomes.Wanted;
import dev.flk.backend.outcomes.record.RowFormat.Clock;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.Scope;
import dev.flk.backend.outcomes.record.RowFormat.StoredVersion;
import dev.flk.backend.outcomes.record.RowSearch.Range;
import dev.flk.view.OpenDatabase;
import dev.flk.view.RocksView;
import dev.flk.view.ViewUnavailableException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ColumnFamilyHandle;
import org.rocksdb.RocksDB;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/**
 * Rows in a family of a {@link RocksView}, in the format of {@link RowFormat}. A group is one batch, so the rows on disk
 * are complete up to the position on disk; what was not flushed before a crash is read from the log again.
 */
public final class EmbeddedRows implements OutcomeRows {
    /** The limit on the versions or keys that are examined for one answer. */
    private static final int MOST_EXAMINED = 10_000;

    private static final long MOST_CHARS = 2 << 20;
    private static final int SWEPT_AT_ONCE = 500;
    private static final int MOST_KNOWN_SHARDS = 10_000;
    private static final int USUAL_BYTES = 2_048;
    private static final int FIRST_GENERATION = 1;
    /** The generation of a log that went back, until more is derived from it. */
    private static final int ENDED = 0;

    private static final String CURSOR = "[^.]{1,64}(\\.[0-9a-f]{16}){3}";
    private static final String NO_LOG = "-";
    private static final String EPOCH_PLACE = "[0-9a-f]{" + 6 * Long.BYTES + "}";
    private static final String PLACE = "[0-9a-f]{" + 4 * Long.BYTES + "}";

    /** The place of the family among those of the view. */
    private static final int FAMILY = 1;

    private static final byte[] EMPTY = {};
    private static final byte[] LAST = RowFormat.place(Long.MAX_VALUE, -1);

    private final RocksView view;
    private final RandomGenerator random;

    /** The number of the opening to which {@link #reopen} belongs; 0 before. */
    private volatile long opening;

    // used by the thread that writes
    private final Set<String> knownShards = new HashSet<>();
    private long knownOpening;

    public EmbeddedRows(RocksView view, RandomGenerator random) {
        this.view = view;
        this.random = random;
    }

    private interface Reading<T> {
        T of(RowSearch search) throws RocksDBException;
    }

    private <T> T read(Reading<T> reading) {
        return use(opened -> {
            try (RowSearch search = new RowSearch(opened.rocks(), opened.family(FAMILY))) {
                return reading.of(search);
            }
        });
    }

    private <T> T use(RocksView.Use<T> use) {
        try {
            return view.use(open -> {
                try {
                    return use.with(open);
                } catch (BufferUnderflowException | IndexOutOfBoundsException e) {
                    throw new IllegalArgumentException("a row has an unknown format", e);
                }
            });
        } catch (ViewUnavailableException e) {
            throw new RecordUnavailableException("the record can't be used: " + e.getMessage(), e);
        }
    }

    private static Meta meta(RowSearch search) throws RocksDBException {
        byte[] value = search.get(RowFormat.META_KEY);
        return value == null ? new Meta(0, 0, 0, 0, 0) : Meta.decode(value);
    }

    /** A position as it is stored. */
    private record StoredPosition(int generation, Position position) {
        static StoredPosition decode(String logId, byte[] value) {
            ByteBuffer in = ByteBuffer.wrap(value);
            int generation = in.getInt();
            long sequence = in.getLong();
            String digest = new String(value, in.position(), value.length - in.position(), StandardCharsets.US_ASCII);
            return new StoredPosition(generation, new Position(logId, sequence, digest));
        }

        byte[] encode() {
            byte[] digest = RowFormat.utf8(position.digest());
            return ByteBuffer.allocate(Integer.BYTES + Long.BYTES + digest.length)
                    .putInt(generation)
                    .putLong(position.sequence())
                    .put(digest)
                    .array();
        }
    }

    private static Optional<StoredPosition> stored(RowSearch search, String logId) throws RocksDBException {
        return Optional.ofNullable(search.get(RowFormat.positionKey(logId)))
                .map(value -> StoredPosition.decode(logId, value));
    }

    @Override
    public void reopen() {
        try {
            view.reopenIfNeeded();
            opening = view.use(OpenDatabase::number);
        } catch (ViewUnavailableException e) {
            throw new RecordUnavailableException("the record can't be opened: " + e.getMessage(), e);
        }
    }

    /**
     * Checks that nobody has opened the files again since {@link #reopen}. If somebody has, changes that were not flushed
     * may be missing, or all rows, so the thread that writes must read its position again.
     */
    private void requireOpening(OpenDatabase opened) {
        if (opened.number() != opening) {
            throw new RecordUnavailableException(
                    "the record's files were opened again; its position is read again", null);
        }
    }

    @Override
    public Optional<Position> position(String logId) {
        return read(search -> stored(search, logId)
                .filter(stored -> stored.generation() != ENDED)
                .map(StoredPosition::position));
    }

    @Override
    public synchronized void apply(Group group) {
        use(opened -> {
            try (Writing writing = new Writing(opened)) {
                writing.apply(group);
            }
            return true;
        });
    }

    @Override
    public synchronized void wentBack(String logId) {
        use(opened -> {
            try (Writing writing = new Writing(opened)) {
                writing.endLog(logId);
            }
            return true;
        });
    }

    private void keepWhenSetAside() {
        try {
            view.keepWhenSetAside();
        } catch (IOException e) {
            throw new RecordUnavailableException("the record can't be written: " + e.getMessage(), e);
        }
    }

    /** A version that is current. */
    private record Current(long row, StoredVersion version) {}

    /** The changes of one batch. */
    private final class Writing implements AutoCloseable {
        private final OpenDatabase opened;
        private final ColumnFamilyHandle rows;
        private final WriteBatch batch;
        private final Map<RowKey, Current> changed = new HashMap<>();
        private final Map<Long, StoredVersion> added = new HashMap<>();
        private final Map<ByteBuffer, List<Long>> ids = new HashMap<>();
        private final Set<String> newShards = new HashSet<>();
        private Meta meta;

        Writing(OpenDatabase opened) throws RocksDBException {
            requireOpening(opened);
            this.opened = opened;
            this.rows = opened.family(FAMILY);
            if (knownOpening != opened.number()) {
                knownShards.clear();
                keepWhenSetAside(); // rows are kept for longer than the log
                knownOpening = opened.number();
            }
            byte[] value = get(RowFormat.META_KEY);
            this.meta = value == null ? new Meta(0, 0, 0, 0, 0) : Meta.decode(value);
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
                        ? ENDED
                        : StoredPosition.decode(position.logId(), value).generation();
                generation = generation == ENDED ? nextGeneration(group, position.logId()) : generation;
                batch.put(
                        rows,
                        RowFormat.positionKey(position.logId()),
                        new StoredPosition(generation, position).encode());
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
                    next == FIRST_GENERATION ? RowFormat.hash(logId) : random.nextLong(),
                    next,
                    RowFormat.row(next, first - 1),
                    meta.removed(),
                    meta.imported());
            return next;
        }

        void endLog(String logId) throws RocksDBException {
            batch.put(
                    rows, RowFormat.positionKey(logId), new StoredPosition(ENDED, new Position(logId, 0, "")).encode());
            meta = meta.withHistory(random.nextLong());
            write();
        }

        private void write() throws RocksDBException {
            batch.put(rows, RowFormat.META_KEY, meta.encode());
            opened.write(batch);
        }

        private void put(Placed placed, int generation) throws RocksDBException {
            RowKey key = placed.version().key();
            String json = placed.version().json();
            Current before = current(key);
            boolean isImported = placed.sequence() == 0;
            if (!RecordedOutcome.isChanged(
                            before == null ? null : before.version().json(), json)
                    || (isImported
                            && before != null
                            && (RowFormat.isOfALog(before.row()) || hasVersion(before, json)))) {
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
            StoredVersion version = new StoredVersion(before == null ? 0 : before.row(), key, json);
            batch.put(rows, RowFormat.rowKey(row), version.encode());
            for (byte[] each : RowFormat.indexKeys(key, placed.members(), row)) {
                batch.put(rows, each, EMPTY);
            }
            changed.put(key, new Current(row, version));
            added.put(row, version);
        }

        /** Returns whether a row has a version with this value, so that an import that is repeated changes nothing. */
        private boolean hasVersion(Current current, String json) throws RocksDBException {
            StoredVersion version = current.version();
            while (!version.json().equals(json)) {
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
            StoredVersion version = current.version();
            for (byte[] each : RowFormat.indexKeys(version.key(), RowMembers.of(version.json()), current.row())) {
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
                search.scan(head, RowFormat.join(head, LAST), (key, value) -> {
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

    @Override
    public void sync() {
        try {
            view.use(opened -> {
                requireOpening(opened);
                opened.flush(List.of(opened.family(FAMILY)));
                return opened;
            });
        } catch (ViewUnavailableException e) {
            throw new RecordUnavailableException("the record can't be made durable: " + e.getMessage(), e);
        }
    }

    @Override
    public Map<String, String> notes(String prefix) {
        byte[] from = RowFormat.noteKey(prefix);
        return read(search -> {
            Map<String, String> notes = new LinkedHashMap<>();
            search.scan(from, new byte[] {'n' + 1}, (key, value) -> {
                String name = new String(key, 1, key.length - 1, StandardCharsets.UTF_8);
                boolean isOne = name.startsWith(prefix);
                if (isOne) {
                    notes.put(name, new String(value, StandardCharsets.UTF_8));
                }
                return isOne;
            });
            return notes;
        });
    }

    @Override
    public synchronized boolean sweep(Instant before) {
        return use(opened -> {
            requireOpening(opened);
            List<Current> old = new ArrayList<>();
            try (RowSearch search = new RowSearch(opened.rocks(), opened.family(FAMILY))) {
                Range oldest = new Range(
                        Scope.ALL,
                        Clock.RECEIVED,
                        0,
                        RowMembers.kinds(null, null),
                        Long.MIN_VALUE,
                        before.toEpochMilli(),
                        false,
                        null);
                search.byTime(oldest, place -> {
                    long row = RowFormat.rowAtEnd(place);
                    old.add(new Current(row, version(search, row)));
                    return old.size() < SWEPT_AT_ONCE;
                });
            }
            if (!old.isEmpty()) {
                try (Writing writing = new Writing(opened)) {
                    writing.remove(old);
                }
            }
            return old.size() == SWEPT_AT_ONCE;
        });
    }

    private static StoredVersion version(RowSearch search, long row) throws RocksDBException {
        byte[] value = search.get(RowFormat.rowKey(row));
        if (value == null) {
            throw new IllegalArgumentException("the row " + Long.toHexString(row) + " is missing");
        }
        return StoredVersion.decode(value);
    }

    @Override
    public boolean isIncomplete() {
        return view.isSetAsideKept();
    }

    @Override
    public void salvage(Instant oldest, BooleanSupplier continues) {
        try {
            new RowSalvage(this, oldest, continues).copy(view.setAsidePath());
            sync();
            view.releaseSetAside();
        } catch (IOException e) {
            throw new RecordUnavailableException("what was set aside can't be copied: " + e.getMessage(), e);
        }
    }

    @Override
    public boolean areShared() {
        return false;
    }

    @Override
    public List<String> shards(String prefix, @Nullable String after, int limit) {
        byte[] first = RowFormat.shardKey(prefix);
        byte[] next = after == null ? first : RowFormat.join(RowFormat.shardKey(after), new byte[1]);
        return read(search -> {
            List<String> shards = new ArrayList<>();
            search.scan(Arrays.compareUnsigned(first, next) < 0 ? next : first, new byte[] {'s' + 1}, (key, value) -> {
                String shard = new String(key, 1, key.length - 1, StandardCharsets.UTF_8);
                boolean isOne = shard.startsWith(prefix);
                if (isOne) {
                    shards.add(shard);
                }
                return isOne && shards.size() < limit;
            });
            return shards;
        });
    }

    @Override
    public Rows find(Wanted wanted) {
        String shard = wanted.shard();
        boolean isByEpoch = shard != null && wanted.order() == Order.EPOCH;
        byte[] after = place(wanted.cursor(), isByEpoch ? EPOCH_PLACE : PLACE);
        return read(search -> shard != null && isByEpoch
                ? byEpoch(search, shard, wanted.limit(), after)
                : byTime(search, wanted, after));
    }

    /** The versions for an answer, whose length is limited. */
    private static final class Answer {
        private final int limit;
        private final List<Version> rows = new ArrayList<>();
        private long chars;
        private int examined;
        private byte @Nullable [] last;

        Answer(int limit) {
            this.limit = limit;
        }

        void add(StoredVersion version) {
            rows.add(new Version(version.key(), version.json()));
            chars += version.json().length();
        }

        /** Returns whether there is room for more after the key that was examined now. */
        boolean mayContinueAfter(byte[] place) {
            last = place;
            return rows.size() < limit && chars < MOST_CHARS && ++examined < MOST_EXAMINED;
        }

        Rows rows(boolean isMore) {
            return new Rows(rows, isMore && last != null ? HexFormat.of().formatHex(last) : null);
        }
    }

    private static Rows byEpoch(RowSearch search, String shard, int limit, byte @Nullable [] after)
            throws RocksDBException {
        byte[] head = RowFormat.epochHead(shard);
        Answer answer = new Answer(limit);
        boolean[] isCut = {false};
        boolean[] isMore = {false};
        search.scan(
                after == null ? head : RowFormat.join(head, RowFormat.join(after, new byte[1])),
                RowFormat.join(head, LAST),
                (key, value) -> {
                    if (isCut[0]) {
                        isMore[0] = true;
                        return false;
                    }
                    StoredVersion version = version(search, RowFormat.rowAtEnd(key));
                    if (version.key().shard().equals(shard)) {
                        answer.add(version);
                    }
                    isCut[0] = !answer.mayContinueAfter(Arrays.copyOfRange(key, head.length, key.length));
                    return true; // the next key shows whether anything follows
                });
        return answer.rows(isMore[0]);
    }

    private static byte @Nullable [] place(@Nullable String cursor, String format) {
        if (cursor == null) {
            return null;
        }
        if (!cursor.matches(format)) {
            throw new InvalidCursorException("cursor belongs to another query");
        }
        return HexFormat.of().parseHex(cursor);
    }

    private static Rows byTime(RowSearch search, Wanted wanted, byte @Nullable [] after) throws RocksDBException {
        Clock clock = wanted.measured().isOpen() ? Clock.RECEIVED : Clock.MEASURED;
        Span span = clock == Clock.RECEIVED ? wanted.received() : wanted.measured();
        String scoped = wanted.shard() != null ? wanted.shard() : wanted.key();
        Range range = new Range(
                wanted.shard() != null ? Scope.SHARD : wanted.key() != null ? Scope.KEY : Scope.ALL,
                clock,
                scoped == null ? 0 : RowFormat.hash(scoped),
                RowMembers.kinds(wanted.verdict(), wanted.regime()),
                millis(span.from(), Long.MIN_VALUE, 0),
                millis(span.to(), Long.MAX_VALUE, 1), // rounded up to a millisecond; passes() is exact
                wanted.order() == Order.NEWEST,
                after);
        Answer answer = new Answer(wanted.limit());
        boolean[] isCut = {false};
        boolean[] isMore = {false};
        search.byTime(range, place -> {
            if (isCut[0]) {
                isMore[0] = true;
                return false;
            }
            StoredVersion version = version(search, RowFormat.rowAtEnd(place));
            if (wanted.passes(version.key(), version.json())) {
                answer.add(version);
            }
            isCut[0] = !answer.mayContinueAfter(place);
            return true;
        });
        return answer.rows(isMore[0]);
    }

    private static long millis(@Nullable Instant time, long open, long more) {
        if (time == null) {
            return open;
        }
        try {
            return time.toEpochMilli() + more;
        } catch (ArithmeticException e) {
            return time.isBefore(Instant.EPOCH) ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
    }

    @Override
    public List<Version> withId(String prefix, int limit) {
        byte[] first = RowFormat.idKey(prefix + "0".repeat(Math.max(0, 16 - prefix.length())));
        byte[] last = RowFormat.idKey(prefix + "f".repeat(Math.max(0, 16 - prefix.length())));
        return read(search -> {
            List<Version> found = new ArrayList<>();
            search.scan(first, RowFormat.join(last, new byte[1]), (key, value) -> {
                for (long row : RowFormat.rows(value)) {
                    StoredVersion version = version(search, row);
                    if (version.key().pcsId().startsWith(prefix)) {
                        found.add(new Version(version.key(), version.json()));
                    }
                }
                return found.size() < limit;
            });
            found.sort(Comparator.comparing(version -> version.key().pcsId()));
            return found.subList(0, Math.min(limit, found.size()));
        });
    }

    @Override
    public List<Version> versions(RowKey key, int limit) {
        return read(search -> {
            byte[] value = search.get(RowFormat.idKey(key.pcsId()));
            List<Version> versions = new ArrayList<>();
            for (long current : value == null ? List.<Long>of() : RowFormat.rows(value)) {
                StoredVersion version = version(search, current);
                while (version.key().equals(key) && versions.size() < limit) {
                    versions.add(new Version(key, version.json()));
                    if (version.before() == 0) {
                        break;
                    }
                    version = version(search, version.before());
                }
            }
            return versions;
        });
    }

    /** Returns the id of the log of the newest generation; a hyphen if nothing was derived from a log. */
    private static String newestLog(RowSearch search, Meta meta) throws RocksDBException {
        String[] newest = {NO_LOG};
        search.scan(new byte[] {'p'}, new byte[] {'p' + 1}, (key, value) -> {
            String logId = new String(key, 1, key.length - 1, StandardCharsets.UTF_8);
            if (StoredPosition.decode(logId, value).generation() == meta.generation()) {
                newest[0] = logId;
            }
            return true;
        });
        return newest[0];
    }

    /**
     * A cursor of {@link #changes}.
     *
     * @param removed the highest ROW that had been removed when the follower began
     */
    private record Cursor(String logId, long history, long row, long removed) {
        static Cursor parse(String text) {
            if (!text.matches(CURSOR)) {
                throw new InvalidCursorException("the cursor was not returned by this call");
            }
            String[] parts = text.split("\\.", -1);
            return new Cursor(parts[0], hex(parts[1]), hex(parts[2]), hex(parts[3]));
        }

        private static long hex(String digits) {
            return Long.parseUnsignedLong(digits, 16);
        }

        String text() {
            return "%s.%016x.%016x.%016x".formatted(logId, history, row, removed);
        }

        Cursor at(long other) {
            return new Cursor(logId, history, other, removed);
        }

        /** Returns whether the cursor was returned before anything was derived from a log. */
        boolean isOfNoLog() {
            return logId.equals(NO_LOG);
        }
    }

    /**
     * The changes after a cursor.
     *
     * @param isForeign whether the cursor belongs to a log that these rows do not know
     * @param lost why the cursor is no longer valid; null if it is valid
     */
    private record Read(
            List<Change> changes,
            boolean isForeign,
            @Nullable String lost) {}

    @Override
    public List<Change> changes(String cursor, int limit) throws ChangesLostException {
        Cursor after = cursor.isEmpty() ? null : Cursor.parse(cursor);
        Read read = read(search -> {
            Meta meta = meta(search);
            boolean isBeforeAll = after != null && after.isOfNoLog() && meta.generation() <= FIRST_GENERATION;
            if (after != null && after.history() != meta.history() && !isBeforeAll) {
                boolean isForeign = stored(search, after.logId()).isEmpty();
                return new Read(
                        List.of(), isForeign, "history changed: the log of this cursor went back or was replaced");
            }
            if (after != null
                    && (Math.max(after.row(), after.removed()) < meta.removed()
                            || (RowFormat.isOfALog(after.row()) && after.row() < meta.beginning()))) {
                return new Read(
                        List.of(), false, "compacted: outcomes after this cursor were removed after RECORD_HISTORY");
            }
            Cursor from = new Cursor(
                    newestLog(search, meta),
                    meta.history(),
                    after == null ? 0 : after.row(),
                    after == null ? meta.removed() : after.removed());
            return new Read(changesAfter(search, from, limit), false, null);
        });
        if (read.isForeign()) {
            throw new InvalidCursorException("the cursor belongs to another backend, with the log "
                    + Objects.requireNonNull(after).logId());
        }
        if (read.lost() != null) {
            throw new ChangesLostException(read.lost());
        }
        return read.changes();
    }

    private static List<Change> changesAfter(RowSearch search, Cursor after, int limit) throws RocksDBException {
        List<Change> changes = new ArrayList<>();
        long[] chars = {0};
        search.scan(RowFormat.rowKey(after.row() + 1), new byte[] {'r' + 1}, (key, value) -> {
            StoredVersion version = StoredVersion.decode(value);
            changes.add(
                    new Change(after.at(RowFormat.rowAtEnd(key)).text(), new Version(version.key(), version.json())));
            chars[0] += version.json().length();
            return changes.size() < limit && chars[0] < MOST_CHARS;
        });
        return changes;
    }

    @Override
    public String newest() {
        return read(search -> {
            Meta meta = meta(search);
            byte[] last = search.lastBefore(new byte[] {'r' + 1});
            long newest = last != null && last[0] == 'r' ? RowFormat.rowAtEnd(last) : 0;
            long row = Math.max(meta.beginning(), newest);
            return new Cursor(newestLog(search, meta), meta.history(), row, meta.removed()).text();
        });
    }

    @Override
    public void close() {
        // the owner of the view closes it
    }
}
