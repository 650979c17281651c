// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static dev.flk.backend.outcomes.postgres.SqlCalls.each;
import static dev.flk.backend.outcomes.postgres.SqlCalls.query;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.postgres.SqlCalls.Columns;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** The queries of {@link PostgresRows} for reviews, and for the rows that wait for one. */
final class RecordReviews {
    static final String OF_ROW = """
            SELECT number, at_millis, json FROM flk_record_reviews
            WHERE pcs_id = ? AND shard = ? AND epoch = ? ORDER BY version DESC LIMIT ?""";

    static final String NEWEST_OF_ROWS = """
            SELECT stored.number, stored.at_millis, stored.json
            FROM unnest(?::bytea[], ?::bigint[], ?::bytea[]) AS given (shard, epoch, pcs_id)
            JOIN flk_record_reviews AS stored
                ON stored.is_current AND stored.pcs_id = given.pcs_id AND stored.shard = given.shard
                AND stored.epoch = given.epoch""";

    static final String NEWEST = """
            SELECT number, at_millis, json FROM flk_record_reviews
            WHERE is_current AND decision <> 'withdrawn' AND (at_millis, number) < (?, ?)
            ORDER BY at_millis DESC, number DESC LIMIT ?""";

    static final String FAULTS = """
            SELECT shard, count(*)
            FROM (SELECT shard FROM flk_record_reviews WHERE is_current AND decision = 'fault' LIMIT ?) AS fault
            GROUP BY shard""";

    /** A query that reads only the index. */
    static final String WAITING = """
            SELECT shard, reason_kind, array_agg(received_millis), array_agg(number)
            FROM (SELECT shard, reason_kind, received_millis, number FROM flk_record_versions
                WHERE is_current AND kind >= 16 LIMIT ?) AS waiting
            GROUP BY shard, reason_kind""";

    private static final Pattern CURSOR = Pattern.compile("v(-?\\d{1,19})\\.(\\d{1,19})");

    private RecordReviews() {}

    static List<Review> ofRow(Connection connection, RowKey key, int limit) throws SQLException {
        return read(connection, OF_ROW, RecordRow.id(key), RecordRow.shard(key), key.epoch(), limit).stream()
                .map(each -> each.reviewed().review())
                .toList();
    }

    static Map<RowKey, Review> newest(Connection connection, Collection<RowKey> keys) throws SQLException {
        Columns<RowKey> columns = new Columns<>(connection, List.copyOf(keys));
        Function<RowKey, RowKey> same = Function.identity();
        Map<RowKey, Review> newest = new HashMap<>();
        for (Stored each :
                read(connection, NEWEST_OF_ROWS, columns.shards(same), columns.epochs(same), columns.ids(same))) {
            newest.put(each.reviewed().key(), each.reviewed().review());
        }
        return newest;
    }

    static ReviewedPart reviewed(Connection connection, @Nullable String cursor, int limit) throws SQLException {
        long millis = Long.MAX_VALUE;
        long number = 0;
        if (cursor != null) {
            Matcher place = RecordSearch.matched(CURSOR, cursor);
            millis = RecordSearch.number(place.group(1));
            number = RecordSearch.number(place.group(2));
        }
        List<Stored> found = read(connection, NEWEST, millis, number, limit + 1);
        List<Stored> part = found.subList(0, Math.min(found.size(), limit));
        Stored last = found.size() > limit ? part.get(limit - 1) : null;
        return new ReviewedPart(
                part.stream().map(Stored::reviewed).toList(),
                last == null ? null : "v" + last.atMillis() + "." + last.number());
    }

    static Map<String, Long> faults(Connection connection, int most) throws SQLException {
        Map<String, Long> faults = new HashMap<>();
        each(connection, FAULTS, row -> faults.put(RecordRow.text(row.getBytes(1)), row.getLong(2)), most);
        return faults;
    }

    static List<Waiting> waiting(Connection connection, int most) throws SQLException {
        List<Waiting> waiting = new ArrayList<>();
        each(
                connection,
                WAITING,
                row -> {
                    long group = OutcomeRows.waitingGroup(RecordRow.text(row.getBytes(1)), row.getString(2));
                    Long[] received = (Long[]) row.getArray(3).getArray();
                    Long[] numbers = (Long[]) row.getArray(4).getArray();
                    for (int i = 0; i < numbers.length; i++) {
                        waiting.add(new Waiting(group, received[i], numbers[i]));
                    }
                },
                most);
        return waiting;
    }

    private record Stored(long number, long atMillis, Reviewed reviewed) {}

    private static List<Stored> read(Connection connection, String sql, Object... parameters) throws SQLException {
        return query(
                connection,
                sql,
                row -> new Stored(row.getLong(1), row.getLong(2), review(row.getString(3))),
                parameters);
    }

    /** Returns the review of the column json. */
    static Reviewed review(String json) throws SQLException {
        try {
            return Reviewed.of(LoggedReview.decode(RecordRow.utf8(json)));
        } catch (IllegalArgumentException e) {
            throw new SQLException("a row of flk_record_reviews has an unknown format: " + e.getMessage(), e);
        }
    }
}
