// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.LowWater;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.IngestPipeline.Wiring;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.wal.segment.Damage;
import dev.flk.wal.segment.DamagedLogException;
import java.io.IOException;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The link between the recorder and the store. A start is handled like a reconnect. A store that was just connected
 * counts as down until it has caught up: first, its position is read; then, {@link CatchUp} puts the outcomes of all
 * later records into it (<i>asserts</i> them). Only then are new outcomes recorded. Owned by the recorder's thread;
 * other threads may call only the methods that are documented as safe for any thread.
 */
final class StoreLink {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /**
     * The number of log records missing from the store above which catching up counts as a rebuild. A crash costs the
     * embedded store far fewer records, because it buffers fewer in memory.
     */
    private static final long MAX_RECORDS_BEHIND = 500_000;

    /**
     * The time without a call after which the low-water mark is written into the store again, so that the loss of an
     * idle store is noticed.
     */
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final String UNAVAILABLE = "unavailable";

    private final GuardedStore store;
    private final Inbox inbox;
    private final ForcedQueue queue;
    private final CatchUp catchUp;
    private final RetryAdvice advice;
    private final LongSupplier nanoTicker;
    private final SafeEnd safe;

    private State state = State.LOST;
    private CatchUp.@Nullable Run assertion;
    private @Nullable Throwable lastFailure;
    private int underWay;
    private long askedNanos;

    /**
     * Whether the store is being rebuilt: it has no position although part of the log was decided, or it may lack the
     * outcomes of more than {@link #MAX_RECORDS_BEHIND} log records.
     */
    private boolean rebuilding;

    /** Whether the position that the store had when it was connected is beyond the end of the log. */
    private boolean positionIsAhead;

    private volatile long recordedUpTo;
    private volatile String statusText = "connecting";

    private enum State {
        LOST,
        CONNECTING,
        ASSERTING,
        UP
    }

    StoreLink(Wiring wiring, CatchUp catchUp, RetryAdvice advice) {
        this.store = wiring.store();
        this.inbox = wiring.inbox();
        this.queue = wiring.queue();
        this.catchUp = catchUp;
        this.advice = advice;
        this.nanoTicker = wiring.nanoTicker();
        this.safe = wiring.safe();
        store.whenLost(connection -> queue.execute(() -> lost(connection)));
    }

    /**
     * Does the work that is due. Connects a lost store if a retry is allowed. Writes the low-water mark into an idle
     * store if the mark has changed or if nothing was written for a second; this write also detects that the store is
     * lost.
     */
    void step() {
        switch (state) {
            case LOST -> {
                if (safe.isOwned() && store.mayConnect()) {
                    state = State.CONNECTING;
                    queue.whenDone(store.connect(), this::connected);
                }
            }
            case CONNECTING, ASSERTING -> {}
            case UP -> {
                if (!safe.isOwned()) {
                    giveUp(new IOException(safe.problem().orElse("another backend owns the log")));
                    return;
                }
                boolean behind = recordedUpTo != inbox.lowWater().mark();
                if (underWay == 0 && (behind || nanoTicker.getAsLong() - askedNanos > QUIET_NANOS)) {
                    record(List.of(), (existing, failure) -> {});
                }
            }
        }
    }

    private void connected(@Nullable OptionalLong position, @Nullable Throwable failure) {
        if (position == null) {
            state = State.LOST;
            lastFailure = failure;
            statusText = UNAVAILABLE;
            return;
        }
        long last = Math.min(inbox.last(), safe.sequence()); // what is not safe is in flight
        positionIsAhead = position.isPresent() && position.getAsLong() > last;
        if (positionIsAhead) {
            LOG.error(
                    "the log ends at record {}, but the dedup store has outcomes up to record {}: the end of the log is"
                            + " missing; the outcomes of the missing records remain in the store",
                    last,
                    position.orElseThrow());
        }
        long complete = Math.min(Math.min(position.orElse(0), inbox.lowWater().mark()), last);
        rebuilding =
                (position.isEmpty() && inbox.decided() > 0) || inbox.records(complete + 1, last) > MAX_RECORDS_BEHIND;
        inbox.lowWater().assertedUpTo(complete);
        recordedUpTo = complete;
        try {
            inbox.keepMark();
        } catch (IOException e) {
            giveUp(new IOException("the low-water mark can't be saved: " + e.getMessage(), e));
            return;
        }
        state = State.ASSERTING;
        statusText = rebuilding ? "being rebuilt from the log" : "catching up with the log";
        CatchUp.Run begun = catchUp.new Run(complete + 1, last, this::asserted);
        assertion = begun;
        begun.step();
    }

    /**
     * Ends the catch-up. If the catch-up failed, gives up the store. Otherwise opens the store: it now has the outcomes
     * of all records that the log had when the store was connected, and the submissions in later records are in flight.
     * If the store's position was beyond the end of the log, first makes the new, lower position durable. Without this
     * step, a crash could bring back the old position, and new records that reuse the sequences of the missing records
     * would count as recorded.
     */
    private void asserted(@Nullable Throwable failure) {
        if (failure != null) {
            giveUp(failure);
            return;
        }
        CatchUp.Run done = Objects.requireNonNull(assertion);
        if (positionIsAhead) {
            store.sync();
        }
        assertion = null;
        inbox.decidedBefore();
        inbox.lowWater().allAsserted();
        state = State.UP;
        lastFailure = null;
        statusText = "up";
        store.open();
        done.end();
        LOG.info(
                "the dedup store is complete: {} records of the log were read to catch up, and {} outcomes were put"
                        + " into the store unless it had them",
                done.records(),
                done.asserted());
        rebuilding = false;
    }

    /** Returns whether the store is being rebuilt from the log, because it is empty or far behind. */
    boolean isRebuilding() {
        return rebuilding;
    }

    /** Handles the loss of the store. All outstanding calls have already failed. */
    private void lost(long connection) {
        boolean usable = state == State.ASSERTING || state == State.UP;
        if (usable && connection == store.connection()) {
            state = State.LOST;
            statusText = UNAVAILABLE;
            endCatchUp();
        }
    }

    /**
     * Stops using the store because the catch-up failed or the low-water mark could not be saved, although no failed
     * call has reported the store as lost.
     */
    private void giveUp(Throwable cause) {
        lastFailure = cause;
        state = State.LOST;
        statusText = cause instanceof DamagedLogException
                ? "the log is damaged"
                : rebuilding ? "the log can't rebuild it" : UNAVAILABLE;
        store.giveUp(cause instanceof DamagedLogException damaged ? withAdvice(damaged) : cause);
        endCatchUp();
    }

    private static IOException withAdvice(DamagedLogException damaged) {
        Damage damage = damaged.damage();
        return new IOException(
                "the log lacks records that the dedup store needs: " + damage.describe()
                        + "; put the segment back if it was moved away; if it is gone for good, stop the backend and"
                        + " run 'flk-backend wal repair'",
                damaged);
    }

    private void endCatchUp() {
        CatchUp.Run ended = assertion;
        assertion = null;
        if (ended != null) {
            ended.end();
        }
    }

    /**
     * Returns the reason why connecting the store or catching it up failed most recently; null if neither has failed
     * since the store was last up. A call to the store that fails during the catch-up is not included. A start that
     * requires the store reports this reason.
     */
    @Nullable
    Throwable lastFailure() {
        return lastFailure;
    }

    boolean isLost() {
        return state == State.LOST;
    }

    /** Returns whether the store is in use, so that new outcomes are recorded. */
    boolean isUp() {
        return state == State.UP;
    }

    /** Returns whether no call of {@link #record} is in flight. */
    boolean isIdle() {
        return underWay == 0;
    }

    /**
     * Puts the outcomes of submissions and the current low-water mark into the store.
     *
     * @param then called on the recorder's thread with the stored outcomes and null, or with null and the failure
     */
    void record(List<InFlight> submissions, BiConsumer<@Nullable List<StoredOutcome>, @Nullable Throwable> then) {
        long mark = inbox.lowWater().mark();
        long startedNanos = nanoTicker.getAsLong();
        askedNanos = startedNanos;
        BitSet first = new BitSet();
        long connection = store.isOwn() ? store.openConnection() : 0;
        for (int i = 0; i < submissions.size(); i++) {
            first.set(i, submissions.get(i).isFirstOn(connection));
        }
        List<StoredOutcome> outcomes =
                submissions.stream().map(InFlight::outcome).toList();
        CompletionStage<List<StoredOutcome>> call = store.putIfAbsent(outcomes, first, mark);
        underWay++;
        queue.whenDone(call, (existing, failure) -> {
            underWay--;
            if (existing != null) {
                recordedUpTo = mark;
                advice.recorded(outcomes.size(), nanoTicker.getAsLong() - startedNanos);
            }
            then.accept(existing, failure);
        });
    }

    /**
     * Returns the sequence in the log up to which the store has confirmed that it contains every outcome. Safe for any
     * thread.
     */
    long recordedUpTo() {
        return Math.min(recordedUpTo, inbox.lowWater().mark());
    }

    /**
     * Returns the reason, for an operator, why new outcomes can't be recorded; empty while they can be recorded. Safe
     * for any thread.
     */
    Optional<String> problem() {
        if (store.isOpen()) {
            return Optional.empty();
        }
        String status = statusText;
        return Optional.of(
                status.equals(UNAVAILABLE)
                        ? store.problem()
                                .map(cause -> UNAVAILABLE + ": " + cause)
                                .orElse(UNAVAILABLE)
                        : status);
    }

    /**
     * Writes the low-water mark into the store if the store is up and lacks this mark; waits at most a second for the
     * answer. The caller ensures that no call is in flight.
     */
    void close() {
        endCatchUp();
        if (state == State.UP && recordedUpTo != inbox.lowWater().mark()) {
            CompletableFuture<List<StoredOutcome>> kept =
                    store.putIfAbsent(List.of(), inbox.lowWater().mark()).toCompletableFuture();
            kept.exceptionally(failure -> List.of())
                    .completeOnTimeout(List.of(), 1, TimeUnit.SECONDS)
                    .join();
        }
    }

    /**
     * The time after which senders should retry while the store is down. It is the sum of two times: first, the time
     * until the next connection attempt or a quarter of the outage so far, whichever is longer; second, the time to
     * record all pending records of the log at the measured rate. The result is at least 1 and at most {@value
     * #MOST_SECONDS} seconds. Safe for any thread.
     */
    static final class RetryAdvice {
        private static final long MOST_SECONDS = 30;
        private static final long NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);
        private static final double WEIGHT_OF_LATEST = 0.1;

        private final GuardedStore store;
        private final LowWater lowWater;

        /** The average time to record one outcome, in nanoseconds; 0 before the first measurement. */
        private volatile double nanosPerOutcome;

        RetryAdvice(GuardedStore store, LowWater lowWater) {
            this.store = store;
            this.lowWater = lowWater;
        }

        /** Adds a measurement. Called by one thread at a time. */
        void recorded(int outcomes, long nanos) {
            if (outcomes > 0) {
                double latest = (double) nanos / outcomes;
                double before = nanosPerOutcome;
                nanosPerOutcome = before == 0 ? latest : before + WEIGHT_OF_LATEST * (latest - before);
            }
        }

        /** Returns the refusal with which to answer a submission that waits for the store, or a look-up that failed. */
        Refused storeDown() {
            double nanos = Math.max(store.untilNextTryNanos(), store.lostForNanos() / 4)
                    + lowWater.pending() * nanosPerOutcome;
            long seconds = (long) Math.ceil(nanos / NANOS_PER_SECOND);
            return new Refused(Refusal.STORE_DOWN, Math.max(1, Math.min(MOST_SECONDS, seconds)));
        }
    }
}
