// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.testkit.RedisServer;
import dev.flk.testkit.ServerProcess;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of a Redis server that is killed, paused, or restarted empty or with older data under traffic, or can't write
 * its snapshots.
 */
final class RedisOutageIT extends StoreOutages {
    private static final String CANT_WRITE =
            "can't write to its disk and therefore accepts no writes; its own log says why (MISCONF ";

    @TempDir
    private Path snapshots;

    @Override
    ServerProcess startStore(Path serverDirectory) {
        return RedisServer.startDurable(serverDirectory);
    }

    private String send(String... command) {
        return String.join(" ", ((RedisServer) store()).send(command));
    }

    @Test
    void snapshotFails_isAnOutage_untilOneSucceeds() throws Exception {
        assertRefusalIsAnOutage(this::failASnapshot, this::succeedWithASnapshot, CANT_WRITE);
    }

    private void failASnapshot() {
        Path gone = snapshots.resolve("gone");
        try {
            Files.createDirectory(gone);
            send("CONFIG", "SET", "save", "3600 1");
            send("CONFIG", "SET", "dir", gone.toString());
            Files.delete(gone);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        snapshotUntil("rdb_last_bgsave_status:err");
    }

    private void succeedWithASnapshot() {
        send("CONFIG", "SET", "dir", snapshots.toString());
        snapshotUntil("rdb_last_bgsave_status:ok");
    }

    private void snapshotUntil(String reported) {
        send("BGSAVE");
        Client.awaitUntil(() -> send("INFO", "persistence").contains(reported));
    }
}
