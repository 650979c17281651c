// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** Redis killed, paused, restarted empty and on older data, refusing, full, under traffic. */
final class RedisOutageIT extends StoreOutages {
    @Override
    StoreServer startStore(Path serverDirectory) {
        return new RedisStoreServer(serverDirectory);
    }

    private void send(String... command) {
        ((RedisStoreServer) store()).server().send(command);
    }

    @Test
    void readOnlyReplica_isAnOutage() throws Exception {
        assertRefusalIsAnOutage(
                () -> send("REPLICAOF", "127.0.0.1", "1"),
                () -> send("REPLICAOF", "NO", "ONE"),
                "Error reaching Redis: ");
    }

    @Test
    void memoryFull_isAnOutage() throws Exception {
        assertRefusalIsAnOutage(
                () -> send("CONFIG", "SET", "maxmemory", "1"),
                () -> send("CONFIG", "SET", "maxmemory", "0"),
                "Error reaching Redis: ");
    }
}
