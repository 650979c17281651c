// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.Recorded;
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
final class Recorder {
    private final StoreLink link;
    private final Inbox inbox;
    private final Endings endings;
    private final Backlog backlog;
    private final Failures failures;
    private final OutcomeLog log;
    private final InstantSource clock;
    private final InstantSource expiry;
    private final AtomicBoolean tickIsDue = new AtomicBoolean();
    private boolean draining;
    private boolean ending;

    Recorder(
            StoreLink link,
            Inbox inbox,
            Endings endings,
            Backlog backlog,
            Failures failures,
            OutcomeLog log,
            InstantSource clock,
            InstantSource expiry) {
        this.link = link;
        this.inbox = inbox;
        this.endings = endings;
        this.backlog = backlog;
        this.failures = failures;
        this.log = log;
        this.clock = clock;
        this.expiry = expiry;
    }

    /** Records one group if there is one; false if there was nothing to do. */
    boolean step() {
        ForcedGroups.Group group = inbox.groups().poll();
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
        List<Flight> oldest = backlog.next();
        if (!oldest.isEmpty()) {
            draining = true;
            putOrLeave(oldest, () -> {
                draining = false;
                inbox.groups().tell(this::drain);
            });
        }
    }

    private void record(ForcedGroups.Group group) {
        putOrLeave(group.flights(), () -> {});
        group.others().forEach(this::guarded);
    }

    /** What could not even be tried waits for the next time. */
    private void putOrLeave(List<Flight> flights, Runnable then) {
        if (!guarded(() -> put(flights, then))) {
            flights.stream()
                    .filter(endings::isUnderWay)
                    .forEach(flight -> guarded(() -> leaveWaiting(flight, failures.storeDown())));
            guarded(then);
        }
    }

    /** What throws here must not end the thread that everybody's answers depend on. Whether it did not. */
    private boolean guarded(Runnable step) {
        try {
            step.run();
            return true;
        } catch (RuntimeException | VirtualMachineError e) { // as when there is no memory just now
            log.broken(e);
            return false;
        }
    }

    private void put(List<Flight> group, Runnable then) {
        long now = expiry.millis();
        List<Flight> recordable = new ArrayList<>(group.size());
        for (Flight flight : group) {
            if (flight.outcome().isExpired(now)) {
                endings.recorded(flight); // its time ran out while it waited; a store would refuse to keep it
            } else {
                recordable.add(flight);
            }
        }
        if (recordable.isEmpty()) {
            then.run();
            return;
        }
        link.record(recordable.stream().map(Flight::outcome).toList(), (standing, failure) -> {
            settle(recordable, standing);
            then.run();
        });
    }

    private void settle(List<Flight> group, @Nullable List<Recorded> standing) {
        if (standing == null) {
            Outcome down = failures.storeDown();
            group.forEach(flight -> guarded(() -> leaveWaiting(flight, down)));
            return;
        }
        for (int i = 0; i < group.size(); i++) {
            Flight flight = group.get(i);
            Recorded winner = standing.get(i);
            guarded(() -> {
                if (winner.equals(flight.outcome())) {
                    endings.recorded(flight);
                } else {
                    keepOverruling(flight, winner);
                }
            });
        }
    }

    /** Another was first: that is logged before anyone is told, so that a start asserts it and not ours. */
    private void keepOverruling(Flight flight, Recorded winner) {
        log.overruled(flight.outcome(), winner);
        boolean taken = inbox.append(
                new Entry(
                        RecordKind.OVERRULED,
                        flight.keyId(),
                        clock.millis(),
                        new Overruled(flight.sequence(), winner).encode()),
                finish -> {
                    finish.run();
                    endings.overruled(flight, winner);
                },
                cause -> leaveWaiting(flight, failures.ofLog(cause)));
        if (!taken) {
            leaveWaiting(flight, failures.overloaded());
        }
    }

    /** Those who wait are told first: once it is in the backlog, the flight may end at any moment. */
    private void leaveWaiting(Flight flight, Outcome error) {
        endings.leftWaiting(flight, error);
        backlog.add(flight);
    }

    /**
     * What is in the log and could not be recorded: tried again oldest first, in bounded batches beside live traffic. It holds
     * decisions, no bodies; its flights stay registered, so that it is bounded by the flights there can be. Safe for any thread.
     */
    static final class Backlog {
        private static final int BATCH = 256;

        private final ConcurrentSkipListMap<Long, Flight> bySequence = new ConcurrentSkipListMap<>();

        void add(Flight flight) {
            bySequence.put(flight.sequence(), flight);
        }

        /** Takes the oldest ones, as many as go together: no two of the same id, of which one may have expired when the other came. */
        List<Flight> next() {
            List<Flight> batch = new ArrayList<>();
            Set<PcsId> ids = new HashSet<>();
            for (Flight flight : bySequence.values()) {
                if (batch.size() == BATCH || !ids.add(flight.id())) {
                    break;
                }
                batch.add(flight);
            }
            batch.forEach(flight -> bySequence.remove(flight.sequence()));
            return batch;
        }
    }
}
