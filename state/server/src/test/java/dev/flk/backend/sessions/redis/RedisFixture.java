// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.awaitility.Awaitility.await;

import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.program.metrics.Metrics;
import dev.flk.state.StateException;
import java.time.Duration;
import java.util.Optional;

/** The sessions of one backend in Redis, with their metrics. */
final class RedisFixture implements AutoCloseable {
    static final Duration PATIENCE = Duration.ofSeconds(90);
    static final long STREAM_BYTES = 64 << 20;

    final SessionMetrics metrics = new SessionMetrics(new Metrics("test"));
    final RedisSessions storage;

    /** @param postgres the URI of the durable copy; null for none */
    RedisFixture(String redis, Duration ttl, String postgres, long streamBytes) {
        this(redis, ttl, postgres, streamBytes, Runtime.getRuntime().maxMemory());
    }

    private RedisFixture(String redis, Duration ttl, String postgres, long streamBytes, long maxChars) {
        this(new RedisConfig(new Secret(redis), Duration.ofSeconds(10)), ttl, postgres, streamBytes, maxChars);
    }

    private RedisFixture(RedisConfig server, Duration ttl, String postgres, long streamBytes, long maxChars) {
        storage = RedisSessions.start(
                server,
                new SessionConfig(
                        ttl,
                        Duration.ofMinutes(5),
                        Optional.of(server),
                        streamBytes,
                        Optional.ofNullable(postgres)
                                .map(uri -> PostgresConfig.ofSingleConnections(
                                        uri, new TimeLimit("", Duration.ofSeconds(2)))),
                        Duration.ofDays(1),
                        Optional.empty()),
                metrics,
                PoolMetrics.unobserved(Pool.SESSIONS),
                maxChars);
    }

    /** Starts a backend with a bound for its copy of the sessions. */
    static RedisFixture bounded(String redis, long maxChars) {
        return new RedisFixture(redis, Duration.ofHours(1), null, STREAM_BYTES, maxChars);
    }

    static RedisFixture open(String redis, Duration ttl) {
        return new RedisFixture(redis, ttl, null, STREAM_BYTES).serving();
    }

    static RedisFixture open(RedisConfig server, Duration ttl) {
        return new RedisFixture(
                        server, ttl, null, STREAM_BYTES, Runtime.getRuntime().maxMemory())
                .serving();
    }

    static RedisFixture open(String redis, String postgres) {
        return new RedisFixture(redis, Duration.ofHours(1), postgres, STREAM_BYTES).serving();
    }

    /** Waits until the storage serves sessions, and returns this fixture. */
    RedisFixture serving() {
        await().pollInterval(Duration.ofMillis(20)).atMost(PATIENCE).until(() -> isServing(storage));
        return this;
    }

    static boolean isServing(SessionStorage storage) {
        try {
            storage.count(Duration.ofMinutes(5));
            return true;
        } catch (StateException e) {
            return false;
        }
    }

    @Override
    public void close() {
        storage.close();
    }
}
