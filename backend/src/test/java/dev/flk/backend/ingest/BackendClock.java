// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.SteadyClock;
import java.time.Duration;
import java.time.Instant;

/** A simulated backend's time: a wall clock that somebody may set, and what its process believes of it. */
final class BackendClock {
    static final Duration MAX_SKEW = Duration.ofMinutes(5);

    private final World world;
    private long setByMillis;
    private SteadyClock steady;

    BackendClock(World world) {
        this.world = world;
        this.steady = believed();
    }

    /** A process starts, which knows of no other time. */
    void processStarted() {
        steady = believed();
        world.processStarted();
    }

    private SteadyClock believed() {
        return new SteadyClock(this::now, world::nanos, MAX_SKEW, Simulation.TTL);
    }

    /** Somebody sets the wall clock: it is so far ahead of the world's from now on, or behind. */
    void set(Duration ahead) {
        setByMillis = ahead.toMillis();
        world.timePassed();
    }

    Instant now() {
        return world.now().plusMillis(setByMillis);
    }

    /** The clock that the process works with. */
    SteadyClock steady() {
        return steady;
    }
}
