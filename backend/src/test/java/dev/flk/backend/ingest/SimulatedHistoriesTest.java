// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.ingest.IngestService.Ready;
import dev.flk.backend.ingest.Outcome.Decided;
import dev.flk.backend.ingest.Outcome.Relation;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.wal.LogRecord;
import dev.flk.wal.testing.SimulatedDisk.Fault;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

/** Histories of one backend that broke earlier drafts of the rules of deciding once, step by step. */
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

    private static Relation relation(Outcome outcome) {
        assertThat(outcome).isInstanceOf(Decided.class);
        return ((Decided) outcome).relation();
    }

    @Test
    void history5_evidenceBehindAFailedRecord() throws IOException {
        simulation.start();
        Pcs first = Pcs.number(1);
        Pcs other = first.with("budget", "0.9");
        List<AtomicReference<Outcome>> outcomes = simulation.submit(first, other);
        simulation.disk.failOperation(1, Fault.EIO); // the force
        simulation.settle();
        assertThat(outcomes).allSatisfy(outcome -> assertThat(outcome.get()).isEqualTo(new Outcome.LogFailed()));
        assertThat(simulation.log()).isEmpty();
        assertThat(relation(submitted(other))).isEqualTo(Relation.FIRST);
        assertThat(relation(submitted(first))).isEqualTo(Relation.CONFLICT);
        simulation.audit();
    }

    @Test
    void history10_startFromTheOwnMark() throws IOException {
        simulation.start();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.FIRST);
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
        simulation.stepRecorder(); // overruled, and that is to be logged first
        simulation.disk.failOperation(1, Fault.EIO);
        simulation.stepWriter();
        simulation.stepRecorder();
        assertThat(relation(recordedOnly(Pcs.number(2)))).isEqualTo(Relation.FIRST);
        assertThat(relation(recordedOnly(Pcs.number(3)))).isEqualTo(Relation.FIRST);
        store.flush();
        simulation.kill();
        simulation.start();
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 's', 'o');
        simulation.audit();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.CONFLICT);
    }

    private Recorded theirs(Pcs pcs) {
        return Outcomes.theirs(pcs, world.nowMillis());
    }

    /** Without a step of the backlog. */
    private Outcome recordedOnly(Pcs pcs) {
        AtomicReference<Outcome> outcome = simulation.submit(pcs).get(0);
        simulation.stepWriter();
        simulation.stepRecorder();
        return outcome.get();
    }

    @Test
    void history14_timeOutWithEffect() throws IOException {
        simulation.start();
        store.setMood(Mood.TIMES_OUT_WITH_EFFECT);
        assertThat(recordedOnly(Pcs.number(1))).isInstanceOf(Outcome.Unavailable.class);
        store.setMood(Mood.UP);
        simulation.settle();
        assertThat(relation(submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly(RecordKind.SUBMISSION);
        simulation.audit();
    }

    @Test
    void history15_waitingOutTheTtl() throws IOException {
        simulation.start();
        store.setMood(Mood.DOWN);
        recordedOnly(Pcs.number(1));
        world.advance(Simulation.TTL);
        store.setMood(Mood.UP);
        simulation.settle();
        simulation.audit();
        world.advance(Duration.ofSeconds(1));
        assertThat(relation(submitted(Pcs.number(1).with("budget", "0.9")))).isEqualTo(Relation.FIRST);
    }
}
