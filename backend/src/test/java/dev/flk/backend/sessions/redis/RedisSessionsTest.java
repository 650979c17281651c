// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.awaitility.Awaitility.await;

import dev.flk.backend.dedup.StoreConfig;
import dev.flk.backend.metrics.Metrics;
import dev.flk.backend.postgres.PoolMetrics;
import dev.flk.backend.postgres.PoolMetrics.Pool;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorageContract;
import dev.flk.backend.testing.RedisServer;
import dev.flk.program.config.Secret;
import dev.flk.state.StateException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** Sessions in a real Redis. */
final class RedisSessionsTest extends SessionStorageContract {
    @TempDir
    private static Path directory;

    private static RedisServer server;
    private final List<RedisSessions> opened = new ArrayList<>();
    private RedisSessions storage;
    private RedisSessions other;

    @BeforeAll
    static void startServer() {
        server = RedisServer.start(directory);
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @AfterEach
    void close() {
        opened.forEach(RedisSessions::close);
        server.send("FLUSHALL");
    }

    private RedisSessions open(Duration ttl) {
        RedisSessions started = RedisSessions.start(
                new StoreConfig.Redis(new Secret(server.uri()), Duration.ofSeconds(10)),
                new SessionConfig(ttl, Duration.ofMinutes(5), true, 64 << 20, Optional.empty(), Duration.ofDays(1)),
                new SessionMetrics(new Metrics("test")),
                PoolMetrics.unobserved(Pool.SESSIONS));
        opened.add(started);
        await().atMost(Duration.ofSeconds(60)).until(() -> isServing(started));
        return started;
    }

    static boolean isServing(SessionStorage storage) {
        try {
            storage.count(Duration.ofMinutes(5));
            return true;
        } catch (StateException e) {
            return false;
        }
    }

    @Override
    protected SessionStorage storage() {
        storage = storage == null ? open(Duration.ofHours(1)) : storage;
        return storage;
    }

    @Override
    protected SessionStorage other() {
        other = other == null ? open(Duration.ofHours(1)) : other;
        return other;
    }

    @Override
    protected SessionStorage shortLived() {
        return open(Duration.ofSeconds(1));
    }
}
