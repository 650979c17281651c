// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.sample.Pcs;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Tests of the costs of a submission that do not depend on the machine: the allocated memory and the calls to the disk.
 */
final class HotPathCostTest {
    /**
     * The limit on the bytes allocated for the parser, signature, digest, decision, flight and hand-over. Measurements
     * gave 9,300.
     */
    private static final long MOST_BYTES_PER_SUBMISSION = 12_000;

    /** A look at the free space, a write, a force, a look at the file's name, and one at the lock. */
    private static final long OPERATIONS_OF_A_GROUP = 5;

    private static final int TURN = 50;
    private static final int TURNS = 200;

    private final World world = new World();
    private final Simulation simulation = new Simulation(world, new SimulatedStore(world));

    @Test
    void submit_oneTurnOfTheLoop_isOneWriteAndOneForce() throws Exception {
        simulation.start();
        submit(bodies(0).subList(0, 10)); // the first turn may open files
        long before = simulation.disk.operations();

        submit(bodies(1).subList(0, 10));

        assertThat(simulation.disk.operations() - before).isEqualTo(OPERATIONS_OF_A_GROUP);
    }

    @Test
    void submit_duplicatesAndWrongSignatures_neverTouchTheDisk() throws Exception {
        simulation.start();
        submit(bodies(0));
        long before = simulation.disk.operations();

        submit(bodies(0));
        submit(IntStream.range(0, TURN)
                .mapToObj(i -> Pcs.number(i).tampered("budget", "0.27").bytes())
                .toList());

        assertThat(simulation.disk.operations()).isEqualTo(before);
    }

    @Test
    void submit_onTheCallersThread_allocatesLittle() throws Exception {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long self = Thread.currentThread().getId();
        simulation.start();
        long least = Long.MAX_VALUE;
        for (int turn = 0; turn < TURNS; turn++) {
            List<Submission> submissions = submissions(bodies(turn));
            long before = threads.getThreadAllocatedBytes(self);
            simulation.ingest().submit(submissions);
            least = Math.min(least, (threads.getThreadAllocatedBytes(self) - before) / TURN);
            simulation.answerAll();
        }
        System.out.println("bytes allocated for a submission on its event loop: " + least);
        assertThat(least).isLessThan(MOST_BYTES_PER_SUBMISSION);
    }

    private static List<byte[]> bodies(int turn) {
        return IntStream.range(turn * TURN, (turn + 1) * TURN)
                .mapToObj(i -> Pcs.number(i).bytes())
                .toList();
    }

    private static List<Submission> submissions(List<byte[]> bodies) {
        return bodies.stream()
                .map(body -> new Submission(body, Simulation.sender(), outcome -> {}))
                .toList();
    }

    private void submit(List<byte[]> bodies) {
        simulation.ingest().submit(submissions(bodies));
        simulation.answerAll();
    }
}
