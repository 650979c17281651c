// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.certificate.PcsId;
import dev.flk.wal.Entry;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * The step after the force: one put-if-absent for the group that shared it, then the answers. What can't be recorded now goes to
 * the backlog, which drains beside live traffic, a batch at a time. A thread loops over {@link #step}; whatever happens behind
 * the force happens there.
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

    /** Records one group if there is one; false if there was nothing to do. */
    boolean step() {
        ForcedQueue.Group group = inbox.groups().poll();
        if (group == null) {
            return false;
        }
        record(group);
        return true;
    }

    /** Loops over the step until {@link #end}, and until the store has said what became of all that is under way. */
    void run() {
        while (!ending || !link.isIdle()) {
            record(inbox.groups().take());
        }
        link.close();
    }

    /** Ends the loop behind what was handed over before. Any thread. */
    void end() {
        inbox.groups().tell(() -> ending = true);
    }

    /** Looks at the store and the backlog some time soon. Any thread; one that comes before the last was served adds nothing. */
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

    /** What could not even be tried waits for the next time. */
    private void putOrLeave(List<InFlight> submissions, Runnable then) {
        if (!guarded(() -> put(submissions, then))) {
            submissions.stream()
                    .filter(completion::isUnderWay)
                    .forEach(inFlight -> guarded(() -> leaveWaiting(inFlight, advice.storeDown())));
            guarded(then);
        }
    }

    /** An exception must not end the thread that all answers depend on. Whether there was none. */
    private boolean guarded(Runnable step) {
        try {
            step.run();
            return true;
        } catch (RuntimeException | VirtualMachineError e) { // as when there is no memory just now
            log.broken(e);
            return false;
        }
    }

    private void put(List<InFlight> group, Runnable then) {
        long now = expiry.millis();
        List<InFlight> recordable = new ArrayList<>(group.size());
        for (InFlight inFlight : group) {
            if (inFlight.outcome().isExpired(now)) {
                completion.recorded(inFlight); // its time ran out while it waited; a store would refuse to keep it
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

    /** Another was first: that is logged before anyone is told, so that a start asserts it and not ours. */
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

    /** Those who wait are answered first: once it is in the backlog, it may end at any moment. */
    private void leaveWaiting(InFlight inFlight, Outcome error) {
        completion.leftWaiting(inFlight, error);
        backlog.add(inFlight);
    }

    /**
     * What is in the log and could not be recorded: tried again oldest first, in bounded batches beside live traffic. It holds
     * decisions, no bodies; their ids stay in flight, so that it is bounded by {@link InFlightIds}. Safe for any thread.
     */
    static final class Backlog {
        private static final int BATCH = 256;

        private final ConcurrentSkipListMap<Long, InFlight> bySequence = new ConcurrentSkipListMap<>();

        void add(InFlight inFlight) {
            bySequence.put(inFlight.sequence(), inFlight);
        }

        /** Takes the oldest ones, as many as go together: no two of the same id, of which one may have expired when the other came. */
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
