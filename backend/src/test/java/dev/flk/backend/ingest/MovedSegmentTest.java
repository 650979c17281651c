// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.DamagedLogException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** Tests of backends from whose log segments were moved away or removed. */
final class MovedSegmentTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);

    /**
     * Writes one segment a day, each with one decided and durably recorded submission, then kills the process and
     * returns the segments.
     */
    private List<String> segmentsOfThreeDays() throws IOException {
        simulation.start();
        simulation.submitDaily(1, 3);
        simulation.stepLogCare();
        store.flush();
        simulation.kill();
        return simulation.segments();
    }

    @Test
    void segmentMovedAndMarkRemoved_startFails() throws IOException {
        String second = segmentsOfThreeDays().get(1);
        simulation.disk.remove("inbox.mark");
        simulation.disk.moveAway(second, "moved");

        assertThatThrownBy(simulation::start)
                .isInstanceOf(DamagedLogException.class)
                .hasMessageContaining("is missing, with record 2");
    }

    @Test
    void oldestSegmentsRemovedDuringACatchUp_noRecordIsSkipped() throws IOException {
        boolean isReached = true;
        for (int operation = 0; isReached; operation++) {
            World world = new World();
            SimulatedStore store = new SimulatedStore(world);
            Simulation simulation = new Simulation(world, store);
            simulation.start();
            simulation.submitDaily(1, 3);
            simulation.stepLogCare();
            store.flush();
            simulation.kill();
            store.empty();
            List<String> oldest = simulation.segments().subList(0, 2);
            long before = simulation.disk.operations();
            simulation.disk.meddleBefore(operation, () -> oldest.forEach(simulation.disk::remove));
            try {
                simulation.start();
                simulation.settle();
            } catch (IOException e) {
                continue; // the start has noticed that segments are missing
            }
            isReached = simulation.disk.operations() - before > operation;
            assertThat(simulation.isUp() || isReached).isTrue();
            if (simulation.isUp()) {
                for (int day = 1; day <= 3; day++) {
                    assertThat(store.existing(Pcs.number(day).id()))
                            .as("removed before operation %d: day %d", operation, day)
                            .isPresent();
                }
            }
        }
    }

    /** Simulates an operator who follows the instructions in the message. */
    @Test
    void beginningLostAndMissingFromTheStore_startsOnceTheMarkIsRemoved() throws IOException {
        simulation.start();
        for (int day = 1; day <= 3; day++) {
            simulation.submit(Pcs.number(day));
            simulation.settle();
            if (day == 1) {
                store.flush(); // the last data that survives in the store
            }
            world.advance(Duration.ofDays(1));
        }
        simulation.stepLogCare();
        simulation.kill();
        for (String gone : simulation.segments().subList(0, 2)) {
            simulation.disk.remove(gone);
        }
        assertThatThrownBy(simulation::start).hasMessageContaining("If they are lost for good, remove inbox.mark");

        simulation.kill();
        simulation.disk.remove("inbox.mark");
        simulation.start();
        simulation.settle();
        assertThat(simulation.isUp()).isTrue();
        simulation.kill();
        simulation.start();
    }

    /** Restores the oldest segment after retention has removed the next ones, whose absence must not count as a gap. */
    @Test
    void oldSegmentRestored_emptyStoreIsCompleted() throws IOException {
        String oldest = segmentsOfThreeDays().get(0);
        simulation.disk.moveAway(oldest, "moved");
        simulation.start();
        world.advance(Simulation.TTL.minusDays(1));
        simulation.submit(Pcs.number(4));
        simulation.settle();
        while (simulation.segments().size() > 2) {
            simulation.stepLogCare();
        }
        simulation.kill();
        simulation.disk.moveAway("moved", oldest);
        store.empty();
        simulation.start();
        simulation.settle();
        assertThat(simulation.isUp()).isTrue();
        simulation.audit();
    }

    /**
     * Moves the active segment away unnoticed and empties the store, which must not count as complete before the
     * segment is back.
     */
    @Test
    void newestSegmentMovedAndStoreLost_isDownUntilItIsRestored() throws IOException {
        simulation.start();
        for (int i = 1; i <= 20; i++) { // more records than the next segment repeats
            simulation.submit(Pcs.number(100 + i));
            simulation.settle();
        }
        String newest = simulation.segments().get(0);
        simulation.disk.moveAway(newest, "moved");
        store.setMood(Mood.DOWN);
        simulation.submit(Pcs.number(2));
        simulation.answerAll();
        store.empty();
        store.setMood(Mood.UP);
        for (int i = 0; i < 100; i++) {
            world.advance(Duration.ofMillis(100));
            simulation.tick();
            simulation.step();
            assertThat(simulation.isUp()).isFalse();
        }

        simulation.disk.moveAway("moved", newest);
        simulation.settle();
        simulation.audit();
    }

    private void keepDecided(long mark, long decided) {
        String kept = new String(simulation.disk.content(Inbox.MARK_FILE), StandardCharsets.US_ASCII);
        String line = kept.substring(0, "flk-mark1 ".length() + 32) + " " + mark + " " + decided + " 0";
        CRC32C crc = new CRC32C();
        crc.update(line.getBytes(StandardCharsets.US_ASCII));
        simulation.disk.put(
                Inbox.MARK_FILE, (line + " %08x\n".formatted(crc.getValue())).getBytes(StandardCharsets.US_ASCII));
    }

    /** Moves the newest segments away, which are decided, and logs new, undecided records with the same sequences. */
    @Test
    void endOfTheLogMoved_newRecordsAreNotTakenForDecided() throws IOException {
        simulation.start();
        simulation.submitDaily(1, 6);
        store.flush();
        simulation.kill();
        keepDecided(6, 6);
        List<String> all = simulation.segments();
        for (String name : all.subList(2, all.size())) {
            simulation.disk.moveAway(name, "moved-" + name);
        }
        simulation.start();
        store.setMood(SimulatedStore.Mood.DOWN);
        for (int day = 11; day <= 13; day++) {
            simulation.submit(Pcs.number(day));
            for (int i = 0; i < 10; i++) {
                simulation.stepWriter();
                simulation.stepOutcomeWriter();
            }
            world.advance(Duration.ofDays(1));
        }
        List<String> now = simulation.segments();
        simulation.kill();
        String victim = now.get(now.size() - 2);
        simulation.disk.moveAway(victim, "moved-victim");
        assertThatThrownBy(simulation::start)
                .as("an undecided segment is not there")
                .isInstanceOf(IOException.class);
    }
}
