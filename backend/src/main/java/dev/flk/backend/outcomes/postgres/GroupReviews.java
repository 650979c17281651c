// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static dev.flk.backend.outcomes.postgres.SqlCalls.each;
import static dev.flk.backend.outcomes.postgres.SqlCalls.update;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.postgres.SqlCalls.Columns;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RowKind;
import dev.flk.verification.Verdict.Kind;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The reviews of the rows of one group, within the transaction that applies it: those that exist, and those of the
 * group.
 */
final class GroupReviews {
    static final String EXISTING = """
            SELECT stored.number, stored.is_current, stored.json
            FROM unnest(?::bytea[], ?::bigint[], ?::bytea[], ?::bigint[]) AS given (shard, epoch, pcs_id, version)
            JOIN flk_record_reviews AS stored
                ON stored.pcs_id = given.pcs_id AND stored.shard = given.shard AND stored.epoch = given.epoch
                AND (stored.is_current OR stored.version = given.version)""";
    static final String SUPERSEDE = "UPDATE flk_record_reviews SET is_current = false WHERE number = ANY (?)";
    private static final String INSERT = """
            INSERT INTO flk_record_reviews (token, log_id, number, shard, epoch, pcs_id, version, is_current, decision,
                at_millis, json, sequence)
            SELECT ?, ?, given.* FROM unnest(?::bigint[], ?::bytea[], ?::bigint[], ?::bytea[], ?::bigint[], ?::boolean[],
                ?::text[], ?::bigint[], ?::text[], ?::bigint[]) AS given""";

    /** A statement that writes whether rows wait for a review; their verdicts decide whether they can. */
    static final String WAIT = """
            UPDATE flk_record_versions AS stored SET kind = CASE WHEN given.waits THEN kind | 16 ELSE kind & ~16 END
            FROM unnest(?::bytea[], ?::bigint[], ?::bytea[], ?::boolean[]) AS given (shard, epoch, pcs_id, waits)
            WHERE stored.is_current AND stored.shard = given.shard AND stored.epoch = given.epoch
                AND stored.pcs_id = given.pcs_id AND verdict <> 'accepted' AND (kind >= 16) <> given.waits""";

    /** Identifies a version of the reviews of a row. */
    private record Place(RowKey key, long version) {
        static Place of(Reviewed reviewed) {
            return new Place(reviewed.key(), reviewed.review().version());
        }
    }

    private final Map<Place, Reviewed> existing = new HashMap<>();
    private final Map<RowKey, Review> newest = new HashMap<>();
    /** The numbers of the newest reviews before the group. */
    private final Map<RowKey, Long> newestBefore = new HashMap<>();

    private final List<PlacedReview> added = new ArrayList<>();
    private final List<PlacedReview> losers = new ArrayList<>();

    /** Reads what exists of the reviews of rows that the group reviews, or that may wait for a review. */
    static GroupReviews of(Connection connection, Group group) throws SQLException {
        List<Place> places = Stream.concat(
                        group.reviews().stream().map(each -> Place.of(each.reviewed())),
                        group.placed().stream()
                                .map(OutcomeRows.Placed::version)
                                .filter(each -> each.outcome().verdict().kind() != Kind.ACCEPTED)
                                .map(each -> new Place(each.key(), 0)))
                .distinct()
                .toList();
        GroupReviews reviews = new GroupReviews();
        if (!places.isEmpty()) {
            reviews.read(connection, places);
        }
        group.reviews().forEach(reviews::add);
        return reviews;
    }

    private void read(Connection connection, List<Place> places) throws SQLException {
        Columns<Place> columns = new Columns<>(connection, places);
        each(
                connection,
                EXISTING,
                row -> {
                    Reviewed reviewed = RecordReviews.review(row.getString(3));
                    existing.put(Place.of(reviewed), reviewed);
                    if (row.getBoolean(2)) {
                        newest.put(reviewed.key(), reviewed.review());
                        newestBefore.put(reviewed.key(), row.getLong(1));
                    }
                },
                columns.shards(Place::key),
                columns.epochs(Place::key),
                columns.ids(Place::key),
                columns.longs(Place::version));
    }

    private void add(PlacedReview placed) {
        Reviewed reviewed = placed.reviewed();
        Reviewed same = existing.putIfAbsent(Place.of(reviewed), reviewed);
        if (same == null) {
            added.add(placed);
            newest.merge(reviewed.key(), reviewed.review(), (one, two) -> one.version() > two.version() ? one : two);
        } else if (!same.equals(reviewed) && placed.sequence() != 0) {
            losers.add(placed);
        }
    }

    /** Returns the reviews of the group whose versions their rows have with other content. */
    List<PlacedReview> losers() {
        return losers;
    }

    /** Returns the kind of a version as the current one of its row. */
    int kind(Version version) {
        return RowKind.of(version.outcome(), newest.get(version.key()));
    }

    /**
     * Inserts the new reviews, and writes whether their rows wait.
     *
     * @param lastNumber the last number before them
     * @return the last number after them
     */
    long insert(Connection connection, long lastNumber, long token, @Nullable String logId) throws SQLException {
        if (added.isEmpty()) {
            return lastNumber;
        }
        Set<RowKey> changed = new HashSet<>();
        added.stream()
                .filter(this::isNewest)
                .forEach(each -> changed.add(each.reviewed().key()));
        List<Long> superseded = changed.stream()
                .filter(newestBefore::containsKey)
                .map(newestBefore::get)
                .toList();
        if (!superseded.isEmpty()) {
            update(connection, SUPERSEDE, SqlCalls.longs(connection, superseded));
        }
        List<Long> numbers = Stream.iterate(lastNumber + 1, each -> each + 1)
                .limit(added.size())
                .toList();
        Columns<PlacedReview> columns = new Columns<>(connection, added);
        update(
                connection,
                INSERT,
                token,
                logId,
                SqlCalls.longs(connection, numbers),
                columns.shards(GroupReviews::key),
                columns.epochs(GroupReviews::key),
                columns.ids(GroupReviews::key),
                columns.longs(each -> each.reviewed().review().version()),
                columns.booleans(this::isNewest),
                columns.texts(each -> each.reviewed().review().verdict().text()),
                columns.longs(each -> each.reviewed().atMillis()),
                columns.texts(each -> each.reviewed().logged().json()),
                columns.longs(PlacedReview::sequence));
        if (!changed.isEmpty()) {
            Columns<RowKey> rows = new Columns<>(connection, List.copyOf(changed));
            Function<RowKey, RowKey> same = Function.identity();
            update(
                    connection,
                    WAIT,
                    rows.shards(same),
                    rows.epochs(same),
                    rows.ids(same),
                    rows.booleans(
                            each -> Objects.requireNonNull(newest.get(each)).isWithdrawal()));
        }
        return lastNumber + added.size();
    }

    private static RowKey key(PlacedReview placed) {
        return placed.reviewed().key();
    }

    private boolean isNewest(PlacedReview placed) {
        return placed.reviewed().review().equals(newest.get(placed.reviewed().key()));
    }
}
