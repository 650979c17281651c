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
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/** One random history of two backends that share a store. */
final class TwoBackends {
    private static final int BACKENDS = 2;
    private static final int IDS = 8;
    private static final int STEPS = 300;
    private static final List<Fault> FAULTS = List.of(Fault.values());
    private static final Policy STRICT = Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=0.05"));

    private final Random random;
    private final ClockSetter clockSetter;
    private final Meddler meddler;
    private final World world;
    private final SimulatedRemote remote;
    private final List<Node> nodes = new ArrayList<>();

    private final Losses losses;
    private int lastEpoch = IDS;

    /** How many steps are left in which there is nothing but what a loss brings. */
    private int afterLoss;

    /** Whether and when the store loses what it acknowledged. */
    private enum Losses {
        NONE,
        /** At any time; then each id goes to one backend only, for more can't be promised. */
        OF_IDS_APART,
        /** While nothing is under way, and no id is sent again before all is asserted. */
        AT_REST
    }

    private static final class Node {
        final Simulation simulation;
        final Operator operator;
        SimulatedRemote.Client client;

        Node(Random random, World world, SimulatedRemote remote) {
            simulation =
                    new Simulation(random, world, logId -> client = remote.new Client(logId), Ready.WHEN_LOG_WAS_READ);
            operator = new Operator(random, world, simulation);
        }
    }

    TwoBackends(long seed) {
        this(seed, Set.of());
    }

    TwoBackends(long seed, Set<Flaw> flaws) {
        random = RandomHistories.draws(seed);
        clockSetter = ClockSetter.ofSeveralBackends(random);
        meddler = new Meddler(random);
        world = new World(clockSetter.apart());
        remote = new SimulatedRemote(world, random, flaws);
        losses = Losses.values()[random.nextInt(Losses.values().length)];
        for (int i = 0; i < BACKENDS; i++) {
            nodes.add(new Node(random, world, remote));
        }
    }

    /** Runs it, and says how many answers were given. */
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
        assertConflictsAreLogged();
        return world.answers.answers();
    }

    /** What waits is decided without another start. */
    private void settleWithoutRestart() throws IOException {
        remote.setReachable(true);
        for (Node node : nodes) {
            node.simulation.disk.failNothing();
            if (node.simulation.disk.isDead()) { // it died inside a stage, which swallowed that
                node.simulation.kill();
            }
            if (!node.simulation.isRunning()) {
                node.operator.start();
            }
        }
        settle();
        for (Node node : nodes) {
            assertThat(node.simulation.pending()).as("pending at the end").isZero();
        }
    }

    private void assertConflictsAreLogged() throws IOException {
        Set<String> logged = new HashSet<>();
        Set<String> answered = new HashSet<>();
        for (Node node : nodes) {
            if (!node.simulation.wholeLog.isWhole()) {
                return;
            }
            logged.addAll(node.simulation.wholeLog.contents());
            answered.addAll(node.simulation.conflicts());
        }
        assertThat(logged).as("contents that conflicted").containsAll(answered);
    }

    /** Everybody starts, and nothing fails any more until nobody has anything to do. */
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
        node.operator.start();
    }

    private List<Simulation> running() {
        return nodes.stream()
                .map(node -> node.simulation)
                .filter(Simulation::isRunning)
                .toList();
    }

    /** Nothing fails any more: until nobody has anything to do. */
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
                if (running.stream().allMatch(Simulation::isUp)) {
                    idle++;
                }
                running.stream().filter(simulation -> !simulation.isUp()).forEach(Simulation::waitForTheStore);
                running.forEach(Simulation::stepWatch);
                running.forEach(Simulation::tick);
            }
        }
    }

    private void actOn(int which) throws IOException {
        Node node = nodes.get(which);
        world.trace("backend " + which);
        try {
            if (node.simulation.isRunning()) {
                act(which, node);
            } else if (random.nextInt(3) == 0) {
                node.simulation.changePolicy(random.nextInt(3) == 0 ? STRICT : Policy.defaults());
                node.operator.start();
            }
        } catch (SimulatedDisk.Killed | IOException e) {
            assertThat(e).isNotInstanceOf(DamagedLogException.class);
            die(node);
        }
    }

    private void act(int which, Node node) throws IOException {
        clockSetter.step(node.simulation.clock);
        meddler.step(node.simulation);
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
            goOn(node);
        } else if (chance < 90) {
            problem(chance, node);
        } else {
            lookUp(which, node);
        }
    }

    /** What others lost, and nobody has asserted yet, a backend can't know. */
    private void lookUp(int which, Node node) {
        int epoch = lastEpoch - random.nextInt(IDS);
        if (afterLoss == 0 && (losses != Losses.OF_IDS_APART || epoch % BACKENDS == which)) {
            node.simulation.lookUp(Pcs.number(epoch).id());
        }
    }

    /** As it would if it were left alone for a moment. */
    private void goOn(Node node) {
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
            case 83 -> node.simulation.disk.failOperation(random.nextInt(6), FAULTS.get(random.nextInt(FAULTS.size())));
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

    /** While all others are gone: what went through its own log it knows, whatever the store has lost. */
    private void assertAlone(Node node) throws IOException {
        nodes.forEach(other -> other.simulation.kill());
        node.operator.start();
        settle();
        Set<PcsId> own = node.simulation.wholeLog.submittedIds();
        for (int epoch = lastEpoch; epoch > lastEpoch - IDS; epoch--) {
            if (own.contains(Pcs.number(epoch).id())) {
                node.simulation.submit(Pcs.number(epoch).with("D_hat", "1.1"));
            }
        }
        settle();
    }

    /** In the middle of asserting the log again, perhaps. */
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
            if (node.simulation.isRunning()) {
                do {
                    node.simulation.answerAll();
                } while (node.client.timeOut()); // no call is outstanding for days
            }
        }
        world.advance(
                random.nextInt(3) == 0
                        ? Duration.ofDays(2 + random.nextInt(14))
                        : Duration.ofSeconds(random.nextInt(100)));
    }

    private void die(Node node) throws IOException {
        if (random.nextInt(3) == 0) {
            node.simulation.losePower();
        } else {
            node.simulation.kill();
        }
        meddler.stepBeforeAStart(node.simulation);
    }

    private void submit(int which, Node node) {
        Pcs[] turn = new Pcs[1 + random.nextInt(3)];
        for (int i = 0; i < turn.length; i++) {
            lastEpoch += random.nextInt(3) == 0 ? 1 : 0;
            int epoch = lastEpoch - random.nextInt(IDS);
            if (losses == Losses.OF_IDS_APART && epoch % BACKENDS != which) {
                epoch++;
            }
            Pcs pcs = Pcs.number(epoch).with("D_hat", "1.1");
            turn[i] = switch (random.nextInt(4)) {
                case 0 -> pcs.with("budget", "0.9");
                case 1 -> pcs.with("attempt", "2");
                default -> pcs;
            };
        }
        node.simulation.submit(turn);
    }
}
