// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The questions that tables answer, whatever the engine. */
public abstract class TableRows implements OutcomeRows {
    private final Dialect dialect;

    TableRows(Dialect dialect) {
        this.dialect = dialect;
    }

    /** A question whose statements see the same state. */
    interface Question<T> {
        T of(Connection connection) throws SQLException;
    }

    /** Answers a question in a transaction of its own. */
    abstract <T> T ask(Question<T> question);

    @Override
    public Optional<Position> position(String logId) {
        return ask(connection -> ChangeOrder.position(connection, logId));
    }

    @Override
    public Map<String, String> notes(String prefix) {
        return ask(connection -> RowQueries.notes(connection, prefix));
    }

    @Override
    public List<String> shards(String prefix, @Nullable String after, int limit) {
        return ask(connection -> RowQueries.shards(connection, dialect, prefix, after, limit));
    }

    @Override
    public Rows find(OutcomeQuery wanted) {
        return ask(connection -> RowQueries.find(connection, wanted));
    }

    @Override
    public Map<String, List<Shape>> shapes(Collection<String> shards, int most) {
        return ask(connection -> RowQueries.shapes(connection, dialect, shards, most));
    }

    @Override
    public Counts count(OutcomeQuery wanted, long[] bounds) {
        return ask(connection -> RowQueries.count(connection, wanted, bounds));
    }

    @Override
    public List<Version> withId(String prefix, int limit) {
        return ask(connection -> RowQueries.withId(connection, prefix, limit));
    }

    @Override
    public List<Version> versions(RowKey key, int limit) {
        return ask(connection -> RowQueries.versions(connection, key, limit));
    }

    @Override
    public List<Review> reviews(RowKey key, int limit) {
        return ask(connection -> RowQueries.reviews(connection, key, limit));
    }

    @Override
    public Map<RowKey, Review> newestReviews(Collection<RowKey> keys) {
        return ask(connection -> RowQueries.newestReviews(connection, keys));
    }

    @Override
    public ReviewedPart reviewed(@Nullable String cursor, int limit) {
        return ask(connection -> RowQueries.reviewed(connection, cursor, limit));
    }

    @Override
    public Map<String, Long> faults(int most) {
        return ask(connection -> RowQueries.faults(connection, most));
    }

    @Override
    public List<Waiting> waiting(int most) {
        return ask(connection -> RowQueries.waiting(connection, most));
    }

    @Override
    public Map<Long, Version> at(Collection<Long> numbers) {
        return ask(connection -> RowQueries.at(connection, dialect, numbers));
    }

    @Override
    public List<Change> changes(String cursor, int limit) throws ChangesLostException {
        List<ChangesLostException> lost = new ArrayList<>();
        List<Change> changes = ask(connection -> {
            try {
                return ChangeOrder.after(connection, cursor, limit);
            } catch (ChangesLostException e) {
                lost.add(e);
                return List.of();
            }
        });
        if (!lost.isEmpty()) {
            throw lost.get(0);
        }
        return changes;
    }

    @Override
    public String newest() {
        return ask(ChangeOrder::newest);
    }
}
