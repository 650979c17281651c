// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.ReplayedException;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.backend.sessions.SessionStorageContract;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisServer;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
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

    /** More lifetimes end at once than one call of the script removes. */
    @Test
    void sweep_manySessionsEndAtOnce_removesAll() {
        RedisServer empty = RedisServer.start(directory.resolve("sweep"));
        try (empty;
                RedisConnector connector =
                        new RedisConnector(new RedisConfig(new Secret(empty.uri()), Duration.ofSeconds(10)));
                RedisLink link = RedisLink.open(connector, Duration.ofDays(1), 1 << 20, null, new SecureRandom())) {
            List<String> ended = new ArrayList<>(List.of("ZADD", "session-expiries"));
            for (int i = 0; i < 2_500; i++) {
                ended.add("1");
                ended.add("session-" + i);
            }
            empty.send(ended.toArray(String[]::new));

            link.sweep(Duration.ofHours(1));

            assertThat(empty.send("ZCARD", "session-expiries")).containsExactly(":0");
        }
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

    @Test
    void put_sessionsFillTheMemory_onlyNewAndLongerOnesAreRefused() {
        SessionStorage storage = opened.computeIfAbsent(
                        "bounded",
                        none -> RedisFixture.bounded(server.uri(), 181_000).serving())
                .storage;
        String state = "{\"a\":\"" + "x".repeat(60_000) + "\"}";
        for (String id : List.of("a/1", "a/2", "a/3")) {
            assertThat(storage.put(id, state, SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        }

        for (String id : List.of("a/4", "a/1")) {
            assertThat(storage.put(id, state.replace("a", "longer ".repeat(100)), SessionStorage.ANY_VERSION))
                    .as(id)
                    .failsWithin(RedisFixture.PATIENCE)
                    .withThrowableThat()
                    .withMessageContaining("fill the memory");
        }

        assertThat(storage.put("a/1", state, SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        assertThat(storage.delete("a/2", SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        assertThat(storage.put("a/4", state, SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
    }

    @Test
    void moreSessionsThanFitIntoMemory_noneAreServedAndTheReasonIsGiven() {
        String state = "{\"a\":\"" + "x".repeat(60_000) + "\"}";
        SessionStorage large = storage();
        assertThat(large.put("a/1", state, SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        SessionStorage small = opened.computeIfAbsent(
                        "small",
                        none -> RedisFixture.bounded(server.uri(), 50_000).serving())
                .storage;

        assertThat(large.put("a/2", state, SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);

        await().atMost(RedisFixture.PATIENCE)
                .untilAsserted(() -> assertThatThrownBy(() -> small.get("a/1"))
                        .hasMessageContaining("more sessions than this backend can keep"));
        assertThat(large.delete("a/2", SessionStorage.ANY_VERSION)).succeedsWithin(RedisFixture.PATIENCE);
        opened.get("small").serving();
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
