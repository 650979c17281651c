// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Somebody sets a backend's wall clock. */
final class SetClockTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);
    private final Pcs first = Pcs.number(1);
    private final Pcs other = first.with("budget", "0.9");

    private void submitWithoutAStore(Pcs pcs) {
        store.setMood(Mood.DOWN);
        simulation.submit(pcs);
        simulation.answerAll();
    }

    /** No list that is given to a store holds an id twice: one that does is refused, for ever. */
    @Test
    void setBackOverAnEnd_twoOfAnIdWait_oneAfterTheOtherIsDecided() throws IOException {
        simulation.start();
        submitWithoutAStore(first);
        world.advance(Simulation.TTL);
        submitWithoutAStore(other); // the first has expired
        simulation.clock.set(Duration.ofHours(-1)); // and has not

        store.setMood(Mood.UP);
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 'o');
        simulation.audit();
    }

    /** Who waits in the backlog goes before who comes later. */
    @Test
    void setAhead_whatWaitsHasNotExpired() throws IOException {
        simulation.start();
        submitWithoutAStore(first);
        simulation.clock.set(Simulation.TTL.plusDays(1));
        submitWithoutAStore(other);

        store.setMood(Mood.UP);
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 'e');
        simulation.audit();
    }

    /** The one that had expired may win again, and who was answered since then is named. */
    @Test
    void setBackOverAnEnd_andTheStoreLost_theLossIsTold() throws IOException {
        simulation.start();
        simulation.submit(first);
        simulation.settle();
        world.advance(Simulation.TTL);
        simulation.submit(other);
        simulation.settle();
        simulation.stepLogCare(); // the mark is kept
        simulation.kill();
        store.empty();
        simulation.clock.set(Duration.ofHours(-1));

        simulation.start();

        assertThat(simulation.metric("flk_lost_outcomes_total")).isEqualTo(1);
    }
}
