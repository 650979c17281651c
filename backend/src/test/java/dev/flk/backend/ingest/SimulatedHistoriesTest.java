// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.inbox.RecordKind;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.Mutant;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Histories of one backend that broke earlier drafts of the rules of deciding once, step by step; and each again with the rule that mends
 * it switched off.
 */
final class SimulatedHistoriesTest {
    private static final String HERE = "dev.flk.backend.ingest.";

    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);

    private Outcome submitted(Pcs pcs) {
        AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
        simulation.settle();
        return outcome.get();
    }

    private static Relation relation(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Decided.class);
        return ((Decided) outcome).relation();
    }

    /** The other content comes with the record, or when the record's force has failed and nobody was told yet. */
    @Test
    void history5_evidenceBehindAFailedRecord() throws IOException {
        simulation.start();
        Pcs first = Pcs.number(1);
        Pcs other = first.with("budget", "0.9");
        List<AtomicReference<Outcome>> outcomes = new ArrayList<>(simulation.submit(first, other));
        failNextForce();
        simulation.settle();
        outcomes.addAll(simulation.submit(first));
        failNextForce();
        simulation.stepWriter();
        outcomes.addAll(simulation.submit(other));
        simulation.settle();
        assertThat(simulation.log()).isEmpty();
        assertThat(outcomes).allSatisfy(outcome -> assertThat(outcome.get()).isEqualTo(Outcome.Refused.LOG_FAILED));
        assertThat(relation(submitted(other))).isEqualTo(Relation.FIRST);
        assertThat(relation(submitted(first))).isEqualTo(Relation.CONFLICT);
        simulation.audit();
    }

    /** Evidence whose own force failed is no known evidence. */
    @Test
    void history5_evidenceThatFailed() throws IOException {
        simulation.start();
        Pcs other = Pcs.number(1).with("budget", "0.9");
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        AtomicReference<Outcome> refused = simulation.submit(other).get(0);
        failNextForce();
        simulation.settle();
        assertThat(refused.get()).isEqualTo(Outcome.Refused.LOG_FAILED);
        assertThat(relation(submitted(other))).isEqualTo(Relation.CONFLICT);
        assertThat(simulation.wholeLog.contents()).containsAll(simulation.conflicts());
    }

    /** Behind the write of what is queued now. */
    private void failNextForce() {
        simulation.disk.failOperation(1, Fault.EIO);
    }

    @Test
    void history10_startFromTheOwnMark() throws IOException {
        simulation.start();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // the mark is kept
        simulation.kill();
        store.empty();
        simulation.start();
        simulation.audit();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
    }

    @Test
    void history11_endOfTheGroupAsPosition() throws IOException {
        simulation.start();
        simulation.submit(Pcs.number(1));
        simulation.stepWriter();
        store.putByAnother(theirs(Pcs.number(1)));
        simulation.stepOutcomeWriter(); // overruled, and that is to be logged first
        failNextForce();
        simulation.stepWriter();
        simulation.stepOutcomeWriter();
        assertThat(relation(recordedOnly(Pcs.number(2)))).isEqualTo(Relation.FIRST);
        assertThat(relation(recordedOnly(Pcs.number(3)))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // the mark is kept, and what the store has
        store.flush();
        simulation.kill();
        simulation.start();
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 's', 'o');
        simulation.audit();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.CONFLICT);
    }

    private StoredOutcome theirs(Pcs pcs) {
        return Outcomes.theirs(pcs, world.nowMillis());
    }

    /** Without a step of the backlog. */
    private Outcome recordedOnly(Pcs pcs) {
        AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
        simulation.stepWriter();
        simulation.stepOutcomeWriter();
        return outcome.get();
    }

    @Test
    void history14_timeOutWithEffect() throws IOException {
        simulation.start();
        store.setMood(Mood.TIMES_OUT_WITH_EFFECT);
        assertThat(recordedOnly(Pcs.number(1))).isInstanceOf(Outcome.Refused.class);
        store.setMood(Mood.UP);
        simulation.settle();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly(RecordKind.SUBMISSION);
        simulation.audit();
    }

    static Stream<Arguments> rules() {
        return Stream.of(
                Arguments.of(
                        "history5_evidenceBehindAFailedRecord",
                        Mutant.returning(
                                "who comes meanwhile shares the record's end",
                                HERE + "InFlightIds$InFlight",
                                "join",
                                0)),
                Arguments.of(
                        "history5_evidenceThatFailed",
                        Mutant.notCalling(
                                "evidence that is not on disk is not known", HERE + "Evidence", "tell", "remove")),
                Arguments.of(
                        "history10_startFromTheOwnMark",
                        Mutant.giving(
                                "a start goes back to what the store has",
                                HERE + "StoreLink",
                                "connected",
                                "orElse",
                                Long.MAX_VALUE)),
                Arguments.of(
                        "history11_endOfTheGroupAsPosition",
                        Mutant.callingInstead(
                                "the mark is before the oldest that is unfinished, not behind the last that is finished",
                                "dev.flk.backend.inbox.LowWater",
                                "advance",
                                "getFirst",
                                "getLast")),
                Arguments.of(
                        "history14_timeOutWithEffect",
                        Mutant.notCalling(
                                "what could not be recorded is tried again",
                                HERE + "OutcomeWriter",
                                "leaveWaiting",
                                "add")),
                Arguments.of(
                        "history14_timeOutWithEffect",
                        Mutant.returning(
                                "what stands and is exactly ours is ours",
                                "dev.flk.backend.dedup.StoredOutcome",
                                "equals",
                                0)));
    }

    @ParameterizedTest
    @MethodSource("rules")
    void ruleSwitchedOff_breaks(String history, Mutant mutant) throws ReflectiveOperationException {
        assertThat(mutant.breaks(SimulatedHistoriesTest.class, history))
                .as("%s without: %s", history, mutant)
                .isTrue();
    }
}
