// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Timing;
import dev.flk.program.time.Breaker;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A store with a circuit breaker. The first failure of any call also fails all outstanding calls, whatever their later
 * results. From then on, every call fails immediately until the store has been connected again ({@link #connect}), has
 * received the outcomes of the log that it may lack ({@link #assertAgain}), and has been opened ({@link #open}). Logs
 * one line for each new problem, and one line when the store is open again. Safe for any thread, but only one thread at
 * a time may write.
 */
public final class GuardedStore implements DedupStore {
    private static final long FIRST_WAIT_MILLIS = 100;
    private static final long MAX_WAIT_MILLIS = 2_000;
    private static final Logger LOG = LoggerFactory.getLogger(GuardedStore.class);

    private final String name;
    private final DedupStore store;
    private final LongSupplier nanoTicker;
    private final Breaker breaker;
    private final Timing reads;
    private final Timing writes;
    private volatile LongConsumer whenLost = connection -> {};
    private volatile Supplier<CompletionStage<?>> beforeConnect = () -> CompletableFuture.completedFuture(null);
    private volatile State state = State.LOST;
    /** The number of the connection on which the store is open; 0 if it is not. */
    private volatile long openOn;

    private volatile boolean closing;

    // guarded by this
    private final Map<Long, CompletableFuture<?>> outstanding = new LinkedHashMap<>();

    private long calls;
    private long connection;
    private long endedConnection;
    private long lostSinceNanos;
    private @Nullable String problem;
    private boolean wasOpen;

    private enum State {
        LOST,
        CONNECTED,
        OPEN
    }

    /**
     * Creates a store that is not connected; owns {@code store} from now on.
     *
     * @param name the name that operators use, such as Redis
     * @param nanoTicker monotonic time
     * @param random a source for the waits between attempts
     */
    public GuardedStore(
            String name, DedupStore store, LongSupplier nanoTicker, RandomGenerator random, StoreMetrics metrics) {
        this.name = name;
        this.store = store;
        this.nanoTicker = nanoTicker;
        this.breaker = new Breaker(1, openings -> waitMillis(openings, random), nanoTicker);
        this.reads = metrics.reads;
        this.writes = metrics.writes;
        this.lostSinceNanos = nanoTicker.getAsLong();
    }

    /**
     * Sets a callback to run when a connection is lost, after all outstanding calls have failed. The callback receives
     * the number that {@link #connection} returned for the lost connection. The callback runs on the thread that
     * detected the failure and must not block.
     */
    public void whenLost(LongConsumer listener) {
        whenLost = listener;
    }

    /** Sets a step that each connection waits for; if the step fails, so does the connection. */
    public void beforeConnect(Supplier<CompletionStage<?>> step) {
        beforeConnect = step;
    }

    /**
     * Returns the number that identifies the newest connection, which may already have ended. Each call of {@link
     * #connect} increments this number.
     */
    public synchronized long connection() {
        return connection;
    }

    /** Returns whether a connection attempt is allowed now; if so, {@link #connect} must follow. */
    public boolean mayConnect() {
        return state == State.LOST && breaker.tryAcquire();
    }

    @Override
    public CompletionStage<OptionalLong> connect() {
        CompletableFuture<OptionalLong> result = new CompletableFuture<>();
        long begun;
        synchronized (this) {
            begun = ++connection;
        }
        started(() -> beforeConnect.get().thenCompose(done -> store.connect())).whenComplete((position, failure) -> {
            if (failure != null) {
                fail(begun, failure, false);
                result.completeExceptionally(cause(failure));
            } else if (nowConnected(begun)) {
                result.complete(position);
            } else {
                result.completeExceptionally(down()); // the connection was given up in the meantime
            }
        });
        return result;
    }

    /** Works like {@link #putIfAbsent}, but only between {@link #connect} and {@link #open}. */
    public CompletionStage<List<StoredOutcome>> assertAgain(List<StoredOutcome> decisions, long completeUpTo) {
        return guarded(State.CONNECTED, writes, () -> store.putIfAbsent(decisions, completeUpTo));
    }

    /** Works like {@link #noteEvidence}, but only between {@link #connect} and {@link #open}. */
    public CompletionStage<Boolean> noteAgain(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return guarded(State.CONNECTED, writes, () -> store.noteEvidence(id, digest, expiresAtMillis));
    }

    /** Opens the store for all calls, after it has received all outcomes that it may lack. */
    public synchronized void open() {
        state = State.OPEN;
        openOn = connection;
        breaker.succeeded();
        if (wasOpen || problem != null) {
            LOG.info("{} is back after {} s", name, secondsLost());
        }
        wasOpen = true;
        problem = null;
    }

    /**
     * Ends the connection for a reason that no failed call has reported, such as a damaged log, or a store that does
     * not answer in time for the shutdown. Outstanding calls fail as after any failure, but the callback of
     * {@link #whenLost} is not run.
     */
    public void giveUp(Throwable cause) {
        fail(connection(), cause, true);
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return guarded(State.OPEN, reads, () -> store.get(ids));
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        return putIfAbsent(decisions, new BitSet(), completeUpTo);
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(
            List<StoredOutcome> decisions, BitSet first, long completeUpTo) {
        return guarded(State.OPEN, writes, () -> store.putIfAbsent(decisions, first, completeUpTo));
    }

    @Override
    public CompletionStage<Boolean> knowsEvidence(PcsId id, ContentDigest digest) {
        return guarded(State.OPEN, reads, () -> store.knowsEvidence(id, digest));
    }

    @Override
    public CompletionStage<Boolean> noteEvidence(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return guarded(State.OPEN, writes, () -> store.noteEvidence(id, digest, expiresAtMillis));
    }

    @Override
    public CompletionStage<Boolean> adopt(StoredOutcome existing) {
        return guarded(State.OPEN, writes, () -> store.adopt(existing));
    }

    @Override
    public void sync() {
        store.sync();
    }

    @Override
    public boolean isOwn() {
        return store.isOwn();
    }

    @Override
    public boolean hasRoomFor(long more) {
        return store.hasRoomFor(more);
    }

    /** Returns the number of the connection on which the store is open for all calls; 0 if it is not. */
    public long openConnection() {
        return openOn;
    }

    /** Returns whether the store is open for all calls. */
    public boolean isOpen() {
        return state == State.OPEN;
    }

    /**
     * Returns the nanoseconds until the next connection attempt is allowed; 0 if an attempt is allowed now or is in
     * progress.
     */
    public long untilNextTryNanos() {
        return breaker.remainingNanos();
    }

    /** Returns the cause of the newest failure, for an operator; empty while the store is open or has not failed yet. */
    public synchronized Optional<String> problem() {
        return Optional.ofNullable(problem);
    }

    /**
     * Returns how long the store has been unavailable, in nanoseconds; 0 while it accepts all calls ({@link #isOpen}).
     */
    public synchronized long lostForNanos() {
        return state == State.OPEN ? 0 : nanoTicker.getAsLong() - lostSinceNanos;
    }

    @Override
    public void close() {
        closing = true;
        store.close();
    }

    private <T> CompletionStage<T> guarded(State needed, Timing timing, Supplier<CompletionStage<T>> call) {
        CompletableFuture<T> result = new CompletableFuture<>();
        long number;
        long usedConnection;
        synchronized (this) {
            usedConnection = connection;
            if (!isUsable(needed)) {
                return CompletableFuture.failedFuture(down());
            }
            number = calls++;
            outstanding.put(number, result);
        }
        long startedNanos = nanoTicker.getAsLong();
        started(call).whenComplete((value, failure) -> {
            timing.observeNanos(nanoTicker.getAsLong() - startedNanos);
            if (failure != null) {
                if (fail(usedConnection, failure, false)) {
                    whenLost.accept(usedConnection);
                }
            } else if (isOutstanding(number)) { // otherwise, the result has already failed
                result.complete(value);
            }
        });
        return result;
    }

    private synchronized boolean nowConnected(long begun) {
        boolean isCurrent = begun != endedConnection;
        if (isCurrent) {
            state = State.CONNECTED;
        }
        return isCurrent;
    }

    private synchronized boolean isOutstanding(long number) {
        return outstanding.remove(number) != null;
    }

    private boolean isUsable(State needed) {
        return state == needed;
    }

    /** Starts a call. An exception that the store throws becomes a failed stage. */
    private static <T> CompletionStage<T> started(Supplier<CompletionStage<T>> call) {
        try {
            return call.get();
        } catch (RuntimeException | VirtualMachineError e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private StoreUnavailableException down() {
        return new StoreUnavailableException(name + " is unavailable at the moment");
    }

    /**
     * Ends the connection that the number {@code failedConnection} identifies. Does nothing and returns false if this
     * connection has already ended, because a late failure of an earlier connection must not end the current
     * connection.
     */
    private boolean fail(long failedConnection, Throwable failure, boolean isGivenUp) {
        Throwable cause = cause(failure);
        List<CompletableFuture<?>> failed;
        synchronized (this) {
            if (failedConnection != connection || failedConnection == endedConnection) {
                return false;
            }
            endedConnection = failedConnection;
            if (state == State.OPEN) {
                lostSinceNanos = nanoTicker.getAsLong();
            }
            state = State.LOST;
            openOn = 0;
            failed = List.copyOf(outstanding.values());
            outstanding.clear();
            report(cause, isGivenUp);
        }
        breaker.failed();
        failed.forEach(result -> result.completeExceptionally(cause));
        return true;
    }

    /** Returns the cause of a failure that a stage has wrapped, or the failure itself if it is not wrapped. */
    private static Throwable cause(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
    }

    /**
     * Logs a problem, unless it equals the problem that was logged last, so that repeated attempts do not repeat the
     * line.
     */
    private void report(Throwable cause, boolean isGivenUp) {
        String what = String.valueOf(cause.getMessage());
        if (closing || what.equals(problem)) {
            return; // failures caused by closing the store are not logged
        }
        problem = what;
        if (isGivenUp) {
            LOG.error("{} can't be used: {}", name, what);
        } else if (cause instanceof StoreUnavailableException) {
            LOG.error("Error reaching {}: {}", name, what);
        } else {
            LOG.error("Error reaching {}: {}", name, cause.toString(), cause);
        }
    }

    private String secondsLost() {
        return "%.1f".formatted((nanoTicker.getAsLong() - lostSinceNanos) / 1e9);
    }

    /**
     * Returns {@value #FIRST_WAIT_MILLIS} ms, doubled with each attempt up to {@value #MAX_WAIT_MILLIS} ms, plus or
     * minus a jitter of up to a fifth.
     */
    private static long waitMillis(int openings, RandomGenerator random) {
        long millis = Math.min(MAX_WAIT_MILLIS, FIRST_WAIT_MILLIS << Math.min(openings - 1, 10));
        return Math.round(millis * (0.8 + 0.4 * random.nextDouble()));
    }

    /** The metrics of the calls to a store. */
    public static final class StoreMetrics extends Metrics.Feature {
        private static final double[] STORE_SECONDS = {
            0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5
        };

        /** The number of embedded stores that were set aside. */
        public final Count setAside =
                counter("flk_dedup_set_aside_total", "Embedded stores that became unusable and were set aside.");

        private final Function<List<String>, Timing> seconds =
                timings("flk_dedup_seconds", "Time of one call to the dedup store.", List.of("op"), STORE_SECONDS);
        private final Timing reads = seconds.apply(List.of("get"));
        private final Timing writes = seconds.apply(List.of("put"));

        public StoreMetrics(Metrics metrics) {
            super(metrics);
        }
    }
}
