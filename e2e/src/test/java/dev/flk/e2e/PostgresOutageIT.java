// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.backend.testing.PostgresServer;
import dev.flk.backend.testing.ServerProcess;
import java.nio.file.Path;

/** Postgres killed, paused, emptied and put back to older data, under traffic. */
final class PostgresOutageIT extends StoreOutages {
    @Override
    ServerProcess startStore(Path serverDirectory) {
        return PostgresServer.startWithScram();
    }
}
