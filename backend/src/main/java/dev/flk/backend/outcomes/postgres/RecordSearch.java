// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static dev.flk.backend.outcomes.postgres.SqlCalls.each;
import static dev.flk.backend.outcomes.postgres.SqlCalls.query;

import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.OutcomeRows.InvalidCursorException;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Shape;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowKind;
import dev.flk.verification.Verdict.Kind;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The queries of {@link PostgresRows} for rows. */
final class RecordSearch {
    /**
     * The SQL of a query for the places of rows in the order of time: for each kind, it reads one range of an index. The
     * arguments of the format are: the condition of the scope, the column of the time, the comparison with the place
     * after which to begin, the comparison with the last time, the direction, what is joined for the scope, whether a
     * row is a candidate.
     */
    private static final String PLACES = """
            SELECT place.number, place.millis, %7$s AS is_candidate, kinds.kind
            FROM unnest(?::smallint[]) AS kinds (kind) %6$s
            CROSS JOIN LATERAL (
                SELECT number, %2$s AS millis, received_millis, key_id, reason_kind FROM flk_record_versions
                WHERE is_current AND %1$s flk_record_versions.kind = kinds.kind AND %2$s IS NOT NULL
                    AND (%2$s, number) %3$s (?, ?) AND %2$s %4$s ?
                ORDER BY %2$s %5$s, number %5$s LIMIT ?) AS place
            ORDER BY place.millis %5$s, place.number %5$s LIMIT ?""";

    private static final String CANDIDATE = """
            place.received_millis >= ? AND place.received_millis < ? AND (?::text IS NULL OR place.key_id = ?)
                    AND (?::text IS NULL OR place.reason_kind = ?)""";

    /** The counts of the places that a query finds, in ranges of time. The argument of the format is the query. */
    private static final String COUNTS_OF_PLACES = """
            SELECT kind, width_bucket(millis, ?::bigint[]) - 1, count(*) FILTER (WHERE is_candidate), count(*)
            FROM (%s) AS examined GROUP BY 1, 2""";

    static final String BY_NUMBER =
            "SELECT number, shard, epoch, pcs_id, json FROM flk_record_versions WHERE number = ANY (?)";

    static final String BY_EPOCH = """
            SELECT shard, epoch, pcs_id, json FROM flk_record_versions
            WHERE is_current AND shard = ? AND (epoch, pcs_id) > (?, ?) ORDER BY epoch, pcs_id LIMIT ?""";

    static final String BY_ID = """
            SELECT shard, epoch, pcs_id, json FROM flk_record_versions
            WHERE is_current AND pcs_id BETWEEN ? AND ? ORDER BY pcs_id LIMIT ?""";

    static final String VERSIONS = """
            SELECT shard, epoch, pcs_id, json FROM flk_record_versions
            WHERE pcs_id = ? AND shard = ? AND epoch = ? ORDER BY version DESC LIMIT ?""";

    /** A query that reads one entry of the index for each shard. */
    static final String SHARDS = """
            WITH RECURSIVE found (shard) AS (
                (SELECT shard FROM flk_record_versions WHERE is_current AND shard >= ? AND shard < ?
                    ORDER BY shard LIMIT 1)
                UNION ALL
                SELECT (SELECT shard FROM flk_record_versions WHERE is_current AND shard > found.shard AND shard < ?
                    ORDER BY shard LIMIT 1)
                FROM found WHERE found.shard IS NOT NULL)
            SELECT shard FROM found WHERE shard IS NOT NULL LIMIT ?""";

    /** The maximum number of places that are examined for one part. */
    private static final int MOST_EXAMINED = 10_000;

    /** The number of places that are examined at once if not all of them may be selected. */
    private static final int EXAMINED_AT_ONCE = 2_000;

    /** The number of values that are read at once; a value seldom has more than 2 KiB, and at most 270 KiB. */
    static final int READ_AT_ONCE = 100;

    /** The number of characters of values after which a part ends. */
    private static final long MAX_CHARS = 2 << 20;

    private static final Pattern TIME_CURSOR = Pattern.compile("([rm])(-?\\d{1,19})\\.(\\d{1,19})");
    private static final Pattern EPOCH_CURSOR = Pattern.compile("e(\\d{1,19})\\.([0-9a-f]{64})");

    private RecordSearch() {}

    /** The index of times that a query uses. */
    enum Scope {
        ALL("", ""),
        SHARD("flk_record_versions.shard = shards.shard AND", "CROSS JOIN unnest(?::bytea[]) AS shards (shard)"),
        KEY("key_id = ? AND", "");

        private final String condition;
        private final String join;

        Scope(String condition, String join) {
            this.condition = condition;
            this.join = join;
        }

        static Scope of(OutcomeQuery wanted) {
            return !wanted.shards().isEmpty() ? SHARD : wanted.key() != null ? KEY : ALL;
        }
    }

    /** A time and the number of a version; orders the rows. */
    private record Place(long millis, long number) {}

    /** @param isCandidate whether the conditions hold that are not part of the index, up to fractions of milliseconds */
    private record Examined(Place place, boolean isCandidate) {}

    static Rows find(Connection connection, OutcomeQuery wanted) throws SQLException {
        String shard = wanted.shardByEpoch();
        return shard != null ? byEpoch(connection, shard, wanted) : new ByTime(connection, wanted).find();
    }

    private static Rows byEpoch(Connection connection, String shard, OutcomeQuery wanted) throws SQLException {
        long epoch = -1;
        String pcsId = "";
        if (wanted.cursor() != null) {
            Matcher cursor = matched(EPOCH_CURSOR, wanted.cursor());
            epoch = number(cursor.group(1));
            pcsId = cursor.group(2);
        }
        List<Version> found = new ArrayList<>();
        for (long chars = 0; chars < MAX_CHARS; ) {
            int limit = Math.min(READ_AT_ONCE, wanted.limit() - found.size()) + 1;
            List<Version> part = versions(
                    connection,
                    BY_EPOCH,
                    RecordRow.utf8(shard),
                    epoch,
                    HexFormat.of().parseHex(pcsId),
                    limit);
            for (Version version : part.subList(0, Math.min(part.size(), limit - 1))) {
                found.add(version);
                chars += OutcomeJson.of(version.outcome()).length();
                epoch = version.key().epoch();
                pcsId = version.key().pcsId();
            }
            if (part.size() < limit) {
                return new Rows(found, null, null);
            }
            if (found.size() == wanted.limit()) {
                break;
            }
        }
        return new Rows(found, "e" + epoch + "." + pcsId, null);
    }

    /** A query in the order of time. */
    private static final class ByTime {
        private final Connection connection;
        private final OutcomeQuery wanted;
        private final boolean isMeasured;
        private final boolean isNewestFirst;
        private final Scope scope;
        private final boolean isInIndex;

        private final List<Version> found = new ArrayList<>();
        private @Nullable Place first;
        private long chars;

        ByTime(Connection connection, OutcomeQuery wanted) {
            this.connection = connection;
            this.wanted = wanted;
            this.isMeasured = !wanted.measured().isOpen();
            this.isNewestFirst = wanted.order() == Order.NEWEST;
            this.scope = Scope.of(wanted);
            this.isInIndex = wanted.isIndexed();
        }

        Rows find() throws SQLException {
            Place after = begin();
            for (int examined = 0; examined < MOST_EXAMINED; ) {
                int limit = isInIndex ? wanted.limit() - found.size() : EXAMINED_AT_ONCE;
                List<Examined> part = examine(after, limit);
                examined += part.size();
                for (int from = 0; from < part.size(); from += READ_AT_ONCE) {
                    List<Examined> some = part.subList(from, Math.min(part.size(), from + READ_AT_ONCE));
                    after = select(some, after);
                    if (isFull()) {
                        return rows(cursor(after));
                    }
                }
                if (part.size() < limit) {
                    return rows(null);
                }
            }
            return rows(cursor(after));
        }

        private Rows rows(@Nullable String cursor) {
            return new Rows(found, cursor, first == null ? null : cursor(first));
        }

        /** Returns the place before the first row. */
        private Place begin() {
            if (wanted.cursor() != null) {
                Matcher cursor = matched(TIME_CURSOR, wanted.cursor());
                if (isMeasured != cursor.group(1).equals("m")) {
                    throw noCursor();
                }
                return new Place(number(cursor.group(2)), number(cursor.group(3)));
            }
            // numbers begin at 1
            return new Place(isNewestFirst ? to(wanted.span()) : from(wanted.span()), 0);
        }

        private String cursor(Place after) {
            return (isMeasured ? "m" : "r") + after.millis() + "." + after.number();
        }

        private boolean isFull() {
            return found.size() >= wanted.limit() || chars >= MAX_CHARS;
        }

        /** Adds the rows at these places that the query selects, and returns the last place that was considered. */
        private Place select(List<Examined> places, Place before) throws SQLException {
            Map<Long, Version> versions = byNumber(
                    connection,
                    places.stream()
                            .filter(Examined::isCandidate)
                            .map(each -> each.place().number())
                            .toArray(Long[]::new));
            Place last = before;
            for (Examined each : places) {
                Version version = versions.get(each.place().number()); // null if it was removed meanwhile
                if (version != null && wanted.passes(version)) {
                    first = first == null ? each.place() : first;
                    found.add(version);
                    chars += OutcomeJson.of(version.outcome()).length();
                }
                last = each.place();
                if (isFull()) {
                    return last;
                }
            }
            return last;
        }

        private List<Examined> examine(Place after, int limit) throws SQLException {
            List<@Nullable Object> parameters = new ArrayList<>();
            addCandidate(parameters, wanted);
            addScope(connection, parameters, wanted, wanted.kinds());
            long last = isNewestFirst ? from(wanted.span()) : to(wanted.span());
            parameters.addAll(List.of(after.millis(), after.number(), last, limit, limit));
            return query(
                    connection,
                    places(scope, isMeasured, isNewestFirst),
                    row -> new Examined(new Place(row.getLong(2), row.getLong(1)), row.getBoolean(3)),
                    parameters.toArray());
        }
    }

    static String places(Scope scope, boolean isMeasured, boolean isNewestFirst) {
        return places(scope, isMeasured, isNewestFirst, CANDIDATE);
    }

    /** Returns the query for counts; if all rows in the index are counted, it reads only the index. */
    static String counts(Scope scope, boolean isMeasured, boolean isInIndex) {
        return COUNTS_OF_PLACES.formatted(places(scope, isMeasured, true, isInIndex ? "true" : CANDIDATE));
    }

    private static String places(Scope scope, boolean isMeasured, boolean isNewestFirst, String candidate) {
        return PLACES.formatted(
                scope.condition,
                isMeasured ? "measured_millis" : "received_millis",
                isNewestFirst ? "<" : ">",
                isNewestFirst ? ">=" : "<",
                isNewestFirst ? "DESC" : "ASC",
                scope.join,
                candidate);
    }

    /** Adds the parameters of {@link #CANDIDATE}. */
    private static void addCandidate(List<@Nullable Object> parameters, OutcomeQuery wanted) {
        String key = wanted.key() == null ? null : RecordRow.storable(wanted.key());
        String reason = wanted.reason() == null ? null : RecordRow.storable(wanted.reason());
        parameters.addAll(Arrays.asList(from(wanted.received()), to(wanted.received()), key, key, reason, reason));
    }

    /** Adds the kinds, and the parameter of the scope if it has one. */
    private static void addScope(
            Connection connection, List<@Nullable Object> parameters, OutcomeQuery wanted, List<Integer> kinds)
            throws SQLException {
        parameters.add(connection.createArrayOf("int2", kinds.toArray()));
        if (!wanted.shards().isEmpty()) {
            parameters.add(connection.createArrayOf(
                    "bytea", wanted.shards().stream().map(RecordRow::utf8).toArray(byte[][]::new)));
        } else if (wanted.key() != null) {
            parameters.add(RecordRow.storable(wanted.key()));
        }
    }

    /** Returns the millisecond in which a range begins. */
    private static long from(Span span) {
        return span.from() == null ? Long.MIN_VALUE : millis(span.from());
    }

    /** Returns the first millisecond after a range. */
    private static long to(Span span) {
        Instant to = span.to();
        if (to == null) {
            return Long.MAX_VALUE;
        }
        long millis = millis(to);
        return millis < Long.MAX_VALUE && Instant.ofEpochMilli(millis).isBefore(to) ? millis + 1 : millis;
    }

    private static long millis(Instant time) {
        try {
            return time.toEpochMilli();
        } catch (ArithmeticException e) {
            return time.isBefore(Instant.EPOCH) ? Long.MIN_VALUE : Long.MAX_VALUE;
        }
    }

    static Matcher matched(Pattern pattern, String cursor) {
        Matcher matcher = pattern.matcher(cursor);
        if (!matcher.matches()) {
            throw noCursor();
        }
        return matcher;
    }

    static long number(String digits) {
        try {
            return Long.parseLong(digits);
        } catch (NumberFormatException e) {
            throw noCursor();
        }
    }

    private static InvalidCursorException noCursor() {
        return new InvalidCursorException("cursor belongs to another query");
    }

    static Map<Long, Version> byNumber(Connection connection, Long[] numbers) throws SQLException {
        Map<Long, Version> versions = new HashMap<>();
        if (numbers.length == 0) {
            return versions;
        }
        each(
                connection,
                BY_NUMBER,
                row -> versions.put(row.getLong(1), RecordStatements.version(row, 2)),
                connection.createArrayOf("int8", numbers));
        return versions;
    }

    static List<Shape> shapes(Connection connection, String shard, int most) throws SQLException {
        OutcomeQuery wanted = OutcomeQuery.ALL.withShard(shard);
        List<@Nullable Object> parameters = new ArrayList<>();
        addCandidate(parameters, wanted);
        addScope(connection, parameters, wanted, RowKind.SHAPED);
        parameters.addAll(List.of(Long.MAX_VALUE, 0L, Long.MIN_VALUE, most, most));
        List<Long> numbers =
                query(connection, places(Scope.SHARD, false, true), row -> row.getLong(1), parameters.toArray());
        Map<Long, Version> versions = byNumber(connection, numbers.toArray(Long[]::new));
        return numbers.stream()
                .flatMap(number -> Stream.ofNullable(versions.get(number)))
                .flatMap(version -> Stream.ofNullable(Shape.of(version)))
                .toList();
    }

    static Counts count(Connection connection, OutcomeQuery wanted, long[] bounds, int most) throws SQLException {
        boolean isInIndex = wanted.isIndexed();
        int limit = isInIndex ? most : most / OutcomeRows.READ_COST;
        int ranges = bounds.length - 1;
        Map<Kind, long[]> counts = Counts.zeros(ranges);
        long[] examined = {0};
        int[] oldest = {ranges};
        List<@Nullable Object> parameters = new ArrayList<>();
        parameters.add(
                connection.createArrayOf("int8", Arrays.stream(bounds).boxed().toArray()));
        if (!isInIndex) {
            addCandidate(parameters, wanted);
        }
        addScope(connection, parameters, wanted, wanted.kinds());
        parameters.addAll(List.of(bounds[ranges], 0L, bounds[0], limit, limit));
        each(
                connection,
                counts(Scope.of(wanted), !wanted.measured().isOpen(), isInIndex),
                row -> {
                    int index = row.getInt(2);
                    Objects.requireNonNull(counts.get(RowKind.verdict(row.getInt(1))))[index] += row.getLong(3);
                    examined[0] += row.getLong(4);
                    oldest[0] = Math.min(oldest[0], index);
                },
                parameters.toArray());
        return new Counts(counts, examined[0] == limit ? oldest[0] + 1 : 0);
    }

    static List<Version> withId(Connection connection, String prefix, int limit) throws SQLException {
        int missing = 64 - prefix.length();
        return versions(
                connection,
                BY_ID,
                HexFormat.of().parseHex(prefix + "0".repeat(missing)),
                HexFormat.of().parseHex(prefix + "f".repeat(missing)),
                limit);
    }

    static List<Version> versions(Connection connection, RowKey key, int limit) throws SQLException {
        return versions(connection, VERSIONS, RecordRow.id(key), RecordRow.shard(key), key.epoch(), limit);
    }

    private static List<Version> versions(Connection connection, String sql, Object... parameters) throws SQLException {
        return query(connection, sql, row -> RecordStatements.version(row, 1), parameters);
    }

    static List<String> shards(Connection connection, String prefix, @Nullable String after, int limit)
            throws SQLException {
        byte[] first = RecordRow.utf8(prefix);
        byte[] end = Arrays.copyOf(first, first.length + 1);
        end[first.length] = (byte) 0xff; // a byte that UTF-8 does not use
        if (after != null) {
            byte[] next = RecordRow.utf8(after + '\u0000'); // the first text after this shard
            first = Arrays.compareUnsigned(first, next) < 0 ? next : first;
        }
        return query(connection, SHARDS, row -> RecordRow.text(row.getBytes(1)), first, end, end, limit);
    }
}
