// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.ExpiryClock;
import java.time.Duration;
import java.time.Instant;

/** A simulated backend's time: a wall clock that somebody may set, and what its process believes of it. */
final class BackendClock {
    private static final Duration MAX_SKEW = Duration.ofMinutes(5);

    private final World world;
    private long setByMillis;
    private ExpiryClock expiry;

    BackendClock(World world) {
        this.world = world;
        this.expiry = believed();
    }

    /** A process starts, which knows of no other time. */
    void processStarted() {
        expiry = believed();
        world.timePassed();
    }

    private ExpiryClock believed() {
        return new ExpiryClock(this::now, world::nanos, MAX_SKEW);
    }

    /** Somebody sets the wall clock: it is so far ahead of the world's from now on, or behind. */
    void set(Duration ahead) {
        setByMillis = ahead.toMillis();
        world.timePassed();
    }

    Instant now() {
        return world.now().plusMillis(setByMillis);
    }

    /** What says that an outcome has expired. */
    ExpiryClock expiry() {
        return expiry;
    }
}
