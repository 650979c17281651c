// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.body;
import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.Mutant;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of histories with a shared store that broke earlier drafts of the rules for deciding once. Each history also
 * runs without the rule that fixes it, and must then fail.
 */
final class SharedStoreHistoriesTest {
    private final World world = new World();
    private final Random random = new Random(1);
    private final SimulatedRemote remote = new SimulatedRemote(world, random, Set.of());
    private final Node zero = new Node();
    private final Node one = new Node();
    private final Pcs first = Pcs.number(1);
    private final Pcs other = first.with("budget", "0.9");

    private final class Node {
        final Simulation simulation = new Simulation(random, world, this::connect, Ready.WHEN_LOG_WAS_READ);
        SimulatedRemote.Client client;

        private SimulatedRemote.Client connect(String logId) {
            client = remote.new Client(logId);
            return client;
        }

        void start() throws IOException {
            simulation.start();
            simulation.settle();
        }
    }

    /**
     * Makes backend zero log different content and lose to backend one when the outcome is recorded; returns the
     * outcome that won.
     */
    private Outcome overruleAtZero() {
        AtomicReference<Outcome> lost = zero.simulation.submit(other).get(0);
        zero.client.step(); // the look-up finds nothing
        Outcome won = one.simulation.submitted(first);
        assertThat(relation(won)).isEqualTo(Relation.FIRST);
        zero.simulation.stepWriter();
        zero.simulation.stepOutcomeWriter();
        zero.client.step(); // the put loses
        zero.simulation.stepOutcomeWriter();
        assertThat(lost.get())
                .as("nothing is told before the overruled record is on disk")
                .isNull();
        return won;
    }

    @Test
    void history6_overruledNotYetDurable() throws IOException {
        zero.start();
        one.start();
        Outcome won = overruleAtZero();
        zero.simulation.disk.failOperation(1, Fault.EIO); // fails the force of the overruled record
        zero.simulation.stepWriter();
        zero.simulation.stepOutcomeWriter();
        assertThat(zero.simulation.submitted(Pcs.number(2))).isNotNull();
        zero.simulation.settle();
        zero.simulation.kill();
        one.simulation.kill();
        remote.empty();
        zero.start(); // backend zero asserts its log first
        Outcome again = zero.simulation.submitted(first);
        assertThat(body(again)).isEqualTo(body(won));
        one.start();
        assertThat(body(one.simulation.submitted(first))).isEqualTo(body(won));
    }

    @Test
    void history7_submissionBeforeItsOverruled() throws IOException {
        zero.start();
        one.start();
        Outcome won = overruleAtZero();
        zero.simulation.settle();
        assertThat(zero.simulation.log()).extracting(LogRecord::kind).containsExactly('s', 'o');
        zero.simulation.kill();
        one.simulation.kill();
        remote.empty();
        zero.start();
        assertThat(body(zero.simulation.submitted(other))).isEqualTo(body(won));
    }

    @Test
    void history8_sameOutcomeOtherExpiry() throws IOException {
        zero.start();
        assertThat(relation(zero.simulation.submitted(first))).isEqualTo(Relation.FIRST);
        world.advance(Duration.ofDays(1));
        remote.setReachable(false);
        assertThat(zero.simulation.submitted(first)).isInstanceOf(Outcome.Refused.class); // logged again
        remote.setReachable(true);
        zero.simulation.settle();
        // the first record has expired, but the second would still be valid
        world.advance(Simulation.TTL.minusHours(12));
        Outcome answered = zero.simulation.submitted(other);
        assertThat(relation(answered)).isEqualTo(Relation.FIRST);
        zero.simulation.kill();
        remote.empty();
        zero.start();
        assertThat(body(zero.simulation.submitted(other))).isEqualTo(body(answered));
    }

    /** Submits different content after each step of the recovery, with a different id each time. */
    @Test
    void history9_trafficDuringReassertion() throws IOException {
        zero.start();
        for (int steps = 0; steps < 16; steps++) {
            Pcs early = Pcs.number(100 + steps);
            remote.takeCopy();
            Outcome answered = zero.simulation.submitted(early);
            remote.putBackCopy();
            zero.client.timeOut();
            zero.simulation.submit(Pcs.number(200 + steps));
            while (zero.simulation.isUp()) {
                zero.simulation.step(); // until it notices that the store lost data
            }
            world.advance(Duration.ofSeconds(5)); // the store may be tried again
            for (int i = 0; i < steps; i++) {
                zero.simulation.tick();
                zero.simulation.step();
            }
            zero.simulation.submit(early.with("budget", "0.9"));
            zero.simulation.settle();
            assertThat(body(zero.simulation.submitted(early))).isEqualTo(body(answered));
        }
    }

    @Test
    void history12_markCarriedDuringReassertion() throws IOException {
        zero.start();
        Outcome answered = zero.simulation.submitted(first);
        zero.simulation.stepLogCare(); // saves the mark
        remote.empty();
        // kills the backend at every step of asserting its log
        for (int steps = 0; steps < 40; steps++) {
            zero.simulation.kill();
            zero.simulation.start();
            for (int i = 0; i < steps; i++) {
                zero.simulation.step();
                zero.simulation.tick();
            }
        }
        zero.simulation.kill();
        zero.start();
        assertThat(relation(zero.simulation.submitted(other))).isEqualTo(Relation.CONFLICT);
        assertThat(body(zero.simulation.submitted(first))).isEqualTo(body(answered));
    }

    @Test
    void history13_lateWriteOfThePosition() throws IOException {
        zero.start();
        remote.takeCopy();
        Outcome answered = zero.simulation.submitted(first);
        AtomicReference<Outcome> second = zero.simulation.submit(Pcs.number(2)).get(0);
        zero.client.step();
        zero.simulation.stepOutcomeWriter();
        zero.simulation.stepWriter();
        zero.simulation.stepOutcomeWriter(); // the put is in flight
        remote.putBackCopy(); // an unnoticed failover
        zero.client.timeOut();
        while (remote.stepLate()) {
            // the put arrives before the older position is read
        }
        zero.simulation.settle();
        assertThat(second.get()).isNotNull();
        assertThat(body(zero.simulation.submitted(first))).isEqualTo(body(answered));
        assertThat(relation(zero.simulation.submitted(other))).isEqualTo(Relation.CONFLICT);
    }

    @Test
    void history15_waitForTheTtl() throws IOException {
        zero.start();
        remote.setReachable(false);
        assertThat(zero.simulation.submitted(first)).isInstanceOf(Outcome.Refused.class);
        world.advance(Simulation.TTL);
        remote.setReachable(true); // the store must not receive expired outcomes
        zero.simulation.settle();
        zero.simulation.audit();
        assertThat(relation(zero.simulation.submitted(other))).isEqualTo(Relation.FIRST);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            history6_overruledNotYetDurable       | an outcome not recorded is tried again  | notCalling backend.ingest.OutcomeWriter leaveWaiting add
            history7_submissionBeforeItsOverruled | what won is asserted first              | notCalling backend.ingest.CatchUp$Run readOverruled putIfAbsent
            history8_sameOutcomeOtherExpiry       | what lost is never asserted             | notCalling backend.ingest.CatchUp$Run readOverruled add
            history12_markCarriedDuringReassertion | the mark goes back to that of the store | notCalling backend.ingest.StoreLink connected assertedUpTo
            history13_lateWriteOfThePosition      | a put is compared with the position     | returning backend.ingest.SimulatedRemote isAt 1
            history15_waitForTheTtl            | an expired outcome is not put           | notCalling backend.ingest.OutcomeWriter put isExpired
            """)
    void ruleSwitchedOff_breaks(String history, String rule, String change) throws ReflectiveOperationException {
        assertThat(Mutant.without(rule, change).breaks(SharedStoreHistoriesTest.class, history))
                .isTrue();
    }

    /** Changes three methods of one class, because all three implement the rule. */
    @Test
    void storeUpOnceConnected_breaksAPromise() throws ReflectiveOperationException {
        String rule = "a store is down until it is complete";
        Mutant mutant = Stream.of("nowConnected", "assertAgain", "noteAgain")
                .map(method -> "readingInstead backend.outcomes.GuardedStore " + method + " CONNECTED OPEN")
                .map(change -> Mutant.without(rule, change))
                .reduce(Mutant::and)
                .orElseThrow();
        assertThat(mutant.breaks(SharedStoreHistoriesTest.class, "history9_trafficDuringReassertion"))
                .isTrue();
    }
}
