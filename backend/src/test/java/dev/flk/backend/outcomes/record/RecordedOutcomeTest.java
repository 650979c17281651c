// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.LoggedOutcomes;
import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.ReasonKind;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.decide.RecordedOutcome.Boxes;
import dev.flk.backend.decide.RecordedOutcome.Claims;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.BoxCounts;
import dev.flk.certificate.Certificate.FaultTolerance.Window;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Kind;
import dev.flk.verification.Verdict.Recomputed;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.LogRecord.Position;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
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

    private static Version outcome(LogRecord submission, LoggedOutcomes outcomes) throws IOException {
        return Placed.of(1, submission, outcomes.compare(submission, null)).version();
    }

    /** Returns the JSON of an outcome, after checking that it is parsed without a loss. */
    private static String json(Version version) {
        String json = OutcomeJson.of(version.outcome());
        assertThat(OutcomeJson.parse(version.outcome().verdict().id(), json)).isEqualTo(version.outcome());
        return json;
    }

    @Test
    void submission_hasAnswerClaimsAndSigner() throws IOException {
        Version outcome = outcome(submission, new LoggedOutcomes());

        assertThat(outcome.key()).isEqualTo(new RowKey("shard-1", 7, pcs.id().toString()));
        assertThat(json(outcome))
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

        assertThat(json(outcome)).hasSizeLessThan(30_000).contains("\"policy\":", "\"budget\":");
        assertThat(outcome.outcome().reason())
                .startsWith("degraded: " + repeated)
                .endsWith(repeated.substring(repeated.length() - 1) + "…")
                .matches(CanonicalString::isWellFormed);
    }

    @ParameterizedTest
    @ValueSource(strings = {"2026-01-01T00:00:00.123456Z", "9999-12-31T23:59:59.999999999Z"})
    void measuredTimes_areRead(String end) throws IOException {
        byte[] body = pcs.with("ft", "{\"window_start\":\"2026-01-01T00:00:00Z\",\"window_end\":\"" + end + "\"}")
                .bytes();

        assertThat(json(outcome(record(1, 's', body), new LoggedOutcomes())))
                .contains("\"window_end\":\"" + end + "\"");
    }

    /** The stored outcome belongs to other content, with another signer and other claims. */
    @Test
    void outcomeOfOtherContent_isNotMixedWithTheSubmission() throws IOException {
        String reason = "D_hat recomputation failed: no boxes";

        assertThat(json(outcome(submission, overruledBy(reason))))
                .startsWith("{\"verdict\":\"rejected\",\"D_hat\":1.9,\"reason\":\"" + reason
                        + "\",\"policy\":\"p\",\"other_content\":true,")
                .doesNotContain("budget", "coh_star", "N_j", "key-1");
        assertThatThrownBy(() -> outcome(submission, overruledBy("of a later version: 1")))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("does not know the reason of a later version");
    }

    private LoggedOutcomes overruledBy(String reason) {
        String body =
                "{\"pcs_id\":\"" + pcs.id() + "\",\"accepted\":false,\"escalated\":true,\"D_hat\":1.9,\"reason\":\""
                        + reason + "\",\"policy\":\"p\"}";
        StoredOutcome winner = new StoredOutcome(
                pcs.id(),
                202,
                body.getBytes(StandardCharsets.US_ASCII),
                ContentDigest.of(new byte[32]),
                "0".repeat(16),
                9_000);
        byte[] name = "overruled 1\n".getBytes(StandardCharsets.US_ASCII);
        byte[] encoded = winner.encode();
        byte[] overruled = Arrays.copyOf(name, name.length + encoded.length);
        System.arraycopy(encoded, 0, overruled, name.length, encoded.length);
        LoggedOutcomes outcomes = new LoggedOutcomes();
        outcomes.note(record(2, 'o', overruled));
        return outcomes;
    }

    @Test
    void randomOutcomes_arePrintedWithoutALoss() {
        Random random = new Random(88);
        for (int i = 0; i < 2_000; i++) {
            json(randomOutcome(random));
        }
    }

    static Version randomOutcome(Random random) {
        Kind kind = List.of(Kind.values()).get(random.nextInt(3));
        boolean isRecomputed = kind != Kind.REJECTED || random.nextBoolean();
        String root = HexFormat.of().formatHex(bytes(random));
        String shard = random.nextBoolean() ? "pump" : "ü\u0000\ud83d\ude00";
        long epoch = random.nextLong() >>> (1 + random.nextInt(60));
        PcsId id = random.nextBoolean()
                ? PcsId.of(root, epoch, shard)
                : PcsId.parse(HexFormat.of().formatHex(bytes(random))).orElseThrow();
        Verdict verdict = new Verdict(
                id,
                real(random),
                kind,
                isRecomputed
                        ? new Recomputed(
                                real(random),
                                real(random),
                                List.of(Regime.values()).get(random.nextInt(3)))
                        : null,
                kind == Kind.ACCEPTED ? null : ReasonKind.reason("degraded: " + "\u2028".repeat(random.nextInt(9))),
                "p".repeat(random.nextInt(20)));
        List<Integer> scales = List.of(1 + random.nextInt(), 2 + random.nextInt(300));
        List<String> names = random.nextBoolean()
                ? scales.stream().map(scale -> scale.toString()).toList()
                : List.of("2", "1" + "0".repeat(random.nextInt(30)));
        Instant start = Instant.ofEpochSecond(random.nextInt(), random.nextInt(1_000_000_000));
        Claims claims = new Claims(
                real(random),
                real(random),
                real(random),
                root,
                random.nextInt(9) == 0
                        ? null
                        : new Boxes(
                                new BoxCounts(names, List.of(random.nextLong(), (long) random.nextInt(99))), scales),
                random.nextBoolean() ? null : new Window(start, start.plusNanos(random.nextLong() >>> 1)),
                "key-" + random.nextInt(3));
        return new Version(
                new RowKey(shard, epoch, id.toString()),
                new RecordedOutcome(verdict, random.nextLong() >> 16, random.nextInt(5) == 0 ? null : claims));
    }

    private static byte[] bytes(Random random) {
        byte[] bytes = new byte[32];
        random.nextBytes(bytes);
        return bytes;
    }

    private static double real(Random random) {
        return switch (random.nextInt(5)) {
            case 0 -> random.nextGaussian();
            case 1 -> -0.0;
            case 2 -> 1e300 * random.nextDouble();
            case 3 -> -random.nextInt(3);
            default -> random.nextInt() / 1e9;
        };
    }
}
