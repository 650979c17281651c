// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

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

    /** Who reads that nothing is pending, and submits, must not be told that something still is. */
    @Test
    void pending_countsWhatHasNotEnded() throws IOException {
        try (IngestHarness harness = new IngestHarness(directory, new IngestHarness.Clock())) {
            List<Long> pendingBeforeItEnds = new CopyOnWriteArrayList<>();
            AppenderBase<ILoggingEvent> atTheLine = new AppenderBase<>() {
                @Override
                protected void append(ILoggingEvent line) {
                    pendingBeforeItEnds.add(harness.ingest.pending());
                }
            };
            Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
            logger.setLevel(Level.INFO);
            atTheLine.start();
            logger.addAppender(atTheLine);
            try {
                harness.submit(Pcs.number(1));
            } finally {
                logger.detachAppender(atTheLine);
                logger.setLevel(null);
            }

            assertThat(pendingBeforeItEnds).containsExactly(1L);
            assertThat(harness.ingest.pending()).isZero();
        }
    }
}
