// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.IngestHarness.Clock;
import dev.flk.backend.outcomes.MemoryStore;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the costs of a submission that do not depend on the machine: the allocated memory and the calls to the disk.
 */
final class HotPathCostTest {
    /**
     * The limit on the bytes allocated for the parser, signature, digest, decision, flight and hand-over. Measurements
     * gave 18,000, or 21,000 if the JVM compiles little of the code.
     */
    private static final long MOST_BYTES_PER_SUBMISSION = 23_000;

    private static final Submitter SENDER = IngestHarness.sender();
    private static final int TURN = 50;
    private static final int TURNS = 200;

    @TempDir
    private Path directory;

    private final Clock clock = new Clock();

    @Test
    void submit_oneTurnOfTheLoop_isOneWriteAndOneForce() throws Exception {
        try (IngestHarness harness = open()) {
            submit(harness, bodies(0)); // the first turn may open files
            int writes = harness.files.writes();
            int forces = harness.files.takeForced().size();
            assertThat(forces).isPositive();

            submit(harness, bodies(1));

            assertThat(harness.files.writes() - writes).isEqualTo(1);
            assertThat(harness.files.takeForced()).hasSize(1);
        }
    }

    @Test
    void submit_duplicatesAndWrongSignatures_neverTouchTheDisk() throws Exception {
        try (IngestHarness harness = open()) {
            submit(harness, bodies(0));
            int writes = harness.files.writes();
            var unused = harness.files.takeForced();

            submit(harness, bodies(0));
            submit(
                    harness,
                    IntStream.range(0, TURN)
                            .mapToObj(i ->
                                    Pcs.number(i).tampered("budget", "0.27").bytes())
                            .toList());

            assertThat(harness.files.writes()).isEqualTo(writes);
            assertThat(harness.files.takeForced()).isEmpty();
        }
    }

    @Test
    void submit_onTheCallersThread_allocatesLittle() throws Exception {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long self = Thread.currentThread().getId();
        try (IngestHarness harness = open()) {
            long least = Long.MAX_VALUE;
            for (int turn = 0; turn < TURNS; turn++) {
                List<byte[]> bodies = bodies(turn);
                CountDownLatch answered = new CountDownLatch(TURN);
                List<Submission> submissions = submissions(bodies, answered);
                long before = threads.getThreadAllocatedBytes(self);
                harness.ingest.submit(submissions);
                least = Math.min(least, (threads.getThreadAllocatedBytes(self) - before) / TURN);
                answered.await();
            }
            System.out.println("bytes allocated for a submission on its event loop: " + least);
            assertThat(least).isLessThan(MOST_BYTES_PER_SUBMISSION);
        }
    }

    private IngestHarness open() throws Exception {
        return new IngestHarness(
                directory.resolve("log"),
                clock,
                Policy.defaults(),
                new MemoryStore(TURN * TURNS, clock.expiry()),
                10 * TURN * TURNS);
    }

    private static List<byte[]> bodies(int turn) {
        return IntStream.range(turn * TURN, (turn + 1) * TURN)
                .mapToObj(i -> Pcs.number(i).bytes())
                .toList();
    }

    private static List<Submission> submissions(List<byte[]> bodies, CountDownLatch answered) {
        List<Submission> submissions = new ArrayList<>();
        for (byte[] body : bodies) {
            submissions.add(new Submission(body, SENDER, outcome -> answered.countDown()));
        }
        return submissions;
    }

    private static void submit(IngestHarness harness, List<byte[]> bodies) throws InterruptedException {
        CountDownLatch answered = new CountDownLatch(bodies.size());
        harness.ingest.submit(submissions(bodies, answered));
        answered.await();
    }
}
