// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.dedup;

import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.Meters.Timing;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.program.breaker.Breaker;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.function.LongConsumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A store behind a circuit breaker. The first failure of anything fails all that is outstanding, whatever comes of it later, and from
 * then on everything fails at once, until it was connected again ({@link #connect}), what the log says was asserted again
 * ({@link #assertAgain}), and it was opened ({@link #open}). Tells its log when it goes down and when it is back, once each. Safe
 * for any thread; writes come from one at a time.
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
    private volatile State state = State.LOST;
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
     * Not connected yet. Owns {@code store} from now on.
     *
     * @param name how an operator calls it: Redis
     * @param nanoTicker monotonic time
     * @param random for the waits between tries
     */
    public GuardedStore(String name, DedupStore store, LongSupplier nanoTicker, RandomGenerator random, Meters meters) {
        this.name = name;
        this.store = store;
        this.nanoTicker = nanoTicker;
        this.breaker = new Breaker(1, openings -> waitMillis(openings, random), nanoTicker);
        this.reads = meters.dedupReads;
        this.writes = meters.dedupWrites;
        this.lostSinceNanos = nanoTicker.getAsLong();
    }

    /**
     * Called with the number of the connection after everything outstanding has failed, on the thread that met the
     * failure; it must not block.
     */
    public void whenLost(LongConsumer told) {
        whenLost = told;
    }

    /** The number of the present connection, or of the last. */
    public synchronized long connection() {
        return connection;
    }

    /** Whether it may be tried to connect now; if so {@link #connect} must follow. */
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
        started(store::connect).whenComplete((position, failure) -> {
            if (failure != null) {
                fail(begun, failure, "");
                result.completeExceptionally(cause(failure));
            } else if (nowConnected(begun)) {
                result.complete(position);
            } else {
                result.completeExceptionally(down()); // it was given up meanwhile
            }
        });
        return result;
    }

    /** {@link #putIfAbsent}, while only what the log says may be written. */
    public CompletionStage<List<StoredOutcome>> assertAgain(List<StoredOutcome> decisions, long completeUpTo) {
        return guarded(State.CONNECTED, writes, () -> store.putIfAbsent(decisions, completeUpTo));
    }

    /** {@link #noteEvidence}, while only what the log says may be written. */
    public CompletionStage<Boolean> noteAgain(PcsId id, ContentDigest digest, long expiresAtMillis) {
        return guarded(State.CONNECTED, writes, () -> store.noteEvidence(id, digest, expiresAtMillis));
    }

    /** What the log says is asserted: from now on it may be used for everything. */
    public synchronized void open() {
        state = State.OPEN;
        breaker.succeeded();
        if (wasOpen || problem != null) {
            LOG.info("{} is back after {} s", name, secondsLost());
        }
        wasOpen = true;
        problem = null;
    }

    /** It answers, and yet can't be used, for a reason that is not its own: as if it had failed, but for {@link #whenLost}. */
    public void giveUp(Throwable cause) {
        fail(connection(), cause, " can't be used: ");
    }

    @Override
    public CompletionStage<List<Optional<StoredOutcome>>> get(List<PcsId> ids) {
        return guarded(State.OPEN, reads, () -> store.get(ids));
    }

    @Override
    public CompletionStage<List<StoredOutcome>> putIfAbsent(List<StoredOutcome> decisions, long completeUpTo) {
        return guarded(State.OPEN, writes, () -> store.putIfAbsent(decisions, completeUpTo));
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
    public void sync() {
        store.sync();
    }

    @Override
    public boolean hasRoomFor(long more) {
        return store.hasRoomFor(more);
    }

    /** Whether it may be used for everything. */
    public boolean isOpen() {
        return state == State.OPEN;
    }

    /** Nanoseconds until it may be tried again; 0 while a try or nothing is in the way. */
    public long untilNextTryNanos() {
        return breaker.remainingNanos();
    }

    /** For how long it could not be used, in nanoseconds; 0 while it can. */
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
                if (fail(usedConnection, failure, "")) {
                    whenLost.accept(usedConnection);
                }
            } else if (isOutstanding(number)) { // else it failed with all the others, before
                result.complete(value);
            }
        });
        return result;
    }

    private synchronized boolean nowConnected(long begun) {
        boolean stands = begun != endedConnection;
        if (stands) {
            state = State.CONNECTED;
        }
        return stands;
    }

    private synchronized boolean isOutstanding(long number) {
        return outstanding.remove(number) != null;
    }

    private boolean isUsable(State needed) {
        return state == needed;
    }

    /** A store that throws instead of failing its stage has failed all the same. */
    private static <T> CompletionStage<T> started(Supplier<CompletionStage<T>> call) {
        try {
            return call.get();
        } catch (RuntimeException | VirtualMachineError e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private StoreUnavailableException down() {
        return new StoreUnavailableException(name + " can't be used just now");
    }

    /** Ends a connection; false if it had ended before, so that a late failure of an earlier one does not end the present one. */
    private boolean fail(long failedConnection, Throwable failure, String otherReason) {
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
            failed = List.copyOf(outstanding.values());
            outstanding.clear();
            tell(cause, otherReason);
        }
        breaker.failed();
        failed.forEach(result -> result.completeExceptionally(cause));
        return true;
    }

    /** Stages wrap what failed them. */
    private static Throwable cause(Throwable failure) {
        return failure instanceof CompletionException && failure.getCause() != null ? failure.getCause() : failure;
    }

    /** Once per change: the same trouble is not told again at each try. */
    private void tell(Throwable cause, String otherReason) {
        String what = String.valueOf(cause.getMessage());
        if (closing || what.equals(problem)) {
            return; // what its own end breaks off is no trouble
        }
        problem = what;
        if (!otherReason.isEmpty()) {
            LOG.error("{}{}{}", name, otherReason, what);
        } else if (cause instanceof StoreUnavailableException) {
            LOG.error("Error reaching {}: {}", name, what);
        } else {
            LOG.error("Error reaching {}: {}", name, what, cause);
        }
    }

    private String secondsLost() {
        return "%.1f".formatted((nanoTicker.getAsLong() - lostSinceNanos) / 1e9);
    }

    /** {@value #FIRST_WAIT_MILLIS} ms, and twice as long each time up to {@value #MAX_WAIT_MILLIS} ms, give or take a fifth. */
    private static long waitMillis(int openings, RandomGenerator random) {
        long millis = Math.min(MAX_WAIT_MILLIS, FIRST_WAIT_MILLIS << Math.min(openings - 1, 10));
        return Math.round(millis * (0.8 + 0.4 * random.nextDouble()));
    }
}
