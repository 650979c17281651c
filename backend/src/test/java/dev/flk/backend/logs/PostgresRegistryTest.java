// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.logs.LogRegistry.Change.Put;
import dev.flk.backend.logs.postgres.PostgresRegistry;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresStores;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

final class PostgresRegistryTest extends LogRegistryContract {
    private static final PostgresServer server = PostgresServer.shared();

    private final String database = server.newDatabase();

    @Override
    LogRegistry open() {
        return new PostgresRegistry(PostgresStores.config(server, database, Duration.ofSeconds(10)));
    }

    @Override
    void write(Map<String, String> texts) {
        server.execute(
                database,
                texts.entrySet().stream()
                        .map(each -> "('" + each.getKey() + "', '" + each.getValue() + "')")
                        .collect(Collectors.joining(", ", "INSERT INTO flk_logs VALUES ", "")));
    }

    @Test
    void connectionEnds_nextUpdateConnectsAgain() {
        try (LogRegistry registry = open()) {
            registry.update(List.of(new Put(entry(1, "a"))));
            server.execute(
                    database,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                            + " WHERE datname = current_database() AND pid <> pg_backend_pid()");
            assertThatThrownBy(() -> registry.update(List.of())).isInstanceOf(StoreUnavailableException.class);
            assertThat(registry.update(List.of()).values()).containsExactly(entry(1, "a"));
        }
    }

    @Test
    void readOnly_createsNoTable_andReadsWhatOthersReport() {
        PostgresConfig config = PostgresStores.config(server, database, Duration.ofSeconds(10));
        try (LogRegistry reader = PostgresRegistry.readOnly(config)) {
            assertThat(reader.update(List.of())).isEmpty();
            try (LogRegistry registry = open()) {
                assertThat(registry.update(List.of(new Put(entry(1, "a"))))).isEmpty();
            }
            assertThat(reader.update(List.of()).values()).containsExactly(entry(1, "a"));
        }
    }
}
