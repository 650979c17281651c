// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.ingest.Evidence.EvidenceBudget;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.Ingest.Submission.Candidate;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.backend.outcomes.GuardedStore.StoreMetrics;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.testing.SimulatedDisk;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

final class EvidenceTest {
    private static final int MUCH = 8 << 20;

    private final World world = new World();

    @Test
    void take_beyondTheBurst_waits() {
        AtomicLong now = new AtomicLong();
        EvidenceBudget budget = new EvidenceBudget(now::get);
        for (int i = 0; i < 64; i++) {
            assertThat(budget.take(1 << 20)).isEmpty();
        }
        assertThat(budget.take(32 << 10))
                .hasValueSatisfying(held -> assertThat(held.waitSeconds()).isEqualTo(1));
        now.addAndGet(1_000_000_000);
        assertThat(budget.take(32 << 10)).isEmpty();
        assertThat(budget.take(0)).isPresent();
    }

    /**
     * Submits one signed certificate with variations of its unsigned fields, which anybody who has seen a certificate
     * can produce.
     */
    @Test
    void variationsOfAKnownCertificate_areKeptWithinBounds_theRestIs429() throws Exception {
        Simulation simulation = new Simulation(world, new SimulatedStore(world));
        simulation.start();
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.FIRST);
        String padding = "\"" + "x".repeat(MUCH - 1_000) + "\"";
        for (int i = 0; i < 8; i++) {
            assertDecided(simulation.submitted(variation(i).tampered("note", padding)), 200, Relation.CONFLICT);
        }

        assertThat(simulation.submitted(variation(8).tampered("note", padding)))
                .isInstanceOf(Outcome.RateLimited.class);

        assertThat(simulation.metric("flk_rate_limited_by_total{limit=\"evidence\",}"))
                .isEqualTo(1);
        assertDecided(simulation.submitted(variation(0)), 200, Relation.CONFLICT);
        assertDecided(simulation.submitted(Pcs.number(1)), 200, Relation.DUPLICATE);
        assertThat(simulation.log()).hasSize(10);
    }

    private static Pcs variation(int seed) {
        return Pcs.number(1).tampered("seed", Integer.toString(1_000 + seed));
    }

    private final DecisionRules rules = new DecisionRules(Policy.defaults(), Duration.ofDays(14));

    private Candidate candidate(int number) throws Exception {
        byte[] body = Pcs.number(number).bytes();
        Certificate certificate = CertificateReader.parse(body).checkIgnoringClock();
        return new Candidate(
                body,
                Simulation.sender(),
                answer -> {},
                "-",
                world.nowMillis(),
                certificate,
                rules.decide(certificate, world.nowMillis()));
    }

    /**
     * Checks that content that could not be logged leaves the index at once, so that failures do not fill the index.
     */
    @Test
    void keepFailsOften_laterEvidenceIsKept() throws Exception {
        SimulatedDisk disk = new SimulatedDisk(new Random(1));
        Metrics metrics = new Metrics("test");
        LogOptions options = LogOptions.of(Path.of("log"), "inbox", rules.context())
                .with(LogSizes.usual().withFillAhead(0));
        ForcedQueue queue = new ForcedQueue(new IngestMetrics(metrics, new RefusedSubmissions(metrics), 0));
        Inbox inbox = Inbox.open(
                options, 0, disk, world.clock().steady(), world::nanos, new Random(1), Optional::empty, queue);
        GuardedStore store = new GuardedStore(
                "the store", new SimulatedStore(world), world::nanos, new Random(1), new StoreMetrics(metrics));
        Evidence evidence = new Evidence(
                inbox, queue, store, world::now, new EvidenceBudget(world::nanos), new OutcomeLog(Audit.none()), 10);
        evidence.known(
                candidate(0).id(),
                candidate(0).digest(),
                candidate(0).decision().recorded().expiresAtMillis());
        for (int i = 1; i <= 19; i++) { // the disk fails for each of these
            AtomicReference<Outcome> reported = new AtomicReference<>();
            evidence.keep(candidate(i), reported::set);
            disk.failOperation(0, SimulatedDisk.Fault.EIO);
            inbox.log().step();
            queue.poll().others().forEach(Runnable::run);
            assertThat(reported.get()).as("failed").isNotNull();
            world.advance(Duration.ofSeconds(30));
        }
        assertThat(evidence.size()).isEqualTo(1);
        AtomicReference<Outcome> reported = new AtomicReference<>();
        evidence.keep(candidate(100), reported::set);
        inbox.log().step();
        ForcedQueue.Group group = queue.poll();
        if (group != null) {
            group.others().forEach(Runnable::run);
        }
        assertThat(reported.get())
                .as("the disk is well, the index has 1 of 10 entries")
                .isNull();
    }
}
