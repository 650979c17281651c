// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.redis;

import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.async.RedisAsyncCommands;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * A connection with which the command {@code health} finds out whether a server can be used as a store. It makes the
 * kinds of calls that {@link RedisConnection} makes, but does not touch the position or the outcomes of a backend. Each
 * method blocks until the server answers, the time-out of a call has passed or the thread is interrupted. The
 * exceptions name the server, the failure and the remedy. Confined to one thread.
 */
public final class RedisProbe implements AutoCloseable {
    /**
     * A script that probes whether a put would succeed, because every put is a script call. A server that is a replica, or whose disk
     * or memory is full, rejects this script as it rejects a put.
     */
    private static final String WRITE = "return redis.call('SET', KEYS[1], '', 'PX', 1000)";

    private final RedisConnector connector;
    private final RedisAsyncCommands<String, byte[]> redis;

    private RedisProbe(RedisConnector connector) throws IOException, InterruptedException {
        this.connector = connector;
        this.redis = answer(connector, connector.connect()).async();
    }

    /** Connects and logs in. */
    public static RedisProbe connect(RedisConfig config) throws IOException, InterruptedException {
        RedisConnector connector = new RedisConnector(config);
        try {
            return new RedisProbe(connector);
        } catch (IOException | InterruptedException e) {
            connector.close();
            throw e;
        }
    }

    /** Returns {@code host:port}, or a description of the Sentinels. */
    public String name() {
        return connector.name();
    }

    /** Reads several keys, as look-ups do, and writes a key that expires after a second. */
    public void readAndWrite() throws IOException, InterruptedException {
        Keys keys = new Keys(connector.prefix());
        answer(connector, redis.mget(keys.withProbes(keys.health())));
        answer(connector, redis.eval(WRITE, ScriptOutputType.STATUS, new String[] {keys.health()}));
    }

    /**
     * Returns by how much the server's clock is ahead of the given clock, negative if it is behind; empty if the query
     * fails, for example because the server's ACL does not permit it.
     */
    public Optional<Duration> clockAhead(InstantSource clock) throws InterruptedException {
        Instant before = clock.instant();
        try {
            List<byte[]> time = answer(connector, redis.time());
            Duration half = Duration.between(before, clock.instant()).dividedBy(2);
            long micros = TimeUnit.SECONDS.toMicros(number(time.get(0))) + number(time.get(1));
            return Optional.of(Duration.between(
                    before.plus(half), Instant.EPOCH.plusNanos(TimeUnit.MICROSECONDS.toNanos(micros))));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static long number(byte[] decimal) {
        return Long.parseLong(new String(decimal, StandardCharsets.US_ASCII));
    }

    private static <T> T answer(RedisConnector connector, CompletionStage<T> call)
            throws IOException, InterruptedException {
        try {
            return call.toCompletableFuture().get();
        } catch (ExecutionException e) {
            throw new IOException(connector.unavailable(e).getMessage(), e);
        }
    }

    @Override
    public void close() {
        connector.close();
    }
}
