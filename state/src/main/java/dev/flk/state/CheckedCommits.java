// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.fair.FairThreads;
import dev.flk.state.fair.FairThreads.LaneId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The checks of commits against the schemas of their namespaces. Checks run on threads of their own, which callers
 * share fairly, and never on the writer's thread. A commit that writes only into namespaces without schemas is queued at
 * once. If a schema changes between the check of a commit and its decision, the commit is checked and queued again.
 * Commits of one caller that change the same set of namespaces take effect in the order of their calls, also after such
 * a change. Safe for any thread.
 */
final class CheckedCommits implements AutoCloseable {
    /** The maximum number of times that a commit is checked because a schema has changed. */
    private static final int MOST_CHECKS = 10;

    private static final int THREADS = 4;

    private final Schemas schemas;
    private final Consumer<PendingCommit> writer;
    private final FairThreads threads;
    private final AtomicLong submitted = new AtomicLong();
    // guarded by this
    private final Map<LaneId, Undecided> undecided = new HashMap<>();

    private volatile boolean isClosed;

    /**
     * The commits of a lane that are queued and not decided yet. They have the same conditions, even those that need no
     * check; otherwise, a later commit could take effect before an earlier one that must be checked again.
     */
    private static final class Undecided {
        private List<Operation> conditions = List.of();
        private int queued;
        /** The orders of the commits that are being checked again. No later commit of the lane is queued before them. */
        private final TreeSet<Long> again = new TreeSet<>();
    }

    /**
     * Creates checks that wait for commits.
     *
     * @param writer queues a commit, or completes its answer exceptionally
     * @param maxWaitingBytes the maximum approximate size of the commits that wait for their checks
     */
    CheckedCommits(Schemas schemas, Consumer<PendingCommit> writer, long maxWaitingBytes) {
        this.schemas = schemas;
        this.writer = writer;
        this.threads = new FairThreads("state-checks", THREADS, maxWaitingBytes);
    }

    /**
     * Checks a commit and queues it.
     *
     * @param unchecked the commit, without conditions
     * @param isCancelled whether the caller has given up, which ends the check
     */
    void submit(String caller, PendingCommit unchecked, BooleanSupplier isCancelled) {
        Commit commit = new Commit(
                new LaneId(caller, namespaces(unchecked)), unchecked, () -> isClosed || isCancelled.getAsBoolean());
        List<Operation> conditions = schemas.conditionsWithoutCheck(unchecked.operations());
        boolean isQueued = conditions != null && !threads.isBusy(commit.lane) && commit.queue(conditions);
        if (!isQueued && !threads.run(commit.lane, commit)) {
            commit.refuse();
        }
    }

    /** Returns the names of the namespaces that a commit changes. */
    private static String namespaces(PendingCommit commit) {
        if (commit.removal() != null) {
            return commit.removal().namespace();
        }
        String first = commit.operations().isEmpty()
                ? ""
                : commit.operations().get(0).key().namespace();
        Set<String> names = new TreeSet<>(Set.of(first));
        for (Operation operation : commit.operations()) {
            String namespace = operation.key().namespace();
            if (!namespace.equals(first)) {
                names.add(namespace);
            }
        }
        return String.join(" ", names);
    }

    /**
     * Records that a commit is about to be queued. Returns the conditions with which to queue it; null if earlier
     * commits of its lane must be queued or decided first.
     */
    private synchronized @Nullable List<Operation> begin(Commit commit, List<Operation> conditions) {
        Undecided earlier = undecided.computeIfAbsent(commit.lane, missing -> new Undecided());
        if (!earlier.again.isEmpty() && earlier.again.first() < commit.order) {
            threads.resume(commit.lane); // so that the earlier commits run before this one
            return null;
        }
        if (earlier.queued == 0 || earlier.conditions.isEmpty()) {
            earlier.conditions = conditions;
        } else if (!conditions.isEmpty() && !conditions.equals(earlier.conditions)) {
            return null;
        }
        earlier.queued++;
        endAgain(commit);
        return earlier.conditions;
    }

    /** Records that a commit will be checked again. */
    private synchronized void beginAgain(Commit commit) {
        undecided.computeIfAbsent(commit.lane, missing -> new Undecided()).again.add(commit.order);
    }

    private synchronized void endAgain(Commit commit) {
        Undecided left = undecided.get(commit.lane);
        if (left != null && left.again.remove(commit.order)) {
            forgetIfOver(commit.lane);
        }
    }

    private synchronized void end(Commit commit) {
        Undecided decided = undecided.get(commit.lane);
        if (decided != null) {
            decided.queued--;
            if (decided.queued == 0) {
                threads.resume(commit.lane);
            }
            forgetIfOver(commit.lane);
        }
    }

    private void forgetIfOver(LaneId lane) {
        Undecided left = undecided.get(lane);
        if (left != null && left.queued == 0 && left.again.isEmpty()) {
            undecided.remove(lane);
        }
    }

    /** Ends all checks; commits that wait for a check are refused. */
    @Override
    public void close() {
        isClosed = true;
        threads.close();
    }

    private final class Commit implements FairThreads.Task {
        private final LaneId lane;
        private final PendingCommit unchecked;
        private final BooleanSupplier isCancelled;
        private final long order = submitted.incrementAndGet();
        private int checks;

        Commit(LaneId lane, PendingCommit unchecked, BooleanSupplier isCancelled) {
            this.lane = lane;
            this.unchecked = unchecked;
            this.isCancelled = isCancelled;
        }

        @Override
        public long weight() {
            return unchecked.held();
        }

        @Override
        public long order() {
            return order;
        }

        @Override
        public boolean run() {
            try {
                return queue(schemas.check(unchecked.operations(), isCancelled));
            } catch (StateException e) {
                // the caller receives this error, unless an answer to its request is remembered
                endAgain(this);
                writer.accept(unchecked.failing(e));
            } catch (RuntimeException | Error e) {
                // otherwise, later calls of the transaction would wait forever
                endAgain(this);
                unchecked.answer().completeExceptionally(e);
            }
            return true;
        }

        /** Queues the commit; returns false if the earlier commits of its lane must be decided first. */
        boolean queue(List<Operation> ofCheck) {
            List<Operation> conditions = begin(this, ofCheck);
            if (conditions == null) {
                return false;
            }
            CompletableFuture<Committed> decided = new CompletableFuture<>();
            var unused = decided.whenComplete((committed, failure) -> {
                try {
                    answer(conditions, committed, failure);
                } finally {
                    end(this);
                }
            });
            writer.accept(unchecked.with(conditions, decided));
            return true;
        }

        private void answer(List<Operation> conditions, @Nullable Committed committed, @Nullable Throwable failure) {
            if (committed != null) {
                unchecked.answer().complete(committed);
            } else if (!conditions.isEmpty() // otherwise, one of the operations is itself in conflict
                    && failure instanceof StateException refused
                    && Schemas.isOutdated(refused)
                    && ++checks < MOST_CHECKS) {
                schemas.forget(conditions);
                beginAgain(this);
                if (!threads.run(lane, this)) {
                    refuse();
                }
            } else {
                unchecked
                        .answer()
                        .completeExceptionally(Objects.requireNonNull(failure, "a commit is durable or rejected"));
            }
        }

        /** Answers that the commit can't be checked now. */
        void refuse() {
            endAgain(this);
            unchecked
                    .answer()
                    .completeExceptionally(
                            isClosed
                                    ? Reason.STORE_DOWN.because("the state engine is closed")
                                    : Reason.TOO_MANY_TX.because("too many commits wait to be checked against schemas;"
                                            + " try again in a moment"));
        }

        @Override
        public void drop() {
            refuse();
        }
    }
}
