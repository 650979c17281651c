// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.backend.testing.PostgresServer;
import dev.flk.backend.testing.RedisServer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** A real server of a dedup store, to be stopped, paused and restored while backends use it. */
interface StoreServer extends AutoCloseable {
    /** The settings of a backend that uses it. */
    Map<String, String> configuration();

    /** SIGKILL; returns when it has ended. */
    void kill();

    /** Starts it on the data that it left. */
    void restart();

    /** Starts it without data, after it was killed. */
    void restartEmpty();

    /** Copies its data as they are now; the result starts it on the copy, after it was killed. */
    Runnable copy();

    /** SIGSTOP: its connections stay open, and nothing answers. */
    void pause();

    /** SIGCONT. */
    void resume();

    @Override
    void close();

    /** Redis with the settings that docs/redis.md asks for. */
    record Redis(RedisServer server) implements StoreServer {
        static final List<String> DURABLE =
                List.of("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction");

        static Redis start(Path directory) {
            return new Redis(RedisServer.start(directory, DURABLE.toArray(String[]::new)));
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

    /** Postgres with its defaults, which flush each commit. */
    record Postgres(PostgresServer server, String database) implements StoreServer {
        static Postgres start() {
            PostgresServer server = PostgresServer.start();
            return new Postgres(server, server.newDatabase());
        }

        @Override
        public Map<String, String> configuration() {
            return Map.of("DEDUP_BACKEND", "postgres", "POSTGRES_CONN", server.uri(database));
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
            server.restart();
            server.execute(database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        }

        @Override
        public Runnable copy() {
            return server.copy();
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
}
