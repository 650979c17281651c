// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.agents.redis.RedisReports;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RedisReportsTest extends SharedReportsContract {
    @TempDir
    private static Path directory;

    private static RedisServer server;

    @BeforeAll
    static void startServer() {
        server = RedisServer.start(directory);
    }

    @AfterAll
    static void endServer() {
        server.close();
    }

    RedisReportsTest() {
        server.send("FLUSHALL");
    }

    private static SharedReports open(String uri) {
        return new RedisReports(new RedisConfig(new Secret(uri), Duration.ofSeconds(10)));
    }

    @Override
    SharedReports open() {
        return open(server.uri());
    }

    @Override
    void cut() {
        server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    }

    @Test
    void hash_endsADayAfterTheLastReport() {
        try (SharedReports shared = open()) {
            shared.exchange(Map.of("a", "1"), (id, text) -> true);
        }
        assertThat(Long.parseLong(server.send("TTL", "flk:agents").get(0).replaceAll("\\D", "")))
                .isBetween(86_000L, 86_400L);
    }

    @Test
    void aclOfDocs_permitsTheReports_oneOfVersion010IsAFailure() {
        server.send(
                "ACL SETUSER flk on >long ~flk:* resetchannels -@all +get +set +mget +eval +hello +auth +ping +select +client|setname"
                        .split(" "));
        String uri = server.uri().replace("redis://", "redis://flk:long@");
        try (SharedReports shared = open(uri)) {
            assertThatThrownBy(() -> shared.exchange(Map.of("a", "1"), (id, text) -> true))
                    .isInstanceOf(StoreUnavailableException.class);
            server.send("ACL SETUSER flk +hset +hscan +hdel +expire".split(" "));
            shared.exchange(Map.of("a", "1"), (id, text) -> false);
        }
        assertThat(server.send("EXISTS", "flk:agents").toString()).contains("0");
    }
}
