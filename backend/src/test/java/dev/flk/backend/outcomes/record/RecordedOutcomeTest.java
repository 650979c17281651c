// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.ContentDigest;
import dev.flk.program.json.Json;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.LogRecord.Position;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of the recorded outcome of a submission. */
class RecordedOutcomeTest {
    private static final String CONTEXT = new DecisionRules(Policy.defaults(), Duration.ofDays(14)).context();

    private final Pcs pcs = Pcs.number(7);
    private final LogRecord submission = record(1, 's', pcs.bytes());

    private static LogRecord record(long sequence, char kind, byte[] body) {
        return new LogRecord(sequence, sequence, 1_000, kind, "key-1", CONTEXT, body, new Position("segment", 0));
    }

    /** Returns the version, after checking that the members that go with it are those in its value. */
    private static Version outcome(LogRecord submission, LoggedOutcomes outcomes) throws IOException {
        Placed placed = RecordedOutcome.of(1, submission, outcomes.compare(submission, null));
        assertThat(placed).isEqualTo(new Placed(1, placed.version())); // which reads the members out of the value
        return placed.version();
    }

    @Test
    void submission_hasAnswerClaimsAndSigner() throws IOException {
        Version outcome = outcome(submission, new LoggedOutcomes());

        assertThat(outcome.key()).isEqualTo(new RowKey("shard-1", 7, pcs.id().toString()));
        assertThat(outcome.json())
                .startsWith("{\"verdict\":\"accepted\",\"D_hat\":1.0,")
                .contains("\"budget\":0.26,\"coh_star\":0.5,\"r\":0.8,", "\"scales\":[2,4,8,16]")
                .endsWith(",\"received_at\":\"1970-01-01T00:00:01Z\",\"key_id\":\"key-1\"}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"\u007f", "x\ud83d\ude00"})
    void longReason_isCut(String repeated) throws Exception {
        String fallback = repeated.repeat(200_000);
        byte[] degraded = pcs.with("ft", "{\"degraded\":true,\"fallbacks\":[\"" + fallback + "\"]}")
                .bytes();

        Version outcome = outcome(record(1, 's', degraded), new LoggedOutcomes());

        assertThat(outcome.json()).hasSizeLessThan(30_000).contains("\"policy\":", "\"budget\":");
        assertThat(Json.parse(outcome.json()).path("reason").textValue())
                .startsWith("degraded: " + repeated)
                .endsWith(repeated.substring(repeated.length() - 1) + "…")
                .matches(CanonicalString::isWellFormed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-01-01T00:00:00.123456Z", "9999-12-31T23:59:59.999999999Z"})
    void measuredTimes_areRead(String end) throws IOException {
        byte[] body = pcs.with("ft", "{\"window_start\":\"2026-01-01T00:00:00Z\",\"window_end\":\"" + end + "\"}")
                .bytes();

        assertThat(outcome(record(1, 's', body), new LoggedOutcomes()).json())
                .contains("\"window_end\":\"" + end + "\"");
    }

    /** The stored outcome belongs to other content, with another signer and other claims. */
    @Test
    void outcomeOfOtherContent_isNotMixedWithTheSubmission() throws IOException {
        byte[] body = ("{\"pcs_id\":\"" + pcs.id()
                        + "\",\"accepted\":false,\"escalated\":true,\"D_hat\":1.9,\"policy\":\"p\"}")
                .getBytes(StandardCharsets.US_ASCII);
        StoredOutcome winner =
                new StoredOutcome(pcs.id(), 202, body, ContentDigest.of(new byte[32]), "0".repeat(16), 9_000);
        byte[] name = "overruled 1\n".getBytes(StandardCharsets.US_ASCII);
        byte[] encoded = winner.encode();
        byte[] overruled = Arrays.copyOf(name, name.length + encoded.length);
        System.arraycopy(encoded, 0, overruled, name.length, encoded.length);
        LoggedOutcomes outcomes = new LoggedOutcomes();
        outcomes.note(record(2, 'o', overruled));

        Version outcome = outcome(submission, outcomes);

        assertThat(outcome.json())
                .startsWith("{\"verdict\":\"rejected\",\"D_hat\":1.9,\"policy\":\"p\",\"other_content\":true,")
                .doesNotContain("budget", "coh_star", "N_j", "key-1");
    }
}
