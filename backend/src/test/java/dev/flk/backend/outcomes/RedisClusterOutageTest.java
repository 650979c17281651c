// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import dev.flk.backend.outcomes.redis.RedisStore;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.testkit.RedisCluster;
import dev.flk.testkit.ServerProcess;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** The outages of the master that has the keys, in a Redis Cluster whose other nodes run. */
final class RedisClusterOutageTest extends OutageContract {
    private static final String LOG_ID = "00112233445566778899aabbccddeeff";
    private static final AtomicInteger TESTS = new AtomicInteger();

    @TempDir
    private static Path directory;

    private static RedisCluster cluster;

    private final String tag = "test-" + TESTS.incrementAndGet();

    @BeforeAll
    static void start() {
        cluster = RedisCluster.start(directory, 3, false);
    }

    @AfterAll
    static void end() {
        cluster.close();
    }

    @Override
    ServerProcess durableServer() {
        return cluster.master(tag);
    }

    @Override
    DedupStore open(ServerProcess server, Duration timeout) {
        DedupStore store = RedisStore.open(
                new RedisConfig(new Secret("redis://" + cluster.addresses()), timeout, tag),
                LOG_ID,
                InstantSource.system());
        opened.add(store);
        return store;
    }

    @Override
    String refused() {
        return "; start it, or correct REDIS_URI or REDIS_ADDR";
    }

    @Override
    String timedOut() {
        return "did not answer within 700ms";
    }
}
