// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.RowChanges.Cursor;
import dev.flk.backend.outcomes.record.RowFormat.Clock;
import dev.flk.backend.outcomes.record.RowFormat.Meta;
import dev.flk.backend.outcomes.record.RowFormat.Scope;
import dev.flk.backend.outcomes.record.RowFormat.StoredPosition;
import dev.flk.backend.outcomes.record.RowSearch.CountVisitor;
import dev.flk.backend.outcomes.record.RowSearch.Range;
import dev.flk.backend.outcomes.record.RowWriting.Current;
import dev.flk.verification.Verdict.Kind;
import dev.flk.view.OpenDatabase;
import dev.flk.view.RocksView;
import dev.flk.view.ViewUnavailableException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import java.util.random.RandomGenerator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Rows in a family of a {@link RocksView}, in the format of {@link RowFormat}. Rows of an earlier format are removed when
 * they are opened, and derived from the log again; those of a later format are refused. A group is one batch, so the rows on disk
 * are complete up to the position on disk; what was not flushed before a crash is read from the log again.
 */
public final class EmbeddedRows implements OutcomeRows {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");

    /** The limit on the versions or keys that are examined for one answer. */
    private static final int MOST_EXAMINED = 10_000;

    /** The limit on the bytes of stored versions in one answer; their JSON is several times longer. */
    private static final long MOST_BYTES = 512 << 10;

    private static final int SWEPT_AT_ONCE = 500;

    private static final String EPOCH_PLACE = "[0-9a-f]{" + 6 * Long.BYTES + "}";
    private static final String PLACE = "[0-9a-f]{" + 4 * Long.BYTES + "}";

    /** The place of the family among those of the view. */
    private static final int FAMILY = 1;

    private final RocksView view;
    private final RandomGenerator random;

    /**
     * The number of the opening to which {@link #reopen} belongs; 0 before. In a later one, changes that were not flushed
     * may be missing, or all rows, so the thread that writes must read its position again.
     */
    private volatile long opening;

    /** The number of the last opening that is known to have rows in the format of this version. */
    private volatile long checkedOpening;

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
                requireFormat(open);
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

    private void requireFormat(OpenDatabase open) throws RocksDBException {
        if (checkedOpening != open.number()) {
            int format = format(open);
            if (format != Meta.FORMAT) {
                throw new RecordUnavailableException(
                        "the rows of the record in " + view.path() + " have the format " + format + ", not "
                                + Meta.FORMAT
                                + (format > Meta.FORMAT
                                        ? ": a later version has written them; start that version"
                                        : "; they are derived from the log again"),
                        null);
            }
            checkedOpening = open.number();
        }
    }

    private static int format(OpenDatabase open) throws RocksDBException {
        byte[] meta = open.rocks().get(open.family(FAMILY), RowFormat.META_KEY);
        return meta == null ? Meta.FORMAT : Meta.format(meta);
    }

    /** Removes the rows of an earlier format, and nothing else in the view. */
    private OpenDatabase withoutEarlierFormat(OpenDatabase open) throws RocksDBException {
        int format = format(open);
        if (format < Meta.FORMAT) {
            try (WriteBatch all = new WriteBatch()) {
                all.deleteRange(open.family(FAMILY), new byte[0], new byte[] {(byte) 0xff});
                open.write(all);
            }
            LOG.warn(
                    "the rows of the record in {} have the earlier format {}, and are derived from the log again;"
                            + " outcomes that the log no longer has are lost",
                    view.path(),
                    format);
        }
        return open;
    }

    @Override
    public void reopen() {
        try {
            view.reopenIfNeeded();
            opening = view.use(open -> withoutEarlierFormat(open).number());
        } catch (ViewUnavailableException e) {
            throw new RecordUnavailableException("the record can't be opened: " + e.getMessage(), e);
        }
    }

    @Override
    public Optional<Position> position(String logId) {
        return read(search -> search.position(logId)
                .filter(stored -> stored.generation() != RowFormat.ENDED)
                .map(StoredPosition::position));
    }

    @Override
    public synchronized List<PlacedReview> apply(Group group) {
        return use(opened -> {
            try (RowWriting writing = writing(opened)) {
                return writing.apply(group);
            }
        });
    }

    @Override
    public synchronized void wentBack(String logId) {
        use(opened -> {
            try (RowWriting writing = writing(opened)) {
                writing.endLog(logId);
            }
            return true;
        });
    }

    private RowWriting writing(OpenDatabase opened) throws RocksDBException {
        view.requireOpening(opening, opened);
        if (knownOpening != opened.number()) {
            knownShards.clear();
            keepWhenSetAside(); // rows are kept for longer than the log
            knownOpening = opened.number();
        }
        return new RowWriting(opened, opened.family(FAMILY), knownShards, random);
    }

    private void keepWhenSetAside() {
        try {
            view.keepWhenSetAside();
        } catch (IOException e) {
            throw new RecordUnavailableException("the record can't be written: " + e.getMessage(), e);
        }
    }

    @Override
    public void sync() {
        try {
            view.use(opened -> {
                view.requireOpening(opening, opened);
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
            view.requireOpening(opening, opened);
            List<Current> old = new ArrayList<>();
            List<RowKey> reviewedOnly = new ArrayList<>();
            try (RowSearch search = new RowSearch(opened.rocks(), opened.family(FAMILY))) {
                Range oldest = new Range(
                        Scope.ALL,
                        Clock.RECEIVED,
                        List.of(0L),
                        RowKind.all(null, null),
                        Long.MIN_VALUE,
                        before.toEpochMilli(),
                        false,
                        null);
                search.byTime(oldest, place -> {
                    long row = RowFormat.rowAtEnd(place);
                    old.add(new Current(row, version(search, row)));
                    return old.size() < SWEPT_AT_ONCE;
                });
                if (old.size() < SWEPT_AT_ONCE) { // otherwise, the rows of most of these reviews are about to go
                    int[] examined = {0};
                    Set<RowKey> gone =
                            old.stream().map(each -> each.version().key()).collect(Collectors.toSet());
                    Range oldestReviews =
                            reviewed(EnumSet.allOf(Review.Verdict.class), before.toEpochMilli(), false, null);
                    search.byTime(oldestReviews, place -> {
                        RowKey key = review(search, RowFormat.rowAtEnd(place)).key();
                        if (gone.contains(key) || current(search, key) == null) {
                            reviewedOnly.add(key);
                        }
                        return reviewedOnly.size() < SWEPT_AT_ONCE && ++examined[0] < MOST_EXAMINED;
                    });
                }
            }
            if (!old.isEmpty() || !reviewedOnly.isEmpty()) {
                try (RowWriting writing = writing(opened)) {
                    writing.remove(old, reviewedOnly);
                }
            }
            return old.size() == SWEPT_AT_ONCE || reviewedOnly.size() == SWEPT_AT_ONCE;
        });
    }

    private static StoredVersion version(RowSearch search, long row) throws RocksDBException {
        return StoredVersion.decode(value(search, row));
    }

    private static byte[] value(RowSearch search, long row) throws RocksDBException {
        byte[] value = search.get(RowFormat.rowKey(row));
        if (value == null) {
            throw new IllegalArgumentException("the row " + Long.toHexString(row) + " is missing");
        }
        return value;
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
    public Rows find(OutcomeQuery wanted) {
        String shard = wanted.shardByEpoch();
        byte[] after = place(wanted.cursor(), shard != null ? EPOCH_PLACE : PLACE);
        return read(search ->
                shard != null ? byEpoch(search, shard, wanted.limit(), after) : byTime(search, wanted, after));
    }

    /** The versions for an answer, whose length is limited. */
    private static final class Answer {
        private final RowSearch search;
        private final int limit;
        private final List<Version> rows = new ArrayList<>();
        private long bytes;
        private int examined;
        private boolean isCut;
        private boolean isMore;
        private byte @Nullable [] last;
        private byte @Nullable [] first;

        Answer(RowSearch search, int limit) {
            this.search = search;
            this.limit = limit;
        }

        /** Adds the version of a row if a condition holds; returns whether the next place is wanted. */
        boolean examine(byte[] place, long row, Predicate<Version> condition) throws RocksDBException {
            if (isCut) {
                isMore = true; // only this place shows that anything follows
                return false;
            }
            byte[] value = value(search, row);
            Version version = StoredVersion.decode(value).version();
            if (condition.test(version)) {
                rows.add(version);
                bytes += value.length;
                first = first == null ? place : first;
            }
            last = place;
            isCut = rows.size() >= limit || bytes >= MOST_BYTES || ++examined >= MOST_EXAMINED;
            return true;
        }

        Rows rows(boolean isByTime) {
            return new Rows(rows, isMore ? hex(last) : null, isByTime ? hex(first) : null);
        }

        private static @Nullable String hex(byte @Nullable [] place) {
            return place == null ? null : HexFormat.of().formatHex(place);
        }
    }

    private static Rows byEpoch(RowSearch search, String shard, int limit, byte @Nullable [] after)
            throws RocksDBException {
        byte[] head = RowFormat.epochHead(shard);
        Answer answer = new Answer(search, limit);
        search.scan(
                after == null ? head : RowFormat.join(head, RowFormat.join(after, new byte[1])),
                RowFormat.join(head, RowFormat.LAST),
                (key, value) -> answer.examine(
                        Arrays.copyOfRange(key, head.length, key.length),
                        RowFormat.rowAtEnd(key),
                        each -> each.key().shard().equals(shard)));
        return answer.rows(false);
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

    private static Rows byTime(RowSearch search, OutcomeQuery wanted, byte @Nullable [] after) throws RocksDBException {
        Range range = range(wanted, wanted.order() == Order.NEWEST, after);
        Answer answer = new Answer(search, wanted.limit());
        search.byTime(range, place -> answer.examine(place, RowFormat.rowAtEnd(place), wanted::passes));
        return answer.rows(true);
    }

    private static Range range(OutcomeQuery wanted, boolean isNewestFirst, byte @Nullable [] after) {
        Scope scope = !wanted.shards().isEmpty()
                ? Scope.SHARD
                : wanted.key() != null && wanted.measured().isOpen() ? Scope.KEY : Scope.ALL;
        Span span = wanted.span();
        return new Range(
                scope,
                wanted.measured().isOpen() ? Clock.RECEIVED : Clock.MEASURED,
                switch (scope) {
                    case ALL -> List.of(0L);
                    case SHARD -> wanted.shards().stream().map(RowFormat::hash).toList();
                    case KEY -> List.of(RowFormat.hash(Objects.requireNonNull(wanted.key())));
                },
                wanted.kinds(),
                millis(span.from(), Long.MIN_VALUE, 0),
                millis(span.to(), Long.MAX_VALUE, 1), // rounded up to a millisecond; passes() is exact
                isNewestFirst,
                after);
    }

    @Override
    public List<Shape> shapes(String shard, int most) {
        return read(search -> {
            Map<byte[], byte[]> newestFirst = new TreeMap<>(
                    (one, other) -> Arrays.compareUnsigned(RowFormat.placeAtEnd(other), RowFormat.placeAtEnd(one)));
            search.addNewest(shard, most, newestFirst);
            newestFirst.keySet().removeIf(key -> !RowKind.SHAPED.contains(RowFormat.kindBeforePlace(key)));
            List<Shape> shapes = new ArrayList<>();
            for (Map.Entry<byte[], byte[]> each :
                    newestFirst.entrySet().stream().limit(most).toList()) {
                shapes.add(shape(search, each.getKey(), each.getValue()));
            }
            shapes.removeIf(Objects::isNull);
            return shapes;
        });
    }

    private static @Nullable Shape shape(RowSearch search, byte[] key, byte[] value) throws RocksDBException {
        return value.length > 0
                ? RowFormat.shape(key, value)
                : Shape.of(version(search, RowFormat.rowAtEnd(key)).version()); // written by an earlier version
    }

    @Override
    public Counts count(OutcomeQuery wanted, long[] bounds, int most) {
        Map<Kind, long[]> counts = Counts.zeros(bounds.length - 1);
        CountVisitor add =
                (kind, index, number) -> Objects.requireNonNull(counts.get(RowKind.verdict(kind)))[index] += number;
        Range range = range(wanted, true, null);
        int completeFrom = read(search -> wanted.isIndexed()
                ? search.count(range, bounds, most, add)
                : countValues(search, wanted, range, bounds, most / READ_COST, add));
        return new Counts(counts, completeFrom);
    }

    private static int countValues(
            RowSearch search, OutcomeQuery wanted, Range range, long[] bounds, int most, CountVisitor add)
            throws RocksDBException {
        int[] examined = {0};
        int[] completeFrom = {0};
        search.byTime(range, place -> {
            int found = Arrays.binarySearch(bounds, RowFormat.millisBeforeRow(place));
            int index = found < 0 ? -found - 2 : found; // the last bound that is not after the time
            if (examined[0]++ == most || index < 0) {
                completeFrom[0] = index + 1;
                return false;
            }
            Version version = version(search, RowFormat.rowAtEnd(place)).version();
            if (index < bounds.length - 1 && wanted.passes(version)) {
                add.add(RowKind.of(version.outcome()), index, 1);
            }
            return true;
        });
        return completeFrom[0];
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
                        found.add(version.version());
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
            List<Version> versions = new ArrayList<>();
            StoredVersion version = current(search, key);
            while (version != null && versions.size() < limit) {
                versions.add(version.version());
                version = version.before() == 0 ? null : version(search, version.before());
            }
            return versions;
        });
    }

    private static @Nullable StoredVersion current(RowSearch search, RowKey key) throws RocksDBException {
        byte[] value = search.get(RowFormat.idKey(key.pcsId()));
        for (long row : value == null ? List.<Long>of() : RowFormat.rows(value)) {
            StoredVersion version = version(search, row);
            if (version.key().equals(key)) {
                return version;
            }
        }
        return null;
    }

    @Override
    public List<Review> reviews(RowKey key, int limit) {
        byte[] head = RowFormat.reviewKey(key);
        return read(search -> {
            List<Long> places = new ArrayList<>();
            search.scan(RowFormat.reviewKey(key, 0), RowFormat.join(head, RowFormat.LAST), (each, row) -> {
                places.add(RowFormat.rowAtEnd(row));
                return true;
            });
            Collections.reverse(places);
            List<Review> reviews = new ArrayList<>();
            for (long row : places.subList(0, Math.min(places.size(), limit))) {
                reviews.add(review(search, row).review());
            }
            return reviews;
        });
    }

    @Override
    public Map<RowKey, Review> newestReviews(Collection<RowKey> keys) {
        return read(search -> {
            Map<RowKey, Review> newest = new HashMap<>();
            for (RowKey key : keys) {
                byte[] row = search.get(RowFormat.reviewKey(key));
                if (row != null) {
                    newest.put(key, review(search, RowFormat.rowAtEnd(row)).review());
                }
            }
            return newest;
        });
    }

    private static Reviewed review(RowSearch search, long row) throws RocksDBException {
        if (RowFormat.decode(value(search, row)) instanceof Reviewed reviewed) {
            return reviewed;
        }
        throw new IllegalArgumentException("the row " + Long.toHexString(row) + " is not a review");
    }

    private static Range reviewed(
            Collection<Review.Verdict> verdicts, long toMillis, boolean isNewestFirst, byte @Nullable [] after) {
        return new Range(
                Scope.ALL,
                Clock.REVIEWED,
                List.of(0L),
                verdicts.stream().map(RowKind::code).toList(),
                Long.MIN_VALUE,
                toMillis,
                isNewestFirst,
                after);
    }

    @Override
    public ReviewedPart reviewed(@Nullable String cursor, int limit) {
        Range newestFirst = reviewed(
                EnumSet.complementOf(EnumSet.of(Review.Verdict.WITHDRAWN)), Long.MAX_VALUE, true, place(cursor, PLACE));
        return read(search -> {
            List<Reviewed> reviews = new ArrayList<>();
            byte[][] last = {{}};
            boolean[] isMore = {false};
            search.byTime(newestFirst, place -> {
                isMore[0] = reviews.size() == limit;
                if (!isMore[0]) {
                    reviews.add(review(search, RowFormat.rowAtEnd(place)));
                    last[0] = place;
                }
                return !isMore[0];
            });
            return new ReviewedPart(reviews, isMore[0] ? HexFormat.of().formatHex(last[0]) : null);
        });
    }

    @Override
    public Map<String, Long> faults(int most) {
        byte[] head = RowFormat.times(Scope.ALL, Clock.REVIEWED, 0, RowKind.code(Review.Verdict.FAULT));
        return read(search -> {
            Map<String, Long> faults = new TreeMap<>();
            int[] counted = {0};
            search.scan(head, RowSearch.after(head), (key, shard) -> {
                faults.merge(new String(shard, StandardCharsets.UTF_8), 1L, Long::sum);
                return ++counted[0] < most;
            });
            return faults;
        });
    }

    @Override
    public List<Waiting> waiting(int most) {
        return read(search -> {
            List<Waiting> waiting = new ArrayList<>();
            for (int kind : RowKind.all(null, null)) {
                byte[] head = RowFormat.times(Scope.ALL, Clock.RECEIVED, 0, kind);
                if (RowKind.waits(kind) && waiting.size() < most) {
                    search.scan(head, RowSearch.after(head), (key, group) -> {
                        waiting.add(new Waiting(
                                RowFormat.rowAtEnd(group), RowFormat.millisBeforeRow(key), RowFormat.rowAtEnd(key)));
                        return waiting.size() < most;
                    });
                }
            }
            return waiting;
        });
    }

    @Override
    public Map<Long, Version> at(Collection<Long> numbers) {
        return read(search -> {
            Map<Long, Version> versions = new HashMap<>();
            for (long row : numbers) {
                byte[] value = search.get(RowFormat.rowKey(row));
                if (value != null) {
                    versions.put(row, StoredVersion.decode(value).version());
                }
            }
            return versions;
        });
    }

    @Override
    public List<Change> changes(String cursor, int limit) throws ChangesLostException {
        Cursor after = Cursor.parse(cursor);
        return read(search -> RowChanges.after(search, after, limit)).orThrow();
    }

    @Override
    public String newest() {
        return read(RowChanges::newest);
    }

    @Override
    public void close() {
        // the owner of the view closes it
    }
}
