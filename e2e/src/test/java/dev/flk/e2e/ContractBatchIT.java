// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code POST /v1/pcs/batch}, which accepts one certificate per line and answers one line for each. */
final class ContractBatchIT {
    private static final String MALFORMED = "{\"status\":400,\"body\":{\"error\":\"malformed JSON: ends too early\"}}";
    private static final String UNAUTHORIZED =
            "{\"status\":401,\"body\":{\"error\":\"Signature verification failed\"}}";
    private static final int MAX_BATCH_BYTES = 8 << 20;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    @Test
    void batch_newCertificates_areAnsweredInOrder() throws Exception {
        List<Pcs> sent = Stream.generate(backend::next).limit(300).collect(Collectors.toList());
        Collections.reverse(sent);
        assertThat(lines(sent))
                .isEqualTo(sent.stream().map(ContractBatchIT::accepted).toList());
    }

    @Test
    void batch_badLines_doNotAffectOthers() throws Exception {
        Pcs first = backend.next();
        Pcs escalated = backend.next().with("ft", "{\"degraded\":true}");
        Pcs last = backend.next();
        List<String> answers = lines(
                "{", first.json(), backend.next().tampered("r", "0.9").json(), escalated.json(), "[", last.json());
        assertThat(answers).hasSize(6);
        assertThat(answers.get(0)).isEqualTo(MALFORMED);
        assertThat(answers.get(1)).isEqualTo(accepted(first));
        assertThat(answers.get(2)).isEqualTo(UNAUTHORIZED);
        assertThat(answers.get(3))
                .startsWith("{\"status\":202,\"body\":{\"pcs_id\":\"" + escalated.id() + "\",\"accepted\":true,")
                .endsWith(",\"reason\":\"degraded: no fallback named\",\"policy\":\"d42d87fe4a98\"}}");
        assertThat(answers.get(5)).isEqualTo(accepted(last));
    }

    @Test
    void batch_sameIdThreeTimes_decidesTheFirst() throws Exception {
        Pcs pcs = backend.next();
        Pcs other = pcs.with("regime", "\"sticky\"");
        String outcome = accepted(pcs);
        String open = outcome.substring(0, outcome.length() - 1);
        assertThat(lines(pcs.json(), other.json(), pcs.with("attempt", "7").json()))
                .containsExactly(
                        outcome, open + ",\"duplicate\":true,\"conflict\":true}", open + ",\"duplicate\":true}");
        assertThat(backend.log().kindsOf(pcs.id().toString())).containsExactlyInAnyOrder('s', 'e');
    }

    @Test
    void batch_tooManyLines_is413AndNothingIsAccepted() throws Exception {
        Pcs pcs = backend.next();
        Answer answer = backend.client().batch(pcs.json() + "\n{".repeat(1_000));
        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.error()).isEqualTo("batch over 1000 lines");
        assertThat(backend.client().get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);
    }

    @Test
    void batch_largestAllowed_isAccepted() throws Exception {
        Pcs pcs = backend.next();
        String last = "\n" + pcs.json();
        String fill = ("\"" + "x".repeat((1 << 20) - 3) + "\"\n").repeat(8);
        assertThat(lines(backend.client(), fill.substring(0, MAX_BATCH_BYTES - last.length()) + last))
                .hasSize(9)
                .endsWith(accepted(pcs));
    }

    @Test
    void batch_moreLinesThanTokens_acceptsTheFirstAndRefusesTheRest(@TempDir Path directory) throws Exception {
        Map<String, String> slow = Map.of("TOKEN_RATE", "0.001", "TOKEN_BURST", "3");
        try (ServedBackend limited = BackendInJvm.start(directory, slow)) {
            Client client = new Client(limited.url());
            Pcs first = backend.next();
            Pcs second = backend.next();
            String sent = Stream.of(first, second, first, backend.next(), backend.next())
                    .map(Pcs::json)
                    .collect(Collectors.joining("\n"));
            List<String> answers = lines(client, sent);
            assertThat(answers.subList(0, 2)).containsExactly(accepted(first), accepted(second));
            assertThat(answers.get(2)).contains("\"duplicate\":true");
            assertThat(answers.subList(3, 5))
                    .allSatisfy(
                            line -> assertThat(line)
                                    .matches(
                                            "\\{\"status\":429,\"body\":\\{\"error\":\"Too many requests\"},\"retry_after\":[0-9]+}"));
            assertThat(client.metric("flk_rate_limited_total")).isEqualTo(2);
            assertThat(client.metric("flk_ingest_total")).isEqualTo(3);
        }
    }

    private static List<String> lines(List<Pcs> sent) throws Exception {
        return lines(sent.stream().map(Pcs::json).toArray(String[]::new));
    }

    private static List<String> lines(String... sent) throws Exception {
        return lines(backend.client(), String.join("\n", sent));
    }

    private static List<String> lines(Client client, String body) throws Exception {
        Answer answer = client.batch(body);
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        assertThat(answer.header("Content-Type")).isEqualTo("application/x-ndjson");
        assertThat(answer.body()).endsWith("}\n");
        return answer.body().lines().toList();
    }

    /** Returns the answer line for a sample certificate that is decided for the first time. */
    private static String accepted(Pcs pcs) {
        return "{\"status\":200,\"body\":{\"pcs_id\":\"" + pcs.id() + "\",\"accepted\":true,\"escalated\":false,"
                + "\"D_hat\":1.0,\"recomputed_D_hat\":1.0,\"recomputed_budget\":0.26,\"regime\":\"mixed\","
                + "\"policy\":\"d42d87fe4a98\"}}";
    }
}
