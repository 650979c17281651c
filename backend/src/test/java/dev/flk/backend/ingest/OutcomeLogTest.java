// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.flk.backend.access.keys.SignatureRefusal;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.Certificate.Regime;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import dev.flk.program.logging.Audit;
import dev.flk.verification.Verdict;
import dev.flk.verification.Verdict.Reason;
import dev.flk.verification.Verdict.Recomputed;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class OutcomeLogTest {
    private static final PcsId ID = PcsId.of("0".repeat(64), 1, "shard");

    private final Logger logger = (Logger) LoggerFactory.getLogger("dev.flk.backend.ingest");
    private final ListAppender<ILoggingEvent> lines = new ListAppender<>();

    @BeforeEach
    void listen() {
        lines.start();
        logger.setLevel(Level.INFO);
        logger.addAppender(lines);
    }

    @AfterEach
    void stopListening() {
        logger.detachAppender(lines);
        logger.setLevel(null);
    }

    @Test
    void escalated_line_hasReasonAndEscapedShard() {
        assertThat(lineFor("degraded: cached_merkle"))
                .isEqualTo("PCS " + ID + " escalated: degraded: cached_merkle (shard=line 1\\n\\u202e)");
    }

    @Test
    void escalated_longReason_isTruncated() {
        assertThat(lineFor("degraded: " + "x".repeat(100_000)))
                .startsWith("PCS " + ID + " escalated: degraded: xxx")
                .endsWith("x… (shard=line 1\\n\\u202e)")
                .hasSizeLessThan(1_200);
    }

    @Test
    void accepted_line_hasClaimAndShard() {
        Verdict verdict = new Verdict(
                ID, 1.414, Verdict.Kind.ACCEPTED, new Recomputed(1.38, 0.4, Regime.MIXED), null, "0".repeat(12));
        for (String shard : List.of("pump-1", "a \"quoted\" shard")) {
            lines.list.clear();
            new OutcomeLog(Audit.none()).decided(new Decision(verdict, shard, 0.725, outcome(200)));
            assertThat(lines.list.get(0).getFormattedMessage())
                    .isEqualTo("PCS " + ID + " accepted (D̂=1.41, coh★=0.73) (shard=" + CanonicalString.escape(shard)
                            + ")");
        }
    }

    @Test
    void badSignature_repeatedly_isLoggedSparingly() {
        OutcomeLog log = new OutcomeLog(Audit.none());
        for (int i = 0; i < 10_000; i++) {
            log.badSignature(ID.toString(), SignatureRefusal.UNKNOWN_KEY, null, Simulation.sender());
        }

        assertThat(lines.list).hasSizeBetween(20, 200);
    }

    @Test
    void twoDecimals_agreesWithTheFormatter() {
        DoubleStream special = DoubleStream.of(
                0,
                -0.0,
                0.005,
                0.015,
                0.125,
                2.675,
                1.005,
                0.004999999,
                0.995,
                9.995,
                -1.235,
                999999.995,
                1e6,
                1e300,
                -1e9);
        DoubleStream ofNineDecimals = new Random(1).doubles(10_000, -2, 2).map(value -> Math.rint(value * 1e9) / 1e9);

        assertThat(DoubleStream.concat(special, ofNineDecimals))
                .allSatisfy(value -> assertThat(OutcomeLog.appendTwoDecimals(new Utf8Buffer(0), value))
                        .hasToString(String.format(Locale.ROOT, "%.2f", value)));
    }

    private String lineFor(String reason) {
        Verdict verdict = new Verdict(
                ID,
                1.2,
                Verdict.Kind.ESCALATED,
                new Recomputed(1.2, 0.4, Regime.MIXED),
                new Reason(Reason.Rule.DEGRADED, reason),
                "0".repeat(12));

        new OutcomeLog(Audit.none()).decided(new Decision(verdict, "line 1\n\u202e", 0.5, outcome(202)));

        return lines.list.get(0).getFormattedMessage();
    }

    private static StoredOutcome outcome(int status) {
        return new StoredOutcome(ID, status, new byte[0], ContentDigest.of(new byte[32]), "0".repeat(16), 0);
    }
}
