// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.logs.LogRegistry.Change.Put;
import dev.flk.backend.logs.redis.RedisRegistry;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class RedisRegistryTest extends LogRegistryContract {
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

    RedisRegistryTest() {
        server.send("FLUSHALL");
    }

    @Override
    LogRegistry open() {
        return new RedisRegistry(new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10)));
    }

    @Override
    void write(Map<String, String> texts) {
        StringBuilder lines = new StringBuilder();
        texts.forEach((id, text) -> lines.append(id).append(' ').append(text).append('\n'));
        server.send("APPEND", "flk:logs", lines.toString());
    }

    @Test
    void serverFails_nextUpdateConnectsAgain() {
        try (LogRegistry registry = open()) {
            registry.update(List.of(new Put(entry(1, "a"))));
            server.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
            server.send("SET", "flk:logs", "not an entry\n");
            // the first call may meet the connection that was killed
            try {
                registry.update(List.of());
            } catch (StoreUnavailableException e) {
                assertThat(e).hasMessageContaining("127.0.0.1");
            }
            assertThat(registry.update(List.of(new Put(entry(2, "b"))))).isEmpty();
            assertThat(registry.update(List.of()).values()).containsExactly(entry(2, "b"));
        }
    }

    @Test
    void valueOfAnotherType_isAFailureThatNamesTheServer() {
        server.send("LPUSH", "flk:logs", "x");
        try (LogRegistry registry = open()) {
            assertThatThrownBy(() -> registry.update(List.of()))
                    .isInstanceOf(StoreUnavailableException.class)
                    .hasMessageContaining("127.0.0.1");
        }
    }

    @Test
    void aclOfTheStore_permitsTheRegistry() {
        server.send(
                "ACL",
                "SETUSER",
                "flk",
                "on",
                ">choose-a-long-one",
                "~flk:*",
                "resetchannels",
                "-@all",
                "+get",
                "+set",
                "+mget",
                "+eval",
                "+hello",
                "+auth",
                "+ping",
                "+select",
                "+client|setname");
        String uri = server.uri().replace("redis://", "redis://flk:choose-a-long-one@");
        try (LogRegistry registry = new RedisRegistry(new RedisConfig(new Secret(uri), Duration.ofSeconds(10)))) {
            registry.update(List.of(new Put(entry(1, "a"))));
            assertThat(registry.update(List.of()).values()).containsExactly(entry(1, "a"));
        }
    }
}
