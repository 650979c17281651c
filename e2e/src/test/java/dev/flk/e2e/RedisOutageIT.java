// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
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

    /** Answers while {@code refusing} is in force are 503, and all is decided once {@code mended} is. */
    private void assertRefusalIsAnOutage(Runnable refusing, Runnable mended, String told) throws Exception {
        try (BackendProcess backend = backend("a")) {
            Client client = new Client(backend.url());
            awaitUp(client);
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            refusing.run();
            Answer answer = client.submit(Pcs.number(2));
            assertThat(answer.status()).isEqualTo(503);
            assertThat(answer.error()).isEqualTo("dedup store unavailable");
            backend.program().awaitLine(line -> line.contains("Error reaching Redis: ") && line.contains(told));
            mended.run();
            awaitUp(client);
            awaitUntil(() -> client.metric("flk_inbox_pending") == 0);
            assertThat(client.submit(Pcs.number(2)).has("X-Flk-Duplicate")).isTrue();
        }
    }

    @Test
    void readOnlyReplica_isAnOutage() throws Exception {
        assertRefusalIsAnOutage(
                () -> send("REPLICAOF", "127.0.0.1", "1"), () -> send("REPLICAOF", "NO", "ONE"), "replica");
    }

    @Test
    void memoryFull_isAnOutage() throws Exception {
        assertRefusalIsAnOutage(
                () -> send("CONFIG", "SET", "maxmemory", "1"), () -> send("CONFIG", "SET", "maxmemory", "0"), "memory");
    }
}
