// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.testkit.FreePort;
import dev.flk.testkit.RedisServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of a failover under traffic: a Sentinel promotes the replica of a killed primary. The replica lacks the latest
 * answered outcomes.
 */
@Tag("thorough")
final class RedisSentinelIT {
    /** The backend's user, with the permissions that docs/redis.md requires. Other users are not restricted. */
    private static final String USER = "--user flk on >secret ~flk:* resetchannels -@all +get +set +mget +eval"
            + " +config|get +hello +auth +ping +select +client|setname";

    private static final int BEHIND = 200;

    @TempDir
    private Path directory;

    private RedisServer primary;
    private RedisServer replica;
    private RedisServer sentinel;

    @BeforeEach
    void start() {
        primary = server("primary");
        replica = server("replica");
        replica.send("REPLICAOF", "127.0.0.1", Integer.toString(primary.port()));
        Client.awaitUntil(() -> reported(replica, "INFO", "replication").contains("master_link_status:up"));
        sentinel = RedisServer.startSentinel(
                directory.resolve("sentinel"),
                "sentinel monitor flk 127.0.0.1 " + primary.port() + " 1",
                "sentinel down-after-milliseconds flk 2000",
                "sentinel failover-timeout flk 1000");
        Client.awaitUntil(
                () -> reported(sentinel, "SENTINEL", "REPLICAS", "flk").contains("127.0.0.1:" + replica.port()));
    }

    private RedisServer server(String name) {
        return RedisServer.startDurable(directory.resolve(name), USER.split(" "));
    }

    private static String reported(RedisServer server, String... command) {
        return String.join(" ", server.send(command));
    }

    @AfterEach
    void end() {
        sentinel.close();
        replica.close();
        primary.close();
    }

    /** Starts a backend with the addresses of two Sentinels, the first of which is down. */
    private ServedBackend backend() throws Exception {
        String uri = "redis-sentinel://flk:secret@127.0.0.1:%d,127.0.0.1:%d/0#flk"
                .formatted(FreePort.choose(), sentinel.port());
        return BackendInJvm.start(
                Files.createDirectories(directory.resolve("backend")),
                Map.of("DEDUP_BACKEND", "redis", "REDIS_URI", uri, "WAL_MIN_FREE_BYTES", "1MiB"));
    }

    @Test
    void primaryKilled_laggingReplicaIsPromoted_losesAndDoublesNothing() throws Exception {
        try (ServedBackend backend = backend();
                OutageUnderTraffic outage = new OutageUnderTraffic(backend)) {
            outage.begins(() -> {
                replica.pause();
                primary.send("CLIENT", "KILL", "TYPE", "replica");
                outage.awaitAnswers(BEHIND);
                primary.kill();
            });
            outage.lasts(Duration.ofSeconds(1));
            outage.ends(replica::resume);
            assertThat(new Client(backend.url()).metric("flk_reasserted_total")).isGreaterThanOrEqualTo(BEHIND);
            outage.assertNoneLostNorDoubled();
        }
    }
}
