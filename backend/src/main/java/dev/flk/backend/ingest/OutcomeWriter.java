// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Entry;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The step after the fsync: one put-if-absent for the group that shared the fsync, then the answers. Outcomes that
 * can't be recorded at the moment go to the backlog, which drains in batches alongside live traffic. One thread loops
 * over {@link #step}; all work after the fsync happens on that thread.
 */
final class OutcomeWriter {
    private final StoreLink link;
    private final Inbox inbox;
    private final Completion completion;
    private final Backlog backlog;
    private final RetryAdvice advice;
    private final OutcomeLog log;
    private final InstantSource clock;
    private final InstantSource expiry;
    private final AtomicBoolean tickIsDue = new AtomicBoolean();
    private boolean draining;
    private boolean ending;

    OutcomeWriter(
            StoreLink link,
            Inbox inbox,
            Completion completion,
            Backlog backlog,
            RetryAdvice advice,
            OutcomeLog log,
            InstantSource clock,
            InstantSource expiry) {
        this.link = link;
        this.inbox = inbox;
        this.completion = completion;
        this.backlog = backlog;
        this.advice = advice;
        this.log = log;
        this.clock = clock;
        this.expiry = expiry;
    }

    /** Records one group; returns false if the queue was empty. */
    boolean step() {
        ForcedQueue.Group group = inbox.groups().poll();
        if (group == null) {
            return false;
        }
        record(group);
        return true;
    }

    /** Runs steps until {@link #end} is called and the store has answered all calls in flight. */
    void run() {
        while (!ending || !link.isIdle()) {
            record(inbox.groups().take());
        }
        link.close();
    }

    /** Ends the loop after everything queued before. Any thread. */
    void end() {
        inbox.groups().tell(() -> ending = true);
    }

    /**
     * Requests a check of the store and the backlog. Any thread; a request that is still pending absorbs further ones.
     */
    void tick() {
        if (tickIsDue.compareAndSet(false, true)) {
            inbox.groups().tell(() -> {
                tickIsDue.set(false);
                look();
            });
        }
    }

    private void look() {
        link.step();
        drain();
    }

    private void drain() {
        if (draining || ending || !link.isUp()) {
            return;
        }
        List<InFlight> oldest = backlog.next();
        if (!oldest.isEmpty()) {
            draining = true;
            putOrLeave(oldest, () -> {
                draining = false;
                inbox.groups().tell(this::drain);
            });
        }
    }

    private void record(ForcedQueue.Group group) {
        putOrLeave(group.submissions(), () -> {});
        group.others().forEach(this::guarded);
    }

    /** Puts submissions into the store; those that could not even be attempted stay in the backlog. */
    private void putOrLeave(List<InFlight> submissions, Runnable then) {
        if (!guarded(() -> put(submissions, then))) {
            submissions.stream()
                    .filter(completion::isUnderWay)
                    .forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, advice.storeDown())));
            guarded(then);
        }
    }

    /**
     * Runs a step and returns whether it threw nothing. An exception must not end the thread that all answers depend
     * on.
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
                completion.recorded(inFlight); // it expired while it waited; a store would refuse to keep it
            } else {
                recordable.add(inFlight);
            }
        }
        if (recordable.isEmpty()) {
            then.run();
            return;
        }
        link.record(recordable.stream().map(InFlight::outcome).toList(), (existing, failure) -> {
            settle(recordable, existing);
            then.run();
        });
    }

    private void settle(List<InFlight> group, @Nullable List<StoredOutcome> existing) {
        if (existing == null) {
            Outcome down = advice.storeDown();
            group.forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, down)));
            return;
        }
        for (int i = 0; i < group.size(); i++) {
            InFlight inFlight = group.get(i);
            StoredOutcome winner = existing.get(i);
            guarded(() -> {
                if (winner.equals(inFlight.outcome())) {
                    completion.recorded(inFlight);
                } else {
                    keepOverruling(inFlight, winner);
                }
            });
        }
    }

    /**
     * Logs the outcome that was first before anyone is answered, so that a restart asserts that outcome and not ours.
     */
    private void keepOverruling(InFlight inFlight, StoredOutcome winner) {
        log.overruled(inFlight.outcome(), winner);
        boolean taken = inbox.append(
                new Entry(
                        RecordKind.OVERRULED,
                        inFlight.keyId(),
                        clock.millis(),
                        new Overruled(inFlight.sequence(), winner).encode()),
                finish -> {
                    finish.run();
                    completion.overruled(inFlight, winner);
                },
                cause -> leaveWaiting(inFlight, Outcome.LogFailed.of(cause)));
        if (!taken) {
            leaveWaiting(inFlight, Outcome.Unavailable.OVERLOADED);
        }
    }

    /** Answers the waiting submissions first: once the id is in the backlog, it may be settled at any moment. */
    private void leaveWaiting(InFlight inFlight, Outcome error) {
        completion.leftWaiting(inFlight, error);
        backlog.add(inFlight);
    }

    /**
     * Submissions that are in the log but could not be recorded. They are retried oldest first, in bounded batches
     * alongside live traffic. The backlog holds decisions and no bodies; their ids stay in flight, so
     * {@link InFlightIds} bounds it. Safe for any thread.
     */
    static final class Backlog {
        private static final int BATCH = 256;

        private final ConcurrentSkipListMap<Long, InFlight> bySequence = new ConcurrentSkipListMap<>();

        void add(InFlight inFlight) {
            bySequence.put(inFlight.sequence(), inFlight);
        }

        /**
         * Removes and returns the oldest submissions that can share a batch: no two have the same id, because the first
         * may have expired when the second arrived.
         */
        List<InFlight> next() {
            List<InFlight> batch = new ArrayList<>();
            Set<PcsId> ids = new HashSet<>();
            for (InFlight inFlight : bySequence.values()) {
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
