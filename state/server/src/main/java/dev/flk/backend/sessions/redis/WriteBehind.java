// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionMetrics.Written;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.postgres.SyncTables;
import dev.flk.backend.sessions.postgres.SyncTables.OtherGenerationException;
import dev.flk.backend.sessions.postgres.SyncTables.SyncException;
import dev.flk.backend.sessions.postgres.SyncTables.Unwritten;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.time.DaemonThreads;
import io.lettuce.core.Consumer;
import io.lettuce.core.RedisBusyException;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.ScanCursor;
import io.lettuce.core.ScoredValueScanCursor;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.XGroupCreateArgs;
import io.lettuce.core.XReadArgs.StreamOffset;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.async.RedisAsyncCommands;
import io.lettuce.core.codec.StringCodec;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The thread that writes the changes of sessions from Redis to Postgres. The threads of all backends form one consumer
 * group of the stream, so Redis delivers each change to only one thread. This thread acknowledges the change once it is
 * committed to Postgres. A thread that fails to write its changes keeps them and tries again; the changes of a thread
 * that has vanished are claimed by another thread. Writing a change twice has no effect. A change that Postgres refuses
 * several times, while it accepts others, goes to the dead stream.
 *
 * <p>Redis says in which generation it was when it handed out the changes, and Postgres only writes the changes of the
 * newest generation. So changes that Redis lost are not written after the sessions were restored without them. After it
 * has connected to Postgres, the thread also writes the sessions that are newer in Redis, because Postgres may have been
 * restored from a backup.
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

    /** The number of times that Postgres has to refuse a change before the change goes to the dead stream. */
    private static final int TRIES = 3;
    /** The maximum number of refused changes that are tried again; more go to the dead stream at once. */
    private static final int MOST_REFUSED = 10_000;

    private static final String GONE = "the entry was removed from the stream before it was written";
    private static final int NAME_BYTES = 6;
    private static final long CLOSE_SECONDS = 5;

    private final RedisConnector connector;
    private final SessionKeys keys;
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
    private boolean isSynchronized;
    private int taken;
    /** The number of times that Postgres has refused a change, by the id of the entry. */
    private final Map<String, Integer> refusals = new HashMap<>();

    private final LineLimit lines = LineLimit.ofOutages(System::nanoTime);

    /**
     * Changes that Redis has handed to this thread.
     *
     * @param generation the generation of Redis
     * @param entries the ids and fields of the entries; an entry that was removed from the stream has no fields
     * @param lost the ids of entries that no longer exist and are not pending any more
     */
    record Taken(long generation, List<List<?>> entries, List<String> lost) {
        boolean isEmpty() {
            return entries.isEmpty() && lost.isEmpty();
        }
    }

    WriteBehind(
            RedisConnector connector,
            SyncTables tables,
            Duration eventsKept,
            SessionMetrics metrics,
            SecureRandom random) {
        this.connector = connector;
        this.keys = new SessionKeys(connector.tag());
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
                } catch (IncompleteException e) {
                    Thread.sleep(IDLE_PAUSE.toMillis()); // the link restores the sessions, or its log has the reason
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
                                StreamOffset.from(keys.stream(), "0"),
                                SessionScript.GROUP,
                                XGroupCreateArgs.Builder.mkstream()));
            } catch (CompletionException e) {
                if (!(e.getCause() instanceof RedisBusyException)) {
                    throw e; // RedisBusyException means that the group already exists
                }
            }
            nextCareNanos = System.nanoTime(); // this thread may have received changes without writing them
        }
        return redis.async();
    }

    private SyncTables.Writer postgres() {
        if (postgres == null) {
            postgres = tables.openWriter();
            isSynchronized = false;
        }
        return postgres;
    }

    private static <T> T joined(CompletionStage<T> stage) {
        return stage.toCompletableFuture().join();
    }

    /**
     * Writes the next changes.
     *
     * @return true if no change was waiting
     */
    private boolean step() throws IncompleteException {
        RedisAsyncCommands<String, String> calls = redis();
        if (isPostgresDown) {
            // fails until Postgres can be used, even if there is nothing to write
            SyncTables.Writer unused = postgres();
        }
        try {
            if (System.nanoTime() - nextCareNanos >= 0) {
                nextCareNanos = System.nanoTime() + CARE_EVERY.toNanos();
                write(take(true));
                removeOlder(postgres());
            }
            Taken next = take(false);
            write(next);
            if (postgres != null && !isSynchronized) {
                synchronize(calls);
                isSynchronized = true;
            }
            return next.isEmpty();
        } catch (OtherGenerationException e) {
            nextCareNanos = System.nanoTime(); // the changes stay pending
            reportStale(e);
            return true;
        } catch (CompletionException e) {
            if (!String.valueOf(e.getCause()).contains("NOGROUP")) {
                throw e;
            }
            disconnect(); // the server was emptied; the next connection creates the group again
            return true;
        }
    }

    /** Removes old rows. If Postgres refuses that, new changes are written nevertheless. */
    private void removeOlder(SyncTables.Writer writer) {
        try {
            writer.removeOlder(eventsKept, sessionsKept);
        } catch (SyncException e) {
            if (!e.isPerhapsOfARow()) {
                throw e;
            }
            lines.say(
                    "remove",
                    omitted -> LOG.warn(
                            "old changes and ended sessions stay in Postgres, because it does not remove them: {}{}",
                            e.getMessage(),
                            omitted));
        }
    }

    /** The sessions in Redis are not complete; they are being restored from Postgres, or will be. */
    static final class IncompleteException extends Exception {
        private static final long serialVersionUID = 1;

        IncompleteException() {
            super("the sessions in Redis are not complete", null, false, false);
        }
    }

    /** Has the sessions restored, unless they are being restored already. */
    void reportStale(OtherGenerationException e) {
        if (eval("stale", Long.toString(e.expected())).get(1).equals("1")) {
            LOG.warn("{}: one of the servers was restored or replaced; the sessions are restored", e.getMessage());
        }
    }

    /**
     * Takes changes from the stream.
     *
     * @param pending whether to take the changes again that this thread has taken but not acknowledged, or that another
     *     thread has not acknowledged for a while; false for new changes
     */
    Taken take(boolean pending) throws IncompleteException {
        List<Object> reply = eval(
                "take",
                consumer.getName(),
                Integer.toString(AT_ONCE),
                pending ? Long.toString(CLAIM_AFTER.toMillis()) : "");
        requireComplete(reply);
        List<List<?>> entries = new ArrayList<>();
        for (Object each : (List<?>) reply.get(2)) {
            entries.add((List<?>) each);
        }
        List<String> lost =
                ((List<?>) reply.get(3)).stream().map(String.class::cast).toList();
        return new Taken(Long.parseLong((String) reply.get(1)), entries, lost);
    }

    private static void requireComplete(List<Object> reply) throws IncompleteException {
        if (reply.get(0).equals("EPOCH")) {
            throw new IncompleteException();
        }
    }

    /** Runs an operation of the script without an epoch. */
    private List<Object> eval(String operation, String... arguments) {
        String[] all = Stream.concat(Stream.of(operation, "", "0"), Stream.of(arguments))
                .toArray(String[]::new);
        return joined(redis().<List<Object>>eval(
                        SessionScript.BYTES, ScriptOutputType.MULTI, keys.of(operation, arguments), all));
    }

    /** Writes changes to Postgres and acknowledges them. */
    void write(Taken changes) throws OtherGenerationException {
        if (changes.isEmpty()) {
            return;
        }
        taken = changes.entries().size();
        changes.lost().forEach(entry -> bury(entry, GONE, Written.FAILED, true));
        List<StreamEntry> entries = new ArrayList<>();
        for (List<?> each : changes.entries()) {
            String id = (String) each.get(0);
            if (each.size() < 2 || !(each.get(1) instanceof List<?> fields) || fields.isEmpty()) {
                bury(id, GONE);
                continue;
            }
            try {
                entries.add(StreamEntry.of(each));
            } catch (IllegalArgumentException e) {
                bury(id, String.valueOf(e.getMessage()));
            }
        }
        try {
            write(changes.generation(), entries);
        } catch (SyncException e) {
            if (!e.isPerhapsOfARow()) {
                throw e;
            }
            writeSingly(changes.generation(), entries);
        }
        taken = 0;
        metrics.delayed = 0;
    }

    private void writeSingly(long generation, List<StreamEntry> entries) throws OtherGenerationException {
        Map<String, String> refused = new LinkedHashMap<>();
        for (StreamEntry each : entries) {
            try {
                write(generation, List.of(each));
            } catch (SyncException e) {
                if (!e.isPerhapsOfARow()) {
                    throw e;
                }
                refused.put(each.entry(), String.valueOf(e.getMessage()));
            }
        }
        if (refused.size() == entries.size()) {
            postgres().requireAccepting();
        }
        refused.forEach((entry, error) -> {
            if (refusals.merge(entry, 1, Integer::sum) >= TRIES || refusals.size() > MOST_REFUSED) {
                refusals.remove(entry);
                bury(entry, error);
            } else {
                lines.say(
                        "refused",
                        omitted -> LOG.warn(
                                "Postgres refused the change {} of a session; it will be tried again: {}{}",
                                entry,
                                error,
                                omitted));
            }
        });
    }

    private void write(long generation, List<StreamEntry> entries) throws OtherGenerationException {
        if (entries.isEmpty()) {
            return;
        }
        Unwritten unwritten = postgres()
                .write(generation, entries.stream().map(StreamEntry::change).toList());
        for (StreamEntry each : entries) {
            refusals.remove(each.entry());
            if (unwritten.conflicting().contains(each.change())) {
                bury(
                        each.entry(),
                        "Postgres has another change of the session with version "
                                + each.change().version(),
                        Written.CONFLICTING,
                        false);
            }
        }
        long acknowledged = joined(redis().xack(
                        keys.stream(),
                        SessionScript.GROUP,
                        entries.stream().map(StreamEntry::entry).toArray(String[]::new)));
        metrics.written.add(Written.COMPLETED, Math.max(0, acknowledged - unwritten.superseded()));
        if (unwritten.superseded() > 0) {
            metrics.written.add(Written.SUPERSEDED, unwritten.superseded());
            lines.say(
                    "superseded",
                    omitted -> LOG.info(
                            "Postgres already had {} changes of sessions, or newer versions of the sessions{}",
                            unwritten.superseded(),
                            omitted));
        }
    }

    /** Writes the sessions to Postgres that are newer in Redis. */
    private void synchronize(RedisAsyncCommands<String, String> calls)
            throws IncompleteException, OtherGenerationException {
        List<String> known = new ArrayList<>();
        tables.restorable(0, 0, rows -> rows.forEach(row -> known.add(row.id())));
        long written = 0;
        for (int from = 0; from < known.size(); from += AT_ONCE) {
            written += synchronize(known.subList(from, Math.min(known.size(), from + AT_ONCE)));
        }
        ScanCursor cursor = ScanCursor.INITIAL;
        do {
            ScoredValueScanCursor<String> page =
                    joined(calls.zscan(keys.expiries(), cursor, ScanArgs.Builder.limit(AT_ONCE)));
            written += synchronize(
                    page.getValues().stream().map(value -> value.getValue()).toList());
            cursor = page;
        } while (!cursor.isFinished());
        if (written > 0) {
            LOG.info("{} sessions were newer in Redis than in Postgres and were written", written);
        }
    }

    private long synchronize(List<String> ids) throws IncompleteException, OtherGenerationException {
        List<Object> reply = eval("load", ids.toArray(String[]::new));
        requireComplete(reply);
        List<StoredSession> newer = postgres().newer(RedisLink.loaded(reply));
        long generation = Long.parseLong((String) reply.get(1));
        try {
            return written(generation, newer);
        } catch (SyncException e) {
            if (!e.isPerhapsOfARow()) {
                throw e;
            }
        }
        long written = 0;
        for (StoredSession each : newer) {
            try {
                written += written(generation, List.of(each));
            } catch (SyncException e) {
                if (!e.isPerhapsOfARow()) {
                    throw e;
                }
                lines.say(
                        "synchronize",
                        omitted -> LOG.warn(
                                "Postgres refused a session that is newer in Redis: {}{}", e.getMessage(), omitted));
            }
        }
        return written;
    }

    private int written(long generation, List<StoredSession> versions) throws OtherGenerationException {
        return versions.isEmpty()
                ? 0
                : versions.size()
                        - postgres().write(generation, versions).conflicting().size();
    }

    private void bury(String entry, String error) {
        bury(entry, error, Written.FAILED, false);
    }

    /**
     * Moves an entry to the dead stream.
     *
     * @param isGone whether the entry is not pending any more
     */
    private void bury(String entry, String error, Written result, boolean isGone) {
        List<Object> reply = eval("dead", entry, error, isGone ? "1" : "0");
        if (reply.get(1).equals("1")) {
            metrics.written.increment(result);
            LOG.error(
                    "the change {} of a session can't be written to Postgres and was moved to the stream {}: {}",
                    entry,
                    keys.dead(),
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
