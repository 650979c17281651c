// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.sample.Pcs;
import dev.flk.wal.DamagedLogException;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A start on a log of which somebody moved a segment away, or damaged one. */
final class MovedSegmentTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);

    /** A segment a day, each with one decided submission; all recorded, durably; then the process dies. */
    private List<String> segmentsOfThreeDays() throws IOException {
        simulation.start();
        for (int day = 1; day <= 3; day++) {
            simulation.submit(Pcs.number(day));
            simulation.settle();
            world.advance(Duration.ofDays(1));
        }
        simulation.stepLogCare();
        store.flush();
        simulation.kill();
        return simulation.disk.names().stream()
                .filter(name -> name.contains(".wal"))
                .toList();
    }

    @Test
    void damageInADecidedSegment_theStartNamesItAndStops() throws IOException {
        String second = segmentsOfThreeDays().get(1);
        byte[] content = simulation.disk.content(second);
        content[content.length - 9] ^= 1;
        simulation.disk.put(second, content);

        assertThatThrownBy(simulation::start)
                .isInstanceOf(DamagedLogException.class)
                .hasMessageContaining(second)
                .hasMessageContaining("record 2 missing");
    }

    @Test
    void undecidedSegmentMovedAway_theStartStops() throws IOException {
        String second = segmentsOfThreeDays().get(1);
        simulation.disk.remove("inbox.mark");
        simulation.disk.moveAway(second, "moved");

        assertThatThrownBy(simulation::start)
                .isInstanceOf(DamagedLogException.class)
                .hasMessageContaining("is not there: record 2 missing");
    }

    @Test
    void decidedSegmentMovedAway_theLogGoesOnWithoutIt() throws IOException {
        String second = segmentsOfThreeDays().get(1);
        simulation.disk.moveAway(second, "moved");

        simulation.start();
        simulation.submit(Pcs.number(4));
        simulation.settle();

        assertThat(simulation.isUp()).isTrue();
        assertThat(simulation.disk.names()).noneMatch(second::equals);
    }
}
