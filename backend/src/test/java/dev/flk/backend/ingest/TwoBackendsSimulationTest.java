// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

final class TwoBackendsSimulationTest {
    /**
     * What one backend meets, and besides: the same and conflicting certificates to both, calls that time out and take effect later, a store
     * that is out of reach, emptied, put back to an older copy, clocks that differ.
     */
    @Test
    void twoBackendsOnOneStore_keepEveryPromise() {
        RandomHistories.runFew(seed -> new TwoBackends(seed).run());
    }

    @Test
    @Tag("thorough")
    void manyMore_keepEveryPromise() {
        RandomHistories.runMany(seed -> new TwoBackends(seed).run());
    }
}
