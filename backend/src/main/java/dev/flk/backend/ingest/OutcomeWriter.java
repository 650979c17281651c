// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.IngestPipeline.Wiring;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The work that follows an fsync: the outcomes of all submissions that shared the fsync are put into the store with one
 * put-if-absent call, and then the submissions are answered. If only this process writes into the store, submissions
 * whose ids a look-up did not find are answered before the call, on the thread of the log's writer. The recorder's
 * thread does everything else. Outcomes that the store can't record at the moment go to the backlog, which drains in
 * batches alongside live traffic.
 */
final class OutcomeWriter {
    private static final long TICK_MILLIS = 100;
    private static final long FINISH_MILLIS = 2_000;
    private static final long FORCED_MILLIS = 10_000;

    /**
     * The most outcomes that are being given to this log. They need no answer, and must not fill the store's bounded
     * queue: a store whose queue is full counts as down.
     */
    private static final int MOST_ADOPTING = 64;

    private final StoreLink link;
    private final GuardedStore store;
    private final Inbox inbox;
    private final ForcedQueue queue;
    private final Completion completion;
    private final Backlog backlog = new Backlog();
    private final RetryAdvice advice;
    private final OutcomeLog log;
    private final IngestMetrics metrics;
    private final InstantSource clock;
    private final InstantSource expiry;
    private final Thread thread = new Thread(this::run, "ingest-recorder");
    private final ScheduledExecutorService ticks =
            Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "ingest-ticks"));
    private final AtomicBoolean tickIsDue = new AtomicBoolean();
    private final AtomicInteger adopting = new AtomicInteger();
    private final Consumer<List<DecidedSubmission>> whenRecorded;
    private final Predicate<String> isForgotten;
    private final SafeEnd safe;

    /** Groups that are on disk but not safe yet, in log order; used by this object's thread only. */
    private final Deque<ForcedQueue.Group> unsafe = new ArrayDeque<>();

    private boolean draining;
    private boolean ending;

    OutcomeWriter(Wiring wiring, StoreLink link, Completion completion, RetryAdvice advice, OutcomeLog log) {
        this.link = link;
        this.store = wiring.store();
        this.inbox = wiring.inbox();
        this.queue = wiring.queue();
        this.completion = completion;
        this.advice = advice;
        this.log = log;
        this.metrics = wiring.metrics();
        this.clock = wiring.clock();
        this.expiry = wiring.clock().expiry();
        this.whenRecorded = wiring.whenRecorded();
        this.isForgotten = wiring.isForgotten();
        this.safe = wiring.safe();
        queue.whenForced(this::answer);
        queue.takenBy(thread);
        safe.whenMoved(() -> queue.execute(this::recordSafe));
    }

    /**
     * Returns whether the stored outcome of a submitted content has lost its body: the log that decided it was given up.
     * The body is then logged, and the submission is overruled by the stored outcome, even if that is its own: a
     * certificate that was sent again is overruled by itself.
     */
    boolean needsBody(StoredOutcome stored, StoredOutcome submitted) {
        return stored.digest().equals(submitted.digest()) && isForgotten.test(stored.logId());
    }

    /**
     * Runs the steps of this object and of the log's writer on the caller's thread until the store is complete. Called
     * before the threads start.
     *
     * @param mayBeLost whether to return early if the store fails or must be rebuilt; the work then continues after
     *     {@link #start}
     * @throws IOException if the log can't be read or written, or records are missing
     * @throws StoreUnavailableException if the store fails and {@code mayBeLost} is false
     */
    void completeStore(boolean mayBeLost) throws IOException {
        link.step();
        while (!link.isUp()) {
            if (mayBeLost && (link.isRebuilding() || (link.isLost() && !(link.lastFailure() instanceof IOException)))) {
                return; // the recorder's thread continues this work after the start
            }
            Throwable failure = link.lastFailure();
            if (link.isLost() && failure instanceof IOException cause) {
                throw cause;
            } else if (link.isLost()) {
                throw new StoreUnavailableException(
                        "the dedup store failed during startup: "
                                + (failure == null ? "no answer" : failure.getMessage()),
                        failure == null ? new IllegalStateException("no answer") : failure);
            }
            boolean recorded = step();
            if (!inbox.log().step() && !recorded && !link.isLost() && !link.isUp()) {
                awaitSafe();
            }
        }
    }

    /** Waits until more of the records that the catch-up has logged are safe. */
    private void awaitSafe() throws IOException {
        if (unsafe.isEmpty()) {
            throw new IllegalStateException("an embedded store must answer immediately");
        }
        if (!safe.isOwned()) {
            throw new IOException(safe.problem().orElse("another backend owns the log"));
        }
        safe.await();
    }

    /**
     * Starts the thread, and the timer that makes it check the store and the backlog regularly.
     *
     * @param onTick run at each tick, on the timer's thread
     */
    void start(Runnable onTick) {
        thread.start();
        ticks.scheduleWithFixedDelay(
                () -> {
                    tick();
                    onTick.run();
                },
                0,
                TICK_MILLIS,
                TimeUnit.MILLISECONDS);
    }

    boolean isRunning() {
        return thread.isAlive();
    }

    /** Stops the timer, records what is already queued, and ends the thread. */
    void finish() {
        ticks.shutdown();
        inbox.log().finish();
        queue.execute(() -> ending = true);
        join(FINISH_MILLIS);
        if (thread.isAlive()) { // the store does not answer: the next start decides the submissions in flight
            store.giveUp(new StoreUnavailableException(
                    "the store did not answer in time for the shutdown; the next start decides the"
                            + " submissions in flight"));
            queue.execute(() -> {
                leaveUnsafeWaiting();
                unsafe.clear();
            });
            join(0);
        }
    }

    /** @param millis the maximum time to wait; 0 to wait without a limit. After an interrupt, the time starts over */
    private void join(long millis) {
        boolean interrupted = false;
        boolean joined = false;
        while (!joined && thread.isAlive()) {
            try {
                thread.join(millis);
                joined = true;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Answers those submissions of a group whose outcomes are the first of their ids, if the group is safe. The others
     * are answered once they are recorded. Called on the thread of the log's writer, or on the recorder's.
     */
    private void answer(ForcedQueue.Group group) {
        if (store.isOwn() && group.last() <= safe.sequence() && safe.isOwned()) {
            long connection = store.openConnection();
            for (InFlight inFlight : group.submissions()) {
                if (inFlight.isFirstOn(connection)) {
                    guarded(() -> completion.answerFirst(inFlight));
                }
            }
        }
    }

    /**
     * Waits until everything that is answered is recorded: the segment that has its records vanished. Called on the
     * thread of the log's writer.
     *
     * @throws IOException if something could not be recorded in time
     */
    void recordForced() throws IOException {
        if (completion.answered() == 0) {
            return;
        }
        queue.execute(this::look);
        if (thread.isAlive()) {
            CompletableFuture<Void> recorded = new CompletableFuture<>();
            queue.execute(() -> recorded.complete(null));
            recorded.completeOnTimeout(null, FORCED_MILLIS, TimeUnit.MILLISECONDS)
                    .join();
        } else {
            while (step()) {} // before the start, and in a simulation, all steps are taken by one thread
        }
        int left = completion.answered();
        if (left > 0) {
            throw new IOException(left + " outcomes that were answered could not be recorded in the dedup store");
        }
    }

    /** Processes one group of the queue; returns false if the queue was empty. */
    boolean step() {
        ForcedQueue.Group group = queue.poll();
        if (group == null) {
            return false;
        }
        record(group);
        return true;
    }

    /** Runs steps until {@link #finish} is called and the store has answered all calls in flight. */
    private void run() {
        while (!ending || !link.isIdle() || !unsafe.isEmpty()) {
            record(queue.take());
        }
        link.close();
    }

    /**
     * Requests a check of the store and the backlog; does nothing while an earlier request is queued. Safe for any
     * thread.
     */
    void tick() {
        if (tickIsDue.compareAndSet(false, true)) {
            queue.execute(() -> {
                tickIsDue.set(false);
                look();
            });
        }
    }

    private void look() {
        link.step();
        recordSafe();
        drain();
    }

    private void drain() {
        if (draining || ending || !link.isUp()) {
            return;
        }
        List<InFlight> oldest = backlog.next(safe.sequence());
        if (!oldest.isEmpty()) {
            draining = true;
            putOrLeave(oldest, () -> {
                draining = false;
                queue.execute(this::drain);
            });
        }
    }

    private void record(ForcedQueue.Group group) {
        if (group.last() == 0) {
            group.others().forEach(this::guarded); // a task, which may be what the groups wait for
        } else {
            unsafe.addLast(group);
            recordSafe();
        }
    }

    /**
     * Records what has become safe. While the rest does not become safe, answers its submissions with an error; they
     * are recorded once they are safe.
     */
    private void recordSafe() {
        while (!unsafe.isEmpty() && unsafe.getFirst().last() <= safe.sequence()) {
            ForcedQueue.Group group = unsafe.removeFirst();
            answer(group); // unless it was answered when it was forced
            putOrLeave(group.submissions(), () -> {});
            group.others().forEach(this::guarded);
        }
        if (!unsafe.isEmpty() && safe.problem().isPresent()) {
            leaveUnsafeWaiting();
        }
    }

    private void leaveUnsafeWaiting() {
        Refused down = advice.storeDown();
        for (int i = unsafe.size(); i > 0; i--) {
            ForcedQueue.Group group = unsafe.removeFirst();
            group.submissions().forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, down)));
            if (!group.others().isEmpty()) {
                unsafe.addLast(new ForcedQueue.Group(List.of(), group.others(), group.last()));
            }
        }
    }

    /**
     * Puts the outcomes of submissions into the store. If an exception is thrown meanwhile, moves the submissions that
     * are still in flight to the backlog.
     */
    private void putOrLeave(List<InFlight> submissions, Runnable then) {
        if (!guarded(() -> put(submissions, then))) {
            submissions.stream()
                    .filter(completion::isUnderWay)
                    .forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, advice.storeDown())));
            guarded(then);
        }
    }

    /**
     * Runs a step. If it throws, logs the exception and returns false: an exception must not end this thread, because
     * all answers depend on the thread.
     */
    private boolean guarded(Runnable step) {
        try {
            step.run();
            return true;
        } catch (RuntimeException | VirtualMachineError e) { // includes a temporary lack of memory
            log.broken(e);
            return false;
        }
    }

    private void put(List<InFlight> group, Runnable then) {
        long now = expiry.millis();
        List<InFlight> recordable = new ArrayList<>(group.size());
        for (InFlight inFlight : group) {
            if (inFlight.outcome().isExpired(now)) {
                completion.recorded(inFlight); // the outcome expired while it waited; a store would not keep it
            } else {
                recordable.add(inFlight);
            }
        }
        if (recordable.isEmpty()) {
            then.run();
            return;
        }
        link.record(recordable, (existing, failure) -> {
            settle(recordable, existing);
            then.run();
        });
    }

    private void settle(List<InFlight> group, @Nullable List<StoredOutcome> existing) {
        if (existing == null) {
            Refused down = advice.storeDown();
            group.forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, down)));
            return;
        }
        List<DecidedSubmission> recorded = new ArrayList<>(group.size());
        for (int i = 0; i < group.size(); i++) {
            InFlight inFlight = group.get(i);
            StoredOutcome winner = existing.get(i);
            if (winner.equals(inFlight.outcome())) {
                inFlight.decided().ifPresent(recorded::add); // an id that is settled has no body
                settleOrLeave(inFlight, () -> completion.recorded(inFlight));
            } else {
                settleOrLeave(inFlight, () -> keepOverruling(inFlight, winner));
            }
        }
        guarded(() -> whenRecorded.accept(recorded));
    }

    /** Runs a step that settles an id. If the step throws before the id is settled, moves the id to the backlog. */
    private void settleOrLeave(InFlight inFlight, Runnable step) {
        if (!guarded(step) && completion.isUnderWay(inFlight)) {
            var unused = guarded(() -> leaveWaiting(inFlight, Refused.BROKEN));
        }
    }

    /**
     * Appends a log record of the kind {@code OVERRULED} with the outcome that was recorded first, and answers the
     * submission once this log record is on disk. After a restart, the catch-up therefore asserts the outcome that was
     * recorded first, and not the outcome of this submission.
     */
    private void keepOverruling(InFlight inFlight, StoredOutcome winner) {
        completion.lost(inFlight, winner);
        boolean taken = inbox.append(
                new Entry(
                        RecordKind.OVERRULED,
                        inFlight.keyId(),
                        clock.millis(),
                        new Overruled(inFlight.sequence(), winner).encode()),
                queue.later(finish -> {
                    finish.run();
                    log.overruled(inFlight.outcome(), winner);
                    adopt(inFlight, winner);
                    settleOrLeave(inFlight, () -> completion.overruled(inFlight, winner));
                }),
                queue.later(cause -> leaveWaiting(inFlight, Refused.appendFailed(cause))));
        if (!taken) {
            leaveWaiting(inFlight, Refused.OVERLOADED);
        }
    }

    /** Gives the outcome to this log, which has the body now, if its own log was given up. */
    private void adopt(InFlight inFlight, StoredOutcome winner) {
        if (!needsBody(winner, inFlight.outcome())) {
            return;
        }
        if (adopting.incrementAndGet() <= MOST_ADOPTING) {
            store.adopt(winner).whenComplete((adopted, failure) -> {
                adopting.decrementAndGet();
                if (adopted != null && adopted) {
                    metrics.healed.increment();
                }
            });
        } else {
            adopting.decrementAndGet(); // sent once more, it is logged again, and tries again
        }
    }

    /** Moves the id to the backlog, and sends an error to the submissions that wait for the outcome of this id. */
    private void leaveWaiting(InFlight inFlight, Refused error) {
        backlog.add(inFlight);
        completion.leftWaiting(inFlight, error);
    }

    /**
     * Submissions that are in the log but could not be recorded. They are retried oldest first, in bounded batches
     * alongside live traffic. The backlog holds decisions and no bodies. The ids stay in flight, so {@link InFlightIds}
     * bounds the backlog. Safe for any thread.
     */
    static final class Backlog {
        private static final int BATCH = 256;

        private final ConcurrentSkipListMap<Long, InFlight> bySequence = new ConcurrentSkipListMap<>();

        void add(InFlight inFlight) {
            bySequence.put(inFlight.sequence(), inFlight);
        }

        /**
         * Removes and returns the oldest submissions up to a sequence: at most {@value #BATCH}, and only those before the
         * first repeated id, because a batch must have distinct ids. An id occurs twice if its first outcome had expired when the
         * second submission arrived.
         */
        List<InFlight> next(long last) {
            List<InFlight> batch = new ArrayList<>();
            Set<PcsId> ids = new HashSet<>();
            for (InFlight inFlight : bySequence.headMap(last, true).values()) {
                if (batch.size() == BATCH || !ids.add(inFlight.id())) {
                    break;
                }
                batch.add(inFlight);
            }
            batch.forEach(inFlight -> bySequence.remove(inFlight.sequence()));
            return batch;
        }
    }
}
