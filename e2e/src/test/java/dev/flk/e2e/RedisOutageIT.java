// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.nio.file.Path;

/** Tests of a Redis server that is killed, emptied or reset to older data under traffic. */
final class RedisOutageIT extends StoreOutages {
    @Override
    ServerProcess startStore(Path serverDirectory) {
        return RedisServer.startDurable(serverDirectory);
    }
}
