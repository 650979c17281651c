// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.SimulatedStore.Mood;
import dev.flk.sample.Pcs;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Reason.Rule;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.testing.Mutant;
import java.io.IOException;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Tests of histories of the record that hardly any random history contains. */
final class RecordHistoriesTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);

    private void submit(int... numbers) {
        for (int number : numbers) {
            simulation.submit(Pcs.number(number));
            simulation.settle();
        }
    }

    /** Lets the log lose records that are in the record of outcomes, and grow beyond them before the record reads it. */
    @Test
    void logLostItsEnd_grownPastThePosition_isReadAgain() throws IOException {
        SimulatedRecord record = simulation.keepRecord(new NothingUnusual());
        simulation.start();
        submit(1);
        simulation.kill();
        simulation.start();
        submit(2, 3);
        record.catchUp();
        simulation.files.moveNewest();
        simulation.kill();
        simulation.removeEnd();
        simulation.start();
        submit(12, 13, 14);
        assertThat(simulation.log()).hasSize(4);

        simulation.kill();
        simulation.start();
        simulation.settle();
        simulation.audit();
    }

    /**
     * Lets another submission of an id be overruled by the outcome of the first one, and then the first one by a third
     * outcome, because the store has lost its own.
     */
    @Test
    void firstOverruledAfterTheSecond_rowsDoNotDependOnTheChunks() throws IOException {
        SimulatedRecord record = simulation.keepRecord(new NothingUnusual());
        simulation.start();
        submit(1);
        store.setMood(Mood.READS_FAIL);
        simulation.submit(Pcs.number(1).with("budget", "0.9"));
        simulation.answerAll();
        store.setMood(Mood.UP);
        simulation.settle();
        record.catchUp();
        simulation.kill();
        store.empty();
        StoredOutcome theirs = Outcomes.theirs(Pcs.number(1), world.nowMillis());
        Verdict rejected = new Verdict(
                theirs.id(),
                2.5,
                Kind.REJECTED,
                null,
                new Reason(Rule.D_HAT_TOLERANCE, "D_hat out of tolerance: 2.5"),
                "00");
        store.putByAnother(new StoredOutcome(
                theirs.id(), 202, rejected.body(), theirs.digest(), theirs.signedDigest(), theirs.expiresAtMillis()));
        world.answers.goneFromALog(Set.of(theirs.id()), store); // no longer what was answered
        simulation.start();
        simulation.settle();

        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 's', 'o', 'o');
        record.audit();
    }

    @Test
    void positionNotComparedWithTheLog_missesOutcomes() throws ReflectiveOperationException {
        assertThat(Mutant.without(
                                "the position names a record", "giving backend.follow.DecidedReader whyNotAt equals 1")
                        .breaks(RecordHistoriesTest.class, "logLostItsEnd_grownPastThePosition_isReadAgain"))
                .isTrue();
    }

    /** A generator with which nothing happens to a record by itself. */
    private static final class NothingUnusual extends Random {
        private static final long serialVersionUID = 1;

        @Override
        public int nextInt(int bound) {
            return bound - 1;
        }
    }
}
