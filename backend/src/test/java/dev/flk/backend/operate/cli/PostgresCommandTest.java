// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.testkit.PostgresServer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class PostgresCommandTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static PostgresServer server;
    private final CommandRun cli = new CommandRun();
    private final String database = server.newDatabase();

    @BeforeAll
    static void start() {
        server = PostgresServer.start("fsync=on");
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    private String run(int exitCode, Map<String, String> settings, String... command) {
        Map<String, String> environment = new HashMap<>(
                Map.of("PCS_SIGN_ALG", "none", "DEDUP_BACKEND", "postgres", "POSTGRES_CONN", server.uri(database)));
        environment.putAll(settings);
        List<String> all = new ArrayList<>(List.of("postgres"));
        all.addAll(List.of(command));
        assertThat(cli.run(environment, all.toArray(String[]::new)))
                .as(cli.out() + cli.err())
                .isEqualTo(exitCode);
        return cli.out() + cli.err();
    }

    @Test
    void check_exitCodeReportsExceededLimits() throws Exception {
        assertThat(run(1, Map.of(), "check"))
                .contains("BAD  migrations        dedup: 2 migrations missing, record: 3 migrations");
        assertThat(run(0, Map.of(), "migrate")).isEqualTo("""
                        the tables of the dedup pool are at version 2
                        the tables of the record pool are at version 3
                        """);
        assertThat(run(0, Map.of(), "check").lines())
                .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80))
                .anyMatch(line -> line.equals("ok   migrations        dedup at 2, record at 3"));
        List<String> points = new ArrayList<>();
        for (String line : run(0, Map.of(), "check", "--json").lines().toList()) {
            JsonNode point = JSON.readTree(line);
            assertThat(point.get("grade").textValue()).isEqualTo("ok");
            points.add(point.get("point").textValue());
        }
        assertThat(points).hasSize(9).startsWith("migrations", "writable", "durability");
    }

    @Test
    void migrate_onlyTheRecordInPostgres_createsItsTables() {
        assertThat(run(0, Map.of("DEDUP_BACKEND", "embedded", "RECORD_STORE", "postgres"), "migrate"))
                .isEqualTo("the tables of the record pool are at version 3\n");
    }

    @Test
    void mistakes_areNamed() {
        assertThat(run(2, Map.of("DEDUP_BACKEND", "embedded"), "check"))
                .contains("DEDUP_BACKEND, RECORD_STORE: neither is postgres");
        assertThat(run(2, Map.of("POSTGRES_CONN", server.uri("nowhere")), "check"))
                .contains("there is no such database");
        assertThat(run(1, Map.of("POSTGRES_CONN", server.uri("nowhere")), "migrate"))
                .contains("there is no such database");
    }
}
