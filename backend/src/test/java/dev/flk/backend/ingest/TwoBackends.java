// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.DamagedLogException;
import dev.flk.wal.testing.SimulatedDisk;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** One random history of two backends that share a store. */
final class TwoBackends {
    private static final int BACKENDS = 2;
    private static final int IDS = 8;
    private static final int STEPS = 300;
    private static final List<Fault> FAULTS = List.of(Fault.values());
    private static final Policy STRICT = Policy.parse(Policy.defaults().text().replace("tol_d=0.15", "tol_d=0.05"));

    private final Random random;
    private final World world = new World();
    private final SimulatedRemote remote;
    private final List<Node> nodes = new ArrayList<>();

    /** Whether the store loses what it acknowledged; then each id goes to one backend only, for more can't be promised. */
    private final boolean storeLoses;

    private int lastEpoch = IDS;

    private static final class Node {
        final Simulation simulation;
        SimulatedRemote.Client client;

        Node(Random random, World world, SimulatedRemote remote) {
            simulation =
                    new Simulation(random, world, logId -> client = remote.new Client(logId), Ready.WHEN_LOG_WAS_READ);
        }
    }

    TwoBackends(long seed) {
        random = new Random(seed);
        remote = new SimulatedRemote(world, random);
        storeLoses = random.nextBoolean();
        for (int i = 0; i < BACKENDS; i++) {
            nodes.add(new Node(random, world, remote));
        }
    }

    /** Runs it, and says how many answers were given. */
    long run() throws IOException {
        for (int step = 0; step < STEPS; step++) {
            actOn(random.nextInt(BACKENDS));
        }
        remote.setReachable(true);
        for (Node node : nodes) {
            restart(node);
        }
        settle();
        for (Node node : nodes) {
            node.simulation.traceLog();
            node.simulation.audit();
        }
        return world.answers.answers();
    }

    private void restart(Node node) throws IOException {
        if (node.simulation.isRunning()) {
            world.trace("last life of " + nodes.indexOf(node));
            node.simulation.kill();
        }
        node.simulation.start();
    }

    /** Nothing fails any more: until nobody has anything to do. */
    private void settle() {
        int idle = 0;
        for (int i = 0; idle < 5; i++) {
            assertThat(i).as("it comes to an end").isLessThan(20_000);
            boolean moved = remote.stepLate();
            for (Node node : nodes) {
                moved |= node.simulation.step();
            }
            if (moved) {
                idle = 0;
            } else {
                if (nodes.stream().allMatch(node -> node.simulation.isUp())) {
                    idle++;
                } else {
                    world.advance(Duration.ofMillis(100));
                }
                nodes.forEach(node -> node.simulation.tick());
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
                node.simulation.start();
            }
        } catch (SimulatedDisk.Killed | IOException e) {
            assertThat(e).isNotInstanceOf(DamagedLogException.class);
            die(node);
        }
    }

    private void act(int which, Node node) {
        switch (random.nextInt(40)) {
            case 0, 1, 2, 3, 4, 5, 6, 7 -> submit(which, node);
            case 8, 9, 10, 11, 12, 13 -> node.simulation.stepWriter();
            case 14, 15, 16, 17, 18, 19 -> node.simulation.stepRecorder();
            case 20, 21, 22, 23, 24, 25 -> node.client.step();
            case 26 -> node.client.stepUnanswered();
            case 27 -> node.client.timeOut();
            case 28 -> remote.stepLate();
            case 29 -> remote.setReachable(random.nextInt(3) > 0);
            case 30 -> node.simulation.disk.failOperation(random.nextInt(6), FAULTS.get(random.nextInt(FAULTS.size())));
            case 31 -> remote.takeCopy();
            case 32 -> loseSome();
            case 33 -> pass();
            case 34 -> die(node);
            default -> {
                world.advance(Duration.ofMillis(random.nextInt(200)));
                node.simulation.tick();
            }
        }
    }

    private void loseSome() {
        if (storeLoses && random.nextInt(3) == 0) {
            world.trace("the store is emptied");
            remote.empty();
        } else if (storeLoses) {
            world.trace("the store is put back");
            remote.putBackCopy();
        }
    }

    private void pass() {
        nodes.stream().filter(node -> node.simulation.isRunning()).forEach(node -> node.client.timeOut());
        world.advance(random.nextInt(4) == 0 ? Duration.ofDays(5) : Duration.ofSeconds(random.nextInt(100)));
    }

    private void die(Node node) {
        if (random.nextInt(3) == 0) {
            node.simulation.losePower();
        } else {
            node.simulation.kill();
        }
    }

    private void submit(int which, Node node) {
        Pcs[] turn = new Pcs[1 + random.nextInt(3)];
        for (int i = 0; i < turn.length; i++) {
            lastEpoch += random.nextInt(3) == 0 ? 1 : 0;
            int epoch = lastEpoch - random.nextInt(IDS);
            if (storeLoses && epoch % BACKENDS != which) {
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
