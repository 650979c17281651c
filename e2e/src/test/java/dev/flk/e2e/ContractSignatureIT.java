// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.signing.Ed25519Signer;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Tests that golden signatures are accepted, and that a signature is refused if a signed field was changed. */
final class ContractSignatureIT {
    private static final Ed25519Signer SIGNER = new Ed25519Signer(new byte[Ed25519Signer.SEED_BYTES]);

    @RegisterExtension
    static final RunningBackend hmac = RunningBackend.with(Map.of("PCS_HMAC_KEYS", "retired," + Golden.CANONICAL_KEY));

    @RegisterExtension
    static final RunningBackend ed25519 = RunningBackend.with(Map.of(
            "PCS_SIGN_ALG",
            "ed25519",
            "PCS_ED25519_PUB_B64",
            Golden.CANONICAL_PUBLIC_KEY + "," + SIGNER.publicKeyBase64()));

    private static final AtomicLong NEXT = new AtomicLong(1);

    @Test
    void batch_goldenSignatures_areAccepted() throws Exception {
        assertAllAreGood(hmac, Golden.signedCertificates("hmac"));
        assertAllAreGood(ed25519, Golden.signedCertificates("ed25519"));
    }

    /** Checks that all signatures and formats are accepted, regardless of the verdicts. */
    private static void assertAllAreGood(RunningBackend backend, List<String> certificates) throws Exception {
        // some certificates span several lines
        String batch = String.join(
                "\n", certificates.stream().map(each -> each.replace('\n', ' ')).toList());
        assertThat(backend.client().batch(batch).body().lines())
                .hasSize(400)
                .allSatisfy(line -> assertThat(line).matches("\\{\"status\":20[02],\"body\":\\{\"pcs_id\":.+}}"));
    }

    /** Changes one signed field per algorithm; {@code GoldenCanonicalTest} covers every field. */
    @Test
    void submit_signedFieldTampered_is401AndTheIdStaysUnused() throws Exception {
        assertTamperingIsRefused(hmac, Pcs.number(NEXT.getAndIncrement()), "r", "0.800000001");
        assertTamperingIsRefused(
                ed25519, Pcs.number(NEXT.getAndIncrement()).signedBy(SIGNER), "shard_id", "\"shard-2\"");
    }

    private static void assertTamperingIsRefused(RunningBackend backend, Pcs pcs, String field, String json)
            throws Exception {
        Client client = backend.client();
        Pcs tampered = pcs.tampered(field, json);
        Answer refused = client.submit(tampered);
        assertThat(refused.status()).isEqualTo(401);
        assertThat(refused.body()).isEqualTo("{\"error\":\"Signature verification failed\"}");
        assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);

        Answer taken = client.submit(pcs);
        assertThat(taken.status()).as(taken.body()).isEqualTo(200);
        assertThat(taken.marks()).isEmpty();
        assertThat(backend.log().entries()).extracting(LogFiles.Entry::body).doesNotContain(tampered.json());
    }

    @Test
    void submit_signedByAnyOfTheKeys_isAcceptedAndTheLogNamesTheKey() throws Exception {
        Pcs current = Pcs.number(NEXT.getAndIncrement());
        Pcs retired = Pcs.number(NEXT.getAndIncrement()).signedBy("retired");
        assertThat(hmac.client().submit(current).status()).isEqualTo(200);
        assertThat(hmac.client().submit(retired).status()).isEqualTo(200);
        assertThat(hmac.log().entries())
                .filteredOn(entry ->
                        entry.body().equals(current.json()) || entry.body().equals(retired.json()))
                .extracting(LogFiles.Entry::keyId)
                .hasSize(2)
                .doesNotHaveDuplicates()
                .noneMatch(keyId -> keyId.contains(Pcs.KEY) || keyId.contains("retired"));
    }

    @Test
    void submit_signedByAKeyOfTheOtherAlgorithm_is401() throws Exception {
        Pcs pcs = Pcs.number(NEXT.getAndIncrement());
        assertThat(ed25519.client().submit(pcs).status()).isEqualTo(401);
        assertThat(hmac.client().submit(pcs.signedBy(SIGNER)).status()).isEqualTo(401);
    }

    @Test
    void none_warnsAtStartAndAcceptsUnsigned(@TempDir Path directory) throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("PCS_SIGN_ALG", "none"))) {
            backend.awaitLine(line -> line.contains("WARN") && line.contains("signatures are not checked"));
            Pcs pcs = Pcs.number(NEXT.getAndIncrement());
            Client client = new Client(backend.url());
            assertThat(client.submit(pcs.without("sig")).status()).isEqualTo(200);
            assertThat(client.submit(pcs.tampered("sig", "\"\"")).marks()).containsKey("x-flk-duplicate");
            assertThat(client.submit(pcs.tampered("sig", "7")).error()).isEqualTo("sig must be a string");
        }
    }
}
