// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

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
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Tests of histories of one backend that broke earlier drafts of the rules for deciding once. Each history also runs
 * without the rule that fixes it, and must then fail.
 */
final class SimulatedHistoriesTest {
    private final World world = new World();
    private SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation =
            new Simulation(new Random(1), world, logId -> store, Ready.WHEN_STORE_IS_COMPLETE);

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
        assertThat(relation(simulation.submitted(other))).isEqualTo(Relation.FIRST);
        assertThat(relation(simulation.submitted(first))).isEqualTo(Relation.CONFLICT);
        simulation.audit();
    }

    @Test
    void history5_evidenceThatFailed() throws IOException {
        simulation.start();
        Pcs other = Pcs.number(1).with("budget", "0.9");
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        AtomicReference<Outcome> refused = simulation.submit(other).get(0);
        failNextForce();
        simulation.settle();
        assertThat(refused.get()).isEqualTo(Outcome.Refused.LOG_FAILED);
        assertThat(relation(simulation.submitted(other))).isEqualTo(Relation.CONFLICT);
        assertThat(simulation.files.contents()).containsAll(simulation.conflicts());
    }

    /** Makes the force after the write of the queued records fail. */
    private void failNextForce() {
        simulation.disk.failOperation(1, Fault.EIO);
    }

    @Test
    void history10_startFromOwnMark() throws IOException {
        simulation.start();
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // saves the mark
        simulation.kill();
        store.empty();
        simulation.start();
        simulation.audit();
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
    }

    @Test
    void history11_endOfTheGroupAsPosition() throws IOException {
        store = new SimulatedStore(world, false);
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
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.CONFLICT);
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
        store = new SimulatedStore(world, false);
        simulation.start();
        store.setMood(Mood.TIMES_OUT_WITH_EFFECT);
        assertThat(recordedOnly(Pcs.number(1))).isInstanceOf(Outcome.Refused.class);
        store.setMood(Mood.UP);
        simulation.settle();
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly(RecordKind.SUBMISSION);
        simulation.audit();
    }

    /** Submits and forces; the answer comes before the outcome is in the store. */
    private Relation answeredOnly(Pcs pcs) {
        AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
        simulation.stepWriter();
        return relation(outcome.get());
    }

    @Test
    void history16_killedBetweenAnswerAndRecord() throws IOException {
        simulation.start();
        assertThat(answeredOnly(Pcs.number(1))).isEqualTo(Relation.FIRST);
        simulation.stepOutcomeWriter();
        store.flush();
        assertThat(answeredOnly(Pcs.number(2))).isEqualTo(Relation.FIRST);
        simulation.stepLogCare(); // saves the mark
        simulation.kill();
        simulation.changePolicy(RandomHistory.STRICT);
        simulation.start();
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(relation(simulation.submitted(Pcs.number(2)))).isEqualTo(Relation.DUPLICATE);
        simulation.audit();
    }

    @Test
    void history17_conflictWithAnAnsweredId() throws IOException {
        simulation.start();
        Pcs other = Pcs.number(1).with("budget", "0.9");
        assertThat(answeredOnly(Pcs.number(1))).isEqualTo(Relation.FIRST);
        assertThat(relation(simulation.submit(Pcs.number(1)).get(0).get())).isEqualTo(Relation.DUPLICATE);
        simulation.lookUp(Pcs.number(1).id());
        AtomicReference<Outcome> conflict = simulation.submit(other).get(0);
        simulation.answerAll();
        assertThat(relation(conflict.get())).isEqualTo(Relation.CONFLICT);
        simulation.kill();
        simulation.start();
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(simulation.files.contents()).containsAll(simulation.conflicts());
        simulation.audit();
    }

    @Test
    void history18_answeredOutcomeExpiresBeforeItIsRecorded() throws IOException {
        simulation.start();
        assertThat(answeredOnly(Pcs.number(1))).isEqualTo(Relation.FIRST);
        List<AtomicReference<Outcome>> twice = simulation.submit(Pcs.number(2), Pcs.number(2));
        simulation.stepWriter();
        world.advance(Simulation.TTL.plusMinutes(10));
        assertThat(answeredOnly(Pcs.number(1).with("budget", "0.9"))).isEqualTo(Relation.FIRST);
        simulation.submit(Pcs.number(2));
        simulation.settle();
        assertThat(twice).extracting(each -> relation(each.get())).containsExactly(Relation.FIRST, Relation.DUPLICATE);
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.CONFLICT);
        simulation.audit();
    }

    /** The store is lost and emptied after the look-up of an id that it had, or before it. */
    @Test
    void history19_lookUpOnAnotherConnection() throws IOException {
        simulation.start();
        Pcs other = Pcs.number(1).with("D_hat", "1.2");
        assertThat(relation(simulation.submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
        store.setMood(Mood.DOWN);
        store.empty();
        AtomicReference<Outcome> notFound = simulation.submit(other).get(0); // the look-up fails
        store.setMood(Mood.UP);
        for (int i = 0; i < 20 && !simulation.isUp(); i++) {
            simulation.waitForTheStore();
            simulation.tick();
        }
        simulation.settle();
        assertThat(notFound.get()).isNotNull();
        assertThat(relation(simulation.submitted(other))).isEqualTo(Relation.CONFLICT);
        simulation.audit();
    }

    @Test
    void history20_answeredRecordsVanish() throws IOException {
        simulation.start();
        for (int i = 1; i <= 20; i++) { // more records than the next segment repeats
            assertThat(answeredOnly(Pcs.number(i))).isEqualTo(Relation.FIRST);
        }
        simulation.files.moveNewest();
        simulation.stepWatch();
        simulation.stepWriter();
        simulation.kill();
        assertThatCode(simulation::start).doesNotThrowAnyException();
        for (int i = 1; i <= 20; i++) {
            assertThat(relation(simulation.submitted(Pcs.number(i)))).isEqualTo(Relation.DUPLICATE);
        }
    }

    /** A view that falls behind costs nothing until too many answers are not recorded; then answers wait for it. */
    @Test
    void history21_recordingFallsBehind() throws IOException {
        simulation.start();
        Pcs[] many = IntStream.rangeClosed(1, InFlightIds.MAX_ANSWERED + 1)
                .mapToObj(Pcs::number)
                .toArray(Pcs[]::new);
        List<AtomicReference<Outcome>> outcomes = simulation.submit(many);
        simulation.stepWriter();
        assertThat(outcomes.stream().filter(outcome -> outcome.get() == null)).hasSize(1);
        assertThat(simulation.recording()).startsWith("up, but 20000 answered outcomes are not recorded yet");
        simulation.settle();
        assertThat(simulation.recording()).isEqualTo("up");
        assertThat(outcomes)
                .allSatisfy(outcome -> assertThat(relation(outcome.get())).isEqualTo(Relation.FIRST));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '"', textBlock = """
            history5_evidenceAfterAFailedRecord | submissions in flight share an end       | returning backend.ingest.InFlightIds$InFlight waits 0
            history5_evidenceThatFailed          | evidence not on disk is not known        | notCalling backend.ingest.Evidence answer remove
            history10_startFromOwnMark        | a start resumes at the store's position  | giving backend.ingest.StoreLink connected orElse 9223372036854775807
            history11_endOfTheGroupAsPosition    | the mark is before the oldest unfinished | callingInstead backend.inbox.LowWater advance getFirst getLast
            history11_endOfTheGroupAsPosition | a shared store is asked before an answer | returning backend.outcomes.GuardedStore isOwn 1
            history14_timeOutWithEffect          | an outcome not recorded is tried again   | notCalling backend.ingest.OutcomeWriter leaveWaiting add
            history14_timeOutWithEffect          | an equal existing outcome is our own     | returning backend.decide.StoredOutcome equals 0
            history17_conflictWithAnAnsweredId   | an answered id is joined by nobody       | notCalling backend.ingest.InFlightIds$InFlight join isAnswered
            history19_lookUpOnAnotherConnection  | a failed look-up proves nothing          | returning backend.ingest.InFlightIds$InFlight isFirstOn 1
            history20_answeredRecordsVanish      | what is answered is recorded before      | notCalling backend.ingest.IngestPipeline keepWhatVanished recordForced
            """)
    void ruleSwitchedOff_breaks(String history, String rule, String change) throws ReflectiveOperationException {
        assertThat(Mutant.without(rule, change).breaks(SimulatedHistoriesTest.class, history))
                .isTrue();
    }
}
