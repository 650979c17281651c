// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.backend.testing.PostgresServer;
import java.util.Map;

/** A Postgres that flushes each commit, as it does unless told otherwise. */
final class PostgresStoreServer implements StoreServer {
    private final PostgresServer server = PostgresServer.start();
    private final String database = server.newDatabase();

    PostgresServer server() {
        return server;
    }

    String database() {
        return database;
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
