// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Batch;
import dev.flk.state.Storage.Head;
import dev.flk.state.Storage.RequestKey;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The one thread that commits: it takes what has queued up, decides it in order, and answers once the storage has it. The queue is
 * bounded. {@link #submit} may be called by any thread.
 */
final class Writer {
    private static final int MOST_COMMITS_A_BATCH = 1_000;
    private static final long MOST_BYTES_A_BATCH = 8L << 20;

    private final Storage storage;
    private final InstantSource clock;
    private final LongSupplier elapsedMicros;
    private final long rememberedMicros;
    private final long maxQueueBytes;
    private final Listener listener;
    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final ArrayDeque<Object> queue = new ArrayDeque<>();
    private long queueBytes;
    private boolean isClosed;

    /** Hears of each batch, on the writer's thread, before those who wait for it. */
    interface Listener {
        /** A batch is durable. */
        void committed(Head head);

        /** The storage failed. */
        void failed(StateException cause);
    }

    /**
     * A writer whose {@link #loop} was not called yet.
     *
     * @param clock the time of commits
     * @param elapsedMicros the time by which answers are remembered
     */
    Writer(
            Storage storage,
            InstantSource clock,
            LongSupplier elapsedMicros,
            long rememberedMicros,
            long maxQueueBytes,
            Listener listener) {
        this.storage = storage;
        this.clock = clock;
        this.elapsedMicros = elapsedMicros;
        this.rememberedMicros = rememberedMicros;
        this.maxQueueBytes = maxQueueBytes;
        this.listener = listener;
    }

    /** @throws StateException TOO_MANY_TX: the queue is full; STORE_DOWN: it is closed */
    void submit(PendingCommit commit) {
        lock.lock();
        try {
            requireOpen();
            long bytes = commit.held();
            if (queueBytes > 0 && queueBytes + bytes > maxQueueBytes) {
                throw Reason.TOO_MANY_TX.because("more than " + maxQueueBytes + " bytes wait to be committed");
            }
            queueBytes += bytes;
            queue.add(commit);
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /** Runs a step on the writer's thread, behind what was submitted before. */
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

    /** Loops until {@link #end}, and until everything that was submitted before is answered. */
    void loop() {
        for (List<Object> taken = take(); !taken.isEmpty(); taken = take()) {
            if (taken.get(0) instanceof Runnable step) {
                step.run();
            } else {
                commit(taken.stream().map(PendingCommit.class::cast).toList());
            }
        }
    }

    /** Takes nothing more; the loop ends behind what it has. */
    void end() {
        lock.lock();
        try {
            isClosed = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    /** A step alone, or commits that go together; empty at the end. */
    private List<Object> take() {
        lock.lock();
        try {
            while (queue.isEmpty() && !isClosed) {
                changed.awaitUninterruptibly();
            }
            List<Object> taken = new ArrayList<>();
            long bytes = 0;
            while (!queue.isEmpty() && taken.size() < MOST_COMMITS_A_BATCH && bytes < MOST_BYTES_A_BATCH) {
                boolean isStep = queue.element() instanceof Runnable;
                if (isStep && !taken.isEmpty()) {
                    break;
                }
                Object next = queue.remove();
                taken.add(next);
                if (isStep) {
                    break;
                }
                bytes += ((PendingCommit) next).held();
            }
            queueBytes -= bytes;
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /** A batch that the storage refuses is tried again in halves, so that one commit cannot fail the others. */
    private void commit(List<PendingCommit> commits) {
        Set<Key> keys = new HashSet<>();
        Set<RequestKey> requests = new HashSet<>();
        for (PendingCommit commit : commits) {
            commit.operations().forEach(operation -> keys.add(operation.key()));
            if (commit.request() != null) {
                requests.add(commit.request());
            }
        }
        Decided decided = new Decided(commits);
        try {
            storage.commit(keys, requests, decided::decide);
        } catch (StateException e) {
            boolean isOfOneCommit = !e.isOutage() && (e.reason() == Reason.STORE_DOWN || e.reason() == Reason.INVALID);
            if (isOfOneCommit && commits.size() > 1) {
                int half = commits.size() / 2;
                commit(commits.subList(0, half));
                commit(commits.subList(half, commits.size()));
                return;
            }
            if (e.isOutage()) {
                listener.failed(e);
            }
            commits.forEach(commit -> commit.answer().completeExceptionally(e));
            return;
        } catch (RuntimeException | Error e) {
            StateException broken = StateException.down("committing failed: " + e, e);
            listener.failed(broken);
            commits.forEach(commit -> commit.answer().completeExceptionally(broken));
            return;
        }
        Head head = decided.head;
        if (head != null) {
            listener.committed(head);
        }
        decided.tell();
    }

    /** What became of each commit of a batch; decided anew if the storage has to begin anew. */
    private final class Decided {
        private final List<PendingCommit> commits;
        private final Map<CompletableFuture<Committed>, Committed> committed = new HashMap<>();
        private final Map<CompletableFuture<Committed>, StateException> refused = new HashMap<>();
        private @Nullable Head head;

        Decided(List<PendingCommit> commits) {
            this.commits = commits;
        }

        Batch decide(Storage.Existing existing) {
            committed.clear();
            refused.clear();
            BatchDecision decision = new BatchDecision(
                    existing, StateEngine.micros(clock.instant()), elapsedMicros.getAsLong(), rememberedMicros);
            for (PendingCommit commit : commits) {
                try {
                    committed.put(commit.answer(), decision.decide(commit));
                } catch (StateException e) {
                    refused.put(commit.answer(), e);
                }
            }
            head = decision.head();
            return decision.batch();
        }

        void tell() {
            committed.forEach(CompletableFuture::complete);
            refused.forEach(CompletableFuture::completeExceptionally);
        }
    }
}
