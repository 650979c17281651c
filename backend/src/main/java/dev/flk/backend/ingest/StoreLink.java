// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.CatchUp.AssertionContext;
import dev.flk.backend.ingest.Outcome.Unavailable;
import dev.flk.wal.Damage;
import dev.flk.wal.DamagedLogException;
import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Between the recorder and the store. A start is a reconnect, and a store that is back counts as down until its position was read
 * and what the log says since then was asserted again; only then is anything new recorded. Owned by the recorder's thread, but for
 * what it tells.
 */
final class StoreLink {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");

    /** What the embedded store holds in memory, and loses with the process, is far less. */
    private static final long MOST_BEHIND = 500_000;

    /** A store that was idle for so long is asked, so that its loss is noticed. */
    private static final long QUIET_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final GuardedStore store;
    private final Inbox inbox;
    private final AssertionContext context;
    private final RetryAdvice advice;
    private final LongSupplier nanoTicker;

    private State state = State.LOST;
    private @Nullable CatchUp catchUp;
    private @Nullable Throwable lastFailure;
    private int underWay;
    private long askedNanos;

    /** The store knew nothing of a log in which something was decided, or lacks more than a crash leaves undone. */
    private boolean rebuilding;

    /** The store knew more records than the log has. */
    private boolean positionIsAhead;

    private volatile long recordedUpTo;
    private volatile String told = "connecting";

    private enum State {
        LOST,
        CONNECTING,
        ASSERTING,
        UP
    }

    StoreLink(GuardedStore store, Inbox inbox, AssertionContext context, RetryAdvice advice, LongSupplier nanoTicker) {
        this.store = store;
        this.inbox = inbox;
        this.context = context;
        this.advice = advice;
        this.nanoTicker = nanoTicker;
        store.whenLost(connection -> inbox.groups().tell(() -> lost(connection)));
    }

    /**
     * Does what is due: connects a store that was lost if it may be tried, keeps the position of one that is idle, and
     * notices its loss.
     */
    void step() {
        switch (state) {
            case LOST -> {
                if (store.mayConnect()) {
                    state = State.CONNECTING;
                    onRecorder(store.connect(), this::connected);
                }
            }
            case CONNECTING, ASSERTING -> {}
            case UP -> {
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
            told = "unavailable";
            return;
        }
        long last = inbox.last();
        positionIsAhead = position.isPresent() && position.getAsLong() > last;
        if (positionIsAhead) {
            LOG.error(
                    "the log ends at record {}, the store knows records up to {}: the end of the log is missing;"
                            + " outcomes that were answered stand, the records behind them are gone",
                    last,
                    position.orElseThrow());
        }
        long complete = Math.min(Math.min(position.orElse(0), inbox.lowWater().mark()), last);
        rebuilding = (position.isEmpty() && inbox.decided() > 0) || last - complete > MOST_BEHIND;
        inbox.lowWater().assertedUpTo(complete);
        recordedUpTo = complete;
        try {
            inbox.keepMark();
        } catch (IOException e) {
            giveUp(new IOException("the low-water mark can't be kept: " + e.getMessage(), e));
            return;
        }
        state = State.ASSERTING;
        told = rebuilding ? "being rebuilt from the log" : "asserting what the log says";
        CatchUp begun = new CatchUp(inbox, store, context, this, complete + 1, last);
        catchUp = begun;
        begun.step();
    }

    /**
     * The log was asserted as far as it went when the store was connected; what came since is in flight. A position that was ahead of the
     * log must not come back once other records have its sequences.
     */
    void asserted(CatchUp done) {
        if (positionIsAhead) {
            store.sync();
        }
        catchUp = null;
        inbox.decidedBefore();
        inbox.lowWater().allAsserted();
        state = State.UP;
        lastFailure = null;
        told = "up";
        store.open();
        done.end();
        LOG.info(
                "the dedup store is complete: {} records behind its position read, {} outcomes asserted",
                done.records(),
                done.asserted());
        rebuilding = false;
    }

    /** Whether the store is empty, and what was decided before goes into it again. */
    boolean isRebuilding() {
        return rebuilding;
    }

    /** The store failed, and all that was outstanding was told so before. */
    private void lost(long connection) {
        boolean usable = state == State.ASSERTING || state == State.UP;
        if (usable && connection == store.connection()) {
            state = State.LOST;
            told = "unavailable";
            endCatchUp();
        }
    }

    /** It answers, but what must be done before it may be used can't be done. */
    void giveUp(Throwable cause) {
        lastFailure = cause;
        state = State.LOST;
        told = cause instanceof DamagedLogException
                ? "the log is damaged"
                : rebuilding ? "the log can't rebuild it" : "unavailable";
        store.giveUp(cause instanceof DamagedLogException damaged ? withAdvice(damaged) : cause);
        endCatchUp();
    }

    private static IOException withAdvice(DamagedLogException damaged) {
        Damage damage = damaged.damage();
        return new IOException(
                "the log lacks what the store must have: " + damage.describe() + " (" + damage.missing()
                        + "); put the segment back if it was moved away; if it is gone for good, stop the backend and run"
                        + " 'flk-backend wal repair'",
                damaged);
    }

    private void endCatchUp() {
        CatchUp ended = catchUp;
        catchUp = null;
        if (ended != null) {
            ended.end();
        }
    }

    /** Why the last try failed, for a start that can't do without; null while none did. */
    @Nullable
    Throwable lastFailure() {
        return lastFailure;
    }

    boolean isLost() {
        return state == State.LOST;
    }

    /** Whether outcomes are recorded. */
    boolean isUp() {
        return state == State.UP;
    }

    /** Whether calls are under way whose end someone waits for. */
    boolean isIdle() {
        return underWay == 0;
    }

    /**
     * Records outcomes, with the low-water mark as it is now.
     *
     * @param then is run on the recorder's thread, with what stands, or with null and why not
     */
    void record(List<StoredOutcome> outcomes, BiConsumer<@Nullable List<StoredOutcome>, @Nullable Throwable> then) {
        long mark = inbox.lowWater().mark();
        long startedNanos = nanoTicker.getAsLong();
        askedNanos = startedNanos;
        CompletionStage<List<StoredOutcome>> call = store.putIfAbsent(outcomes, mark);
        underWay++;
        onRecorder(call, (existing, failure) -> {
            underWay--;
            if (existing != null) {
                recordedUpTo = mark;
                advice.recorded(outcomes.size(), nanoTicker.getAsLong() - startedNanos);
            }
            then.accept(existing, failure);
        });
    }

    /** Runs {@code then} on the recorder's thread, at once if the stage has ended already. */
    <T> void onRecorder(CompletionStage<T> stage, BiConsumer<@Nullable T, @Nullable Throwable> then) {
        CompletableFuture<T> future = stage.toCompletableFuture();
        if (!future.isDone()) {
            var unused =
                    future.whenComplete((value, failure) -> inbox.groups().tell(() -> then.accept(value, failure)));
            return;
        }
        T value;
        try {
            value = future.join();
        } catch (CompletionException e) {
            then.accept(null, e.getCause());
            return;
        }
        then.accept(value, null);
    }

    /** Up to here the store has said that it is complete. Any thread. */
    long recordedUpTo() {
        return Math.min(recordedUpTo, inbox.lowWater().mark());
    }

    /** A word for an operator why nothing is recorded; empty while it is. Any thread. */
    Optional<String> problem() {
        return store.isOpen() ? Optional.empty() : Optional.of(told);
    }

    /** The caller has seen to it that nothing is under way. */
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
     * After how many seconds a retry is worth its while when the store is down: when it is tried next, or a quarter of the outage so
     * far if that is longer, plus what the backlog takes at the measured pace. From 1 to {@value #MOST_SECONDS}. Safe for any thread.
     */
    static final class RetryAdvice {
        private static final long MOST_SECONDS = 30;
        private static final long NANOS_PER_SECOND = TimeUnit.SECONDS.toNanos(1);
        private static final double WEIGHT_OF_LATEST = 0.1;

        private final GuardedStore store;
        private final LowWater lowWater;

        /** How long it takes to record one outcome, in nanoseconds, averaged; 0 until one was. */
        private volatile double nanosPerOutcome;

        RetryAdvice(GuardedStore store, LowWater lowWater) {
            this.store = store;
            this.lowWater = lowWater;
        }

        /** So many outcomes were recorded in so much time. One thread at a time. */
        void recorded(int outcomes, long nanos) {
            if (outcomes > 0) {
                double latest = (double) nanos / outcomes;
                double before = nanosPerOutcome;
                nanosPerOutcome = before == 0 ? latest : before + WEIGHT_OF_LATEST * (latest - before);
            }
        }

        /** The answer to a submission that waits for the store. */
        Unavailable storeDown() {
            double nanos = Math.max(store.untilNextTryNanos(), store.lostForNanos() / 4)
                    + lowWater.pending() * nanosPerOutcome;
            long seconds = (long) Math.ceil(nanos / NANOS_PER_SECOND);
            return new Unavailable(Outcome.Cause.STORE, Math.max(1, Math.min(MOST_SECONDS, seconds)));
        }
    }
}
