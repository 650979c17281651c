// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.ReplayedException;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.backend.sessions.SessionStorageContract;
import dev.flk.backend.testing.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of sessions in a real Redis. */
final class RedisSessionsTest extends SessionStorageContract {
    @TempDir
    private static Path directory;

    private static RedisServer server;
    private final Map<String, RedisFixture> opened = new ConcurrentHashMap<>();

    @BeforeAll
    static void startServer() {
        server = RedisServer.start(directory);
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @Test
    void put_nonceWasUsedThroughTheOtherBackend_isRefused() {
        assertThat(storage().put("a", "{}", SessionStorage.ANY_VERSION, "key-1 n"))
                .succeedsWithin(RedisFixture.PATIENCE)
                .extracting(Updated::version)
                .isEqualTo(1L);

        for (CompletionStage<Updated> replayed : List.of(
                other().put("a", "{}", SessionStorage.ANY_VERSION, "key-1 n"), other().delete("a", 1, "key-1 n"))) {
            assertThat(replayed)
                    .failsWithin(RedisFixture.PATIENCE)
                    .withThrowableThat()
                    .withCauseInstanceOf(ReplayedException.class);
        }
        assertThat(other().put("a", "{}", SessionStorage.ANY_VERSION, "key-2 n"))
                .succeedsWithin(RedisFixture.PATIENCE)
                .extracting(Updated::version)
                .isEqualTo(2L);
    }

    @Test
    void get_lifetimeIsOver_isExpiredEvenBeforeTheSweep() {
        SessionStorage storage = shortLived();
        assertThat(storage.put("a", "{}", SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);

        assertThat(await().pollInterval(Duration.ofMillis(5))
                        .atMost(RedisFixture.PATIENCE)
                        .until(() -> storage.get("a"), found -> !(found instanceof Found.Present)))
                .isInstanceOf(Found.Expired.class);
    }

    @Test
    void put_redisRefusesWrites_isRefusedWithItsReason_andReadsContinue() {
        SessionStorage storage = storage();
        assertThat(storage.put("a", "{}", SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        server.send("CONFIG", "SET", "min-replicas-to-write", "1");
        try {
            assertThat(storage.put("a", "{}", SessionStorage.ANY_VERSION))
                    .failsWithin(RedisFixture.PATIENCE)
                    .withThrowableThat()
                    .withMessageContaining("NOREPLICAS");
            assertThat(storage.get("a")).isInstanceOf(Found.Present.class);
        } finally {
            server.send("CONFIG", "SET", "min-replicas-to-write", "0");
        }
        assertThat(storage.put("a", "{}", SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
    }

    @AfterEach
    void close() {
        opened.values().forEach(RedisFixture::close);
        server.send("FLUSHALL");
    }

    private SessionStorage opened(String name, Duration ttl) {
        return opened.computeIfAbsent(name, none -> RedisFixture.open(server.uri(), ttl)).storage;
    }

    @Override
    protected SessionStorage storage() {
        return opened("one", Duration.ofHours(1));
    }

    @Override
    protected SessionStorage other() {
        return opened("other", Duration.ofHours(1));
    }

    @Override
    protected SessionStorage shortLived() {
        return opened("short", Duration.ofSeconds(1));
    }
}
