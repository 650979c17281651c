// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.RequestKey;
import dev.flk.state.fair.FairThreads;
import dev.flk.state.fair.FairThreads.LaneId;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The checks of commits against the schemas of their namespaces. Checks run on threads of their own, which callers
 * share fairly, and never on the writer's thread. A commit into namespaces without schemas needs no check and is queued
 * at once. If a schema changes between the check of a commit and its decision, the commit is checked and queued again.
 * Commits of one caller into the same namespaces are queued in the order of their calls, also after such a change. Safe
 * for any thread.
 */
final class CheckedCommits implements AutoCloseable {
    /** The maximum number of times that a commit is checked because a schema has changed. */
    private static final int MOST_CHECKS = 10;

    private static final int THREADS = 4;

    private final Schemas schemas;
    private final Consumer<PendingCommit> writer;
    private final FairThreads threads;
    // guarded by this
    private final Map<LaneId, Undecided> undecided = new HashMap<>();

    private volatile boolean isClosed;

    /**
     * The commits of a lane that are queued and not decided yet. All of them have the same conditions; otherwise, a
     * later commit could take effect before an earlier one that must be checked again.
     */
    private static final class Undecided {
        private final List<Operation> conditions;
        private int count;

        Undecided(List<Operation> conditions) {
            this.conditions = conditions;
        }
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
     * Checks operations and queues them.
     *
     * @param request as in {@link PendingCommit}
     * @param content as in {@link PendingCommit}
     * @param isCancelled whether the caller has given up, which ends the check
     * @param answer completes when the operations are durable or rejected
     */
    void submit(
            String caller,
            List<Operation> operations,
            @Nullable RequestKey request,
            String content,
            BooleanSupplier isCancelled,
            CompletableFuture<Committed> answer) {
        Set<String> namespaces = new TreeSet<>();
        for (Operation operation : operations) {
            if (Schemas.mayHaveSchema(operation)) {
                namespaces.add(operation.key().namespace());
            }
        }
        Commit commit = new Commit(
                new LaneId(caller, String.join(" ", namespaces)),
                operations,
                request,
                content,
                () -> isClosed || isCancelled.getAsBoolean(),
                answer);
        List<Operation> conditions = schemas.conditionsWithoutCheck(namespaces);
        boolean isQueued = conditions != null && !threads.isBusy(commit.lane) && commit.queue(conditions, null);
        if (!isQueued && !threads.run(commit.lane, commit)) {
            commit.refuse();
        }
    }

    /** Records that a commit is about to be queued; returns false if the earlier commits of its lane must be decided first. */
    private synchronized boolean begin(LaneId lane, List<Operation> conditions) {
        Undecided earlier = undecided.computeIfAbsent(lane, missing -> new Undecided(conditions));
        if (!earlier.conditions.equals(conditions)) {
            return false;
        }
        earlier.count++;
        return true;
    }

    private synchronized void end(LaneId lane) {
        Undecided decided = undecided.get(lane);
        if (decided != null && --decided.count == 0) {
            undecided.remove(lane);
            threads.resume(lane);
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
        private final List<Operation> operations;
        private final @Nullable RequestKey request;
        private final String content;
        private final BooleanSupplier isCancelled;
        private final CompletableFuture<Committed> answer;
        private int checks;

        Commit(
                LaneId lane,
                List<Operation> operations,
                @Nullable RequestKey request,
                String content,
                BooleanSupplier isCancelled,
                CompletableFuture<Committed> answer) {
            this.lane = lane;
            this.operations = operations;
            this.request = request;
            this.content = content;
            this.isCancelled = isCancelled;
            this.answer = answer;
        }

        @Override
        public long weight() {
            return PendingCommit.held(operations);
        }

        @Override
        public boolean run() {
            try {
                return queue(schemas.check(operations, isCancelled), null);
            } catch (StateException e) {
                return queue(List.of(), e); // the caller gets this error, unless an answer to this request is remembered
            } catch (RuntimeException | Error e) {
                answer.completeExceptionally(e); // otherwise, later calls of the transaction would wait forever
                return true;
            }
        }

        /**
         * Queues the commit; returns false if the earlier commits of its lane must be decided first.
         *
         * @param invalid the error that the check has found; null for none
         */
        boolean queue(List<Operation> conditions, @Nullable StateException invalid) {
            if (invalid == null && !begin(lane, conditions)) {
                return false;
            }
            CompletableFuture<Committed> decided = new CompletableFuture<>();
            var unused = decided.whenComplete((committed, failure) -> {
                try {
                    answer(conditions, committed, failure);
                } finally {
                    if (invalid == null) {
                        end(lane);
                    }
                }
            });
            writer.accept(new PendingCommit(operations, conditions, request, content, invalid, decided));
            return true;
        }

        private void answer(
                List<Operation> conditions, @Nullable Committed committed, @Nullable Throwable failure) {
            if (committed != null) {
                answer.complete(committed);
            } else if (!conditions.isEmpty() // otherwise, one of the operations is itself in conflict
                    && failure instanceof StateException refused
                    && Schemas.isOutdated(refused)
                    && ++checks < MOST_CHECKS) {
                schemas.forget(operations);
                if (!threads.runAgain(lane, this)) {
                    refuse();
                }
            } else {
                answer.completeExceptionally(Objects.requireNonNull(failure, "a commit is durable or rejected"));
            }
        }

        /** Answers that the commit can't be checked now. */
        void refuse() {
            answer.completeExceptionally(
                    isClosed
                            ? Reason.STORE_DOWN.because("the state engine is closed")
                            : Reason.TOO_MANY_TX.because(
                                    "too many commits wait to be checked against schemas; try again in a moment"));
        }

        @Override
        public void drop() {
            refuse();
        }
    }
}
