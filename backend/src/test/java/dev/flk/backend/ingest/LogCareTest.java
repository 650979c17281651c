// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.Mutant;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;

final class LogCareTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);

    private long segments(String ending) {
        return simulation.disk.names().stream()
                .filter(name -> name.endsWith(ending))
                .count();
    }

    private void careForAll() throws IOException {
        for (int i = 0; i < 50; i++) {
            simulation.stepLogCare();
        }
    }

    @Test
    void decidedAndOld_isCompressedThenRemoved_andNotMissedByAStart() throws IOException {
        simulation.start();
        simulation.submitDaily(1, 20);
        assertThat(segments(".wal")).isGreaterThan(15);
        careForAll();
        assertThat(segments(".wal")).isLessThanOrEqualTo(2);
        assertThat(segments(".gz")).isBetween(12L, 14L);
        simulation.kill();
        simulation.start();
        simulation.settle();
        simulation.audit();
        assertThat(simulation.log().get(0).sequence()).isGreaterThan(1);
    }

    /**
     * Simulates another reader of the log, such as the record. Segments are kept for it until the free space is less
     * than twice the minimum, which is 0 here.
     */
    @Test
    void segmentStillRead_isRemovedOnlyIfSpaceIsShort() throws IOException {
        simulation.start();
        simulation.letRead(() -> 3);
        simulation.submitDaily(1, 30);
        careForAll();
        assertThat(simulation.log().get(0).sequence()).isBetween(2L, 4L);

        simulation.disk.setUsableBytes(-1);
        careForAll();
        assertThat(simulation.log().get(0).sequence()).isGreaterThan(10);
    }

    @Test
    void removalThatDoesNotWaitForTheCopy_removesWhatIsNotArchived() throws ReflectiveOperationException {
        assertThat(Mutant.without("removal waits", "returning backend.inbox.LogCare waitForCopy 0")
                        .breaks(LogCareTest.class, "segmentNotArchived_isCompressed_butNotRemovedEvenIfSpaceIsShort"))
                .isTrue();
    }

    @Test
    void segmentNotArchived_isCompressed_butNotRemovedEvenIfSpaceIsShort() throws IOException {
        simulation.start();
        simulation.letArchive(() -> 3);
        simulation.submitDaily(1, 30);
        careForAll();
        simulation.disk.setUsableBytes(-1);
        careForAll();
        assertThat(simulation.log().get(0).sequence()).isBetween(2L, 4L);
        assertThat(segments(".gz")).isGreaterThan(20);
    }

    @Test
    void freeSpaceCannotBeRead_nothingThatIsStillReadIsRemoved() throws IOException {
        simulation.start();
        simulation.letRead(() -> 3);
        simulation.submitDaily(1, 30);
        careForAll();
        long first = simulation.log().get(0).sequence();

        int operation = 0;
        do {
            simulation.disk.failOperation(operation++, Fault.EIO);
            try {
                simulation.stepLogCare();
            } catch (IOException e) {
                assertThat(e).hasMessageContaining("injected");
            }
        } while (simulation.disk.faultHappened());
        simulation.disk.failNothing();

        assertThat(simulation.log().get(0).sequence()).isEqualTo(first);
    }

    /**
     * Checks that the age of a segment is measured by the clock that expires outcomes, even after the wall clock is
     * trusted again.
     */
    @Test
    void clockJumpsAhead_nothingIsRemovedEarly() throws IOException {
        simulation.start();
        simulation.submitDaily(1, 5);
        simulation.clock.set(Duration.ofDays(40));
        careForAll();
        assertThat(simulation.log().get(0).sequence()).isEqualTo(1);

        world.advance(Duration.ofHours(2));
        careForAll();
        assertThat(simulation.log().get(0).sequence()).isEqualTo(1);
    }

    @Test
    void undecided_isNeverRemoved() throws IOException {
        simulation.start();
        store.setMood(Mood.DOWN);
        simulation.submit(Pcs.number(1));
        simulation.stepWriter();
        simulation.stepOutcomeWriter();
        for (int day = 0; day < 40; day++) {
            simulation.submit(Pcs.number(100 + day));
            simulation.stepWriter();
            simulation.stepOutcomeWriter();
            world.advance(Duration.ofDays(1));
        }
        careForAll();
        assertThat(simulation.log()).extracting(LogRecord::sequence).startsWith(1L);
        assertThat(segments(".gz")).isGreaterThan(30);
    }
}
