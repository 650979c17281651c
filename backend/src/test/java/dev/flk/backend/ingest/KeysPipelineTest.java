// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static dev.flk.backend.ingest.Outcomes.assertDecided;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.backend.access.keys.ReloadedKeys;
import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.program.metrics.Metrics;
import dev.flk.sample.Pcs;
import dev.flk.wal.segment.LogRecord;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of submissions with a keys file: all refusals look the same to the sender, differ in the metrics, and leave
 * nothing in the log of submissions; a key's rate is observed; and each record names its key.
 */
final class KeysPipelineTest {
    @TempDir
    private Path directory;

    private final World world = new World();
    private final Simulation simulation = new Simulation(world, new SimulatedStore(world));

    @BeforeEach
    void writeKeys() throws Exception {
        Path keysDirectory = Files.createDirectory(directory.resolve("keys"));
        KeysFixture keys = new KeysFixture(keysDirectory)
                .write(
                        KeyText.ed25519("good", 1),
                        KeyText.ed25519("retiring", 2).state("retiring"),
                        KeyText.ed25519("revoked", 3).state("revoked"),
                        KeyText.ed25519("early", 4).with("valid_from", "\"2027-01-01T00:00:00Z\""),
                        KeyText.ed25519("late", 5).with("valid_until", "\"2026-01-01T00:00:00Z\""),
                        KeyText.ed25519("other", 6).shards("shard-2"),
                        KeyText.ed25519("slow", 7).shards("shard-3").with("rate", "0.9"));
        simulation.signatures = metrics -> opened(keys, metrics);
    }

    @AfterEach
    void everySubmissionIsAccountedFor() {
        simulation.assertAccountedFor();
    }

    private ReloadedKeys opened(KeysFixture keys, Metrics metrics) {
        try {
            return new ReloadedKeys(
                    keys.file(), null, world::now, () -> false, System::nanoTime, new KeysMetrics(metrics));
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static Pcs signed(int signer) {
        return Pcs.number(1).signedBy(KeysFixture.signer(signer));
    }

    @Test
    void refusal_looksTheSameToClientsAndIsDistinguishedInMetrics() throws Exception {
        simulation.start();
        Map<String, Pcs> refused = new LinkedHashMap<>();
        refused.put("revoked", signed(3));
        refused.put("not yet valid", signed(4));
        refused.put("expired", signed(5));
        refused.put("foreign shard", signed(6));
        refused.put("other algorithm", Pcs.number(1).signedBy("a secret"));
        refused.put("unknown key", signed(9));
        refused.put("missing", signed(1).without("sig"));
        for (Map.Entry<String, Pcs> each : refused.entrySet()) {
            assertThat(simulation.send(each.getValue().bytes()).get())
                    .as(each.getKey())
                    .isEqualTo(Outcome.Refused.BAD_SIGNATURE);
        }
        for (String reason : refused.keySet()) {
            String sample = "flk_signature_refused_total{reason=\"" + reason + "\",}";
            await(reason).until(() -> simulation.metric(sample) == 1);
        }
        assertThat(simulation.metric("flk_signature_refused_total{reason=\"not examined\",}"))
                .isZero();
        assertThat(simulation.metric("flk_signature_errors")).isEqualTo(refused.size());
        // the id is still free
        assertDecided(simulation.submitted(signed(1)), 200, Relation.FIRST);
        assertThat(simulation.log()).hasSize(1);
    }

    private static Pcs probe(int signer) {
        return signed(signer).with("pcs_id", "\"doctor\"");
    }

    @Test
    void probe_isAnsweredAsASubmission_andCountedOnlyAsAProbe() throws Exception {
        simulation.start();
        assertThat(simulation.send(probe(1).bytes()).get())
                .isEqualTo(Outcome.Refused.malformed("probe: the key may sign for this shard; nothing was recorded"));
        for (int signer : new int[] {3, 6, 9}) {
            assertThat(simulation.send(probe(signer).bytes()).get()).isEqualTo(Outcome.Refused.BAD_SIGNATURE);
        }
        simulation.newerKeysElsewhere = true;
        assertThat(simulation.send(probe(6).bytes()).get()).isEqualTo(Outcome.Refused.KEYS_OUTDATED);

        assertThat(simulation.probes("accepted")).isEqualTo(1);
        await().until(() -> simulation.probes("revoked") == 1
                && simulation.probes("foreign shard") == 2
                && simulation.probes("unknown key") == 1);
        assertThat(simulation.metric("flk_signature_errors")).isZero();
        assertThat(simulation.metric("flk_signature_deferred_total")).isZero();
        assertThat(simulation.metric("flk_signature_refused_total{reason=\"foreign shard\",}"))
                .isZero();
        assertThat(simulation.metric("flk_rejected_total{reason=\"signature\",}"))
                .isZero();
        assertThat(simulation.metric("flk_rejected_total{reason=\"malformed\",}"))
                .isZero();
        assertThat(simulation.ingestMetrics.refused.recent.at(world.now())).isEmpty();
        assertThat(simulation.log()).isEmpty();
    }

    /** Checks that probes give a stranger no more guesses at a signature than certificates do. */
    @Test
    void probes_refused_reachTheLimitOfTheirAddress() throws Exception {
        Limits.Sizes threeFailures = new Limits.Sizes(BigDecimal.ONE, 1_000, null, BigDecimal.ONE, 3, 1);
        simulation.limits = threeFailures;
        simulation.start();
        for (int i = 0; i < 3; i++) {
            assertThat(simulation.send(probe(9).bytes()).get()).isEqualTo(Outcome.Refused.BAD_SIGNATURE);
        }

        assertThat(simulation.send(probe(9).bytes()).get()).isInstanceOf(Outcome.RateLimited.class);
        await().until(() -> simulation.probes("unknown key") == 3);
    }

    /**
     * Checks that resending a captured certificate, which anybody can do, does not use up the rate of the key that
     * signed it.
     */
    @Test
    void keyWithARate_isLimitedByNewCertificatesOnly() throws Exception {
        simulation.start();
        Pcs first = Pcs.number(1).ofShard("shard-3").signedBy(KeysFixture.signer(7));
        assertDecided(simulation.submitted(first), 200, Relation.FIRST);
        for (int i = 0; i < 10; i++) {
            assertDecided(simulation.submitted(first), 200, Relation.DUPLICATE);
        }
        Pcs second = Pcs.number(2).ofShard("shard-3").signedBy(KeysFixture.signer(7));
        assertDecided(simulation.submitted(second), 200, Relation.FIRST);

        Pcs third = Pcs.number(3).ofShard("shard-3").signedBy(KeysFixture.signer(7));
        assertThat(simulation.submitted(third)).isInstanceOf(Outcome.RateLimited.class);

        assertThat(simulation.metric("flk_rate_limited_by_total{limit=\"key\",}"))
                .isEqualTo(1);
        assertThat(simulation.lookedUp(third)).isEmpty();
        assertDecided(simulation.submitted(signed(1)), 200, Relation.FIRST);
        assertThat(simulation.log()).hasSize(3);
    }

    @Test
    void accepted_isLoggedWithItsKey() throws Exception {
        simulation.start();
        assertDecided(simulation.submitted(signed(1)), 200, Relation.FIRST);
        assertDecided(simulation.submitted(signed(2).with("seed", "4")), 200, Relation.CONFLICT);
        assertDecided(
                simulation.submitted(Pcs.number(2).ofShard("shard-2").signedBy(KeysFixture.signer(6))),
                200,
                Relation.FIRST);
        assertThat(simulation.metric("flk_retiring_key_submissions_total")).isEqualTo(1);
        assertThat(simulation.log())
                .extracting(LogRecord::kind, LogRecord::keyId)
                .containsExactly(tuple('s', "good"), tuple('e', "retiring"), tuple('s', "other"));
    }
}
