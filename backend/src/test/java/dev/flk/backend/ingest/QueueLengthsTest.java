// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QueueLengthsTest {
    @TempDir
    private Path directory;

    @Test
    void gauges_everythingAnswered_showNothingUnderWay() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory, new IngestHarness.Clock())) {
            harness.submit(Pcs.number(1));

            assertThat(harness.metric("flk_ids_in_flight")).isZero();
            assertThat(harness.metric("flk_wal_queue_bytes")).isZero();
            assertThat(harness.metric("flk_wal_queue_appends")).isZero();
            assertThat(harness.metric("flk_recorder_queue_groups")).isZero();
        }
    }

    @Test
    void idsInFlight_storeDown_countWhatWaitsForIt() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory, new IngestHarness.Clock())) {
            harness.store.down();
            harness.submit(Pcs.number(1));
            harness.submit(Pcs.number(2));

            assertThat(harness.metric("flk_ids_in_flight")).isEqualTo(2);
        }
    }

    @Test
    void evidenceEntries_conflict_isCounted() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory, new IngestHarness.Clock())) {
            harness.submit(Pcs.number(1));
            harness.submit(Pcs.number(1).with("D_hat", "1.1"));

            assertThat(harness.metric("flk_evidence_entries")).isEqualTo(1);
        }
    }
}
