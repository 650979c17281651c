// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import com.code_intelligence.jazzer.junit.FuzzTest;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.SubmitResult.Kind;
import dev.flk.canonical.Sha256;
import dev.flk.sample.FuzzInputs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.params.provider.ArgumentsSource;

/** Fuzz tests of the answers of a hostile backend, or of any other server. */
class AnswerFuzzTest {
    private static final String ID = Certificates.id(1);
    private static final byte[] SENT = Certificates.certificate(1);
    private static final JsonMapper JSON = new JsonMapper();

    /** Checks that a certificate counts as recorded only if an outcome has its id and matches the status. */
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyAnswer_countsAsRecordedOnlyIfItIsTheOutcome(FuzzedDataProvider data) throws IOException {
        int status = data.consumeBoolean()
                ? data.pickValue(new int[] {200, 202, 400, 401, 413, 429, 503})
                : data.consumeInt();
        boolean conflict = data.consumeBoolean();
        Optional<String> retryAfter = data.consumeBoolean() ? Optional.of(data.consumeString(12)) : Optional.empty();
        byte[] body = data.consumeRemainingAsBytes();

        SubmitResult result = AnswerReader.read(
                new Reply(status, conflict, retryAfter, Optional.empty(), Optional.empty(), body), ID, SENT);

        if (isRecorded(result)) {
            assertThat(status).isIn(200, 202);
            JsonNode outcome = JSON.readTree(body);
            assertThat(outcome.get("pcs_id").asText()).isEqualTo(ID);
            boolean accepted = outcome.get("accepted").booleanValue()
                    && !outcome.get("escalated").booleanValue();
            assertThat(status).isEqualTo(accepted ? 200 : 202);
            assertThat(result.kind() == Kind.CONFLICT).isEqualTo(conflict);
        }
        if (result.kind() == Kind.NEVER || result.kind() == Kind.BAD_SIGNATURE) {
            assertThat(JSON.readTree(body).path("body_sha256").asText())
                    .isEqualTo(HexFormat.of().formatHex(Sha256.of(SENT)));
        }
        if (result.kind() == Kind.LATER) {
            assertThat(status).isIn(408, 429, 500, 503);
            assertThat(result.retryAfterSeconds()).isBetween(0L, 3600L);
        }
    }

    /**
     * Checks that any answer to a batch gives a result for each certificate, and that a certificate counts as recorded
     * only if the line at its position contains an outcome.
     */
    @FuzzTest
    @ArgumentsSource(FuzzInputs.class)
    void anyBatchAnswer_givesAResultForEachCertificate(byte[] body) {

        List<SubmitResult> answers = AnswerReader.read(
                Certificates.batch(),
                new Reply(200, false, Optional.empty(), Optional.empty(), Optional.empty(), body),
                null);

        assertThat(answers).hasSize(2).doesNotContainNull();
        String text = new String(body, StandardCharsets.UTF_8);
        for (int i = 0; i < 2; i++) {
            if (isRecorded(answers.get(i))) {
                assertThat(text.lines().toList().get(i)).contains("accepted").contains("escalated");
            }
        }
        if (AnswerReader.outage(answers).isPresent()) {
            assertThat(answers).allMatch(SubmitResult::isOutage);
        }
    }

    private static boolean isRecorded(SubmitResult result) {
        return result.isRecorded() || result.kind() == Kind.CONFLICT;
    }
}
