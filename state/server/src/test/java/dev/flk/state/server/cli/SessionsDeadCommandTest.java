// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the command {@code sessions dead} with a real Redis. */
final class SessionsDeadCommandTest {
    private static final String DEAD = "session-changes-dead";

    @TempDir
    private static Path directory;

    private static RedisServer server;
    private final CommandRun cli = new CommandRun();

    @BeforeAll
    static void startServer() {
        server = RedisServer.start(directory);
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void empty() {
        server.send("FLUSHALL");
    }

    private int run(String... arguments) {
        Map<String, String> environment = new HashMap<>(Map.of("PCS_SIGN_ALG", "none", "SESSION_STORE", "redis"));
        environment.put("REDIS_URI", server.uri());
        return cli.run(
                environment,
                Stream.concat(Stream.of("sessions", "dead"), Stream.of(arguments))
                        .toArray(String[]::new));
    }

    private static String bury(String id) {
        return server.send(
                        "XADD",
                        DEAD,
                        "*",
                        "n",
                        "1",
                        "id",
                        id,
                        "version",
                        "7",
                        "kind",
                        "live",
                        "changed_at",
                        "1",
                        "expires_at",
                        "2",
                        "state",
                        "{}",
                        "entry",
                        "1-1",
                        "error",
                        "refused by hand")
                .get(0);
    }

    @Test
    void list_printsTheChangesWithTheirErrors() throws Exception {
        assertThat(run("list")).isZero();
        assertThat(cli.out()).startsWith("no dead change");
        String entry = bury("pump-1");

        assertThat(run("list")).isZero();
        assertThat(cli.out()).contains(entry, "pump-1", "7", "live", "refused by hand");
        assertThat(run("list", "--json")).isZero();
        assertThat(cli.out()).contains("\"entry\":\"" + entry + "\"", "\"session\":\"pump-1\"", "\"version\":\"7\"");
    }

    @Test
    void requeue_putsTheNamedChangesBack_orAll() {
        String first = bury("pump-1");
        bury("pump-2");

        assertThat(run("requeue", first)).isZero();
        assertThat(server.send("XLEN", DEAD)).containsExactly(":1");
        assertThat(run("requeue", "--all", "--json")).isZero();
        assertThat(cli.out()).isEqualTo("{\"requeued\":1,\"empty\":0,\"missing\":0}\n");
        assertThat(server.send("XLEN", DEAD)).containsExactly(":0");
        List<String> stream = server.send("XRANGE", "session-changes", "-", "+");
        assertThat(stream).contains("pump-1", "pump-2").doesNotContain("refused by hand");
        assertThat(run("requeue", first)).as("no longer there").isEqualTo(1);
    }

    @Test
    void wrongUsage_isReported() {
        for (String[] arguments : List.of(
                new String[] {"requeue"}, new String[] {"requeue", "--all", "1-1"}, new String[] {"requeue", "pump-1"
                })) {
            assertThat(run(arguments)).isEqualTo(2);
        }
        assertThat(cli.run(Map.of("PCS_SIGN_ALG", "none"), "sessions", "dead", "list"))
                .isEqualTo(2);
        assertThat(cli.err()).contains("SESSION_STORE is not redis");
    }
}
