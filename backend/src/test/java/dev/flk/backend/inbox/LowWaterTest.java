// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.inbox;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

final class LowWaterTest {
    private final LowWater lowWater = new LowWater(10);

    @Test
    void mark_staysBeforeTheOldestUndecided() {
        LowWater.Group first = lowWater.opened(12, 1_000, 2);
        LowWater.Group second = lowWater.opened(15, 2_000, 3);
        for (int i = 0; i < 3; i++) {
            lowWater.finished(second);
        }
        lowWater.finished(first);
        assertThat(lowWater.mark()).isEqualTo(10);
        assertThat(lowWater.pending()).isEqualTo(1);
        assertThat(lowWater.oldestArrivalMillis()).hasValue(1_000);
        lowWater.finished(first);
        assertThat(lowWater.mark()).isEqualTo(15);
        assertThat(lowWater.oldestArrivalMillis()).isEmpty();
    }

    @Test
    void recordsWithoutDecision_advanceTheMarkIfNothingPrecedesThem() {
        lowWater.opened(11, 1_000, 0);
        assertThat(lowWater.mark()).isEqualTo(11);
        LowWater.Group group = lowWater.opened(12, 1_000, 1);
        lowWater.opened(13, 1_000, 0);
        assertThat(lowWater.mark()).isEqualTo(11);
        lowWater.finished(group);
        assertThat(lowWater.mark()).isEqualTo(13);
    }
}
