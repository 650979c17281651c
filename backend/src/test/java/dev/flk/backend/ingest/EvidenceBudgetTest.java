// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Evidence.EvidenceBudget;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class EvidenceBudgetTest {
    private static final int MUCH = 8 << 20;

    @TempDir
    private Path directory;

    @Test
    void take_beyondTheBurst_waitsForItsBytes() {
        AtomicLong now = new AtomicLong();
        EvidenceBudget budget = new EvidenceBudget(now::get);
        for (int i = 0; i < 64; i++) {
            assertThat(budget.take(1 << 20)).isEmpty();
        }
        assertThat(budget.take(32 << 10))
                .hasValueSatisfying(held -> assertThat(held.waitSeconds()).isEqualTo(1));
        now.addAndGet(1_000_000_000);
        assertThat(budget.take(32 << 10)).isEmpty();
        assertThat(budget.take(0)).isPresent();
    }

    /** Variations of what is not signed, under one good signature: anybody can make them who has seen it. */
    @Test
    void variationsOfAKnownCertificate_areKeptWithinBounds_andTheRestIsTold429() throws Exception {
        try (IngestHarness harness = new IngestHarness(directory, new Clock())) {
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.FIRST);
            String padding = "\"" + "x".repeat(MUCH - 1_000) + "\"";
            for (int i = 0; i < 8; i++) {
                assertDecided(harness.submit(variation(i).tampered("note", padding)), 200, Relation.CONFLICT);
            }

            assertThat(harness.submit(variation(8).tampered("note", padding))).isInstanceOf(Outcome.RateLimited.class);

            assertThat(harness.metric("flk_rate_limited_by_total{limit=\"evidence\",}"))
                    .isEqualTo(1);
            assertDecided(harness.submit(variation(0)), 200, Relation.CONFLICT);
            assertDecided(harness.submit(Pcs.number(1)), 200, Relation.DUPLICATE);
        }
        assertThat(IngestHarness.logged(directory)).hasSize(10);
    }

    private static Pcs variation(int seed) {
        return Pcs.number(1).tampered("seed", Integer.toString(1_000 + seed));
    }
}
