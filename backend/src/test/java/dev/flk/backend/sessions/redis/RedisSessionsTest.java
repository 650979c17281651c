// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorageContract;
import dev.flk.backend.testing.RedisServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** Sessions in a real Redis. */
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
