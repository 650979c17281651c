// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.ChangesLostException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.backend.stores.postgres.PostgresPool;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.backend.stores.postgres.Schema;
import dev.flk.testkit.PostgresServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that the rows of 0.1.0 in Postgres become the same rows. The classes of 0.1.0 have written {@code
 * earlier-tables.tar.gz}: a dump, the answers and a cursor, by the program that is in it. There are two logs of which one
 * went back, rows with several versions and reviews, rows that were removed, and reviews of missing rows.
 */
final class EarlierTablesTest {
    private static final PostgresServer server = PostgresServer.shared();

    @TempDir
    private Path unpacked;

    private String database;
    private PostgresConfig config;

    @BeforeEach
    void restore() throws Exception {
        EarlierFixture.unpack("earlier-tables.tar.gz", unpacked);
        database = server.newDatabase();
        server.execute(database, Files.readString(unpacked.resolve("tables.sql")));
        config = PostgresStores.config(server, database, 2, Duration.ofSeconds(10));
    }

    private PostgresRows unopened() {
        return new PostgresRows(new PostgresPool(config, PoolMetrics.unobserved(Pool.RECORD)), new Random(3));
    }

    private static List<String> answers(OutcomeRows rows) throws Exception {
        List<String> lines = new ArrayList<>();
        rows.changes("", 1_000).forEach(each -> lines.add(each.changed().toString()));
        lines.addAll(EarlierFixture.versionsAndReviews(rows));
        rows.waiting(1_000).stream()
                .map(each -> each.group() + " " + each.receivedMillis())
                .sorted()
                .forEach(lines::add);
        lines.add(rows.notes("") + " " + rows.position("log-0") + rows.position("log-1")
                + new TreeMap<>(rows.faults(1_000)));
        return lines;
    }

    private void assertAnswersAsBefore(OutcomeRows rows) throws Exception {
        assertThat(answers(rows)).isEqualTo(Files.readAllLines(unpacked.resolve("answers")));
    }

    @Test
    void reopen_rowsOf010_answerAsBefore_butCursorsEnd() throws Exception {
        try (PostgresRows rows = unopened()) {
            rows.reopen();

            assertAnswersAsBefore(rows);
            String cursor = Files.readString(unpacked.resolve("cursor"));
            assertThatThrownBy(() -> rows.changes(cursor, 10))
                    .isInstanceOf(ChangesLostException.class)
                    .hasMessageContaining("history changed");
        }
        try (PostgresRows again = unopened()) {
            again.reopen();
            assertAnswersAsBefore(again);
        }
    }

    @Test
    void reopen_copyWasInterrupted_twoBackendsCompleteIt() throws Exception {
        PostgresConnector connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.RECORD));
        Schema.RECORD.migrate(connector);
        for (int part = 0; part < 3; part++) {
            try (Connection connection = connector.connect()) {
                boolean isMore = PostgresConnector.commit(
                        connection, transaction -> EarlierTables.copy(new PostgresTransaction(transaction), 7));
                assertThat(isMore).isTrue();
            }
        }
        try (PostgresRows one = unopened();
                PostgresRows two = unopened()) {
            var other = CompletableFuture.runAsync(two::reopen);
            one.reopen();
            other.join();

            assertAnswersAsBefore(one);
        }
    }

    @Test
    void reopen_placeOfTheCopyIsLost_removesNothing() throws Exception {
        Schema.RECORD.migrate(new PostgresConnector(config, PoolMetrics.unobserved(Pool.RECORD)));
        server.execute(database, "DELETE FROM flk_record_copied");
        try (PostgresRows rows = unopened()) {
            assertThatThrownBy(rows::reopen).hasMessageContaining("flk_record_copied is empty");
        }
        assertThat(server.number(database, "SELECT count(*) FROM flk_record_versions_before"))
                .isPositive();
    }
}
