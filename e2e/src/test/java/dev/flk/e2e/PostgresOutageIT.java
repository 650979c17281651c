// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.ServerProcess;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;

/** Tests of a Postgres server that is killed, emptied or reset to older data under traffic. */
@Tag("thorough")
final class PostgresOutageIT extends StoreOutages {
    @Override
    ServerProcess startStore(Path serverDirectory) {
        return PostgresServer.startWithScram();
    }
}
