// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.wal.Entry;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The step after the force: one put-if-absent for the group that shared it, then the answers. A thread loops over {@link #step}. */
final class Recorder {
    private final DedupStore store;
    private final Inbox inbox;
    private final Endings endings;
    private final Backlog backlog;
    private final Failures failures;
    private final OutcomeLog log;
    private final InstantSource clock;

    Recorder(
            DedupStore store,
            Inbox inbox,
            Endings endings,
            Backlog backlog,
            Failures failures,
            OutcomeLog log,
            InstantSource clock) {
        this.store = store;
        this.inbox = inbox;
        this.endings = endings;
        this.backlog = backlog;
        this.failures = failures;
        this.log = log;
        this.clock = clock;
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

    /** Loops over the step until the groups end. */
    void run() {
        for (ForcedGroups.Group group = inbox.groups().take();
                group != null;
                group = inbox.groups().take()) {
            record(group);
        }
    }

    private void record(ForcedGroups.Group group) {
        guarded(() -> put(group.flights()));
        group.others().forEach(this::guarded);
    }

    /** What throws here must not end the thread that everybody's answers depend on. */
    private void guarded(Runnable step) {
        try {
            step.run();
        } catch (RuntimeException e) {
            log.broken(e);
        }
    }

    private void put(List<Flight> group) {
        long now = clock.millis();
        List<Flight> recordable = new ArrayList<>(group.size());
        for (Flight flight : group) {
            if (flight.outcome().isExpired(now)) {
                endings.recorded(flight); // its time ran out while it waited; a store would refuse to keep it
            } else {
                recordable.add(flight);
            }
        }
        if (recordable.isEmpty()) {
            return;
        }
        try {
            store.putIfAbsent(
                            recordable.stream().map(Flight::outcome).toList(),
                            inbox.lowWater().mark())
                    .whenComplete((standing, failure) -> settle(recordable, standing, failure));
        } catch (RuntimeException e) {
            settle(recordable, null, e); // a store that throws instead of failing its stage
        }
    }

    private void settle(List<Flight> group, @Nullable List<Recorded> standing, @Nullable Throwable failure) {
        if (standing == null) {
            log.storeFailed(failure);
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
}
