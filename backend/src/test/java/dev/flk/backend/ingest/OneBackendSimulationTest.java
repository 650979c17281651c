// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

final class OneBackendSimulationTest {
    /**
     * Simulates submissions, duplicates and conflicts, forces, disk and store faults, kills, power losses, restarts
     * under another policy, passing time, jumps of the wall clock, the removal of the store, segments that are moved
     * away and perhaps put back, a second process that takes over the log, a lost disk and its restore from the archive:
     * see {@link SimulatedArchive}, and what happens to the rows of the record: see {@link SimulatedRecord}.
     */
    @Test
    void oneBackend_keepsEveryPromise() {
        RandomHistory.runFew(seed -> new OneBackend(seed, false, true));
    }

    @Test
    @Tag("thorough")
    void manyRuns_keepEveryPromise() {
        RandomHistory.runMany(seed -> new OneBackend(seed, false, true));
    }

    /** Simulates the same with a copied log: see {@link SimulatedCopy}. */
    @Test
    void oneBackendWithACopy_keepsEveryPromise() {
        RandomHistory.runFewCopied(seed -> new OneBackend(seed, true, true));
    }

    @Test
    @Tag("thorough")
    void manyRunsWithACopy_keepEveryPromise() {
        RandomHistory.runMany(seed -> new OneBackend(seed, true, true));
    }

    /** A history of one backend with its own store. */
    static final class OneBackend extends RandomHistory {
        private static final Duration WEEKS = Duration.ofDays(20);
        private static final List<Mood> MOODS = List.of(Mood.values());
        private static final int LIVES = 5;
        private static final int STEPS_BETWEEN_TAKEOVERS = 40;

        /** Whether second processes take over the log, which happens in a quarter of the histories. */
        private final boolean isTakenOver;

        private final boolean isOwn;
        private SimulatedStore store;
        private final Simulation simulation;

        /** @param isOwn whether only this backend writes into the store, so that answers come before the records */
        OneBackend(long seed, boolean isCopied, boolean isOwn) {
            super(seed, isCopied, random -> random.nextInt(4) == 0 ? WEEKS : HOURS);
            isTakenOver = random.nextInt(4) == 0;
            this.isOwn = isOwn;
            store = new SimulatedStore(world, isOwn);
            simulation = new Simulation(random, world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);
            simulation.keepRecord(new Random(seed));
            if (burns) {
                simulation.keepArchive();
            }
            if (isCopied) {
                simulation.keepCopy(seed % 8 != 0);
            }
        }

        @Override
        long run() throws IOException {
            for (int life = 0; life < LIVES; life++) {
                try {
                    live();
                } catch (SimulatedDisk.Killed | IOException e) {
                    assertThat(e).isNotInstanceOf(DamagedLogException.class);
                }
                die();
            }
            simulation.startByOperator();
            simulation.settleCopy();
            simulation.settle();
            simulation.traceLog();
            simulation.audit();
            assertBodies(simulation.answered(), simulation.files.contents());
            simulation.files.assertFirstWon();
            if (simulation.files.isComplete()) {
                assertThat(simulation.files.contents())
                        .as("contents that conflicted")
                        .containsAll(simulation.conflicts());
            }
            return world.answers.count();
        }

        private void live() throws IOException {
            if (random.nextInt(5) == 0) {
                simulation.disk.failOperation(random.nextInt(20), fault());
            }
            simulation.startByOperator();
            int steps = 10 + random.nextInt(60);
            for (int step = 0; step < steps; step++) {
                act();
                world.requireUnbroken();
            }
            if (random.nextBoolean()) {
                store.setMood(Mood.UP);
                simulation.settleCopy();
                simulation.endDisplaced();
                simulation.settle();
            }
        }

        /** Logs an id again while the store is down, so that the first record expires before the second. */
        private void logAgain() {
            Pcs pcs = Pcs.number(++lastEpoch).with("D_hat", "1.1");
            store.setMood(Mood.UP);
            simulation.submit(pcs);
            simulation.settle();
            int days = 1 + random.nextInt(5);
            pass(Duration.ofDays(days));
            store.setMood(Mood.DOWN);
            simulation.submit(pcs);
            simulation.answerAll();
            store.setMood(Mood.UP);
            simulation.settle();
            pass(Simulation.TTL.minusDays(days));
            simulation.submit(pcs.with("budget", "0.9"));
            simulation.settle();
        }

        private void act() throws IOException {
            if (random.nextInt(100) == 0) {
                logAgain();
            }
            disturb(simulation);
            archive(simulation);
            if (isTakenOver) {
                stepTakeover();
            }
            switch (random.nextInt(21)) {
                case 0, 1, 2, 3, 4, 5 -> submit();
                case 6, 7, 8, 9, 10 -> simulation.stepWriter();
                case 11, 12, 13 -> simulation.stepOutcomeWriter();
                case 14 -> simulation.stepLogCare();
                case 15 -> simulation.tick();
                case 16 -> store.setMood(MOODS.get(random.nextInt(MOODS.size())));
                case 17 -> store.flush();
                case 18 -> simulation.disk.failOperation(random.nextInt(6), fault());
                default -> {
                    boolean forDays = random.nextInt(4) == 0;
                    if (forDays) {
                        simulation.answerAll();
                    }
                    pass(pause(forDays));
                }
            }
        }

        private void submit() {
            simulation.submit(turn(epoch -> epoch));
        }

        /** Lets time pass, after ending a process that has lost the log, because such a process ends within seconds. */
        private void pass(Duration time) {
            simulation.endDisplaced();
            world.advance(time);
            simulation.keepTime();
        }

        /** Sometimes lets a second process take over the log; the first process continues until it notices. */
        private void stepTakeover() throws IOException {
            if (!simulation.isDisplaced()) {
                if (random.nextInt(STEPS_BETWEEN_TAKEOVERS) > 0) {
                    return;
                }
                if (isCopied && random.nextInt(4) > 0) {
                    simulation.displaceElsewhere(() -> store = new SimulatedStore(world, isOwn));
                } else {
                    simulation.displaceBefore(random.nextInt(8), random.nextInt(3) == 0);
                }
                return;
            }
            if (isCopied) {
                simulation.stepDisplaced(simulation::stepCopy);
            }
            switch (random.nextInt(8)) {
                case 0, 1 -> simulation.stepDisplaced(this::submit);
                case 2, 3 -> simulation.stepDisplaced(simulation::stepWriter);
                case 4, 5 -> simulation.stepDisplaced(simulation::stepOutcomeWriter);
                case 6 -> simulation.stepDisplaced(simulation::tick);
                default ->
                    simulation.stepDisplaced(random.nextBoolean() ? simulation::stepWatch : simulation::stepLogCare);
            }
        }

        private void die() throws IOException {
            simulation.changePolicy(random.nextBoolean() ? Policy.defaults() : STRICT);
            die(simulation);
            if (random.nextInt(6) == 0) {
                world.trace("store removed");
                store.empty();
            }
            if ((burns || isCopied) && random.nextInt(2) == 0) {
                simulation.loseDisk();
            }
            world.answers.storeLost();
            disturbBeforeAStart(simulation);
        }
    }
}
