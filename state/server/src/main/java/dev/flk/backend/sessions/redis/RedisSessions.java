// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import dev.flk.backend.sessions.GroupedUpdates;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.StoredSession.Kind;
import dev.flk.backend.sessions.postgres.SyncTables;
import dev.flk.backend.sessions.redis.RedisLink.CallFailed;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.program.logging.LineLimit;
import dev.flk.program.time.DaemonThreads;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.ValueText;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sessions in Redis, shared by several backends. Live sessions are read from a copy in memory, which is updated by
 * changes that Redis publishes; other sessions and streams of changes are read from Redis. A thread keeps the
 * connections open: after a failure, the thread drops the copy and connects again, and every call fails until the
 * thread is connected.
 */
public final class RedisSessions implements SessionStorage, AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.sessions");
    private static final Pattern TOKEN = Pattern.compile("([0-9a-f]{1,16})-([0-9]{1,18})\\.([0-9]{1,18})");
    /** The shortest time for which a version outlives its session. */
    static final Duration KEEP = Duration.ofHours(2);
    /** The time for which changes are kept, so that clients that follow the changes can resume. */
    private static final Duration KEEP_CHANGES = Duration.ofMinutes(1);

    private static final Duration SWEEP_EVERY = Duration.ofSeconds(1);
    private static final Duration FIRST_PAUSE = Duration.ofMillis(50);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(2);
    private static final int CHANGES_AT_ONCE = 100;
    private static final long CLOSE_SECONDS = 10;
    /** The number of bytes of the heap for each character that the copy may contain. */
    private static final int HEAP_BYTES_PER_CHAR = 8;

    private final RedisConnector connector;
    private final Duration ttl;
    /**
     * The time for which a version in Redis outlives its session. With a copy in Postgres, it is longer than Postgres
     * keeps the session, because a session that is created again must continue the versions that are in Postgres.
     */
    private final Duration keep;

    private final long maxChars;
    private final long maxStreamBytes;
    private final @Nullable SyncTables durable;
    private final @Nullable WriteBehind writeBehind;
    private final SessionMetrics metrics;
    private final SecureRandom random = new SecureRandom();
    private final GroupedUpdates updates = new GroupedUpdates();
    private final ExecutorService thread = Executors.newSingleThreadExecutor(DaemonThreads.named("session-redis"));
    private volatile boolean isClosed;
    private volatile @Nullable RedisLink link;
    private volatile String problem = "Redis is being connected";
    private volatile boolean isFull;
    /** Whether Redis has refused the last update; the log has the reason for the refusal. */
    private final AtomicBoolean isRefusing = new AtomicBoolean();

    private final LineLimit lines = LineLimit.ofOutages(System::nanoTime);

    private RedisSessions(
            RedisConnector connector,
            SessionConfig config,
            SessionMetrics metrics,
            PoolMetrics.Observer observer,
            long maxChars) {
        this.connector = connector;
        this.ttl = config.ttl();
        this.maxChars = maxChars;
        this.maxStreamBytes = config.maxStreamBytes();
        this.metrics = metrics;
        this.durable = config.database()
                .map(database -> new SyncTables(database, observer))
                .orElse(null);
        this.writeBehind =
                durable == null ? null : new WriteBehind(connector, durable, config.eventsKept(), metrics, random);
        this.keep = writeBehind == null ? KEEP : writeBehind.sessionsKept().plus(KEEP);
    }

    /** Returns the bytes of a heap of this size that the copy may take, if its characters take a byte each. */
    public static long heldBytes(long heapBytes) {
        return heapBytes / HEAP_BYTES_PER_CHAR;
    }

    /** Starts to connect; returns immediately, also while the server is down. */
    public static RedisSessions start(
            RedisConfig server, SessionConfig config, SessionMetrics metrics, PoolMetrics.Observer observer) {
        return start(
                server,
                config,
                metrics,
                observer,
                heldBytes(Runtime.getRuntime().maxMemory()));
    }

    /** @param maxChars the bound for all sessions together, in characters */
    static RedisSessions start(
            RedisConfig server,
            SessionConfig config,
            SessionMetrics metrics,
            PoolMetrics.Observer observer,
            long maxChars) {
        RedisSessions started = new RedisSessions(new RedisConnector(server), config, metrics, observer, maxChars);
        started.thread.execute(started::run);
        if (started.writeBehind != null) {
            started.writeBehind.start();
        }
        return started;
    }

    /** Keeps a link open until this object is closed. */
    private void run() {
        Duration pause = FIRST_PAUSE;
        String logged = ""; // the last failure in this outage
        while (!isClosed) {
            String failure;
            try (RedisLink opened = RedisLink.open(connector, keep, maxChars, durable, random)) {
                link = opened;
                LOG.info(logged.isEmpty() ? "sessions are served from Redis" : "sessions are served from Redis again");
                logged = "";
                pause = FIRST_PAUSE;
                serve(opened);
                failure = message(opened.failure().orElse(null));
            } catch (InterruptedException e) {
                return; // close() interrupts the thread
            } catch (RuntimeException e) {
                failure = message(e);
            } finally {
                link = null;
            }
            if (!failure.equals(logged) && !isClosed) {
                String reason = failure;
                lines.say("outage", omitted -> LOG.warn("sessions can't be used: {}{}", reason, omitted));
            }
            logged = failure;
            problem = failure;
            try {
                Thread.sleep(pause.toMillis());
            } catch (InterruptedException e) {
                return;
            }
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
        }
    }

    private static String message(@Nullable Throwable failure) {
        Throwable cause = failure;
        while (cause instanceof CompletionException && cause.getCause() != null) {
            cause = cause.getCause();
        }
        return cause == null ? "the connection has ended" : String.valueOf(cause.getMessage());
    }

    /** Sweeps Redis and measures the stream of changes, at regular intervals, until the link ends. */
    private void serve(RedisLink opened) throws InterruptedException {
        CompletableFuture<Boolean> ended = new CompletableFuture<>();
        opened.whenEnded(reason -> ended.complete(true));
        boolean hasRoom = true;
        boolean hasFailed = false;
        while (!isEnded(ended)) {
            try {
                long[] waiting = opened.sweep(hasRoom ? KEEP_CHANGES : Duration.ZERO);
                metrics.waiting = waiting[0];
                metrics.active = waiting[1];
                metrics.oldestMillis = waiting[2];
                metrics.dead = waiting[3];
                long bytes = opened.streamBytes();
                hasRoom = bytes < maxStreamBytes / 2;
                setFull(bytes > maxStreamBytes);
                hasFailed = false;
            } catch (RuntimeException e) {
                if (opened.failure().isEmpty() && !hasFailed) {
                    hasFailed = true;
                    LOG.warn(
                            "removing expired sessions and old changes from Redis failed, and will be retried: {}",
                            message(e));
                }
            }
        }
    }

    /** Waits until the link ends, or until it is time for the next sweep. */
    private static boolean isEnded(CompletableFuture<Boolean> ended) throws InterruptedException {
        try {
            return ended.get(SWEEP_EVERY.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            return false;
        } catch (ExecutionException e) {
            throw new IllegalStateException("the future never fails", e);
        }
    }

    private void setFull(boolean full) {
        if (full != isFull) {
            isFull = full;
            if (full) {
                LOG.warn("the session changes that are not in Postgres yet exceed SESSION_STREAM_BYTES; updates of"
                        + " sessions are refused until some of them are written");
            } else {
                LOG.info("updates of sessions are accepted again");
            }
        }
    }

    private RedisLink link() {
        RedisLink present = link;
        if (present == null || present.failure().isPresent()) {
            throw Reason.STORE_DOWN.because(
                    present == null ? problem : message(present.failure().orElse(null)));
        }
        return present;
    }

    private static <T> T joined(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().join();
        } catch (CompletionException e) {
            throw down(e);
        }
    }

    private static StateException down(Throwable failure) {
        return StateException.down(message(failure), failure);
    }

    @Override
    public Found get(String id) {
        String unused = Session.agentOf(id);
        RedisLink now = link();
        long millis = now.serverMillis();
        StoredSession found = now.copy().get(id).orElse(null);
        if (found == null || !found.isLive(millis)) {
            // if the lifetime is over but the session was not swept yet, only the copy has it
            found = joined(now.load(List.of(id))).stream().findFirst().orElse(found);
        }
        if (found == null) {
            return new Found.Unknown();
        }
        if (found.isLive(millis)) {
            return new Found.Present(found.session(millis));
        }
        Instant at = Instant.ofEpochMilli(found.kind() == Kind.LIVE ? found.expiresAt() : found.changedAt());
        return found.kind() == Kind.DELETED ? new Found.Deleted(at) : new Found.Expired(at);
    }

    @Override
    public CompletionStage<Updated> put(String id, String json, long ifVersion, String nonce) {
        try {
            String unused = Session.agentOf(id);
            String state = ValueText.compact(json, Session.MAX_BYTES);
            if (!state.startsWith("{")) {
                throw Reason.INVALID.because("a session is a JSON object");
            }
            RedisLink now = writable();
            if (!now.copy().hasRoomFor(id, state)) {
                lines.say(
                        "memory",
                        omitted -> LOG.warn(
                                "the sessions fill an eighth of the heap: session {} was not updated, and every new or"
                                        + " longer session will be refused; raise -Xmx, or delete sessions{}",
                                id,
                                omitted));
                throw Reason.DISK_FULL.because("the sessions fill the memory that this backend has for them");
            }
            Supplier<CompletionStage<Updated>> update = () -> update(
                    now,
                    id,
                    state,
                    ifVersion,
                    now.call("put", id, Long.toString(ifVersion), nonce, Long.toString(ttl.toMillis()), state));
            return ifVersion == ANY_VERSION ? updates.add(update) : update.get();
        } catch (StateException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    @Override
    public CompletionStage<Updated> delete(String id, long ifVersion, String nonce) {
        try {
            String unused = Session.agentOf(id);
            RedisLink now = writable();
            return update(now, id, "", ifVersion, now.call("delete", id, Long.toString(ifVersion), nonce));
        } catch (StateException e) {
            return CompletableFuture.failedStage(e);
        }
    }

    private RedisLink writable() {
        if (isFull) {
            throw Reason.DISK_FULL.because(
                    "too many changes of sessions wait for Postgres (SESSION_STREAM_BYTES); try again later");
        }
        return link();
    }

    private CompletionStage<Updated> update(
            RedisLink used, String id, String state, long ifVersion, CompletionStage<List<Object>> call) {
        return call.handle((reply, failure) -> {
            if (failure != null) {
                boolean isRefused = failure instanceof CallFailed || failure.getCause() instanceof CallFailed;
                if (isRefused && !isRefusing.getAndSet(true)) {
                    LOG.warn("Redis refused an update of a session: {}", message(failure));
                }
                throw isRefused ? Reason.DISK_FULL.because(message(failure)) : down(failure);
            }
            isRefusing.set(false);
            if (reply.get(0).equals("REPLAYED")) {
                throw new ReplayedException();
            }
            long version = Long.parseLong((String) reply.get(1));
            if (reply.get(0).equals("CONFLICT")) {
                throw new ConflictException(ifVersion, version);
            }
            long at = Long.parseLong((String) reply.get(2));
            if (at == 0) {
                return new Updated(version, null);
            }
            // updates the copy at once, because the published message about this change may arrive after the caller's
            // next read
            boolean isLive = reply.size() > 3;
            used.copy()
                    .add(new StoredSession(
                            id,
                            version,
                            isLive ? Kind.LIVE : Kind.DELETED,
                            at,
                            isLive ? Long.parseLong((String) reply.get(3)) : 0,
                            state));
            return new Updated(version, Instant.ofEpochMilli(at));
        });
    }

    @Override
    public Page list(String prefix, Duration silentFor, @Nullable String after, int limit) {
        RedisLink now = link();
        long millis = now.serverMillis();
        List<Session> found = new ArrayList<>();
        long chars = 0;
        for (StoredSession each : now.copy().after(after)) {
            if (each.id().startsWith(prefix)
                    && each.isLive(millis)
                    && (silentFor.isZero() || each.changedAt() <= millis - silentFor.toMillis())) {
                chars += each.json().length();
                if (found.size() == limit || (chars > MAX_PAGE_CHARS && !found.isEmpty())) {
                    return new Page(found, found.get(found.size() - 1).id());
                }
                found.add(each.session(millis));
            }
        }
        return new Page(found, null);
    }

    @Override
    public Counts count(Duration silentFor) {
        RedisLink now = link();
        long millis = now.serverMillis();
        long sessions = 0;
        long silent = 0;
        for (StoredSession each : now.copy().after(null)) {
            if (each.isLive(millis)) {
                sessions++;
                silent += each.changedAt() <= millis - silentFor.toMillis() ? 1 : 0;
            }
        }
        return new Counts(sessions, silent);
    }

    @Override
    public Changes changes(String prefix, @Nullable String after) {
        RedisLink now = link();
        String entry;
        if (after == null) {
            entry = (String) joined(now.call("head")).get(1);
        } else {
            Matcher parts = TOKEN.matcher(after);
            if (!parts.matches()) {
                throw Reason.INVALID.because("Last-Event-ID is not the id of an event");
            }
            if (!parts.group(1).equals(now.history())) {
                throw Reason.HISTORY_CHANGED.because("Redis was restarted, emptied or failed over");
            }
            entry = parts.group(2) + "-" + parts.group(3);
            if (isTrimmed(joined(now.call("read", entry, "1")))) {
                throw trimmed();
            }
        }
        return new Following(now, prefix, entry);
    }

    private static boolean isTrimmed(List<Object> reply) {
        return reply.get(1).equals("1");
    }

    private static StateException trimmed() {
        return Reason.COMPACTED.because("the changes after this position were removed");
    }

    /** Changes that are read from the stream in Redis. */
    private static final class Following implements Changes {
        private final RedisLink link;
        private final String prefix;
        private String entry;
        private long seen;

        Following(RedisLink link, String prefix, String entry) {
            this.link = link;
            this.prefix = prefix;
            this.entry = entry;
        }

        @Override
        public List<Change> next() {
            if (link.failure().isPresent()) {
                throw down(link.failure().get());
            }
            while (true) {
                seen = link.copy().changes();
                List<Object> reply = joined(link.call("read", entry, Integer.toString(CHANGES_AT_ONCE)));
                if (isTrimmed(reply)) {
                    throw trimmed();
                }
                List<?> entries = (List<?>) reply.get(2);
                List<Change> found = new ArrayList<>();
                for (Object each : entries) {
                    StreamEntry read = StreamEntry.of((List<?>) each);
                    entry = read.entry();
                    StoredSession change = read.change();
                    if (!read.isRequeued() && change.id().startsWith(prefix)) {
                        found.add(new Change(
                                change.id(),
                                change.version(),
                                Instant.ofEpochMilli(change.changedAt()),
                                change.kind() == Kind.LIVE ? change.json() : null,
                                link.history() + "-" + entry.replace('-', '.')));
                    }
                }
                if (entries.isEmpty() || !found.isEmpty()) {
                    return found;
                }
            }
        }

        @Override
        public Runnable whenMore(Runnable listener) {
            return link.copy().whenBeyond(seen, listener);
        }
    }

    /** Ends the threads and the connections. Waits a bounded time for them. */
    @Override
    public void close() {
        isClosed = true;
        if (writeBehind != null) {
            writeBehind.close();
        }
        thread.shutdownNow();
        try {
            boolean unused = thread.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        connector.close();
    }
}
