// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import dev.flk.verification.Verdict.Kind;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests that Postgres reads no table from the beginning to the end for a question that concerns few rows. */
final class RowPlansTest {
    private Connection connection;

    @BeforeEach
    void fillTables() throws SQLException {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        Schema.RECORD.migrate(new PostgresConnector(
                PostgresStores.config(server, database, Duration.ofSeconds(10)), PoolMetrics.unobserved(Pool.RECORD)));
        server.execute(database, """
                INSERT INTO flk_record_outcomes
                SELECT n, 0, n % 50 > 0, n % 1000 = 1, CASE WHEN n % 1000 = 1 THEN 2 ELSE 0 END, 'sticky', 'shard-' || n % 100, n,
                    n::bigint * 1000000007, sha256(n::text::bytea), sha256('r'), 'policy', 'key-' || n % 300, CASE WHEN n % 1000 = 1 THEN 'a' END, CASE WHEN n % 1000 = 1 THEN 'r out of bounds: 1.5' END, n, n,
                    0, 0, n / 1000, n % 1000 * 1000000, 1.5, 1.2, 0.3, 0.3, 0.5, 0.1
                FROM generate_series(1, 50000) AS n;
                INSERT INTO flk_record_reviews
                SELECT n, n % 50 > 0, 'shard-' || n % 100, n, n::bigint * 1000000007, sha256(n::text::bytea), 1, 'fault', n, '', '', ''
                FROM generate_series(50001, 80000) AS n;
                UPDATE flk_record SET removed = 1, salvaged = 100000""");
        server.execute(database, "VACUUM ANALYZE");
        connection = server.connect(database);
        connection.setAutoCommit(false);
    }

    @AfterEach
    void closeConnection() throws SQLException {
        connection.close();
    }

    /** Asks something, and returns how often tables were read from their beginning. */
    private long scans(Asked asked) throws Exception {
        String scans = "SELECT sum(seq_scan) FROM pg_stat_xact_user_tables WHERE relname IN ('flk_record_outcomes',"
                + " 'flk_record_reviews')";
        asked.ask();
        long found = RowSql.query(connection, scans, row -> row.getLong(1)).get(0);
        connection.rollback();
        return found;
    }

    private interface Asked {
        void ask() throws Exception;
    }

    private static Version absent() {
        return MemoryRecord.version("shard-1", 1, "accepted", "", Instant.EPOCH, Map.of(), "ab".repeat(32));
    }

    private void find(OutcomeQuery wanted) throws SQLException {
        assertThat(RowQueries.find(connection, wanted.withLimit(20)).rows()).isNotEmpty();
    }

    @Test
    void questions_readIndexes() throws Exception {
        OutcomeQuery newest = OutcomeQuery.ALL.withOrder(Order.NEWEST);
        Span part = new Span(Instant.ofEpochMilli(20_000), Instant.ofEpochMilli(21_000));
        RowKey absent = absent().key();
        long[] bounds = {20_000, 20_500, 21_000};
        List<Asked> questions = List.of(
                () -> find(newest),
                () -> find(newest.withOrder(Order.OLDEST)),
                () -> find(newest.withReceived(part)),
                () -> find(newest.withMeasured(part)),
                () -> find(newest.withShard("shard-1")),
                () -> find(newest.withShard("shard-1").withOrder(Order.EPOCH)),
                () -> find(newest.withKey("key-1")),
                () -> find(newest.withVerdict(Kind.REJECTED)),
                () -> find(newest.withWaits(true)),
                () -> RowQueries.count(connection, newest.withReceived(part), bounds),
                () -> RowQueries.count(connection, newest.withShard("shard-1"), bounds),
                () -> RowQueries.withId(connection, "ab", 10),
                () -> RowQueries.versions(connection, absent, 10),
                () -> RowQueries.reviews(connection, absent, 10),
                () -> RowQueries.newestReviews(connection, List.of(absent)),
                () -> RowQueries.reviewed(connection, null, 10),
                () -> RowQueries.waiting(connection, 10),
                () -> RowQueries.at(connection, Dialect.POSTGRES, List.of(7L, 8L)),
                () -> RowQueries.shards(connection, Dialect.POSTGRES, "shard-", null, 200),
                () -> RowQueries.shapes(connection, Dialect.POSTGRES, List.of("shard-1", "shard-2"), 5),
                () -> ChangeOrder.after(connection, ChangeOrder.newest(connection), 10),
                () -> ChangeOrder.after(connection, "", 10),
                () -> RowRemoval.sweep(new PostgresTransaction(connection), Dialect.POSTGRES, 100),
                () -> new GroupWriting(new PostgresTransaction(connection), IdFilter.NOTHING, IdFilter.NOTHING)
                        .apply(new Group(null, List.of(new Placed(0, absent())), List.of(), Map.of()), 7));
        for (int i = 0; i < questions.size(); i++) {
            assertThat(scans(questions.get(i))).as("question %d", i).isZero();
        }
    }
}
