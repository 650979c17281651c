// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.IngestPipeline.Ready;
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
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of histories of one backend that broke earlier drafts of the rules for deciding once. Each history also runs
 * without the rule that fixes it, and must then fail.
 */
final class SimulatedHistoriesTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);

    private Outcome submitted(Pcs pcs) {
        AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
        simulation.settle();
        return outcome.get();
    }

    /**
     * Submits different content of an id together with the first content, and, after both were refused, again between
     * the failed force of the first content and its answer.
     */
    @Test
    void history5_evidenceAfterAFailedRecord() throws IOException {
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
        assertThat(simulation.files.contents()).containsAll(simulation.conflicts());
    }

    /** Makes the force after the write of the queued records fail. */
    private void failNextForce() {
        simulation.disk.failOperation(1, Fault.EIO);
    }

    @Test
    void history10_startFromOwnMark() throws IOException {
        simulation.start();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // saves the mark
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
        store.putByAnother(Outcomes.theirs(Pcs.number(1), world.nowMillis()));
        simulation.stepOutcomeWriter(); // the outcome was overruled, which must be logged first
        failNextForce();
        simulation.stepWriter();
        simulation.stepOutcomeWriter();
        assertThat(relation(recordedOnly(Pcs.number(2)))).isEqualTo(Relation.FIRST);
        assertThat(relation(recordedOnly(Pcs.number(3)))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // saves the mark and the store's position
        store.flush();
        simulation.kill();
        simulation.start();
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 's', 'o');
        simulation.audit();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.CONFLICT);
    }

    /** Submits and records without working off the backlog. */
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

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            history5_evidenceAfterAFailedRecord | submissions in flight share an end       | returning backend.ingest.InFlightIds$InFlight join 0
            history5_evidenceThatFailed          | evidence not on disk is not known        | notCalling backend.ingest.Evidence answer remove
            history10_startFromOwnMark        | a start resumes at the store's position  | giving backend.ingest.StoreLink connected orElse 9223372036854775807
            history11_endOfTheGroupAsPosition    | the mark is before the oldest unfinished | callingInstead backend.inbox.LowWater advance getFirst getLast
            history14_timeOutWithEffect          | an outcome not recorded is tried again   | notCalling backend.ingest.OutcomeWriter leaveWaiting add
            history14_timeOutWithEffect          | an equal existing outcome is our own     | returning backend.decide.StoredOutcome equals 0
            """)
    void ruleSwitchedOff_breaks(String history, String rule, String change) throws ReflectiveOperationException {
        assertThat(Mutant.without(rule, change).breaks(SimulatedHistoriesTest.class, history))
                .isTrue();
    }
}
