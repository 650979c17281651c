// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.dedup.redis.RedisConnector;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionMetrics.Written;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.postgres.SyncTables;
import dev.flk.backend.sessions.postgres.SyncTables.SyncException;
import dev.flk.program.threads.DaemonThreads;
import io.lettuce.core.Consumer;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.StreamMessage;
import io.lettuce.core.XAutoClaimArgs;
import io.lettuce.core.XGroupCreateArgs;
import io.lettuce.core.XReadArgs;
import io.lettuce.core.XReadArgs.StreamOffset;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The thread that writes the changes of sessions from Redis to Postgres. The threads of all backends form one consumer
 * group of the stream, so Redis delivers each change to only one thread. This thread acknowledges the change once it is
 * committed to Postgres. A thread that fails to write its changes keeps them and tries again; the changes of a thread
 * that has vanished are claimed by another thread. Writing a change twice has no effect. A change that Postgres refuses
 * goes to the dead stream.
 */
final class WriteBehind implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.sessions");
    private static final int AT_ONCE = 200;
    private static final Duration IDLE_PAUSE = Duration.ofMillis(100);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(100);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(5);
    private static final Duration CARE_EVERY = Duration.ofSeconds(5);
    /**
     * The time after which this thread claims changes that another thread has received but not acknowledged. It exceeds
     * the longest pause, so that the changes of a working thread are seldom claimed.
     */
    private static final Duration CLAIM_AFTER = Duration.ofSeconds(10);

    private static final int NAME_BYTES = 6;
    private static final long CLOSE_SECONDS = 5;

    private final RedisConnector connector;
    private final SyncTables tables;
    private final Duration eventsKept;
    private final Duration sessionsKept;
    private final SessionMetrics metrics;
    private final Consumer<String> consumer;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(DaemonThreads.named("session-write-behind"));
    private volatile boolean isClosed;

    // used by the thread
    private @Nullable StatefulRedisConnection<String, String> redis;
    private SyncTables.@Nullable Writer postgres;
    private long nextCareNanos = System.nanoTime();
    private boolean isRedisDown;
    private boolean isPostgresDown;
    private int taken;

    WriteBehind(
            RedisConnector connector,
            SyncTables tables,
            Duration eventsKept,
            SessionMetrics metrics,
            SecureRandom random) {
        this.connector = connector;
        this.tables = tables;
        this.eventsKept = eventsKept;
        this.sessionsKept = eventsKept.compareTo(RedisSessions.KEEP) > 0 ? eventsKept : RedisSessions.KEEP;
        this.metrics = metrics;
        byte[] name = new byte[NAME_BYTES];
        random.nextBytes(name);
        this.consumer = Consumer.from(SessionScript.GROUP, HexFormat.of().formatHex(name));
    }

    /** Returns the time for which Postgres keeps a session that has ended. */
    Duration sessionsKept() {
        return sessionsKept;
    }

    void start() {
        thread.execute(this::run);
    }

    private void run() {
        Duration pause = FIRST_PAUSE;
        try {
            while (!isClosed) {
                try {
                    boolean isIdle = step();
                    if (isRedisDown || isPostgresDown) {
                        LOG.info("session changes are written to Postgres again");
                        isRedisDown = false;
                        isPostgresDown = false;
                        taken = 0;
                        metrics.delayed = 0; // another backend may have written the changes
                    }
                    pause = FIRST_PAUSE;
                    if (isIdle) {
                        Thread.sleep(IDLE_PAUSE.toMillis());
                    }
                } catch (RuntimeException e) {
                    failed(e);
                    Thread.sleep(pause.toMillis());
                    pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
                }
            }
        } catch (InterruptedException e) {
            // close() interrupts the thread
        } finally {
            disconnect();
        }
    }

    /**
     * Logs the first failure of each server in an outage, and closes both connections, because their state is unknown.
     */
    private void failed(RuntimeException e) {
        if (e instanceof SyncException) {
            if (!isPostgresDown && !isClosed) {
                LOG.warn("session changes stay in Redis until Postgres can be used: {}", e.getMessage());
            }
            isPostgresDown = true;
        } else {
            if (!isRedisDown && !isClosed) {
                LOG.warn(
                        "session changes can't be read from Redis, so they are not written to Postgres: {}",
                        connector.unavailable(e).getMessage());
            }
            isRedisDown = true;
        }
        metrics.delayed = taken;
        disconnect();
    }

    private void disconnect() {
        if (postgres != null) {
            postgres.close();
            postgres = null;
        }
        if (redis != null) {
            var unused = redis.closeAsync();
            redis = null;
        }
    }

    private RedisAsyncCommands<String, String> redis() {
        if (redis == null) {
            redis = joined(connector
                    .connect(StringCodec.UTF8)
                    .orTimeout(connector.connectWithin().toMillis(), TimeUnit.MILLISECONDS));
            try {
                joined(redis.async()
                        .xgroupCreate(
                                StreamOffset.from(SessionScript.STREAM, "0"),
                                SessionScript.GROUP,
                                XGroupCreateArgs.Builder.mkstream()));
            } catch (CompletionException e) {
                if (!(e.getCause() instanceof RedisBusyException)) {
                    throw e; // RedisBusyException means that the group already exists
                }
            }
            // this thread may have received changes over an earlier connection without writing them to Postgres
            for (List<StreamMessage<String, String>> pending = pending(); !pending.isEmpty(); pending = pending()) {
                write(pending);
            }
        }
        return redis.async();
    }

    private SyncTables.Writer postgres() {
        if (postgres == null) {
            postgres = tables.openWriter();
        }
        return postgres;
    }

    private static <T> T joined(CompletionStage<T> stage) {
        return stage.toCompletableFuture().join();
    }

    /**
     * Writes the next changes.
     *
     * @return true if there were none
     */
    private boolean step() {
        RedisAsyncCommands<String, String> calls = redis();
        if (isPostgresDown) {
            // fails until Postgres can be used, even if there is nothing to write
            SyncTables.Writer unused = postgres();
        }
        if (System.nanoTime() - nextCareNanos >= 0) {
            nextCareNanos = System.nanoTime() + CARE_EVERY.toNanos();
            write(joined(calls.xautoclaim(
                            SessionScript.STREAM,
                            new XAutoClaimArgs<String>()
                                    .consumer(consumer)
                                    .minIdleTime(CLAIM_AFTER)
                                    .startId("0")
                                    .count(AT_ONCE)))
                    .getMessages());
            postgres().removeOlder(eventsKept, sessionsKept);
        }
        List<StreamMessage<String, String>> next;
        try {
            next = read(calls, StreamOffset.lastConsumed(SessionScript.STREAM));
        } catch (CompletionException e) {
            if (!String.valueOf(e.getCause()).contains("NOGROUP")) {
                throw e;
            }
            disconnect(); // the server was emptied; the next connection creates the group again
            return true;
        }
        write(next);
        return next.isEmpty();
    }

    /** Returns the changes that this thread has received but not acknowledged, oldest first. */
    private List<StreamMessage<String, String>> pending() {
        return read(redis(), StreamOffset.from(SessionScript.STREAM, "0"));
    }

    @SuppressWarnings("unchecked") // the generic varargs array contains a single offset
    private List<StreamMessage<String, String>> read(
            RedisAsyncCommands<String, String> calls, StreamOffset<String> from) {
        return joined(calls.xreadgroup(consumer, XReadArgs.Builder.count(AT_ONCE), from));
    }

    private void write(List<StreamMessage<String, String>> messages) {
        if (messages.isEmpty()) {
            return;
        }
        taken = messages.size();
        List<StreamEntry> entries = new ArrayList<>();
        for (StreamMessage<String, String> each : messages) {
            if (each.getBody() == null || each.getBody().isEmpty()) {
                bury(each.getId(), "the entry was removed from the stream before it was written");
                continue;
            }
            try {
                entries.add(StreamEntry.of(each.getId(), each.getBody()));
            } catch (IllegalArgumentException e) {
                bury(each.getId(), String.valueOf(e.getMessage()));
            }
        }
        try {
            write(entries.stream().map(StreamEntry::change).toList(), entries);
        } catch (SyncException e) {
            if (!e.isRowRefused()) {
                throw e;
            }
            for (StreamEntry each : entries) {
                try {
                    write(List.of(each.change()), List.of(each));
                } catch (SyncException refused) {
                    if (!refused.isRowRefused()) {
                        throw refused;
                    }
                    bury(each.entry(), String.valueOf(refused.getMessage()));
                }
            }
        }
        taken = 0;
        metrics.delayed = 0;
    }

    private void write(List<StoredSession> changes, List<StreamEntry> entries) {
        if (changes.isEmpty()) {
            return;
        }
        postgres().write(changes);
        Long acknowledged = joined(redis().xack(
                        SessionScript.STREAM,
                        SessionScript.GROUP,
                        entries.stream().map(StreamEntry::entry).toArray(String[]::new)));
        metrics.written.add(Written.COMPLETED, acknowledged);
    }

    /** Moves an entry to the dead stream. */
    private void bury(String entry, String error) {
        String[] arguments = {"dead", "", "0", entry, error};
        RedisAsyncCommands<String, String> calls = redis();
        List<Object> reply =
                joined(calls.<List<Object>>eval(SessionScript.BYTES, ScriptOutputType.MULTI, new String[0], arguments));
        if (reply.get(1).equals("1")) {
            metrics.written.increment(Written.FAILED);
            LOG.error(
                    "the change {} of a session can't be written to Postgres and was moved to the stream {}: {}",
                    entry,
                    SessionScript.DEAD,
                    error);
        }
    }

    /**
     * Ends the thread. Changes that the thread has received but not written are written by another backend, or after
     * the next start.
     */
    @Override
    public void close() {
        isClosed = true;
        thread.shutdownNow();
        try {
            boolean unused = thread.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
