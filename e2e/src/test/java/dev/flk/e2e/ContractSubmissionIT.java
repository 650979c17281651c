// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of submissions to the jar: the answer to a second submission with the same id, what is logged, and a write that
 * fails. The other tests of the contract run the backend in their JVM ({@link ContractIT}).
 */
final class ContractSubmissionIT {
    private static final Map<String, String> DUPLICATE = Map.of("x-flk-duplicate", "true");
    private static final Map<String, String> CONFLICT = Map.of("x-flk-duplicate", "true", "x-flk-conflict", "true");

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.process(Map.of());

    private static Answer submit(Pcs pcs) throws Exception {
        return backend.client().submit(pcs);
    }

    /** Returns test arguments for each of the three kinds of outcome. */
    static Stream<Arguments> outcomes() {
        return Stream.of(
                Arguments.of("accepted", "D_hat", "1.0", 200),
                Arguments.of("escalated", "budget", "0.9", 202),
                Arguments.of("rejected", "r", "1.5", 202));
    }

    @ParameterizedTest
    @MethodSource("outcomes")
    void submit_again_returnsIdenticalBytesAndIsNotLogged(String kind, String field, String json, int status)
            throws Exception {
        Pcs pcs = backend.next().with(field, json);
        Answer first = submit(pcs);
        Answer second = submit(pcs);
        assertThat(first.status()).isEqualTo(status);
        assertThat(first.marks()).isEmpty();
        assertThat(second.status()).isEqualTo(status);
        assertThat(second.body()).isEqualTo(first.body());
        assertThat(second.marks()).isEqualTo(DUPLICATE);
        // a duplicate that was logged would be in the log before this submission
        submit(backend.next());
        assertThat(backend.log().kindsOf(pcs.id().toString())).containsExactly('s');
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "r|0.7|signed fields differ",
                "regime|\"sticky\"|the signed fields are the same, but others differ",
                "x_more|1|the signed fields are the same, but others differ"
            })
    void submit_otherContent_isAConflictAndTheFirstOutcomeRemains(String field, String json, String warning)
            throws Exception {
        Pcs pcs = backend.next();
        double conflictsBefore = backend.client().metric("flk_conflicts_total");
        Answer first = submit(pcs);
        Pcs other = pcs.with(field, json);
        Answer conflict = submit(other);
        assertThat(conflict.status()).isEqualTo(first.status());
        assertThat(conflict.body()).isEqualTo(first.body());
        assertThat(conflict.marks()).isEqualTo(CONFLICT);
        assertThat(submit(other).marks()).as("once more").isEqualTo(CONFLICT);
        assertThat(submit(pcs).marks()).as("the first once more").isEqualTo(DUPLICATE);

        assertThat(backend.log().kindsOf(pcs.id().toString())).containsExactly('s', 'e');
        assertThat(backend.log().entries())
                .filteredOn(entry -> entry.kind() == 'e')
                .extracting(LogFiles.Entry::body)
                .contains(other.json());
        String line = backend.backend().awaitLine(text -> text.contains("PCS " + pcs.id() + " conflict"));
        assertThat(line).contains(" WARN ").contains("; " + warning + ";");
        assertThat(backend.client().metric("flk_conflicts_total")).isEqualTo(conflictsBefore + 2);
    }

    @Test
    void submit_againBadlySigned_is401AndDoesNotShowTheOutcome() throws Exception {
        Pcs pcs = backend.next();
        submit(pcs);
        Answer answer = submit(pcs.signedBy("another key"));
        assertThat(answer.status()).isEqualTo(401);
        assertThat(answer.marks()).isEmpty();
    }

    @Test
    void submit_refused_isNotLogged() throws Exception {
        Pcs malformed = backend.next().with("regime", "\"none\"");
        Pcs unsigned = backend.next().without("sig");
        Pcs ahead = backend.next().with("sent_at", "\"2999-01-01T00:00:00Z\"");
        Pcs tampered = backend.next().tampered("r", "0.800000001");
        List<Pcs> all = List.of(malformed, unsigned, ahead, tampered);
        for (Pcs refused : all) {
            assertThat(submit(refused).status()).isIn(400, 401);
        }
        submit(backend.next());
        for (Pcs refused : all) {
            assertThat(backend.log().kindsOf(refused.id().toString())).isEmpty();
        }
    }

    @Test
    void log_hasIdNumbersAndReason() throws Exception {
        Pcs pcs = backend.next();
        submit(pcs);
        submit(pcs);
        awaitLine("INFO", "PCS " + pcs.id() + " accepted (D̂=1.00, coh★=0.50) (shard=shard-1)");
        awaitLine("INFO", "PCS " + pcs.id() + " duplicate");
        Pcs escalated = backend.next().with("budget", "0.9");
        Pcs rejected = backend.next().with("r", "1.5");
        submit(escalated);
        submit(rejected);
        awaitLine(
                "WARN",
                "PCS " + escalated.id()
                        + " escalated: budget deviation: claimed=0.9000, recomputed=0.2600 (shard=shard-1)");
        awaitLine(
                "WARN",
                "PCS " + rejected.id() + " escalated: r out of bounds: 1.5000 not in [0, 1] (shard=shard-1, rejected)");
    }

    @Test
    void log_badSignature_showsOnlyAValidId() throws Exception {
        Pcs pcs = backend.next();
        submit(pcs.without("sig"));
        submit(pcs.tampered("pcs_id", "\"\\nFAKE LINE\""));
        awaitLine("ERROR", "Signature verification failed for " + pcs.id());
        awaitLine("ERROR", "Signature verification failed for a certificate whose pcs_id is not an id");
        submit(pcs.signedBy(new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES])));
        awaitLine("ERROR", "Signature verification failed for " + pcs.id() + ": other algorithm, from 127.0.0.1");
        assertThat(backend.backend().allLines()).doesNotContain("FAKE LINE");
    }

    @Test
    void log_writeFails_is500AndTheNextSegmentTakesOver(@TempDir Path directory) throws Exception {
        Map<String, String> environment = ServedBackend.environment();
        // the native library of the embedded store exceeds the file size limit
        environment.put("DEDUP_BACKEND", "memory");
        // the limit is in blocks of 512 bytes; without a limit, segments can grow to 64 MiB
        Program program = Program.limited("ulimit -f 12288", "flk-backend", directory, environment);
        try (ServedBackend limited = BackendProcess.of(program)) {
            Client client = Client.comparing(limited.url());
            Answer failed = null;
            long epoch = 0;
            for (; failed == null && epoch < 20; epoch++) {
                Answer answer = client.submit(large(epoch));
                failed = answer.status() == 200 ? null : answer;
            }
            assertThat(failed).isNotNull();
            assertThat(failed.status()).isEqualTo(500);
            assertThat(failed.body()).isEqualTo("{\"error\":\"log append failed\"}");
            program.awaitLine(line -> line.contains(" ERROR ") && line.contains("WAL append error"));
            assertThat(client.metric("flk_wal_errors")).isEqualTo(1);

            Answer retried = client.submit(large(epoch - 1));
            assertThat(retried.status()).isEqualTo(200);
            assertThat(retried.marks()).isEmpty();
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).segments()).hasSize(2);
        }
    }

    private static Pcs large(long epoch) {
        return Pcs.number(epoch).with("x_fill", "\"" + "x".repeat(1_000_000) + "\"");
    }

    private static void awaitLine(String level, String text) {
        backend.backend().awaitLine(line -> line.contains(" " + level + " ") && line.contains(text));
    }
}
