// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.testing.PostgresServer;
import dev.flk.backend.testing.TestAuthority;
import dev.flk.backend.testing.TestAuthority.Issued;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Postgres over TLS as docs/postgres.md has it: the right certificate, and each way in which it can be wrong. */
@Tag("thorough")
final class PostgresTlsIT {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority STRANGE = TestAuthority.named("strange");

    @TempDir
    private Path directory;

    private BackendProcess backend(PostgresServer server, String database, String parameters) throws IOException {
        String connection = server.uri(database).replace("127.0.0.1", "localhost") + "?" + parameters;
        return BackendProcess.start(
                directory,
                Map.of("DEDUP_BACKEND", "postgres", "POSTGRES_CONN", connection, "WAL_MIN_FREE_BYTES", "1MiB"),
                Program.QUICK_START);
    }

    private String verifyFull(TestAuthority trusted) throws IOException {
        return "sslmode=verify-full&sslrootcert=" + trusted.writeTo(directory.resolve("root.crt"));
    }

    @Test
    void rightCertificate_everyConnectionIsEncrypted() throws Exception {
        try (PostgresServer server = PostgresServer.startWithTls(AUTHORITY.issue("postgres", "localhost"))) {
            String database = server.newDatabase();
            try (BackendProcess backend = backend(server, database, verifyFull(AUTHORITY))) {
                Client client = new Client(backend.url());
                client.awaitReady();
                assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
                String connections = "SELECT count(*) FROM pg_stat_activity a JOIN pg_stat_ssl s ON s.pid = a.pid"
                        + " WHERE a.application_name = 'flk-backend' AND %s s.ssl";
                assertThat(server.number(database, connections.formatted(""))).isPositive();
                assertThat(server.number(database, connections.formatted("NOT")))
                        .isZero();
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "not trusted|TLS failed: |check sslmode and sslrootcert in POSTGRES_CONN",
                "another host|TLS failed: |name the host in POSTGRES_CONN as its certificate does"
            })
    void wrongCertificate_isAnOutageThatSaysSo(String wrong, String told, String remedy) throws Exception {
        Issued shown = switch (wrong) {
            case "another host" -> AUTHORITY.issue("postgres", "db.example");
            default -> AUTHORITY.issue("postgres", "localhost");
        };
        try (PostgresServer server = PostgresServer.startWithTls(shown)) {
            assertOutage(server, verifyFull(wrong.equals("not trusted") ? STRANGE : AUTHORITY), told, remedy);
        }
    }

    private void assertOutage(PostgresServer server, String parameters, String... told) throws Exception {
        try (BackendProcess backend = backend(server, server.newDatabase(), parameters)) {
            String line = backend.program().awaitLine(each -> each.contains("Error reaching Postgres: "));
            assertThat(line).contains(told).doesNotContain(PostgresServer.PASSWORD);
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> client.submit(Pcs.number(1)).error().equals("dedup store unavailable"));
            assertThat(client.metric("flk_dedup_up")).isZero();
        }
    }
}
