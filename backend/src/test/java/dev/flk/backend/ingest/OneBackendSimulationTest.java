// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

final class OneBackendSimulationTest {
    /**
     * Submissions, duplicates and conflicts, forces, disk and store faults, kills, losses of power, restarts under another policy,
     * time passing, the wall clock set, the store removed, segments of the log moved away and put back, or not, the log taken by a
     * second process.
     */
    @Test
    void oneBackend_keepsEveryPromise() {
        RandomHistories.runFew(seed -> new OneBackend(seed).run());
    }

    @Test
    @Tag("thorough")
    void manyMore_keepEveryPromise() {
        RandomHistories.runMany(seed -> new OneBackend(seed).run());
    }
}
