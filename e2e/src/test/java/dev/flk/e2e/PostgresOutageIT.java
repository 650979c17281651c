// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Path;

/** Postgres killed, paused, emptied and put back to older data, under traffic. */
final class PostgresOutageIT extends StoreOutages {
    @Override
    StoreServer startStore(Path serverDirectory) {
        return StoreServer.Postgres.start();
    }
}
