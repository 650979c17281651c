// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;

/** One random history of a backend with a store of its own. */
final class OneBackend {
    private static final List<Fault> FAULTS = List.of(Fault.values());
    private static final List<Mood> MOODS = List.of(Mood.values());
    private static final Policy STRICT = Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=0.05"));
    private static final int LIVES = 5;
    private static final int IDS = 8;
    private static final int STEPS_BETWEEN_TAKEOVERS = 40;

    private final Random random;
    private final ClockSetter clockSetter;
    private final Meddler meddler;

    /** Whether second processes take the log, as they do in a fourth of the histories. */
    private final boolean isTakenOver;

    private final World world;
    private final SimulatedStore store;
    private final Simulation simulation;
    private final Operator operator;
    private int lastEpoch = IDS;

    OneBackend(long seed) {
        this.random = RandomHistories.draws(seed);
        this.clockSetter = ClockSetter.ofOneBackend(random);
        this.meddler = new Meddler(random);
        this.isTakenOver = random.nextInt(4) == 0;
        this.world = new World(clockSetter.apart());
        this.store = new SimulatedStore(world);
        this.simulation = new Simulation(random, world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);
        this.operator = new Operator(random, world, simulation);
    }

    long run() throws IOException {
        for (int life = 0; life < LIVES; life++) {
            try {
                live();
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(e).isNotInstanceOf(DamagedLogException.class);
            }
            die();
        }
        operator.start();
        simulation.settle();
        simulation.traceLog();
        simulation.audit();
        simulation.wholeLog.assertFirstWon();
        if (simulation.wholeLog.isWhole()) {
            assertThat(simulation.wholeLog.contents())
                    .as("contents that conflicted")
                    .containsAll(simulation.conflicts());
        }
        return world.answers.answers();
    }

    private void live() throws IOException {
        if (random.nextInt(5) == 0) {
            simulation.disk.failOperation(random.nextInt(20), fault());
        }
        operator.start();
        int steps = 10 + random.nextInt(60);
        for (int step = 0; step < steps; step++) {
            act();
            world.requireUnbroken();
        }
        if (random.nextBoolean()) {
            store.setMood(Mood.UP);
            simulation.endDisplaced();
            simulation.settle();
        }
    }

    /** An id is logged again while the store can't be asked, and the first of the two expires before the second. */
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
        clockSetter.step(simulation.clock);
        meddler.step(simulation);
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
                pass(forDays ? Duration.ofDays(2 + random.nextInt(14)) : Duration.ofSeconds(random.nextInt(100)));
            }
        }
    }

    /** A process that lost the log ends within seconds. */
    private void pass(Duration time) {
        simulation.endDisplaced();
        world.advance(time);
    }

    /** Somebody lets a second process take the log, and the first one goes on until it notices. */
    private void stepTakeover() {
        if (!simulation.isDisplaced()) {
            if (random.nextInt(STEPS_BETWEEN_TAKEOVERS) == 0) {
                simulation.displaceBefore(random.nextInt(8), random.nextInt(3) == 0);
            }
            return;
        }
        switch (random.nextInt(8)) {
            case 0, 1 -> simulation.stepDisplaced(this::submit);
            case 2, 3 -> simulation.stepDisplaced(simulation::stepWriter);
            case 4, 5 -> simulation.stepDisplaced(simulation::stepOutcomeWriter);
            case 6 -> simulation.stepDisplaced(simulation::tick);
            default -> simulation.stepDisplaced(random.nextBoolean() ? simulation::stepWatch : simulation::stepLogCare);
        }
    }

    private void submit() {
        Pcs[] turn = new Pcs[1 + random.nextInt(3)];
        for (int i = 0; i < turn.length; i++) {
            lastEpoch += random.nextInt(3) == 0 ? 1 : 0;
            Pcs pcs = Pcs.number(lastEpoch - random.nextInt(IDS)).with("D_hat", "1.1");
            turn[i] = switch (random.nextInt(4)) {
                case 0 -> pcs.with("budget", "0.9");
                case 1 -> pcs.with("attempt", "2");
                default -> pcs;
            };
        }
        simulation.submit(turn);
    }

    private void die() throws IOException {
        simulation.changePolicy(random.nextBoolean() ? Policy.defaults() : STRICT);
        if (random.nextInt(3) == 0) {
            simulation.losePower();
        } else {
            simulation.kill();
        }
        if (random.nextInt(6) == 0) {
            world.trace("store removed");
            store.empty();
        }
        world.answers.storeLost();
        meddler.stepBeforeAStart(simulation);
    }

    private Fault fault() {
        return FAULTS.get(random.nextInt(FAULTS.size()));
    }
}
