// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import dev.flk.backend.sessions.postgres.SyncTables;
import dev.flk.backend.stores.redis.RedisConnector;
import io.lettuce.core.RedisChannelHandler;
import io.lettuce.core.RedisConnectionStateListener;
import io.lettuce.core.RedisNoScriptException;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanCursor;
import io.lettuce.core.ScoredValueScanCursor;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulConnection;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.pubsub.RedisPubSubAdapter;
import io.lettuce.core.pubsub.StatefulRedisPubSubConnection;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A pair of connections to one Redis process: one for calls, and one that receives published changes for the local
 * copy. The first failure of either connection ends the link; the copy is then discarded.
 */
final class RedisLink implements AutoCloseable {
    private static final JsonMapper JSON = new JsonMapper();
    /** The errors with which Redis refuses writes, but answers reads. */
    private static final Pattern REFUSED_WRITE = Pattern.compile("(?<![A-Za-z])(OOM|MISCONF|NOREPLICAS) ");

    private static final Pattern RUN_ID = Pattern.compile("(?m)^run_id:([0-9a-f]{40})\\r?$");
    private static final Pattern VERSION = Pattern.compile("(?m)^redis_version:(\\d+)\\.(\\d+)");
    private static final int LEAST_MAJOR = 6;
    private static final int LEAST_MINOR = 2;
    private static final int LOADED_AT_ONCE = 200;
    private static final int EXPIRED_AT_ONCE = 100;
    private static final int MOST_EXPIRY_PARTS = 100;
    private static final long CLOSE_SECONDS = 2;
    private static final String CALL_FAILED = "FLK ";

    private final RedisConnector connector;
    private final SessionKeys keys;
    private final String keepMillis;
    private final LocalCopy copy;
    private final CompletableFuture<Throwable> ended = new CompletableFuture<>();
    private final List<StatefulConnection<?, ?>> connections = new ArrayList<>();
    private final RedisAsyncCommands<String, String> redis;
    private final StatefulRedisPubSubConnection<String, String> channel;
    private String epoch = "";
    private volatile Time time = new Time(0, 0);

    /** The time of Redis' clock when this JVM's monotonic clock was at {@code nanos}. */
    private record Time(long millis, long nanos) {}

    /** The first line of a published change. */
    private record Header(
            String id,
            long version,
            String kind,
            @JsonProperty("changed_at") long changedAt,
            @JsonProperty("expires_at") long expiresAt) {}

    /** A call that Redis refused although the connection works; the message is for an operator. */
    static final class CallFailed extends RuntimeException {
        private static final long serialVersionUID = 1;

        CallFailed(String message) {
            super(message, null, false, false);
        }
    }

    private RedisLink(RedisConnector connector, Duration keep, long maxChars) {
        this.connector = connector;
        this.keys = new SessionKeys(connector.tag());
        this.keepMillis = Long.toString(keep.toMillis());
        this.copy = new LocalCopy(maxChars);
        StatefulRedisConnection<String, String> calls = opened(connector.connect(StringCodec.UTF8));
        connections.add(calls);
        try {
            channel = opened(connector.connectPubSub(StringCodec.UTF8));
        } catch (RuntimeException e) {
            var unused = calls.closeAsync();
            throw e;
        }
        connections.add(channel);
        redis = calls.async();
    }

    /**
     * Opens a link and fills its copy. Blocks until the sessions are restored and copied; each call may take until its
     * time-out.
     *
     * @param keep the time for which a version outlives its session
     * @param maxChars the bound for all sessions together, in characters
     * @param durable the durable copy of the sessions; may be null
     * @throws RuntimeException if the link can't be opened
     */
    static RedisLink open(
            RedisConnector connector, Duration keep, long maxChars, @Nullable SyncTables durable, SecureRandom random) {
        RedisLink link = new RedisLink(connector, keep, maxChars);
        try {
            link.start(durable, random);
            return link;
        } catch (RuntimeException e) {
            link.close();
            throw e;
        }
    }

    private <T> T opened(CompletableFuture<T> opening) {
        try {
            return opening.orTimeout(connector.connectWithin().toMillis(), TimeUnit.MILLISECONDS)
                    .join();
        } catch (CompletionException e) {
            throw connector.unavailable(e);
        }
    }

    private void start(@Nullable SyncTables durable, SecureRandom random) {
        for (StatefulConnection<?, ?> connection : connections) {
            connection.addListener(new RedisConnectionStateListener() {
                @Override
                public void onRedisDisconnected(RedisChannelHandler<?, ?> gone) {
                    end(connector.unavailable("closed the connection or stopped; if it is down, start it"));
                }
            });
        }
        String server = joined(redis.info("server"));
        String runId = runId(server);
        requireVersion(server);
        if (!runId.equals(runId(joined(channel.async().info("server"))))) {
            throw connector.unavailable("failed over while it was being connected");
        }
        joined(redis.scriptLoad(SessionScript.BYTES));
        List<String> now = joined(redis.time());
        time = new Time(Long.parseLong(now.get(0)) * 1_000 + Long.parseLong(now.get(1)) / 1_000, System.nanoTime());
        channel.addListener(new RedisPubSubAdapter<>() {
            @Override
            public void message(String from, String message) {
                try {
                    copy.follow(parse(message));
                } catch (JsonProcessingException | RuntimeException e) {
                    end(connector.unavailable("has sent a message that is not a change of a session: " + e));
                }
                if (copy.isTooLong()) {
                    end(tooManySessions());
                }
            }
        });
        joined(channel.async().subscribe(keys.channel()));
        epoch = runId; // the operations until "finish" expect the run id as their epoch
        Restore restore = new Restore(this::call, durable, random);
        restore.begin();
        restore.beginGeneration();
        restore.copy(serverMillis(), Long.parseLong(keepMillis));
        epoch = restore.finish();
        load();
        ended.thenRun(copy::end);
    }

    private RuntimeException tooManySessions() {
        return connector.unavailable("has more sessions than this backend can keep in a quarter of its heap;"
                + " raise -Xmx, or delete sessions through a backend with more memory");
    }

    private String runId(String server) {
        Matcher found = RUN_ID.matcher(server);
        if (!found.find()) {
            throw connector.unavailable("does not report its run_id (INFO server)");
        }
        return found.group(1);
    }

    private void requireVersion(String server) {
        Matcher found = VERSION.matcher(server);
        if (found.find()) {
            int major = Integer.parseInt(found.group(1));
            if (major < LEAST_MAJOR || (major == LEAST_MAJOR && Integer.parseInt(found.group(2)) < LEAST_MINOR)) {
                throw connector.unavailable("is older than Redis 6.2, which SESSION_STORE=redis needs");
            }
        }
    }

    private static StoredSession parse(String message) throws JsonProcessingException {
        int end = message.indexOf('\n');
        Header header = JSON.readValue(message.substring(0, Math.max(0, end)), Header.class);
        return new StoredSession(
                header.id(),
                header.version(),
                Kind.parse(header.kind()),
                header.changedAt(),
                header.expiresAt(),
                message.substring(end + 1));
    }

    private void load() {
        ScanCursor cursor = ScanCursor.INITIAL;
        do {
            ScoredValueScanCursor<String> page =
                    joined(redis.zscan(keys.expiries(), cursor, ScanArgs.Builder.limit(LOADED_AT_ONCE)));
            List<String> ids =
                    page.getValues().stream().map(value -> value.getValue()).toList();
            if (!ids.isEmpty()) {
                joined(load(ids)).forEach(copy::add);
                if (copy.isTooLong()) {
                    throw tooManySessions();
                }
            }
            cursor = page;
        } while (!cursor.isFinished());
    }

    /**
     * Reads the newest versions of the sessions with these ids. Leaves out the sessions that Redis does not know, and
     * the sessions whose lifetime is over but which were not swept yet.
     */
    CompletionStage<List<StoredSession>> load(List<String> ids) {
        return call("load", ids.toArray(String[]::new)).thenApply(RedisLink::loaded);
    }

    /** Reads the sessions in the reply of the operation {@code load}. */
    static List<StoredSession> loaded(List<Object> reply) {
        List<StoredSession> found = new ArrayList<>();
        for (Object each : reply.subList(2, reply.size())) {
            List<?> session = (List<?>) each;
            String kind = (String) session.get(2);
            if (!kind.equals("unknown")) {
                boolean isLive = kind.equals("live");
                String state = (String) session.get(5);
                long millis = Long.parseLong((String) session.get(3));
                if (!isLive || !state.isEmpty()) {
                    found.add(new StoredSession(
                            (String) session.get(0),
                            Long.parseLong((String) session.get(1)),
                            Kind.parse(kind),
                            isLive ? Long.parseLong((String) session.get(4)) : millis,
                            isLive ? millis : 0,
                            state));
                }
            }
        }
        return found;
    }

    /**
     * Runs an operation of {@link SessionScript}.
     *
     * @return a stage that completes with the reply, or fails with a {@link CallFailed}, or with the failure of the
     *     link
     */
    CompletionStage<List<Object>> call(String operation, String... arguments) {
        return run(
                keys.of(operation, arguments),
                Stream.concat(Stream.of(operation, epoch, keepMillis), Stream.of(arguments))
                        .toArray(String[]::new));
    }

    private CompletionStage<List<Object>> run(String[] used, String[] arguments) {
        Throwable before = ended.getNow(null);
        if (before != null) {
            return CompletableFuture.failedStage(before);
        }
        CompletionStage<List<Object>> reply;
        try {
            reply = redis.<List<Object>>evalsha(SessionScript.SHA1, ScriptOutputType.MULTI, used, arguments)
                    .handle((found, failure) -> failure instanceof RedisNoScriptException
                            ? redis.<List<Object>>eval(SessionScript.BYTES, ScriptOutputType.MULTI, used, arguments)
                            : failure == null
                                    ? CompletableFuture.completedStage(found)
                                    : CompletableFuture.<List<Object>>failedStage(failure))
                    .thenCompose(next -> next);
        } catch (RuntimeException e) {
            return CompletableFuture.failedStage(end(connector.unavailable(e)));
        }
        return reply.handle((found, failure) -> {
            if (failure != null) {
                throw failed(failure);
            }
            if (found.get(0).equals("EPOCH")) {
                throw end(connector.unavailable("was restarted, emptied or failed over"));
            }
            return found;
        });
    }

    /**
     * Returns the exception for a failed call. Ends the link, unless the script reported the failure, or Redis only
     * refuses writes.
     */
    private RuntimeException failed(Throwable thrown) {
        Throwable failure =
                thrown instanceof CompletionException && thrown.getCause() != null ? thrown.getCause() : thrown;
        String message = String.valueOf(failure.getMessage());
        int own = message.indexOf(CALL_FAILED);
        if (own >= 0) {
            return new CallFailed(message.substring(own + CALL_FAILED.length()));
        }
        RuntimeException described = connector.unavailable(failure);
        if (REFUSED_WRITE.matcher(message).find()) {
            return new CallFailed(String.valueOf(described.getMessage()));
        }
        return end(described);
    }

    private <T> T joined(CompletionStage<T> stage) {
        return stage.toCompletableFuture().join();
    }

    /**
     * Removes expired sessions and unneeded changes, and checks both connections. Called at regular intervals.
     *
     * @return the number of changes that wait for Postgres, the number of changes that are being written, the age in
     *     milliseconds of the oldest of all these changes, and the number of changes in the dead stream
     */
    long[] sweep(Duration keepChanges) {
        CompletionStage<String> alive = channel.async().ping();
        expire();
        List<Object> reply = joined(call("sweep", Long.toString(keepChanges.toMillis())));
        joined(alive);
        time = new Time(Long.parseLong((String) reply.get(1)), System.nanoTime());
        copy.forgetEndedBefore(serverMillis() - RedisSessions.KEEP.toMillis());
        return reply.stream()
                .skip(2)
                .mapToLong(each -> Long.parseLong((String) each))
                .toArray();
    }

    /**
     * Removes the sessions whose lifetimes are over, in parts, so that Redis answers other calls in between. Leaves what
     * exceeds {@link #MOST_EXPIRY_PARTS} parts to the next sweep, so that the stream of changes is measured in between.
     */
    private void expire() {
        for (int part = 0; part < MOST_EXPIRY_PARTS; part++) {
            List<?> over = (List<?>)
                    joined(call("over", Integer.toString(EXPIRED_AT_ONCE))).get(1);
            joined(call("expire", over.toArray(String[]::new)));
            if (over.size() < EXPIRED_AT_ONCE) {
                return;
            }
        }
    }

    /** Returns the number of bytes that the stream of changes takes in the memory of Redis. */
    long streamBytes() {
        Long bytes = joined(redis.memoryUsage(keys.stream()));
        return bytes == null ? 0 : bytes;
    }

    LocalCopy copy() {
        return copy;
    }

    /**
     * Returns the time of Redis' clock without a call: the time that was read when the link was opened or by the last
     * sweep, plus the elapsed time. A jump of this machine's clock does not affect it.
     */
    long serverMillis() {
        Time read = time;
        return read.millis() + TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - read.nanos());
    }

    /** Returns the random part of the epoch. */
    String history() {
        return epoch.substring(epoch.indexOf(':') + 1);
    }

    /** Returns the reason why the link has ended; empty while it works. */
    Optional<Throwable> failure() {
        return Optional.ofNullable(ended.getNow(null));
    }

    /** Calls a listener with the reason when the link ends. */
    void whenEnded(Consumer<Throwable> listener) {
        var unused = ended.thenAccept(listener);
    }

    private RuntimeException end(RuntimeException reason) {
        ended.complete(reason);
        return reason;
    }

    @Override
    public void close() {
        end(connector.unavailable("is not used any more: the store was closed"));
        for (StatefulConnection<?, ?> connection : connections) {
            connection
                    .closeAsync()
                    .completeOnTimeout(null, CLOSE_SECONDS, TimeUnit.SECONDS)
                    .exceptionally(broken -> null)
                    .join();
        }
    }
}
