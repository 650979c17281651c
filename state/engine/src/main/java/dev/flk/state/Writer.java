// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.PendingCommit.Removal;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.RequestKey;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The loop of the single thread that commits. The loop takes queued commits, decides those of a caller in order, and hands their
 * answers to an executor once the storage has made them durable, so that nothing that depends on an answer runs on this
 * thread. The total size of the operations that are queued or not answered yet is bounded. {@link #submit} and {@link
 * #blockedNanos} may be called by any thread.
 */
final class Writer {
    /** The maximum size of a batch; one commit of each caller may exceed it. */
    private static final long MOST_BYTES_A_BATCH = 2L << 20;
    /** The size that a smaller commit counts as, so that a batch has at most a thousand of one caller. */
    private static final long LEAST_BYTES_OF_COMMIT = MOST_BYTES_A_BATCH / 1_000;
    /**
     * The maximum time for which a rejected batch is split further. The time suffices for the ten splits that find one
     * bad commit among a thousand, even if each split costs a time-out of three seconds.
     */
    private static final long MOST_SPLITTING_MICROS = 30_000_000;

    private final Storage storage;
    private final InstantSource clock;
    private final InstantSource expiry;
    private final LongSupplier elapsedMicros;
    private final long rememberedMicros;
    private final long maxQueueBytes;
    private final OpenTransactions.Limits limits;
    private final Executor answers;
    private final Listener listener;
    /** The time since which the thread runs one step or one commit of the storage. */
    private final Since working;
    /** The time since which the executor completes the answers of one batch. */
    private final Since answering;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<Object> queue = new ArrayDeque<>();
    private long queueBytes;
    private boolean isClosed;

    /** A listener that is called on the writer's thread, before the callers of a batch are answered. */
    interface Listener {
        /** Records that a batch is durable. */
        void committed(Head head);

        /** Records that the storage failed. */
        void failed(StateException cause);
    }

    /** The beginning of the work in progress, if any. */
    private static final class Since {
        private final LongSupplier nanoTicker;
        private volatile @Nullable Long nanos;

        Since(LongSupplier nanoTicker) {
            this.nanoTicker = nanoTicker;
        }

        void begin() {
            nanos = nanoTicker.getAsLong();
        }

        void end() {
            nanos = null;
        }

        long passed() {
            Long since = nanos;
            return since == null ? 0 : nanoTicker.getAsLong() - since;
        }
    }

    /**
     * Creates a writer; {@link #loop} must be called to run it.
     *
     * @param clock the clock for the times of commits and the beginnings of lifetimes
     * @param expiry the clock for the ends of lifetimes
     * @param elapsedMicros a supplier of the elapsed time, which decides whether a remembered answer has expired
     * @param nanoTicker monotonic time, which works before the storage is open
     * @param limits the limits of a transaction, which apply to a removal as well
     * @param answers completes the answers of batches, one batch after the other
     */
    Writer(
            Storage storage,
            InstantSource clock,
            InstantSource expiry,
            LongSupplier elapsedMicros,
            LongSupplier nanoTicker,
            long rememberedMicros,
            long maxQueueBytes,
            OpenTransactions.Limits limits,
            Executor answers,
            Listener listener) {
        this.storage = storage;
        this.clock = clock;
        this.expiry = expiry;
        this.elapsedMicros = elapsedMicros;
        this.rememberedMicros = rememberedMicros;
        this.maxQueueBytes = maxQueueBytes;
        this.limits = limits;
        this.answers = answers;
        this.listener = listener;
        this.working = new Since(nanoTicker);
        this.answering = new Since(nanoTicker);
    }

    /** @throws StateException TOO_MANY_TX if the queue is full; STORE_DOWN if the writer is closed */
    void submit(PendingCommit commit) {
        lock.lock();
        try {
            requireOpen();
            long bytes = commit.held();
            if (queueBytes > 0 && queueBytes + bytes > maxQueueBytes) {
                throw Reason.TOO_MANY_TX.because(
                        "more than " + maxQueueBytes + " bytes would wait to be committed; try again in a moment");
            }
            queueBytes += bytes;
            queue.add(commit);
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Runs a step on the writer's thread, after everything that was submitted before. */
    void run(Runnable step) {
        lock.lock();
        try {
            requireOpen();
            queue.add(step);
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    private void requireOpen() {
        if (isClosed) {
            throw Reason.STORE_DOWN.because("the state engine is closed");
        }
    }

    /** Runs until {@link #end} is called and everything that was submitted before is answered. */
    void loop() {
        for (List<Object> taken = take(); !taken.isEmpty(); taken = take()) {
            working.begin();
            if (taken.get(0) instanceof Runnable step) {
                step.run();
            } else {
                commit(
                        taken.stream().map(PendingCommit.class::cast).toList(),
                        elapsedMicros.getAsLong() + MOST_SPLITTING_MICROS);
            }
            working.end();
        }
    }

    /**
     * Returns the time since the writer's thread or the answering executor has last completed something; 0 if both have
     * nothing to do.
     */
    long blockedNanos() {
        return Math.max(working.passed(), answering.passed());
    }

    /** Gives back the room of commits in the queue and completes their answers, on the executor. */
    private void answer(List<PendingCommit> commits, Consumer<PendingCommit> answer) {
        answers.execute(() -> {
            answering.begin();
            for (PendingCommit commit : commits) {
                release(commit.held()); // first, so that a caller finds room as soon as its commit is answered
                answer.accept(commit);
            }
            answering.end();
        });
    }

    private void release(long bytes) {
        lock.lock();
        try {
            queueBytes -= bytes;
        } finally {
            lock.unlock();
        }
    }

    /** Rejects further submissions; the loop ends when the queue is empty. */
    void end() {
        lock.lock();
        try {
            isClosed = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /**
     * Waits for work. Returns a single step, a single removal, or the commits of one batch. Returns an empty list once
     * the writer is closed and the queue is empty.
     */
    private List<Object> take() {
        lock.lock();
        try {
            while (queue.isEmpty() && !isClosed) {
                changed.awaitUninterruptibly();
            }
            return queue.isEmpty() || !isAlone(queue.element()) ? takeBatch() : List.of(queue.remove());
        } finally {
            lock.unlock();
        }
    }

    /**
     * Takes the commits of one batch, of those before the next step or removal. Callers have equal shares of the batch,
     * and the commits of each stay in their order, so that the large commits of one do not delay those of others by more
     * than a batch.
     */
    private List<Object> takeBatch() {
        Set<String> callers = new HashSet<>();
        for (Object queued : queue) {
            if (isAlone(queued)) {
                break;
            }
            callers.add(((PendingCommit) queued).caller());
        }
        List<Object> batch = new ArrayList<>();
        Map<String, Long> taken = new HashMap<>();
        ArrayDeque<Object> left = new ArrayDeque<>();
        while (!queue.isEmpty() && !isAlone(queue.element())) {
            PendingCommit commit = (PendingCommit) queue.remove();
            long before = taken.getOrDefault(commit.caller(), 0L);
            if (before < MOST_BYTES_A_BATCH / callers.size()) {
                batch.add(commit);
                taken.put(commit.caller(), before + Math.max(commit.held(), LEAST_BYTES_OF_COMMIT));
            } else {
                left.push(commit);
            }
        }
        left.forEach(queue::addFirst);
        return batch;
    }

    private static boolean isAlone(Object queued) {
        return !(queued instanceof PendingCommit commit) || commit.removal() != null;
    }

    /**
     * Commits a batch. If the storage rejects the batch with an error that may be due to a single commit, the two
     * halves of the batch are decided again and committed separately, so that one commit can't fail the others.
     * Splitting ends after a limited time, because the storage may reject each part only after a time-out. A part that
     * is rejected later is not split, and all its commits are rejected.
     *
     * @param splitUntilMicros the elapsed time after which the batch is not split any more
     */
    private void commit(List<PendingCommit> commits, long splitUntilMicros) {
        Set<StateKey> keys = new HashSet<>();
        Set<RequestKey> requests = new HashSet<>();
        for (PendingCommit commit : commits) {
            commit.operations().forEach(operation -> keys.add(operation.key()));
            commit.conditions().forEach(condition -> keys.add(condition.key()));
            if (commit.request() != null) {
                requests.add(commit.request());
            }
        }
        Decided decided = new Decided(commits);
        try {
            storage.commit(keys, requests, decided::decide);
            working.begin();
        } catch (StateException e) {
            working.begin();
            boolean isOfOneCommit = !e.isOutage() && (e.reason() == Reason.STORE_DOWN || e.reason() == Reason.INVALID);
            if (isOfOneCommit && commits.size() > 1 && elapsedMicros.getAsLong() < splitUntilMicros) {
                int half = commits.size() / 2;
                commit(commits.subList(0, half), splitUntilMicros);
                commit(commits.subList(half, commits.size()), splitUntilMicros);
                return;
            }
            if (e.isOutage()) {
                listener.failed(e);
            }
            answer(commits, commit -> commit.answer().completeExceptionally(e));
            return;
        } catch (RuntimeException | Error e) {
            StateException broken = StateException.down("the commit failed: " + e, e);
            listener.failed(broken);
            answer(commits, commit -> commit.answer().completeExceptionally(broken));
            return;
        }
        Head head = decided.head;
        if (head != null) {
            listener.committed(head);
        }
        answer(commits, decided::answer);
    }

    /**
     * The decision for each commit of a batch. Each call of {@link #decide} replaces all decisions of the previous
     * call.
     */
    private final class Decided {
        private final List<PendingCommit> commits;
        private final IdentityHashMap<PendingCommit, Committed> committed = new IdentityHashMap<>();
        private final IdentityHashMap<PendingCommit, StateException> refused = new IdentityHashMap<>();
        private @Nullable Head head;

        Decided(List<PendingCommit> commits) {
            this.commits = commits;
        }

        Batch decide(Storage.Existing existing) {
            committed.clear();
            refused.clear();
            BatchDecision decision = new BatchDecision(
                    existing,
                    StateEngine.micros(clock.instant()),
                    StateEngine.micros(expiry.instant()),
                    elapsedMicros.getAsLong(),
                    rememberedMicros,
                    removal -> selected(removal, existing.head()));
            for (PendingCommit commit : commits) {
                try {
                    committed.put(commit, decision.decide(commit));
                } catch (StateException e) {
                    refused.put(commit, e);
                }
            }
            head = decision.head();
            return decision.batch();
        }

        /**
         * Reads the keys that a removal deletes. The keys can't change between the pages, because the storage commits
         * nothing else until this decision is made.
         */
        private List<KeyAt> selected(Removal removal, Head head) {
            List<KeyAt> all = new ArrayList<>();
            long bytes = 0;
            String after = null;
            do {
                String last = after;
                Page<KeyAt> page = storage.read(reads -> reads.keys(
                        removal.namespace(),
                        removal.agentId(),
                        removal.prefix(),
                        last,
                        head.revision(),
                        StateEngine.MAX_PAGE));
                for (KeyAt key : page.entries()) {
                    all.add(key);
                    bytes += new Operation.Delete(
                                    new StateKey(removal.namespace(), removal.agentId(), key.name()),
                                    Operation.ANY_VERSION)
                            .bytes();
                }
                limits.requireRemoval(removal, all.size(), bytes);
                after = page.next();
            } while (after != null);
            return all;
        }

        void answer(PendingCommit commit) {
            StateException refusal = refused.get(commit);
            if (refusal == null) {
                commit.answer().complete(committed.get(commit));
            } else {
                commit.answer().completeExceptionally(refusal);
            }
        }
    }
}
