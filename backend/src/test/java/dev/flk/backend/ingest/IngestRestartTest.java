// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static dev.flk.backend.ingest.Outcomes.relation;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.program.logging.LogCapture;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Tests of a start from the log, whatever the store has kept. */
final class IngestRestartTest {
    private final World world = new World();
    private final SimulatedStore store = new SimulatedStore(world);
    private final Simulation simulation = new Simulation(world, store);

    private void restart() throws IOException {
        simulation.kill();
        simulation.start();
        simulation.settle();
    }

    @Test
    void restart_logShorterThanTheStoresPosition_continuesFromTheLog() throws IOException {
        simulation.start();
        store.putIfAbsent(List.of(), 100);
        store.flush();
        restart();

        assertThat(store.durablyCompleteUpTo()).isZero();
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.FIRST);
    }

    @Test
    void restart_conflictIsKeptAsEvidenceOnce() throws IOException {
        simulation.start();
        for (int start = 0; start < 3; start++) {
            simulation.submitted(Pcs.number(1));
            simulation.submitted(Pcs.number(1).with("budget", "0.9"));
            store.flush();
            restart();
        }
        assertThat(simulation.log()).extracting(LogRecord::kind).containsExactly('s', 'e');
    }

    @Test
    void outcomeOfALogThatWasGivenUp_isLoggedAgainWithItsBody_andStays() throws IOException {
        SimulatedStore shared = new SimulatedStore(world, false);
        Simulation sharing = new Simulation(world, shared);
        sharing.start();
        StoredOutcome theirs = lost(Pcs.number(1));
        shared.putByAnother(theirs);
        assertThat(relation(sharing.submitted(Pcs.number(1)))).isEqualTo(Relation.DUPLICATE);
        assertThat(sharing.log()).isEmpty();

        sharing.isForgotten = "lost"::equals;
        Outcome answer = sharing.submitted(Pcs.number(1));

        assertThat(relation(answer)).isEqualTo(Relation.DUPLICATE);
        assertThat(Outcomes.body(answer)).isEqualTo(theirs.body());
        List<LogRecord> records = sharing.log();
        assertThat(records).extracting(LogRecord::kind).containsExactly('s', 'o');
        assertThat(records.get(0).body()).isEqualTo(Pcs.number(1).bytes());
        assertThat(Overruled.decode(records.get(1).body())).isEqualTo(new Overruled(1, theirs));
    }

    /** Returns the outcome of a certificate that arrives now at a backend whose log is lost. */
    private StoredOutcome lost(Pcs pcs) {
        StoredOutcome decided =
                Outcomes.own(pcs, new DecisionRules(Policy.defaults(), Simulation.TTL), world.nowMillis());
        return new StoredOutcome(
                decided.id(),
                decided.status(),
                decided.body(),
                decided.digest(),
                decided.signedDigest(),
                decided.expiresAtMillis(),
                "lost");
    }

    /** Leaves the store empty as well, so that only the log line shows that records may be missing. */
    @Test
    void restart_tornTail_isReported() throws IOException {
        simulation.start();
        simulation.submitted(Pcs.number(1));
        simulation.submitted(Pcs.number(2));
        String newest = simulation.segments().get(simulation.segments().size() - 1);
        byte[] content = simulation.disk.content(newest);
        simulation.disk.put(newest, Arrays.copyOf(content, content.length - 5));

        try (LogCapture log = new LogCapture("dev.flk.backend.ingest", Level.WARN)) {
            restart();
            assertThat(log.lines("unfinished records"))
                    .singleElement()
                    .asString()
                    .startsWith("WARN segment ")
                    .contains(".broken; the log continues with record 2.");
        }
    }
}
