// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.memory.MemoryStore;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class IngestFaultsTest {
    @TempDir
    private Path directory;

    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);

    private List<String> segments() {
        return simulation.disk.names().stream()
                .filter(name -> name.startsWith("inbox-") && name.contains(".wal"))
                .toList();
    }

    private void keepDecided(long mark, long decided) {
        String kept = new String(simulation.disk.content(Checkpoint.FILE), StandardCharsets.US_ASCII);
        String line = kept.substring(0, "flk-mark1 ".length() + 32) + " " + mark + " " + decided + " 0";
        CRC32C crc = new CRC32C();
        crc.update(line.getBytes(StandardCharsets.US_ASCII));
        simulation.disk.put(
                Checkpoint.FILE, (line + " %08x\n".formatted(crc.getValue())).getBytes(StandardCharsets.US_ASCII));
    }

    /** A day a segment; the store has flushed the first day only; the second segment is moved away; the process is killed. */
    @Test
    void decidedSegmentMovedAway_thatTheStoreLacks_isNotPassedOver() throws IOException {
        simulation.start();
        for (int day = 1; day <= 3; day++) {
            simulation.submit(Pcs.number(day));
            simulation.settle();
            simulation.tick();
            simulation.settle();
            if (day == 1) {
                store.flush();
            }
            world.advance(Duration.ofDays(1));
        }
        String second = segments().get(1);
        simulation.kill();
        keepDecided(3, 3); // as LogCare keeps it every 5 s
        simulation.disk.moveAway(second, "moved");
        assertThatThrownBy(simulation::start).isInstanceOf(IOException.class).hasMessageContaining("not there");
    }

    /** The newest, decided segments are gone; what is logged anew has their sequences, and none of it is decided. */
    @Test
    void endOfTheLogMovedAway_whatIsLoggedAnew_isNotTakenForDecided() throws IOException {
        simulation.start();
        for (int day = 1; day <= 6; day++) {
            simulation.submit(Pcs.number(day));
            simulation.settle();
            world.advance(Duration.ofDays(1));
        }
        store.flush();
        simulation.kill();
        keepDecided(6, 6);
        List<String> all = segments();
        for (String name : all.subList(2, all.size())) {
            simulation.disk.moveAway(name, "moved-" + name);
        }
        simulation.start();
        store.setMood(SimulatedStore.Mood.DOWN);
        for (int day = 11; day <= 13; day++) {
            simulation.submit(Pcs.number(day));
            for (int i = 0; i < 10; i++) {
                simulation.stepWriter();
                simulation.stepRecorder();
            }
            world.advance(Duration.ofDays(1));
        }
        List<String> now = segments();
        simulation.kill();
        String victim = now.get(now.size() - 2);
        simulation.disk.moveAway(victim, "moved-victim");
        assertThatThrownBy(simulation::start)
                .as("an undecided segment is not there")
                .isInstanceOf(IOException.class);
    }

    /** A store, or anything behind the look-up, that meets an Error once (OutOfMemoryError is met elsewhere). */
    private static final class Fatal implements DedupStore {
        private final MemoryStore store;
        private final boolean inPut;
        private boolean thrown;

        Fatal(Clock clock, boolean inPut) {
            this.inPut = inPut;
            store = new MemoryStore(100, () -> Instant.ofEpochMilli(clock.millis));
        }

        @Override
        public CompletionStage<List<Optional<Recorded>>> get(List<PcsId> ids) {
            return store.get(ids);
        }

        @Override
        public boolean hasRoomFor(long more) {
            if (!inPut && !thrown) {
                thrown = true;
                throw new OutOfMemoryError("injected");
            }
            return true;
        }

        @Override
        public CompletionStage<List<Recorded>> putIfAbsent(List<Recorded> decisions, long completeUpTo) {
            if (inPut && !thrown && !decisions.isEmpty()) {
                thrown = true;
                throw new OutOfMemoryError("injected");
            }
            return store.putIfAbsent(decisions, completeUpTo);
        }

        @Override
        public CompletionStage<OptionalLong> connect() {
            return store.connect();
        }

        @Override
        public void close() {
            store.close();
        }
    }

    private void laterOnesAreAnswered(boolean inPut) throws Exception {
        Clock clock = new Clock();
        IngestHarness harness =
                new IngestHarness(directory.resolve("log"), clock, Policy.defaults(), new Fatal(clock, inPut), 100);
        CompletableFuture<Outcome> first = harness.send(Pcs.number(1));
        await().until(first::isDone);
        CompletableFuture<Outcome> again = harness.send(Pcs.number(1));
        CompletableFuture<Outcome> other = harness.send(Pcs.number(2));
        await().dontCatchUncaughtExceptions()
                .atMost(Duration.ofSeconds(3))
                .until(() -> other.isDone() && again.isDone());
    }

    @Test
    void outOfMemoryOnce_onTheRecordersThread_laterOnesAreAnswered() throws Exception {
        laterOnesAreAnswered(true);
    }

    @Test
    void outOfMemoryOnce_behindTheLookUp_theIdIsNotInFlightForEver() throws Exception {
        laterOnesAreAnswered(false);
    }
}
