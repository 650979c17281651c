// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.SimulatedRemote.Flaw;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.DamagedLogException;
import dev.flk.wal.testing.SimulatedDisk;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

final class TwoBackendsSimulationTest {
    private static final long MAX_FLAWED_SEEDS = Long.getLong("flk.mutantSeeds", 3_000);

    /**
     * The histories contain everything that can happen to one backend, except that no second process takes over a log
     * and no clock jumps by weeks. In addition, both backends receive the same or conflicting certificates, calls time
     * out and take effect later, the store is unreachable, emptied or restored from an older copy, and the clocks
     * differ.
     */
    @Test
    void twoBackendsOnOneStore_keepEveryPromise() {
        RandomHistory.runFew(seed -> new TwoBackends(seed, false));
    }

    @Test
    @Tag("thorough")
    void manyRuns_keepEveryPromise() {
        RandomHistory.runMany(seed -> new TwoBackends(seed, false));
    }

    /** Simulates the same with copied logs: see {@link SimulatedCopy}. */
    @Test
    void twoBackendsWithCopies_keepEveryPromise() {
        RandomHistory.runFewCopied(seed -> new TwoBackends(seed, true));
    }

    @Test
    @Tag("thorough")
    void manyRunsWithCopies_keepEveryPromise() {
        RandomHistory.runMany(seed -> new TwoBackends(seed, true));
    }

    /**
     * Checks that the histories detect flaws of a shared store: with any one of them, some history breaks a promise.
     */
    @ParameterizedTest
    @EnumSource
    void flawedStore_breaksAPromise(Flaw flaw) throws IOException {
        long broken = -1;
        for (long seed = 0; broken < 0 && seed < MAX_FLAWED_SEEDS; seed++) {
            try {
                new TwoBackends(seed, false, Set.of(flaw)).run();
            } catch (AssertionError e) {
                broken = seed;
            }
        }
        assertThat(broken).as("a seed that breaks").isNotNegative();
        System.out.println(flaw + ": seed " + broken + " breaks");
    }

    /** A history of two backends that share a store. */
    static final class TwoBackends extends RandomHistory {
        private static final int BACKENDS = 2;
        private static final int STEPS = 300;
        private static final int STEPS_BETWEEN_TAKEOVERS = 60;

        private final SimulatedRemote remote;
        private final List<Node> nodes = new ArrayList<>();

        private final Losses losses;

        /**
         * The number of remaining steps after a loss during which there are no submissions, look-ups or further losses.
         */
        private int afterLoss;

        /** Whether and when the store loses acknowledged outcomes. */
        private enum Losses {
            NONE,
            /**
             * The store loses outcomes at any time. Each id is sent to one backend only, because nothing is promised
             * for an id that both receive.
             */
            OF_IDS_APART,
            /**
             * The store loses outcomes while no call is in flight. Before all outcomes are asserted, a backend receives
             * only ids that are in its own log.
             */
            AT_REST
        }

        private static final class Node {
            final Simulation simulation;
            SimulatedRemote.Client client;

            Node(Random random, World world, SimulatedRemote remote) {
                simulation = new Simulation(
                        random, world, logId -> client = remote.new Client(logId), Ready.WHEN_LOG_WAS_READ);
            }
        }

        TwoBackends(long seed, boolean isCopied) {
            this(seed, isCopied, Set.of());
        }

        private TwoBackends(long seed, boolean isCopied, Set<Flaw> flaws) {
            // the clocks of backends that share a store must differ by less than the lifetime of an outcome
            super(seed, isCopied, random -> HOURS);
            remote = new SimulatedRemote(world, random, flaws);
            losses = List.of(Losses.values()).get(random.nextInt(Losses.values().length));
            for (int i = 0; i < BACKENDS; i++) {
                Node node = new Node(random, world, remote);
                node.simulation.keepRecord(new Random(seed * BACKENDS + i));
                if (burns) {
                    node.simulation.keepArchive();
                }
                if (isCopied) {
                    node.simulation.keepCopy(seed % 8 != 0);
                }
                nodes.add(node);
            }
        }

        @Override
        long run() throws IOException {
            for (int step = 0; step < STEPS; step++) {
                if (afterLoss > 0 && --afterLoss == 0) {
                    restartAll();
                }
                actOn(random.nextInt(BACKENDS));
                world.requireUnbroken();
            }
            settleWithoutRestart();
            restartAll();
            for (Node node : nodes) {
                node.simulation.traceLog();
                node.simulation.audit();
            }
            assertBodiesAreLogged();
            assertConflictsAreLogged();
            return world.answers.count();
        }

        /** Checks that all pending submissions are decided without another restart. */
        private void settleWithoutRestart() throws IOException {
            remote.setReachable(true);
            for (Node node : nodes) {
                node.simulation.settleCopy();
                node.simulation.endDisplaced();
                node.simulation.disk.failNothing();
                if (node.simulation.disk.isDead()) { // the process died inside a stage, which swallowed the exception
                    node.simulation.kill();
                }
                if (!node.simulation.isRunning()) {
                    node.simulation.startByOperator();
                }
                node.simulation.settleCopy();
            }
            settle();
            for (Node node : nodes) {
                assertThat(node.simulation.pending()).as("pending at the end").isZero();
            }
        }

        private void assertBodiesAreLogged() throws IOException {
            Set<String> logged = new HashSet<>();
            for (Node node : nodes) {
                logged.addAll(node.simulation.files.contents());
            }
            assertBodies(nodes.get(0).simulation.answered(), logged);
        }

        private void assertConflictsAreLogged() throws IOException {
            Set<String> logged = new HashSet<>();
            Set<String> answered = new HashSet<>();
            for (Node node : nodes) {
                if (!node.simulation.files.isComplete()) {
                    return;
                }
                logged.addAll(node.simulation.files.contents());
                answered.addAll(node.simulation.conflicts());
            }
            assertThat(logged).as("contents that conflicted").containsAll(answered);
        }

        /** Restarts all backends and runs them without faults until none has anything left to do. */
        private void restartAll() throws IOException {
            remote.setReachable(true);
            for (Node node : nodes) {
                restart(node);
            }
            settle();
        }

        private void restart(Node node) throws IOException {
            if (node.simulation.isRunning()) {
                node.simulation.kill();
            }
            node.simulation.startByOperator();
            node.simulation.settleCopy();
        }

        private List<Simulation> running() {
            return nodes.stream()
                    .map(node -> node.simulation)
                    .filter(Simulation::isRunning)
                    .toList();
        }

        /** Runs the backends without faults until none has anything left to do. */
        private void settle() {
            int idle = 0;
            for (int i = 0; idle < 5; i++) {
                assertThat(i).as("it comes to an end").isLessThan(20_000);
                boolean moved = remote.stepLate();
                List<Simulation> running = running();
                for (Simulation simulation : running) {
                    moved |= simulation.step();
                }
                if (moved) {
                    idle = 0;
                } else {
                    if (running.stream().allMatch(TwoBackends::isAtRest)) {
                        idle++;
                    }
                    running.stream().filter(simulation -> !isAtRest(simulation)).forEach(Simulation::waitForTheStore);
                    running.forEach(Simulation::stepWatch);
                    running.forEach(Simulation::tick);
                }
            }
        }

        private static boolean isAtRest(Simulation simulation) {
            return simulation.isUp() && simulation.isCopied();
        }

        private void actOn(int which) throws IOException {
            Node node = nodes.get(which);
            world.trace("backend " + which);
            try {
                if (node.simulation.isRunning()) {
                    act(which, node);
                } else if (random.nextInt(3) == 0) {
                    node.simulation.changePolicy(random.nextInt(3) == 0 ? STRICT : Policy.defaults());
                    node.simulation.startByOperator();
                }
            } catch (SimulatedDisk.Killed | IOException e) {
                assertThat(e).isNotInstanceOf(DamagedLogException.class);
                die(node);
            }
        }

        private void act(int which, Node node) throws IOException {
            disturb(node.simulation);
            archive(node.simulation);
            if (isCopied) {
                stepTakeover(which, node);
            }
            if (random.nextInt(20) == 0) {
                node.simulation.stepLogCare();
            }
            int chance = random.nextInt(100);
            if (chance < 20) {
                if (afterLoss == 0) {
                    submit(which, node);
                }
            } else if (chance < 28) {
                node.simulation.stepWriter();
            } else if (chance < 36) {
                node.simulation.stepOutcomeWriter();
            } else if (chance < 44) {
                node.client.step();
            } else if (chance < 74) {
                proceed(node);
            } else if (chance < 90) {
                problem(chance, node);
            } else {
                lookUp(which, node);
            }
        }

        /** Sometimes lets a second process take over the log on another machine; the first one continues. */
        private void stepTakeover(int which, Node node) throws IOException {
            if (!node.simulation.isDisplaced()) {
                if (random.nextInt(STEPS_BETWEEN_TAKEOVERS) == 0) {
                    node.simulation.displaceElsewhere(() -> {});
                }
                return;
            }
            node.simulation.stepDisplaced(node.simulation::stepCopy);
            switch (random.nextInt(8)) {
                case 0, 1 ->
                    node.simulation.stepDisplaced(() -> {
                        if (afterLoss == 0) {
                            submit(which, node);
                        }
                    });
                case 2 -> node.simulation.stepDisplaced(node.simulation::stepWatch);
                case 3 -> node.simulation.stepDisplaced(node.simulation::stepLogCare);
                case 4 -> node.simulation.stepDisplaced(node.simulation::tick);
                case 5 -> {
                    if (random.nextInt(8) == 0) {
                        node.simulation.endDisplaced();
                    }
                }
                default -> node.simulation.stepDisplaced(node.simulation::step);
            }
        }

        /**
         * Looks up an id, unless the store may have lost its outcome and the backend that logged it may not have
         * asserted it yet.
         */
        private void lookUp(int which, Node node) {
            int epoch = lastEpoch - random.nextInt(IDS);
            if (afterLoss == 0 && (losses != Losses.OF_IDS_APART || epoch % BACKENDS == which)) {
                node.simulation.lookUp(Pcs.number(epoch).id());
            }
        }

        /** Lets the backend work undisturbed for a short time. */
        private void proceed(Node node) {
            world.advance(Duration.ofMillis(20 + random.nextInt(200)));
            node.simulation.tick();
            int steps = 1 + random.nextInt(12);
            for (int i = 0; i < steps; i++) {
                node.simulation.step();
            }
        }

        private void problem(int chance, Node node) throws IOException {
            switch (chance) {
                case 74, 75 -> node.client.stepUnanswered();
                case 76 -> node.client.timeOut();
                case 77, 78 -> remote.stepLate();
                case 79 -> remote.setReachable(false);
                case 80, 81, 82 -> remote.setReachable(true);
                case 83 -> node.simulation.disk.failOperation(random.nextInt(6), fault());
                case 84, 85 -> remote.takeCopy();
                case 86, 87 -> loseSome();
                case 88 -> pass();
                default -> die(node);
            }
        }

        private void loseSome() throws IOException {
            if (losses == Losses.NONE || afterLoss > 0) {
                return;
            }
            if (losses == Losses.AT_REST) {
                restartAll();
                afterLoss = 60;
            }
            if (random.nextInt(3) == 0) {
                world.trace("the store is emptied");
                remote.empty();
            } else {
                world.trace("the store is put back");
                remote.putBackCopy();
            }
            world.answers.storeLost();
            if (random.nextBoolean()) {
                dieSoon(nodes.get(random.nextInt(BACKENDS)));
            } else if (losses == Losses.AT_REST) {
                assertAlone(nodes.get(random.nextInt(BACKENDS)));
            }
        }

        /**
         * Checks that a backend alone knows the newest outcomes in its own log, regardless of what the store has lost.
         */
        private void assertAlone(Node node) throws IOException {
            nodes.forEach(other -> other.simulation.kill());
            node.simulation.startByOperator();
            settle();
            Set<PcsId> own = node.simulation.files.submittedIds();
            for (int epoch = lastEpoch; epoch > lastEpoch - IDS; epoch--) {
                if (own.contains(Pcs.number(epoch).id())) {
                    node.simulation.submit(Pcs.number(epoch).with("D_hat", "1.1"));
                }
            }
            settle();
        }

        /** Restarts a backend and kills it soon, possibly while it asserts its log again. */
        private void dieSoon(Node node) throws IOException {
            restart(node);
            int steps = random.nextInt(12);
            for (int i = 0; i < steps; i++) {
                node.simulation.tick();
                node.simulation.step();
            }
            die(node);
        }

        private void pass() {
            for (Node node : nodes) {
                node.simulation.endDisplaced();
                if (node.simulation.isRunning()) {
                    do {
                        node.simulation.answerAll();
                    } while (node.client.timeOut()); // no call stays outstanding for days
                }
            }
            world.advance(pause(random.nextInt(3) == 0));
            nodes.stream()
                    .map(node -> node.simulation)
                    .filter(Simulation::isRunning)
                    .forEach(Simulation::keepTime);
        }

        private void die(Node node) throws IOException {
            die(node.simulation);
            if ((burns || isCopied) && random.nextInt(4) == 0) {
                node.simulation.loseDisk();
            }
            disturbBeforeAStart(node.simulation);
        }

        private void submit(int which, Node node) {
            node.simulation.submit(
                    turn(epoch -> losses == Losses.OF_IDS_APART && epoch % BACKENDS != which ? epoch + 1 : epoch));
        }
    }
}
