// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.wal.Entry;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The step after the force: one put-if-absent for the group that shared it, then the answers. {@link #step} is what a thread loops
 * over.
 */
final class Recorder {
    private final DedupStore store;
    private final Inbox inbox;
    private final Endings endings;
    private final Backlog backlog;
    private final Failures failures;
    private final OutcomeLog log;
    private final InstantSource clock;
    private final ForcedGroups groups;

    Recorder(
            DedupStore store,
            Inbox inbox,
            Endings endings,
            Backlog backlog,
            Failures failures,
            OutcomeLog log,
            InstantSource clock,
            ForcedGroups groups) {
        this.store = store;
        this.inbox = inbox;
        this.endings = endings;
        this.backlog = backlog;
        this.failures = failures;
        this.log = log;
        this.clock = clock;
        this.groups = groups;
    }

    /** Records one group if there is one; false if there was nothing to do. */
    boolean step() {
        List<Flight> group = groups.poll();
        if (group == null) {
            return false;
        }
        put(group);
        return true;
    }

    /** Loops over the step until the groups end. */
    void run() {
        for (List<Flight> group = groups.take(); !group.isEmpty(); group = groups.take()) {
            put(group);
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
        store.putIfAbsent(
                        recordable.stream().map(Flight::outcome).toList(),
                        inbox.lowWater().mark())
                .whenComplete((standing, failure) -> {
                    try {
                        settle(recordable, standing, failure);
                    } catch (RuntimeException e) {
                        log.broken(e); // a stage would swallow it
                    }
                });
    }

    private void settle(List<Flight> group, @Nullable List<Recorded> standing, @Nullable Throwable failure) {
        if (standing == null) {
            log.storeFailed(failure);
            Outcome down = failures.storeDown();
            for (Flight flight : group) {
                backlog.add(flight);
                endings.leftWaiting(flight, down);
            }
            return;
        }
        for (int i = 0; i < group.size(); i++) {
            Flight flight = group.get(i);
            if (standing.get(i).equals(flight.outcome())) {
                endings.recorded(flight);
            } else {
                keepOverruling(flight, standing.get(i));
            }
        }
    }

    /** Another was first: that is logged before anyone is told, so that a start asserts it and not ours. */
    private void keepOverruling(Flight flight, Recorded standing) {
        log.overruled(flight.outcome(), standing);
        Entry entry = new Entry(RecordKind.OVERRULED, flight.opener().keyId(), clock.millis(), standing.encode());
        boolean taken = inbox.append(
                entry,
                () -> endings.overruled(flight, standing),
                (IOException cause) -> waitOn(flight, failures.ofLog(cause)));
        if (!taken) {
            waitOn(flight, failures.overloaded());
        }
    }

    private void waitOn(Flight flight, Outcome error) {
        backlog.add(flight);
        endings.leftWaiting(flight, error);
    }
}
