// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.state.server.config.ServerConfig;
import dev.flk.state.server.run.StateServer;
import dev.flk.testkit.FreePort;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the command {@code health} against a program that runs, one that does not, and its stores. */
class StateHealthCommandTest {
    @TempDir
    private Path directory;

    private final CommandRun cli = new CommandRun();

    private Map<String, String> settings() {
        return new HashMap<>(Map.of(
                "PORT", Integer.toString(FreePort.choose()),
                "BIND_ADDR", "127.0.0.1",
                "STATE_PORT", Integer.toString(FreePort.choose()),
                "STATE_DIR", directory.resolve("state").toString()));
    }

    private String health(int exitCode, Map<String, String> settings) {
        assertThat(cli.run(settings, "health")).as(cli.out()).isEqualTo(exitCode);
        return cli.out().replaceAll("\\s+", " ");
    }

    @Test
    void program_isNamedUntilItRuns() throws Exception {
        Map<String, String> settings = settings();
        String state = "127.0.0.1:" + settings.get("STATE_PORT");
        assertThat(health(1, settings))
                .containsPattern("BAD flk-state [0-9]+ ms nothing listens at http://127.0.0.1:" + settings.get("PORT"))
                .containsPattern("BAD state [0-9]+ ms nothing listens at " + state)
                .containsPattern("ok disk [0-9]+ ms STATE_DIR ");

        try (StateServer server = StateServer.start(ServerConfig.load(settings, null), "test", () -> {})) {
            assertThat(server.port()).isPositive();
            await().atMost(Duration.ofMinutes(1)).until(() -> cli.run(settings, "health") == 0);
            assertThat(cli.out().replaceAll("\\s+", " "))
                    .containsPattern("ok flk-state [0-9]+ ms is ready at http")
                    .containsPattern("ok state [0-9]+ ms serves at " + state + ", revision 0");
        }
    }

    @Test
    void storesOfSessions_eachFault_isNamed() throws Exception {
        PostgresServer server = PostgresServer.shared();
        String uri = server.uri(server.newDatabase());
        Map<String, String> settings = settings();
        settings.put("SESSION_STORE", "redis");
        settings.put("SESSION_DATABASE_URL", uri);
        try (RedisServer redis = RedisServer.start(directory.resolve("redis"))) {
            settings.put("REDIS_URI", redis.uri());
            assertThat(health(1, settings))
                    .containsPattern("ok redis [0-9]+ ms 127.0.0.1:[0-9]+ accepts reads and writes")
                    .containsPattern("ok sessions [0-9]+ ms 127.0.0.1:[0-9]+/[a-z0-9_]+ answers; ")
                    .containsPattern("BAD sessions [0-9]+ ms migrations: sessions: 1 migration missing");
        }
        settings.put("SESSION_DATABASE_URL", uri.replace(PostgresServer.PASSWORD, "wrong"));
        assertThat(health(1, settings))
                .containsPattern("BAD redis ")
                .containsPattern("BAD sessions [0-9]+ ms Postgres at .* the login is refused")
                .contains("SESSION_DATABASE_URL");
    }
}
