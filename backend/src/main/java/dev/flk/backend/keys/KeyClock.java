// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.keys;

import java.time.Instant;
import java.time.InstantSource;
import java.util.function.BooleanSupplier;

/**
 * The time by which keys begin and end. It follows the backend's clock but stands still while that is in doubt, so that nobody who sets a
 * clock ends a good key or brings an ended one back; what the clock says when the doubt is over counts. For any thread.
 */
final class KeyClock implements InstantSource {
    private final InstantSource clock;
    private final BooleanSupplier isInDoubt;
    private volatile long lastMillis;

    /** @param isInDoubt whether somebody has set the clock, and nobody knows yet which of its times was right */
    KeyClock(InstantSource clock, BooleanSupplier isInDoubt) {
        this.clock = clock;
        this.isInDoubt = isInDoubt;
        this.lastMillis = clock.millis();
    }

    @Override
    public Instant instant() {
        return Instant.ofEpochMilli(millis());
    }

    @Override
    public long millis() {
        if (!isInDoubt.getAsBoolean()) {
            lastMillis = clock.millis();
        }
        return lastMillis;
    }
}
