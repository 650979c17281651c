// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
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
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Histories with a store that backends share, which broke earlier drafts of the rules of deciding once, step by step; and each again
 * with the rule that mends it switched off.
 */
final class SharedStoreHistoriesTest {
    private static final String HERE = "dev.flk.backend.ingest.";

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

        Outcome submit(Pcs pcs) {
            AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
            simulation.settle();
            return outcome.get();
        }
    }

    private static Relation relation(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Decided.class);
        return ((Decided) outcome).relation();
    }

    private static byte[] body(Outcome outcome) {
        return ((Decided) outcome).body();
    }

    /** Zero has logged other content, and loses to one when it comes to record it. */
    private Outcome overruleAtZero() {
        AtomicReference<Outcome> lost = zero.simulation.submit(other).get(0);
        zero.client.step(); // the look-up finds nothing
        Outcome won = one.submit(first);
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
        zero.simulation.disk.failOperation(1, Fault.EIO); // the force of the overruled record
        zero.simulation.stepWriter();
        zero.simulation.stepOutcomeWriter();
        assertThat(zero.submit(Pcs.number(2))).isNotNull();
        zero.simulation.settle();
        zero.simulation.kill();
        one.simulation.kill();
        remote.empty();
        zero.start(); // it asserts first
        Outcome again = zero.submit(first);
        assertThat(body(again)).isEqualTo(body(won));
        one.start();
        assertThat(body(one.submit(first))).isEqualTo(body(won));
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
        assertThat(body(zero.submit(other))).isEqualTo(body(won));
    }

    @Test
    void history8_sameOutcomeOtherExpiry() throws IOException {
        zero.start();
        assertThat(relation(zero.submit(first))).isEqualTo(Relation.FIRST);
        world.advance(Duration.ofDays(1));
        remote.setReachable(false);
        assertThat(zero.submit(first)).isInstanceOf(Outcome.Refused.class); // logged again
        remote.setReachable(true);
        zero.simulation.settle();
        world.advance(Simulation.TTL.minusHours(12)); // the first has expired, the second would not have
        Outcome answered = zero.submit(other);
        assertThat(relation(answered)).isEqualTo(Relation.FIRST);
        zero.simulation.kill();
        remote.empty();
        zero.start();
        assertThat(body(zero.submit(other))).isEqualTo(body(answered));
    }

    /** The other content comes after each step of the way back, with an id of its own each time. */
    @Test
    void history9_trafficDuringReassertion() throws IOException {
        zero.start();
        for (int steps = 0; steps < 16; steps++) {
            Pcs early = Pcs.number(100 + steps);
            remote.takeCopy();
            Outcome answered = zero.submit(early);
            remote.putBackCopy();
            zero.client.timeOut();
            zero.simulation.submit(Pcs.number(200 + steps));
            while (zero.simulation.isUp()) {
                zero.simulation.step(); // notices that the store was lost
            }
            world.advance(Duration.ofSeconds(5)); // and may try it again
            for (int i = 0; i < steps; i++) {
                zero.simulation.tick();
                zero.simulation.step();
            }
            zero.simulation.submit(early.with("budget", "0.9"));
            zero.simulation.settle();
            assertThat(body(zero.submit(early))).isEqualTo(body(answered));
        }
    }

    @Test
    void history12_markCarriedWhileReasserting() throws IOException {
        zero.start();
        Outcome answered = zero.submit(first);
        zero.simulation.stepLogCare(); // the mark is kept
        remote.empty();
        // it dies at every step of asserting its log
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
        assertThat(relation(zero.submit(other))).isEqualTo(Relation.CONFLICT);
        assertThat(body(zero.submit(first))).isEqualTo(body(answered));
    }

    @Test
    void history13_lateWriteOfThePosition() throws IOException {
        zero.start();
        remote.takeCopy();
        Outcome answered = zero.submit(first);
        AtomicReference<Outcome> second = zero.simulation.submit(Pcs.number(2)).get(0);
        zero.client.step();
        zero.simulation.stepOutcomeWriter();
        zero.simulation.stepWriter();
        zero.simulation.stepOutcomeWriter(); // its put is on the way
        remote.putBackCopy(); // a failover that nobody noticed
        zero.client.timeOut();
        while (remote.stepLate()) {
            // the put arrives before the older position was read
        }
        zero.simulation.settle();
        assertThat(second.get()).isNotNull();
        assertThat(body(zero.submit(first))).isEqualTo(body(answered));
        assertThat(relation(zero.submit(other))).isEqualTo(Relation.CONFLICT);
    }

    @Test
    void history15_waitingOutTheTtl() throws IOException {
        zero.start();
        remote.setReachable(false);
        assertThat(zero.submit(first)).isInstanceOf(Outcome.Refused.class);
        world.advance(Simulation.TTL);
        remote.setReachable(true); // and keeps nothing that has no time left
        zero.simulation.settle();
        zero.simulation.audit();
        assertThat(relation(zero.submit(other))).isEqualTo(Relation.FIRST);
    }

    /** Three places of one class agree on it. */
    private static Mutant openOnceConnected() {
        return openOnceConnected("a store that is back counts as down until it is complete", "nowConnected")
                .and(openOnceConnected("it may be asserted", "assertAgain"))
                .and(openOnceConnected("and noted", "noteAgain"));
    }

    private static Mutant openOnceConnected(String rule, String method) {
        return Mutant.readingInstead(rule, "dev.flk.backend.dedup.GuardedStore", method, "CONNECTED", "OPEN");
    }

    static Stream<Arguments> rules() {
        return Stream.of(
                Arguments.of(
                        "history6_overruledNotYetDurable",
                        Mutant.notCalling(
                                "what could not be recorded is tried again",
                                HERE + "OutcomeWriter",
                                "leaveWaiting",
                                "add")),
                Arguments.of(
                        "history7_submissionBeforeItsOverruled",
                        Mutant.notCalling("what won goes first", HERE + "CatchUp$Run", "readOverruled", "putIfAbsent")),
                Arguments.of(
                        "history8_sameOutcomeOtherExpiry",
                        Mutant.notCalling("what lost is never asserted", HERE + "CatchUp$Run", "readOverruled", "add")),
                Arguments.of("history9_trafficDuringReassertion", openOnceConnected()),
                Arguments.of(
                        "history12_markCarriedWhileReasserting",
                        Mutant.notCalling(
                                "the mark goes back to what the store has",
                                HERE + "StoreLink",
                                "connected",
                                "assertedUpTo")),
                Arguments.of(
                        "history13_lateWriteOfThePosition",
                        Mutant.returning(
                                "a put is compared with the position that was read",
                                HERE + "SimulatedRemote",
                                "isAt",
                                1)),
                Arguments.of(
                        "history15_waitingOutTheTtl",
                        Mutant.notCalling("what expired is not put", HERE + "OutcomeWriter", "put", "isExpired")));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void ruleSwitchedOff_breaks(String history, Mutant mutant) throws ReflectiveOperationException {
        assertThat(mutant.breaks(SharedStoreHistoriesTest.class, history))
                .as("%s without: %s", history, mutant)
                .isTrue();
    }
}
