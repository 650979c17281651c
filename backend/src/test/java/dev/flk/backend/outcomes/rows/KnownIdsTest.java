// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.rows;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Tests of {@link KnownIds}. */
class KnownIdsTest {
    private static LongStream ids(long seed, long count) {
        return new Random(seed).longs(count);
    }

    @Test
    void full_containsAllThatWereAdded_andFewOthers() {
        KnownIds known = new KnownIds(1 << 22);
        known.reset(200_000);
        while (!known.isFull()) {
            ids(1 + known.size(), 1_000).forEach(known::add);
        }

        assertThat(known.size()).isGreaterThan(200_000);
        for (long seed = 1; seed < known.size(); seed += 1_000) {
            assertThat(ids(seed, 1_000)).allMatch(known::mayContain);
        }
        assertThat(ids(-1, 2_000_000).filter(known::mayContain).count()).isLessThan(200);
    }

    @Test
    void moreThanFitTheMemory_isNeverFull_andLosesNone() {
        KnownIds known = new KnownIds(1 << 20);
        known.reset(1_000_000);
        ids(1, 1_000_000).forEach(known::add);

        assertThat(known.isFull()).isFalse();
        assertThat(known.isOverfull()).isTrue();
        assertThat(ids(1, 1_000_000)).allMatch(known::mayContain);
    }
}
