// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.time.InstantSource;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The ends of lifetimes in a storage: keys with a lifetime, and remembered answers. Used by the writer's
 * thread, except for {@link #elapsedMicros}, which is safe for any thread.
 */
final class Lifetimes {
    private final Storage storage;
    private final InstantSource clock;
    private final InstantSource expiry;
    private final LongSupplier nanoTicker;
    private final BooleanSupplier isFull;
    private final Consumer<PendingCommit> submit;
    private final Consumer<Runnable> later;
    private final AtomicBoolean isExpiring = new AtomicBoolean();
    private final AtomicBoolean isForgetting = new AtomicBoolean();
    /** The elapsed time minus the ticker's time; null until the storage is opened for the first time. */
    private volatile @Nullable Long elapsedOffsetMicros;

    /**
     * @param expiry the clock for the ends of lifetimes
     * @param isFull returns whether the disk is full
     * @param submit queues a commit
     * @param later queues a step for the writer's thread
     */
    Lifetimes(
            Storage storage,
            InstantSource clock,
            InstantSource expiry,
            LongSupplier nanoTicker,
            BooleanSupplier isFull,
            Consumer<PendingCommit> submit,
            Consumer<Runnable> later) {
        this.storage = storage;
        this.clock = clock;
        this.expiry = expiry;
        this.nanoTicker = nanoTicker;
        this.isFull = isFull;
        this.submit = submit;
        this.later = later;
    }

    /**
     * Sets the beginning of elapsed time, by which remembered answers expire, unless it is set. If several processes
     * share the storage, elapsed time begins at the time of the clock that they share, so that each of them remembers
     * the answers of the others for the same time, whatever its own clock shows. If the storage remembers answers of a
     * previous process, elapsed time continues at the time of the newest answer, so that a jump of the wall clock
     * between the two processes does not expire answers early. Otherwise, elapsed time begins at the wall clock's time.
     */
    void opened() {
        if (elapsedOffsetMicros == null) {
            long shared = storage.clockMicros();
            long last = storage.lastExpiryMicros();
            long newest = last == 0 ? StateEngine.micros(clock.instant()) : last - StateEngine.REMEMBERED_MICROS;
            elapsedOffsetMicros = (shared != 0 ? shared : newest) - tickerMicros();
        }
    }

    private long tickerMicros() {
        return TimeUnit.NANOSECONDS.toMicros(nanoTicker.getAsLong());
    }

    /** Returns the elapsed time, which decides whether a remembered answer has expired. */
    long elapsedMicros() {
        return Objects.requireNonNull(elapsedOffsetMicros, "the storage was opened") + tickerMicros();
    }

    /**
     * Submits the deletion of keys whose lifetimes are over. Does nothing while an earlier such deletion waits for its
     * answer, or while the disk is full. Other processes may submit the same deletions; the decision deletes each key
     * once.
     */
    void expireKeys() {
        if (isExpiring.get() || isFull.getAsBoolean()) {
            return;
        }
        List<StateKey> over =
                storage.read(stored -> stored.expired(StateEngine.micros(expiry.instant()), StateEngine.MAX_PAGE));
        if (over.isEmpty()) {
            return;
        }
        isExpiring.set(true);
        List<Operation> deletions =
                over.stream().<Operation>map(Operation.Expire::new).toList();
        CompletableFuture<Committed> answer = new CompletableFuture<>();
        var unused = answer.whenComplete((committed, failure) -> {
            isExpiring.set(false);
            if (failure == null && committed.revision() > 0 && over.size() == StateEngine.MAX_PAGE) {
                later.accept(this::expireKeys);
            }
        });
        submit.accept(new PendingCommit("", deletions, List.of(), null, "", null, answer));
    }

    /** Returns whether a deletion waits for its answer. */
    boolean isExpiring() {
        return isExpiring.get();
    }

    /**
     * Begins to remove expired answers, in steps, so that commits can run between the steps. Does nothing while an
     * earlier such removal is in progress.
     */
    void beginToForget() {
        if (isForgetting.compareAndSet(false, true)) {
            later.accept(this::forgetSome);
        }
    }

    private void forgetSome() {
        boolean isMore = false;
        try {
            isMore = forgetAnswers();
        } finally {
            isForgetting.set(isMore);
        }
        if (isMore) {
            later.accept(this::forgetSome);
        }
    }

    /** Calls {@link Storage#forgetAnswers}; returns whether there may be more to do. */
    boolean forgetAnswers() {
        return storage.forgetAnswers(elapsedMicros());
    }
}
