// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.redis;

import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.health.Finding;
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
import java.util.function.Consumer;

/**
 * A connection with which the command {@code health} finds out whether a server can be used as a store. It makes the
 * kinds of calls that the stores make, but does not touch their entries. Each
 * method blocks until the server answers, the time-out of a call has passed or the thread is interrupted. The
 * exceptions name the server, the failure and the remedy. Confined to one thread.
 */
public final class RedisProbe implements AutoCloseable {
    /**
     * A script that probes whether a put would succeed, because every put is a script call. A server that is a replica, or whose disk
     * or memory is full, rejects this script as it rejects a put.
     */
    private static final String WRITE = "return redis.call('SET', KEYS[1], '', 'PX', 1000)";

    private static final String CLOCK = "clock";

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

    /**
     * Finds out whether a server accepts reads and writes, and by how much its clock differs.
     *
     * @param noteworthy the largest difference between the clocks that is not bad
     */
    public static void look(RedisConfig server, InstantSource clock, Duration noteworthy, Consumer<Finding> found)
            throws IOException, InterruptedException {
        try (RedisProbe probe = connect(server)) {
            probe.readAndWrite();
            found.accept(Finding.good("redis", probe.name() + " accepts reads and writes"));
            Optional<Duration> ahead = probe.clockAhead(clock);
            if (ahead.isEmpty()) {
                found.accept(Finding.doubtful(
                        CLOCK, "the clock of " + probe.name() + " is not known; add +time to the ACL of this user"));
            } else if (ahead.get().abs().compareTo(noteworthy) > 0) {
                found.accept(Finding.bad(
                        CLOCK,
                        "the clock of " + probe.name() + " is "
                                + ErrorMessages.duration(ahead.get().abs())
                                + (ahead.get().isNegative() ? " behind" : " ahead")
                                + "; synchronise both clocks, because entries expire by the clock of Redis"));
            }
        }
    }

    /** Returns {@code host:port}, or a description of the Sentinels. */
    public String name() {
        return connector.name();
    }

    /** Reads several keys, as look-ups do, and writes a key that expires after a second. */
    public void readAndWrite() throws IOException, InterruptedException {
        String key = connector.prefix() + "health";
        // in one call, so that a cluster that is not configured as one refuses it: the keys belong to different slots
        answer(connector, redis.mget(key, connector.prefix() + "outcome:a", connector.prefix() + "outcome:b"));
        answer(connector, redis.eval(WRITE, ScriptOutputType.STATUS, new String[] {key}));
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
