// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.backend.testing.RedisServer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Redis with the settings that docs/redis.md asks for. */
final class RedisStoreServer implements StoreServer {
    static final List<String> DURABLE =
            List.of("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction");

    private final RedisServer server;

    RedisStoreServer(Path directory) {
        server = RedisServer.start(directory, DURABLE.toArray(String[]::new));
    }

    RedisServer server() {
        return server;
    }

    @Override
    public Map<String, String> configuration() {
        return Map.of("DEDUP_BACKEND", "redis", "REDIS_ADDR", "127.0.0.1:" + server.port());
    }

    @Override
    public void kill() {
        server.kill();
    }

    @Override
    public void restart() {
        server.restart();
    }

    @Override
    public void restartEmpty() {
        server.restartEmpty();
    }

    @Override
    public Runnable copy() {
        Path copy = server.copyData();
        return () -> server.restartFrom(copy);
    }

    @Override
    public void pause() {
        server.pause();
    }

    @Override
    public void resume() {
        server.resume();
    }

    @Override
    public void close() {
        server.close();
    }
}
