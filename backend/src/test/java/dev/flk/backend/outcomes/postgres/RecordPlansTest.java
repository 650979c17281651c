// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.PostgresStores;
import dev.flk.backend.outcomes.postgres.RecordSearch.Scope;
import dev.flk.backend.outcomes.record.RowKind;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Tests of the plans that EXPLAIN shows for the statements of the record, on tables too large for sequential scans. */
final class RecordPlansTest {
    private static final byte[] ID = new byte[32];

    private static Connection connection;

    @BeforeAll
    static void fillTables() throws SQLException {
        PostgresServer server = PostgresServer.shared();
        String database = server.newDatabase();
        Schema.RECORD.migrate(new PostgresConnector(
                PostgresStores.config(server, database, Duration.ofSeconds(10)), PoolMetrics.unobserved(Pool.RECORD)));
        server.execute(database, """
                INSERT INTO flk_record_versions
                SELECT n, n, 1, n % 50 > 0, n % 7 + 16 * (n % 20 / 19), ('shard-' || n % 100)::bytea, n, sha256((n / 2)::text::bytea),
                    '{"verdict":"accepted"}', n, CASE WHEN n % 2 = 0 THEN n END, 'accepted', 'sticky', 'key-' || n % 3, '',
                    1, 1, 1, 1, 'log', n
                FROM generate_series(1, 50000) AS n;
                INSERT INTO flk_record_reviews
                SELECT n, 1, ('shard-' || n % 100)::bytea, n, sha256((n / 2)::text::bytea), 1, n % 50 > 0,
                    CASE WHEN n % 30 = 1 THEN 'fault' WHEN n % 3 = 0 THEN 'withdrawn' ELSE 'expected' END, n, '{}', 'log', n
                FROM generate_series(50001, 80000) AS n;
                INSERT INTO flk_record_positions SELECT n::text, n, n::text FROM generate_series(1, 5000) AS n""");
        server.execute(database, "VACUUM ANALYZE");
        connection = server.connect(database);
    }

    @AfterAll
    static void closeConnection() throws SQLException {
        connection.close();
    }

    private static String plan(String sql, Object... parameters) throws SQLException {
        String plan = StatementPlansTest.explained(connection, sql, parameters);
        assertThat(plan).doesNotContain("Seq Scan on flk_record_versions", "Seq Scan on flk_record_reviews");
        return plan;
    }

    private static Object array(String type, Object[] elements) throws SQLException {
        return connection.createArrayOf(type, elements);
    }

    private static Object many(String type, Object element, Object[] empty) throws SQLException {
        return array(type, Collections.nCopies(100, element).toArray(empty));
    }

    @Test
    void places_ofEachScope_useTheIndexOfTheirTime() throws SQLException {
        for (boolean isMeasured : List.of(false, true)) {
            for (boolean isNewestFirst : List.of(false, true)) {
                for (int limit : List.of(1, 1_000, 2_000)) {
                    String time = isMeasured ? "measured" : "received";
                    assertThat(places(Scope.ALL, isMeasured, isNewestFirst, limit))
                            .contains(" flk_record_versions_" + time + " ");
                    assertThat(places(
                                    Scope.SHARD,
                                    isMeasured,
                                    isNewestFirst,
                                    limit,
                                    many("bytea", "shard-1".getBytes(StandardCharsets.UTF_8), new byte[0][])))
                            .contains(" flk_record_versions_shard_" + time + " ");
                    assertThat(places(Scope.KEY, isMeasured, isNewestFirst, limit, "key-1"))
                            .contains(" flk_record_versions_key_" + time + " ");
                }
            }
        }
    }

    private static String places(
            Scope scope, boolean isMeasured, boolean isNewestFirst, int limit, Object... nameOfScope)
            throws SQLException {
        List<Object> parameters = new ArrayList<>(Arrays.asList(0L, Long.MAX_VALUE, "key-1", "key-1", "r", "r"));
        parameters.add(array("int2", RowKind.all(null, null).toArray()));
        parameters.addAll(List.of(nameOfScope));
        parameters.addAll(List.of(25_000L, 0L, isNewestFirst ? Long.MIN_VALUE : Long.MAX_VALUE, limit, limit));
        return plan(RecordSearch.places(scope, isMeasured, isNewestFirst), parameters.toArray());
    }

    @Test
    void rows_useTheIndexesOfTheirKeys() throws SQLException {
        assertThat(plan(RecordSearch.BY_NUMBER, many("int8", 7L, new Long[0]))).contains("flk_record_versions_pkey");
        assertThat(plan(RecordSearch.BY_EPOCH, "shard-1".getBytes(StandardCharsets.UTF_8), 7L, ID, 100))
                .contains("flk_record_versions_current")
                .doesNotContain("Sort");
        assertThat(plan(RecordSearch.BY_ID, ID, ID, 100)).contains("flk_record_versions_id");
        assertThat(plan(RecordSearch.VERSIONS, ID, "shard-1".getBytes(StandardCharsets.UTF_8), 7L, 100))
                .contains("flk_record_versions_id");
    }

    @Test
    void shards_readOneEntryOfAnIndexForEach() throws SQLException {
        assertThat(plan(RecordSearch.SHARDS, new byte[0], new byte[] {-1}, new byte[] {-1}, 100))
                .contains("Index Only Scan using flk_record_versions_");
    }

    @Test
    void countsOfAQuery_useTheIndexOfTheirTime() throws SQLException {
        Object bounds = array("int8", new Long[] {0L, 20_000L, 40_000L});
        Object kinds = array("int2", RowKind.all(null, null).toArray());
        assertThat(plan(RecordSearch.counts(Scope.ALL, false, true), bounds, kinds, 40_000L, 0L, 0L, 1_000, 1_000))
                .contains("Index Only Scan", " flk_record_versions_received ");
        Object shards = many("bytea", "shard-1".getBytes(StandardCharsets.UTF_8), new byte[0][]);
        assertThat(plan(
                        RecordSearch.counts(Scope.SHARD, true, true),
                        bounds,
                        kinds,
                        shards,
                        40_000L,
                        0L,
                        0L,
                        1_000,
                        1_000))
                .contains(" flk_record_versions_shard_measured ");
    }

    @Test
    void apply_usesTheIndexesOfTheKeys() throws SQLException {
        assertThat(plan(
                        RecordStatements.CURRENT,
                        many("bytea", "shard-1".getBytes(StandardCharsets.UTF_8), new byte[0][]),
                        many("int8", 7L, new Long[0]),
                        many("bytea", ID, new byte[0][])))
                .contains("flk_record_versions_current");
        assertThat(plan(RecordStatements.SUPERSEDE, many("int8", 7L, new Long[0])))
                .contains("flk_record_versions_pkey");
    }

    @Test
    void removal_usesTheIndexesOfArrivalsAndIds() throws SQLException {
        assertThat(plan(
                        RecordStatements.REMOVE,
                        array("int2", RowKind.all(null, null).toArray()),
                        1_000L,
                        50,
                        50))
                .contains("flk_record_versions_received", "flk_record_versions_id");
    }

    @Test
    void changes_useThePrimaryKeys() throws SQLException {
        assertThat(plan(RecordStatements.CHANGES, 40_000L, 40_000L, 200))
                .contains("Merge Append", "flk_record_versions_pkey", "flk_record_reviews_pkey");
    }

    @Test
    void reviews_useTheirIndexes() throws SQLException {
        Object shards = many("bytea", "shard-1".getBytes(StandardCharsets.UTF_8), new byte[0][]);
        Object epochs = many("int8", 7L, new Long[0]);
        Object ids = many("bytea", ID, new byte[0][]);
        assertThat(plan(GroupReviews.EXISTING, shards, epochs, ids, epochs)).contains("flk_record_reviews_row");
        assertThat(plan(GroupReviews.SUPERSEDE, epochs)).contains("flk_record_reviews_pkey");
        assertThat(plan(GroupReviews.WAIT, shards, epochs, ids, many("bool", true, new Boolean[0])))
                .contains("flk_record_versions_current");
        assertThat(plan(RecordReviews.OF_ROW, ID, "shard-1".getBytes(StandardCharsets.UTF_8), 7L, 100))
                .contains("flk_record_reviews_row");
        assertThat(plan(RecordReviews.NEWEST_OF_ROWS, shards, epochs, ids)).contains("flk_record_reviews_row");
        assertThat(plan(RecordReviews.NEWEST, 60_000L, 0L, 100))
                .contains("flk_record_reviews_newest")
                .doesNotContain("Sort");
        assertThat(plan(RecordReviews.FAULTS, 1_000)).contains("flk_record_reviews_faults");
        assertThat(plan(RecordReviews.WAITING, 1_000)).contains("Index Only Scan using flk_record_versions_waiting");
        assertThat(plan(RecordStatements.REMOVE_REVIEWS, 51_000L, 50))
                .contains("flk_record_reviews_newest", "flk_record_reviews_row", "flk_record_versions_current");
    }
}
