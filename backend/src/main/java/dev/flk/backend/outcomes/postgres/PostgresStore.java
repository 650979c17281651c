// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.postgres;

import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.DedupStore;
import dev.flk.backend.outcomes.postgres.PostgresSession.StoreFailures;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConnector;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A store of outcomes in PostgreSQL. A put is one transaction, which also writes the position. Once the stage of a put
 * has completed, the put is as durable as the server's {@code synchronous_commit} promises. A put that fails with a
 * serialization failure or a deadlock is retried a few times. Once a put has failed for good, or a look-up has found an
 * unexpected position, every call fails until {@link #connect}.
 *
 * <p>JDBC blocks, so the store has its own threads, on which the stages complete. One thread executes the puts in their
 * order, and one thread connects. {@code POSTGRES_POOL_MAX - 1} threads execute all other calls, named <i>reads</i>
 * here. Only {@link #removeStretch} and {@link #close} make their caller wait for the server. The queues of puts and
 * reads are bounded, and a read that waited in its queue for longer than {@code POSTGRES_ACQUIRE_TIMEOUT} fails.
 */
public final class PostgresStore implements DedupStore, PoolMetrics.Gauges {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.dedup");
    private static final String NOT_CONNECTED = "the store is not connected yet";
    private static final String CONNECTED_AGAIN = "the store was connected again or closed";
    private static final String CLOSED = "the store is closed";
    private static final int MOST_READS_WAITING = 1_000;
    private static final int MOST_WRITES_WAITING = 64;
    private static final Duration LONGEST_FINISH = Duration.ofSeconds(5);

    private static final int REMOVED_AT_ONCE = 500;

    private static final int BATCHES_A_SECOND = 40;

    /**
     * The time for which expired rows are kept: the clocks of other backends may be behind, and an outcome must remain
     * while any backend considers it valid.
     */
    private static final Duration REMOVED_AFTER = Duration.ofMinutes(5);

    private final PostgresConfig config;
    private final PoolMetrics.Observer observer;
    private final PostgresConnector connector;
    private final StoreFailures failures;
    private final String logId;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final RandomGenerator random;
    private final ThreadPoolExecutor connecting = threads("connect", 1, MOST_WRITES_WAITING);
    private final ThreadPoolExecutor writer = threads("write", 1, MOST_WRITES_WAITING);
    private final ThreadPoolExecutor readers;

    // written under the lock of this
    private volatile @Nullable PostgresSession session;
    private volatile boolean closed;
    private long connects;

    /**
     * Creates a store for one log, without contacting the server, so that a server that is down causes an outage
     * instead of a failed start.
     *
     * @param logId the id under which the position is stored; no other process may use it
     */
    public PostgresStore(
            PostgresConfig config,
            PoolMetrics.Observer observer,
            String logId,
            InstantSource clock,
            LongSupplier nanoTicker,
            RandomGenerator random) {
        this.observer = observer;
        this.config = config;
        this.connector = new PostgresConnector(config, observer);
        this.failures = StoreFailures.of(config);
        this.logId = logId;
        this.clock = clock;
        this.nanoTicker = nanoTicker;
        this.random = random;
        this.readers = threads("read", config.maxPoolSize() - 1, MOST_READS_WAITING);
    }

    private static ThreadPoolExecutor threads(String what, int number, int mostWaiting) {
        return new ThreadPoolExecutor(
                number,
                number,
                0,
                TimeUnit.SECONDS,
                new ArrayBlockingQueue<>(mostWaiting),
                task -> new Thread(task, "dedup-postgres-" + what));
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        CompletableFuture<OptionalLong> connected = new CompletableFuture<>();
        PostgresSession before;
        long number;
        synchronized (this) {
            if (closed) {
                return CompletableFuture.failedFuture(failures.unavailable(CLOSED));
            }
            before = session;
            if (before != null) {
                // the earlier session fails now, because its results must not be delivered after this call
                before.failed(failures.unavailable(CONNECTED_AGAIN));
            }
            session = null;
            number = ++connects;
        }
        try {
            connecting.execute(() -> connect(before, number, connected));
        } catch (RejectedExecutionException e) {
            end(before);
            connected.completeExceptionally(failures.unavailable("too many connects are waiting", e));
        }
        return connected;
    }

    private void connect(@Nullable PostgresSession before, long number, CompletableFuture<OptionalLong> connected) {
        try {
            end(before);
            PostgresSession begun = PostgresSession.begin(connector, failures, logId, random);
            if (!isTaken(begun, number)) {
                begun.end(CONNECTED_AGAIN);
                connected.completeExceptionally(failures.unavailable(CONNECTED_AGAIN));
                return;
            }
            connected.complete(begun.completeUpTo());
        } catch (SQLException | RuntimeException e) {
            connected.completeExceptionally(failures.of(e));
        } catch (Error e) { // such as a lack of memory; the guard waits for this stage
            connected.completeExceptionally(failures.unavailable("the connect ended with " + e, e));
        }
    }

    private static void end(@Nullable PostgresSession before) {
        if (before != null) {
            before.end(CONNECTED_AGAIN);
        }
    }

    private synchronized boolean isTaken(PostgresSession begun, long number) {
        if (closed || number != connects) {
            return false;
        }
        session = begun;
        return true;
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        PostgresSession current = session;
        long atLeast = current == null ? 0 : current.acknowledged();
        return read(current, (using, since) -> using.get(since, ids, atLeast, clock.millis()));
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        PostgresSession current = session;
        return use(
                writer, current, (using, since) -> using.put(since, decisions, completeUpTo, clock.millis()), full -> {
                    if (current != null) {
                        current.failed(full); // without these outcomes, later outcomes must not be recorded
                    }
                });
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return read(
                session,
                (using, since) -> using.use(
                        since, connection -> Statements.knowsEvidence(connection, id, digest, clock.millis())));
    }

    @Override
    public CompletionStage<Boolean> adopt(StoredOutcome existing) {
        return read(
                session,
                (using, since) -> using.use(since, connection -> Statements.adopt(connection, existing, logId)));
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return read(
                session,
                (using, since) -> using.use(since, connection -> {
                    Statements.noteEvidence(connection, id, digest, expiresAtMillis);
                    return true;
                }));
    }

    boolean isConnected() {
        return session != null;
    }

    /**
     * Removes up to 20,000 expired rows of each table, in batches between other reads. A {@link
     * dev.flk.backend.outcomes.Sweeper} calls this method once a second. Does nothing while the store is not connected.
     */
    public void removeStretch(BooleanSupplier continues) {
        int removed = REMOVED_AT_ONCE;
        for (int batch = 0;
                batch < BATCHES_A_SECOND && removed >= REMOVED_AT_ONCE && continues.getAsBoolean();
                batch++) {
            removed = isConnected()
                    ? removeExpired(REMOVED_AT_ONCE).toCompletableFuture().join()
                    : 0;
        }
    }

    /**
     * Removes up to {@code most} outcomes and up to {@code most} notes of evidence that expired at least {@link
     * #REMOVED_AFTER} ago; returns the total number of removed rows.
     */
    CompletionStage<Integer> removeExpired(int most) {
        long expiredByMillis = clock.millis() - REMOVED_AFTER.toMillis();
        return read(
                session,
                (using, since) ->
                        using.use(since, connection -> Statements.removeExpired(connection, expiredByMillis, most)));
    }

    private interface Use<T> {
        T with(PostgresSession session, long sinceNanos) throws SQLException;
    }

    private <T> CompletionStage<T> read(@Nullable PostgresSession current, Use<T> use) {
        long beganNanos = nanoTicker.getAsLong();
        return use(
                readers,
                current,
                (session, sinceNanos) -> {
                    if (nanoTicker.getAsLong() - beganNanos
                            > config.acquireTimeout().time().toNanos()) {
                        observer.acquireTimedOut();
                        throw failures.unavailable(
                                "a read waited longer than " + config.acquireTimeout() + " for other reads to end");
                    }
                    return use.with(session, sinceNanos);
                },
                full -> {});
    }

    private <T> CompletionStage<T> use(
            ThreadPoolExecutor threads,
            @Nullable PostgresSession current,
            Use<T> use,
            Consumer<StoreUnavailableException> onFull) {
        if (closed || current == null) {
            return CompletableFuture.failedFuture(failures.unavailable(closed ? CLOSED : NOT_CONNECTED));
        }
        CompletableFuture<T> result = new CompletableFuture<>();
        try {
            long sinceNanos = System.nanoTime();
            threads.execute(() -> run(current, using -> use.with(using, sinceNanos), result));
        } catch (RejectedExecutionException e) {
            StoreUnavailableException full = failures.unavailable(
                    threads == writer ? "too many writes are waiting" : "too many reads are waiting", e);
            onFull.accept(full);
            result.completeExceptionally(full);
        }
        return result;
    }

    private interface Started<T> {
        T with(PostgresSession session) throws SQLException;
    }

    private static <T> void run(PostgresSession current, Started<T> use, CompletableFuture<T> result) {
        try {
            current.requireUsable();
            T value = use.with(current);
            current.requireUsable();
            result.complete(value);
        } catch (SQLException | RuntimeException e) {
            result.completeExceptionally(current.reasonFor(e));
        } catch (Error e) { // such as a lack of memory; the caller waits for this stage
            result.completeExceptionally(
                    current.failed(current.reasonFor(new IllegalStateException("a call ended with " + e, e))));
        }
    }

    @Override
    public @Nullable HikariPoolMXBean openPool() {
        PostgresSession current = session;
        return current == null ? null : current.pool();
    }

    @Override
    public int queued() {
        return readers.getQueue().size() + writer.getQueue().size();
    }

    @Override
    public int maxConnections() {
        return config.maxPoolSize();
    }

    /**
     * Waits for the puts in flight, for at most four statement time-outs and at most five seconds. Then drops all calls
     * that have not ended yet.
     */
    @Override
    public void close() {
        PostgresSession last;
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
            last = session;
        }
        writer.shutdown();
        readers.shutdown();
        Duration finish = config.statementTimeout().time().multipliedBy(4);
        awaitEnd(writer, finish.compareTo(LONGEST_FINISH) < 0 ? finish : LONGEST_FINISH);
        if (last != null) {
            last.end(CLOSED);
        }
        connecting.shutdown();
    }

    private static void awaitEnd(ThreadPoolExecutor threads, Duration longest) {
        try {
            if (!threads.awaitTermination(longest.toMillis(), TimeUnit.MILLISECONDS)) {
                LOG.warn("Postgres did not finish the writes in flight in time for the shutdown; the inbox log"
                        + " contains their submissions");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
