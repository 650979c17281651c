// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.body;
import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.sample.Pcs;
import dev.flk.wal.LogRestore;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * Tests of histories in which the disk of a backend with a shared store is lost after three of five certificates were
 * archived, and the log is restored. The store knows all five, so its position is in the range that the restore skips.
 */
final class RestoredLogHistoriesTest {
    private static final int ARCHIVED = 3;
    private static final int ANSWERED = 5;

    private final World world = new World();
    private final Random random = new Choices(0);
    private final SimulatedRemote remote = new SimulatedRemote(world, random, Set.of());
    private final Simulation simulation =
            new Simulation(random, world, logId -> remote.new Client(logId), Ready.WHEN_LOG_WAS_READ);
    private SimulatedRecord record;
    private Outcome lastAnswered;

    @BeforeEach
    void answerAndLoseTheDisk() throws IOException {
        record = simulation.keepRecord(new Choices(2));
        simulation.keepArchive();
        simulation.start();
        simulation.submitDaily(1, ARCHIVED + 1);
        simulation.stepLogCare(); // saves the mark
        simulation.archive();
        lastAnswered = simulation.submitted(Pcs.number(ANSWERED));
        record.catchUp();
        simulation.kill();
        simulation.loseDisk();
        world.advance(Duration.ofMinutes(1));
    }

    @Test
    void positionInTheSkippedRange_everythingRestoredIsThere_answersStay_andTheRecordHasNoGap() throws IOException {
        simulation.start();
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::sequence).containsExactly(1L, 2L, 3L);
        assertThat(relation(simulation.submitted(Pcs.number(ARCHIVED)))).isEqualTo(Relation.DUPLICATE);
        Outcome again = simulation.submitted(Pcs.number(ANSWERED));
        assertThat(relation(again)).isEqualTo(Relation.DUPLICATE);
        assertThat(body(again)).isEqualTo(body(lastAnswered));
        assertThat(simulation.log()).as("its body is not logged again").hasSize(3);
        assertThat(relation(simulation.submitted(Pcs.number(ANSWERED + 1)))).isEqualTo(Relation.FIRST);
        record.catchUp();
        assertThat(record.position()).isGreaterThanOrEqualTo(LogRestore.SKIPPED + ARCHIVED);
        assertThat(record.wasMissing(ANSWERED + 10)).isFalse();
        simulation.audit();
    }

    /** A generator with which nothing fails and nothing unusual happens; {@code ofThree} is its choice among three. */
    private static final class Choices extends Random {
        private static final long serialVersionUID = 1;

        private final int ofThree;

        Choices(int ofThree) {
            super(1);
            this.ofThree = ofThree;
        }

        @Override
        public int nextInt(int bound) {
            return bound == 3 ? ofThree : bound - 1;
        }
    }
}
