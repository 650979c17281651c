// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.testkit.RedisCluster;
import dev.flk.testkit.RedisServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests of a Redis Cluster of six nodes whose master of the slot fails under traffic and is replaced by its replica. */
@Tag("thorough")
final class RedisClusterIT {
    private static final String TAG = "flk";

    @TempDir
    private Path directory;

    /** How the master fails. */
    private enum Fault {
        KILLED {
            @Override
            void begin(RedisServer master) {
                master.kill();
            }

            @Override
            void end(RedisServer master) {
                master.restart();
            }
        },
        PAUSED {
            @Override
            void begin(RedisServer master) {
                master.pause();
            }

            @Override
            void end(RedisServer master) {
                master.resume();
            }
        };

        abstract void begin(RedisServer master);

        abstract void end(RedisServer master);
    }

    @ParameterizedTest
    @EnumSource
    void masterFails_replicaIsPromoted_losesAndDoublesNothing(Fault fault) throws Exception {
        try (RedisCluster cluster = RedisCluster.start(directory.resolve("redis"), 3, true);
                ServedBackend backend = backend(cluster);
                OutageUnderTraffic outage = new OutageUnderTraffic(backend)) {
            RedisServer master = cluster.master(TAG);
            outage.begins(() -> fault.begin(master));
            outage.ends(() -> {
                cluster.masterExcept(master, TAG);
                fault.end(master);
                cluster.awaitReplicas();
            });
            outage.assertNoneLostNorDoubled();
        }
    }

    private ServedBackend backend(RedisCluster cluster) throws Exception {
        Map<String, String> settings = new HashMap<>(cluster.configuration(TAG));
        settings.put("WAL_MIN_FREE_BYTES", "1MiB");
        return BackendInJvm.start(Files.createDirectories(directory.resolve("backend")), settings);
    }
}
