// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static dev.flk.backend.outcomes.rows.RowSql.in;
import static dev.flk.backend.outcomes.rows.RowSql.query;
import static dev.flk.backend.outcomes.rows.RowSql.update;
import static dev.flk.backend.outcomes.rows.StoredText.stored;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.rows.ChangeOrder.Meta;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** One group, within the transaction that applies it. */
final class GroupWriting {
    private final OpenTransaction open;
    private final Connection connection;
    private final IdFilter knownRows;
    private final IdFilter knownReviews;
    private Meta meta;
    private int generation;

    /** The current versions of rows of the group, those that exist and those that are added. */
    private final Map<RowKey, StoredRow> current = new HashMap<>();
    /** The versions to add, by their {@code n}. */
    private final Map<Long, StoredRow> added = new LinkedHashMap<>();
    /** The {@code n} of stored versions that are no longer current. */
    private final List<Long> superseded = new ArrayList<>();
    /** The stored rows that begin or cease to wait for a review. */
    private final Map<Long, Boolean> waits = new HashMap<>();

    /** The reviews that exist, by row and version. */
    private final Map<RowKey, Map<Long, StoredReview>> reviews = new HashMap<>();

    private final Map<Long, StoredReview> addedReviews = new LinkedHashMap<>();
    private final List<PlacedReview> losers = new ArrayList<>();

    /** @param n the place of the review among all changes */
    private record StoredReview(long n, Reviewed reviewed) {}

    GroupWriting(OpenTransaction open, IdFilter knownRows, IdFilter knownReviews) {
        this.open = open;
        this.connection = open.connection();
        this.knownRows = knownRows;
        this.knownReviews = knownReviews;
        this.meta = open.meta();
    }

    /** Returns the reviews whose versions their rows have with other content; if there are any, nothing is written. */
    List<PlacedReview> apply(Group group, long randomHistory) throws SQLException {
        Position position = group.position();
        if (position != null) {
            generation = generation(group, position, randomHistory);
        }
        Set<Long> ids = new TreeSet<>();
        Set<Long> reviewed = new TreeSet<>();
        for (Placed each : group.placed()) {
            find(each.version().key(), ids, reviewed);
        }
        for (PlacedReview each : group.reviews()) {
            find(each.reviewed().key(), ids, reviewed);
        }
        readCurrent(ids);
        readReviews(reviewed);
        for (Placed each : group.placed()) {
            put(each);
        }
        for (PlacedReview each : group.reviews()) {
            put(each);
        }
        if (losers.isEmpty()) {
            write(group);
        }
        return losers;
    }

    private int generation(Group group, Position position, long randomHistory) throws SQLException {
        Integer known = open.generation(position.logId());
        if (known != null && known != ChangeOrder.ENDED) {
            return known;
        }
        long firstSequence = Stream.concat(
                        group.placed().stream().limit(1).map(Placed::sequence),
                        group.reviews().stream().limit(1).map(PlacedReview::sequence))
                .min(Long::compare)
                .orElse(1L);
        meta = open.beginning(position.logId(), firstSequence, randomHistory);
        return meta.generation();
    }

    private void find(RowKey key, Set<Long> rows, Set<Long> reviewed) {
        long id = StoredRow.head(key);
        if (knownRows.mayContain(id)) {
            rows.add(id);
        }
        if (knownReviews.mayContain(id)) {
            reviewed.add(id);
        }
    }

    private void readCurrent(Set<Long> ids) throws SQLException {
        if (!ids.isEmpty()) {
            open.flush();
            query(
                            connection,
                            "SELECT " + StoredRow.COLUMNS + " FROM flk_record_outcomes WHERE is_current AND id IN ("
                                    + in(ids) + ")",
                            StoredRow::read)
                    .forEach(row -> current.put(row.key(), row));
        }
    }

    private void readReviews(Set<Long> ids) throws SQLException {
        if (!ids.isEmpty()) {
            query(
                            connection,
                            "SELECT " + RowQueries.REVIEW + " FROM flk_record_reviews WHERE id IN (" + in(ids) + ")",
                            row -> new StoredReview(row.getLong(1), RowQueries.reviewed(row)))
                    .forEach(this::add);
        }
    }

    private void add(StoredReview review) {
        reviews.computeIfAbsent(review.reviewed().key(), any -> new HashMap<>())
                .put(review.reviewed().review().version(), review);
    }

    private void put(Placed placed) throws SQLException {
        Version version = placed.version();
        StoredRow before = current.get(version.key());
        boolean isSalvaged = placed.sequence() == 0;
        if (!version.outcome()
                        .isChangedFrom(before == null ? null : before.version().outcome())
                || (isSalvaged
                        && before != null
                        && (StoredRow.generation(before.n()) != 0 || hasVersion(before, version)))) {
            return;
        }
        if (before != null && added.computeIfPresent(before.n(), (n, row) -> row.superseded()) == null) {
            superseded.add(before.n());
        }
        long n = n(placed.sequence());
        StoredRow row = new StoredRow(n, before == null ? 0 : before.n(), true, waits(version), version);
        added.put(n, row);
        current.put(version.key(), row);
    }

    private long n(long sequence) throws SQLException {
        if (sequence != 0) {
            return open.n(generation, sequence);
        }
        meta = meta.withOneMoreSalvaged();
        return meta.salvaged();
    }

    private boolean hasVersion(StoredRow before, Version wanted) throws SQLException {
        return Stream.concat(
                        added.values().stream().map(StoredRow::version),
                        RowQueries.versions(connection, before.key(), Integer.MAX_VALUE).stream())
                .anyMatch(wanted::equals);
    }

    private boolean waits(Version version) {
        StoredReview newest = newest(version.key());
        return StoredRow.mayWait(version)
                && (newest == null || newest.reviewed().review().isWithdrawal());
    }

    private @Nullable StoredReview newest(RowKey key) {
        return reviews.getOrDefault(key, Map.of()).entrySet().stream()
                .max(Map.Entry.comparingByKey())
                .map(Map.Entry::getValue)
                .orElse(null);
    }

    private void put(PlacedReview placed) throws SQLException {
        RowKey key = placed.reviewed().key();
        Review review = placed.reviewed().review();
        StoredReview same = reviews.getOrDefault(key, Map.of()).get(review.version());
        if (same != null) {
            if (!same.reviewed().equals(placed.reviewed()) && placed.sequence() != 0) {
                losers.add(placed);
            }
            return;
        }
        StoredReview stored = new StoredReview(n(placed.sequence()), placed.reviewed());
        add(stored);
        addedReviews.put(stored.n(), stored);
        StoredRow row = current.get(key);
        if (row != null && row.waits() != waits(row.version())) {
            StoredRow changed = row.waiting(!row.waits());
            current.put(key, changed);
            if (added.computeIfPresent(row.n(), (n, any) -> changed) == null) {
                waits.put(row.n(), changed.waits());
            }
        }
    }

    private void write(Group group) throws SQLException {
        open.append(added.values());
        added.values().forEach(each -> knownRows.add(StoredRow.head(each.key())));
        superseded.forEach(waits::remove);
        if (!superseded.isEmpty() || !waits.isEmpty()) {
            open.flush();
        }
        if (!superseded.isEmpty()) {
            update(
                    connection,
                    "UPDATE flk_record_outcomes SET is_current = false, waits = false WHERE n IN (" + in(superseded)
                            + ")");
        }
        for (boolean does : List.of(true, false)) {
            List<Long> rows = waits.keySet().stream()
                    .filter(n -> Objects.equals(waits.get(n), does))
                    .toList();
            if (!rows.isEmpty()) {
                update(connection, "UPDATE flk_record_outcomes SET waits = " + does + " WHERE n IN (" + in(rows) + ")");
            }
        }
        writeReviews();
        for (Map.Entry<String, String> note : group.notes().entrySet()) {
            ChangeOrder.note(connection, note.getKey(), note.getValue());
        }
        Position position = group.position();
        if (position != null) {
            open.move(position, generation);
        }
        open.set(meta);
    }

    private void writeReviews() throws SQLException {
        for (StoredReview each : addedReviews.values()) {
            Reviewed reviewed = each.reviewed();
            RowKey key = reviewed.key();
            boolean isNewest = each.equals(newest(key));
            if (isNewest) {
                update(
                        connection,
                        "UPDATE flk_record_reviews SET is_current = false WHERE is_current AND id = ? AND shard = ? AND epoch = ?"
                                + " AND pcs_id = ?",
                        StoredRow.head(key),
                        stored(key.shard()),
                        key.epoch(),
                        RowQueries.bytes(key));
            }
            insert(connection, each.n(), isNewest, reviewed);
            knownReviews.add(StoredRow.head(key));
        }
    }

    static void insert(Connection connection, long n, boolean isNewest, Reviewed reviewed) throws SQLException {
        RowKey key = reviewed.key();
        Review review = reviewed.review();
        update(
                connection,
                "INSERT INTO flk_record_reviews VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                n,
                isNewest,
                stored(key.shard()),
                key.epoch(),
                StoredRow.head(key),
                RowQueries.bytes(key),
                review.version(),
                review.verdict().text(),
                reviewed.atMillis(),
                stored(review.at()),
                stored(review.author()),
                stored(review.note()));
    }
}
