// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.SimulatedRemote.Flaw;
import java.io.IOException;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The random histories hold what is demanded of a shared store: with one that gets any of it wrong, some history breaks a promise. */
final class FlawedStoresTest {
    private static final long MOST_SEEDS = Long.getLong("flk.mutantSeeds", 3_000);

    @ParameterizedTest
    @EnumSource
    void flawed_breaksAPromise(Flaw flaw) {
        long broken = -1;
        for (long seed = 0; broken < 0 && seed < MOST_SEEDS; seed++) {
            try {
                new TwoBackends(seed, Set.of(flaw)).run();
            } catch (IOException | RuntimeException | AssertionError e) {
                broken = seed;
            }
        }
        assertThat(broken).as("a seed that breaks").isNotNegative();
        System.out.println(flaw + ": seed " + broken + " breaks");
    }
}
