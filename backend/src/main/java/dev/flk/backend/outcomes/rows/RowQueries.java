// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.each;
import static dev.flk.backend.outcomes.rows.RowSql.in;
import static dev.flk.backend.outcomes.rows.RowSql.query;
import static dev.flk.backend.outcomes.rows.StoredText.stored;
import static dev.flk.backend.outcomes.rows.StoredText.text;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.verification.Verdict.Kind;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The queries for rows. */
final class RowQueries {
    /** The columns that {@link #reviewed} needs, in their order. */
    static final String REVIEW = "n, shard, epoch, pcs_id, version, decision, note, author, decided_at";

    /** The numbers of rows that are read at once; a row seldom has more than 2 KiB, and at most 270 KiB. */
    private static final int READ_FIRST = 100;

    private static final int READ_AT_ONCE = 400;

    /** The limit on the bytes of rows in one answer; their JSON is several times longer. */
    private static final long MOST_BYTES = 512 << 10;

    /** The number of ids that may begin with the same bytes, which nobody has seen. */
    private static final int OF_ONE_HEAD = 16;

    private static final String NUMBER = "(-?\\d{1,19})";
    private static final Pattern TIME_CURSOR = Pattern.compile("([rm])" + NUMBER + "\\." + NUMBER);
    private static final Pattern EPOCH_CURSOR = Pattern.compile("e" + NUMBER + "\\." + NUMBER + "\\." + NUMBER);
    private static final Pattern REVIEW_CURSOR = Pattern.compile("v" + NUMBER + "\\." + NUMBER);

    private static final HexFormat HEX = HexFormat.of();

    private RowQueries() {}

    /** A condition of a query, with its parameters. */
    private static final class Conditions {
        private final StringBuilder sql = new StringBuilder("is_current");
        private final List<Object> parameters = new ArrayList<>();

        Conditions and(String condition, Object... values) {
            sql.append(" AND ").append(condition);
            Collections.addAll(parameters, values);
            return this;
        }

        /** Adds the conditions of a query, without its cursor. */
        static Conditions of(OutcomeQuery wanted) {
            Conditions all = new Conditions();
            if (!wanted.shards().isEmpty()) {
                all.and("shard IN (" + parameters(wanted.shards()) + ")", storedShards(wanted.shards()));
            }
            Optional.ofNullable(wanted.key()).ifPresent(key -> all.and("coalesce(key_id, '') = ?", stored(key)));
            Optional.ofNullable(wanted.verdict()).ifPresent(verdict -> all.and("verdict = " + StoredRow.code(verdict)));
            Optional.ofNullable(wanted.regime()).ifPresent(regime -> all.and("regime = ?", regime.wireName()));
            Optional.ofNullable(wanted.reason()).ifPresent(reason -> all.and("cause = ?", stored(reason)));
            if (wanted.waits()) {
                all.and("waits");
            }
            all.within("received", wanted.received());
            if (!wanted.measured().isOpen()) {
                all.and("measured IS NOT NULL").within("measured", wanted.measured());
                Instant from = wanted.measured().from();
                Instant to = wanted.measured().to();
                if (from != null) {
                    all.and(
                            "(end_seconds > ? OR (end_seconds = ? AND end_nanos >= ?))",
                            from.getEpochSecond(),
                            from.getEpochSecond(),
                            from.getNano());
                }
                if (to != null) {
                    all.and(
                            "(end_seconds < ? OR (end_seconds = ? AND end_nanos < ?))",
                            to.getEpochSecond(),
                            to.getEpochSecond(),
                            to.getNano());
                }
            }
            return all;
        }

        /** Adds that a time in milliseconds may be in a range; exact if it has whole milliseconds. */
        private void within(String column, Span span) {
            boolean isWhole = column.equals("received");
            if (span.from() != null) {
                long millis = millis(span.from());
                boolean isAfter = isWhole && isInside(millis, span.from());
                and(column + (isAfter ? " > ?" : " >= ?"), millis);
            }
            if (span.to() != null) {
                long millis = millis(span.to());
                boolean isIncluded = millis == Long.MAX_VALUE || isInside(millis, span.to());
                and(column + (isIncluded ? " <= ?" : " < ?"), millis);
            }
        }

        private static boolean isInside(long millis, Instant time) {
            return millis != Long.MIN_VALUE
                    && millis != Long.MAX_VALUE
                    && Instant.ofEpochMilli(millis).isBefore(time);
        }
    }

    private static String parameters(Collection<?> values) {
        return String.join(",", Collections.nCopies(values.size(), "?"));
    }

    private static Object[] storedShards(Collection<String> shards) {
        return shards.stream().map(StoredText::stored).toArray();
    }

    private static long millis(Instant time) {
        try {
            return time.toEpochMilli();
        } catch (ArithmeticException e) {
            return time.isBefore(Instant.EPOCH) ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
    }

    private static List<StoredRow> read(Connection connection, Conditions conditions, String order, int limit)
            throws SQLException {
        return query(
                connection,
                "SELECT " + StoredRow.COLUMNS + " FROM flk_record_outcomes WHERE " + conditions.sql + " ORDER BY "
                        + order + " LIMIT " + limit,
                StoredRow::read,
                conditions.parameters.toArray());
    }

    /** Reads the rows in parts, so that few are in memory at once if they are long. */
    static Rows find(Connection connection, OutcomeQuery wanted) throws SQLException {
        List<StoredRow> rows = new ArrayList<>();
        OutcomeQuery rest = wanted;
        long bytes = 0;
        boolean isMore = true;
        while (isMore && rows.size() < wanted.limit() && bytes < MOST_BYTES) {
            int limit = Math.min(wanted.limit() - rows.size(), rows.isEmpty() ? READ_FIRST : READ_AT_ONCE);
            List<StoredRow> found = part(connection, rest, limit + 1);
            isMore = found.size() > limit;
            List<StoredRow> part = isMore ? found.subList(0, limit) : found;
            rows.addAll(part);
            bytes += part.stream().mapToLong(StoredRow::about).sum();
            rest = isMore ? wanted.withCursor(cursor(wanted, part.get(limit - 1))) : rest;
        }
        return new Rows(
                rows.stream().map(StoredRow::version).toList(),
                isMore ? rest.cursor() : null,
                wanted.shardByEpoch() != null || rows.isEmpty() ? null : cursor(wanted, rows.get(0)));
    }

    private static List<StoredRow> part(Connection connection, OutcomeQuery wanted, int limit) throws SQLException {
        String shard = wanted.shardByEpoch();
        return shard != null ? byEpoch(connection, shard, wanted.cursor(), limit) : byTime(connection, wanted, limit);
    }

    private static String cursor(OutcomeQuery wanted, StoredRow row) {
        return wanted.shardByEpoch() != null
                ? "e" + row.key().epoch() + "." + StoredRow.head(row.key()) + "." + row.n()
                : cursor(row, !wanted.measured().isOpen());
    }

    private static String cursor(StoredRow row, boolean isMeasured) {
        return isMeasured
                ? "m" + Objects.requireNonNull(row.version().outcome().measuredMillis()) + "." + row.n()
                : "r" + row.version().outcome().receivedMillis() + "." + row.n();
    }

    private static List<StoredRow> byEpoch(Connection connection, String shard, @Nullable String cursor, int limit)
            throws SQLException {
        Conditions conditions = new Conditions().and("shard = ?", stored(shard));
        if (cursor != null) {
            Matcher place = matched(EPOCH_CURSOR, cursor);
            long epoch = number(place.group(1));
            long head = number(place.group(2));
            conditions.and(
                    "(epoch > ? OR (epoch = ? AND (id > ? OR (id = ? AND n > ?))))",
                    epoch,
                    epoch,
                    head,
                    head,
                    number(place.group(3)));
        }
        return read(connection, conditions, "epoch, id, n", limit);
    }

    private static List<StoredRow> byTime(Connection connection, OutcomeQuery wanted, int limit) throws SQLException {
        boolean isMeasured = !wanted.measured().isOpen();
        boolean isNewest = wanted.order() == Order.NEWEST;
        String column = isMeasured ? "measured" : "received";
        Conditions conditions = Conditions.of(wanted);
        if (wanted.cursor() != null) {
            Matcher place = matched(TIME_CURSOR, wanted.cursor());
            if (isMeasured != place.group(1).equals("m")) {
                throw noCursor();
            }
            long millis = number(place.group(2));
            String than = isNewest ? "<" : ">";
            conditions
                    .and(column + " " + than + "= ?", millis)
                    .and("(" + column + " <> ? OR n " + than + " ?)", millis, number(place.group(3)));
        }
        String direction = isNewest ? " DESC" : "";
        return read(connection, conditions, column + direction + ", n" + direction, limit);
    }

    private static Matcher matched(Pattern pattern, String cursor) {
        Matcher matcher = pattern.matcher(cursor);
        if (!matcher.matches()) {
            throw noCursor();
        }
        return matcher;
    }

    private static long number(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw noCursor();
        }
    }

    private static InvalidCursorException noCursor() {
        return new InvalidCursorException("cursor belongs to another query");
    }

    static Map<String, List<Shape>> shapes(Connection connection, Dialect dialect, Collection<String> shards, int most)
            throws SQLException {
        Map<String, List<Shape>> shapes = new HashMap<>();
        shards.forEach(each -> shapes.put(each, new ArrayList<>()));
        String newest = dialect.newestOfShards.formatted(
                "shard, verdict, d_hat, coh_star, r, received",
                parameters(shards),
                most,
                "is_current AND verdict <> " + StoredRow.code(Kind.REJECTED) + " AND regime IS NOT NULL");
        each(
                connection,
                newest,
                row -> shape(row).ifPresent(Objects.requireNonNull(shapes.get(text(row, 1)))::add),
                storedShards(shards));
        return shapes;
    }

    private static Optional<Shape> shape(ResultSet row) throws SQLException {
        return row.getObject(4) == null
                ? Optional.empty()
                : Optional.of(new Shape(
                        row.getShort(2) == StoredRow.code(Kind.ACCEPTED),
                        (float) row.getDouble(3),
                        (float) row.getDouble(4),
                        (float) row.getDouble(5),
                        row.getLong(6)));
    }

    static Counts count(Connection connection, OutcomeQuery wanted, long[] bounds) throws SQLException {
        Counts counts = new Counts(Counts.zeros(bounds.length - 1));
        String column = wanted.measured().isOpen() ? "received" : "measured";
        Conditions conditions = Conditions.of(wanted)
                .and(column + " >= ? AND " + column + " < ?", bounds[0], bounds[bounds.length - 1]);
        each(
                connection,
                "SELECT verdict, " + range(column, bounds, 0, bounds.length - 2)
                        + ", count(*) FROM flk_record_outcomes WHERE " + conditions.sql + " GROUP BY 1, 2",
                row -> Objects.requireNonNull(counts.byVerdict().get(StoredRow.kind(row.getShort(1))))[row.getInt(2)] =
                        row.getLong(3),
                conditions.parameters.toArray());
        return counts;
    }

    /** Returns an expression for the index of the range of a time, from {@code first} to {@code last}. */
    private static String range(String column, long[] bounds, int first, int last) {
        if (first == last) {
            return "CAST(" + first + " AS INTEGER)";
        }
        int middle = (first + last + 1) / 2;
        return "CASE WHEN " + column + " < " + bounds[middle] + " THEN " + range(column, bounds, first, middle - 1)
                + " ELSE " + range(column, bounds, middle, last) + " END";
    }

    static List<Version> withId(Connection connection, String prefix, int limit) throws SQLException {
        int missing = 64 - prefix.length();
        String from = prefix + "0".repeat(missing);
        String to = prefix + "f".repeat(missing);
        Conditions conditions = new Conditions().and("id BETWEEN ? AND ?", StoredRow.head(from), StoredRow.head(to));
        return read(connection, conditions, "id", limit + OF_ONE_HEAD).stream()
                .map(StoredRow::version)
                .filter(version -> version.key().pcsId().startsWith(prefix))
                .sorted(Comparator.comparing(version -> version.key().pcsId()))
                .limit(limit)
                .toList();
    }

    static byte[] bytes(RowKey key) {
        return HEX.parseHex(key.pcsId());
    }

    static List<Version> versions(Connection connection, RowKey key, int limit) throws SQLException {
        List<StoredRow> found = query(
                connection,
                "SELECT " + StoredRow.COLUMNS + " FROM flk_record_outcomes WHERE id = ? AND shard = ? AND epoch = ?"
                        + " ORDER BY is_current DESC, n DESC",
                StoredRow::read,
                StoredRow.head(key),
                stored(key.shard()),
                key.epoch());
        return found.stream()
                .map(StoredRow::version)
                .filter(version -> version.key().equals(key))
                .limit(limit)
                .toList();
    }

    static Reviewed reviewed(ResultSet row) throws SQLException {
        return new Reviewed(
                new RowKey(text(row, 2), row.getLong(3), HEX.formatHex(row.getBytes(4))),
                new Review(
                        row.getLong(5),
                        Review.Verdict.parse(row.getString(6)),
                        text(row, 7),
                        text(row, 8),
                        text(row, 9)));
    }

    static List<Review> reviews(Connection connection, RowKey key, int limit) throws SQLException {
        return query(
                        connection,
                        "SELECT " + REVIEW
                                + " FROM flk_record_reviews WHERE id = ? AND shard = ? AND epoch = ? AND pcs_id = ?"
                                + " ORDER BY version DESC LIMIT " + limit,
                        RowQueries::reviewed,
                        StoredRow.head(key),
                        stored(key.shard()),
                        key.epoch(),
                        bytes(key))
                .stream()
                .map(Reviewed::review)
                .toList();
    }

    static ReviewedPart reviewed(Connection connection, @Nullable String cursor, int limit) throws SQLException {
        Conditions conditions = new Conditions().and("decision <> 'withdrawn'");
        if (cursor != null) {
            Matcher place = matched(REVIEW_CURSOR, cursor);
            long millis = number(place.group(1));
            conditions.and("(at_millis < ? OR (at_millis = ? AND n < ?))", millis, millis, number(place.group(2)));
        }
        record Numbered(long n, Reviewed reviewed) {}
        List<Numbered> found = query(
                connection,
                "SELECT " + REVIEW + " FROM flk_record_reviews WHERE " + conditions.sql
                        + " ORDER BY at_millis DESC, n DESC LIMIT " + (limit + 1),
                row -> new Numbered(row.getLong(1), reviewed(row)),
                conditions.parameters.toArray());
        List<Numbered> part = found.subList(0, Math.min(limit, found.size()));
        Numbered last = found.size() > limit ? part.get(limit - 1) : null;
        return new ReviewedPart(
                part.stream().map(Numbered::reviewed).toList(),
                last == null ? null : "v" + last.reviewed().atMillis() + "." + last.n());
    }

    static List<String> shards(Connection connection, Dialect dialect, String prefix, @Nullable String after, int limit)
            throws SQLException {
        return query(
                connection,
                dialect.shards.formatted(limit),
                row -> text(row, 1),
                stored(prefix),
                after == null ? "" : stored(after),
                stored(prefix));
    }

    static Map<RowKey, Review> newestReviews(Connection connection, Collection<RowKey> keys) throws SQLException {
        Map<RowKey, Review> newest = new HashMap<>();
        String ids = in(keys.stream().map(StoredRow::head).toList());
        query(
                        connection,
                        "SELECT " + REVIEW + " FROM flk_record_reviews WHERE is_current AND id IN (" + ids + ")",
                        RowQueries::reviewed)
                .forEach(each -> newest.put(each.key(), each.review()));
        newest.keySet().retainAll(keys);
        return newest;
    }

    static Map<String, Long> faults(Connection connection, int most) throws SQLException {
        Map<String, Long> faults = new HashMap<>();
        each(
                connection,
                "SELECT shard, count(*) FROM (SELECT shard FROM flk_record_reviews WHERE is_current AND decision = 'fault'"
                        + " LIMIT " + most + ") AS found GROUP BY shard",
                row -> faults.put(text(row, 1), row.getLong(2)));
        return faults;
    }

    static List<Waiting> waiting(Connection connection, int most) throws SQLException {
        return query(
                connection,
                "SELECT shard, cause, received, n FROM flk_record_outcomes WHERE is_current AND waits LIMIT " + most,
                row -> new Waiting(
                        OutcomeRows.waitingGroup(text(row, 1), text(row, 2)), row.getLong(3), row.getLong(4)));
    }

    static Map<Long, Version> at(Connection connection, Dialect dialect, Collection<Long> numbers) throws SQLException {
        Map<Long, Version> versions = new HashMap<>();
        query(connection, dialect.byNumbers.formatted(StoredRow.COLUMNS, in(numbers)), StoredRow::read)
                .forEach(row -> versions.put(row.n(), row.version()));
        return versions;
    }

    static Map<String, String> notes(Connection connection, String prefix) throws SQLException {
        Map<String, String> notes = new LinkedHashMap<>();
        each(
                connection,
                "SELECT name, text FROM flk_record_notes WHERE starts_with(name, ?) ORDER BY name",
                row -> notes.put(row.getString(1), row.getString(2)),
                prefix);
        return notes;
    }
}
