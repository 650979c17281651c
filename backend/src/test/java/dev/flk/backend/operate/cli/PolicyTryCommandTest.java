// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.decide.DecisionRules;
import dev.flk.sample.Pcs;
import dev.flk.verification.Policy;
import dev.flk.wal.Log;
import dev.flk.wal.LogListener;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of {@code policy try} on a log of two runs: one ten days ago under the default policy, and one just now under a
 * stricter policy.
 */
class PolicyTryCommandTest {
    private final Instant now = Instant.now();
    private static final Policy STRICT = new Policy(0.05, 0.05, 0.01, 0.10, 0.30, 0.50, 0.20, 2.2);
    private static final Pcs OFF_BY_18 = Pcs.number(2).with("D_hat", "1.18");
    private static final Pcs OFF_BY_10 = Pcs.number(3).with("D_hat", "1.1").ofShard("shard-2");

    private final CommandRun cli = new CommandRun();

    @TempDir
    private Path wal;

    @BeforeEach
    void writeLog() throws IOException {
        Instant longAgo = now.minus(Duration.ofDays(10));
        try (Log log = open(Policy.defaults(), longAgo)) {
            append(log, 's', longAgo, Pcs.number(1).bytes());
            append(log, 's', longAgo, OFF_BY_18.bytes());
        }
        try (Log log = open(STRICT, now)) {
            append(log, 's', now, OFF_BY_10.bytes());
            append(log, 'e', now, OFF_BY_10.with("r", "0.7").bytes());
            append(log, 's', now, Pcs.number(4).bytes());
            append(log, 's', now, Pcs.number(5).bytes());
            append(log, 'o', now, overruled());
        }
    }

    private static void append(Log log, char kind, Instant at, byte[] body) {
        CommandRun.append(log, new Entry(kind, "none", at.toEpochMilli(), body));
    }

    @Test
    void widerTolerance_comparesWithTheRecordedOutcomes() {
        assertThat(run("--set TOL_D=0.20")).isZero();

        assertThat(cli.out()).startsWith("""
                policy   tol_d=0.2 tol_coh=0.05 tol_budget=0.01 base=0.1 alpha=0.3 beta=0.5
                         gamma=0.2 d0=2.2 (9a5cf15bae14)
                decided  5 certificates in\
                """).endsWith("""

                AS RECORDED  WOULD BE ACCEPTED  ESCALATED  REJECTED
                accepted                     2          0         0
                escalated                    0          0         0
                rejected                     2          0         1

                2 of 5 outcomes would change (40.00 %%)

                REASON                  BEFORE  AFTER  CHANGE
                accepted                     2      4      +2
                D_hat out of tolerance       2      0      -2
                r out of bounds              1      1      +0

                SHARD    DECIDED  OTHERWISE  ACCEPTED  ESCALATED  REJECTED
                shard-1        4          1        +1         +0        -1
                shard-2        1          1        +1         +0        -1

                rejected, would be accepted: record 2
                    %s
                    shard   shard-1
                    before  D_hat out of tolerance: claimed=1.1800, recomputed=1.0000,
                            diff=0.1800 > tol=0.1500
                    after   -

                rejected, would be accepted: record 3
                    %s
                    shard   shard-2
                    before  D_hat out of tolerance: claimed=1.1000, recomputed=1.0000,
                            diff=0.1000 > tol=0.0500
                    after   -
                """.formatted(OFF_BY_18.id(), OFF_BY_10.id()));
        assertThat(cli.out().replaceAll("\\s+", " "))
                .contains("; for 1 of them an earlier outcome applies under any policy");
    }

    @Test
    void json_isOneLinePerFact() {
        assertThat(run("--set TOL_D=0.20 --set TOL_COH=0.1 --json --examples 1 --shards 1"))
                .isZero();

        assertThat(cli.out().lines())
                .hasSize(9 + 3 + 1 + 1 + 1 + 1)
                .contains(
                        "{\"type\":\"outcome\",\"before\":\"rejected\",\"after\":\"accepted\",\"certificates\":2}",
                        "{\"type\":\"reason\",\"reason\":\"D_hat out of tolerance\",\"before\":2,\"after\":0}",
                        "{\"type\":\"shard\",\"shard\":\"shard-1\",\"decided\":4,\"different\":1,"
                                + "\"accepted_change\":1,\"escalated_change\":0,\"rejected_change\":-1}",
                        "{\"type\":\"other_shards\",\"shards\":1,\"and_more\":false,\"decided\":1,\"different\":1,"
                                + "\"accepted_change\":1,\"escalated_change\":0,\"rejected_change\":-1}");
        assertThat(cli.out().lines().reduce((first, last) -> last).orElseThrow())
                .contains("\"policy\":\"tol_d=0.2;tol_coh=0.1;", "\"decided\":5,\"answered_by_an_earlier_one\":1")
                .endsWith("\"different\":2,\"different_reason\":0}");
    }

    @Test
    void since_omitsOlderRecordsAndDoesNotReadTheirSegments() throws IOException {
        String oldest = new DiskFiles()
                .list(wal).stream()
                        .filter(name -> name.endsWith("0000000000000001.wal"))
                        .findFirst()
                        .orElseThrow();
        CommandRun.flip(wal.resolve(oldest), 8_192 + 20);

        assertThat(run("--since 7d --set TOL_D=0.20")).isZero();
        assertThat(cli.out()).contains("decided  3 certificates since ", "\n1 of 3 outcomes would change");
        assertThat(cli.err()).isEmpty();

        assertThat(run("--set TOL_D=0.20")).isEqualTo(1);
        assertThat(cli.out()).contains("\n2 of 4 outcomes would change");
        assertThat(cli.err()).contains("segment " + oldest + " is damaged at byte 8192: record 1 can't be read");
    }

    @Test
    void withoutSet_triesTheConfiguredPolicyDespiteAnInvalidPort() {
        assertThat(cli.run(
                        Map.of("TOL_D", "0.20", "PORT", "eighty"), "policy", "try", "--json", "--dir", wal.toString()))
                .isZero();

        assertThat(cli.out()).contains("\"policy\":\"tol_d=0.2;", "\"different\":2,");
    }

    @Test
    void mistakes_areAllNamed() {
        assertThat(run("--since soon --set TOL_DD=0.2 --set TOL_D --set TOL_COH=-1 --set DEDUP_TTL=3d --set BUDGET_D0=1"
                        + " --set BUDGET_D0=2"))
                .isEqualTo(2);

        assertThat(cli.out()).isEmpty();
        assertThat(cli.err().lines())
                .hasSize(7)
                .anyMatch(line -> line.startsWith("  --since: 'soon' is not a duration"))
                .anyMatch(line ->
                        line.startsWith("  --set TOL_DD=0.2: the policy has no such number; did you mean TOL_D?"))
                .anyMatch(line -> line.startsWith("  --set TOL_D: has no value; write it like TOL_D=0.15"))
                .anyMatch(line -> line.startsWith("  --set DEDUP_TTL=3d: the policy has no such number"))
                .anyMatch(line -> line.startsWith("  --set BUDGET_D0=2: BUDGET_D0 is given twice"))
                .anyMatch(line -> line.startsWith("  TOL_COH: '-1' is below 0 (--set)"));
    }

    @Test
    void logWithoutRecords_hasNothingToDecide(@TempDir Path empty) throws IOException {
        LogOptions options = LogOptions.of(empty, "inbox", new DecisionRules(STRICT, Duration.ofDays(14)).context());
        Log.open(new DiskFiles(), options, LogListener.NONE, () -> now, () -> 0, new Random(1))
                .close();

        assertThat(cli.run("policy try", "--dir", empty.toString())).isZero();

        assertThat(cli.out()).contains("decided  0 certificates in").doesNotContain("NaN");
    }

    @Test
    void terminal_progressIsShownAndCleared() {
        assertThat(cli.watched().run("policy try", "--dir", wal.toString())).isZero();

        assertThat(cli.err()).startsWith("\rreading   [").matches("(?s).*\\r +\\r");
    }

    private int run(String line) {
        return cli.run("policy try " + line, "--dir", wal.toString());
    }

    private Log open(Policy policy, Instant at) throws IOException {
        LogOptions options = LogOptions.of(wal, "inbox", new DecisionRules(policy, Duration.ofDays(14)).context())
                .with(LogSizes.usual().withFillAhead(0));
        return Log.open(new DiskFiles(), options, LogListener.NONE, () -> at, () -> 0, new Random(at.toEpochMilli()));
    }

    /** Returns a record which says that another outcome overruled record 6, the submission of certificate 5. */
    private static byte[] overruled() {
        return ("overruled 6\n" + Pcs.number(5).id() + " 202 1 " + "0".repeat(64) + " " + "0".repeat(16) + "\n"
                        + "{\"pcs_id\":\"" + Pcs.number(5).id()
                        + "\",\"accepted\":false,\"escalated\":true,\"D_hat\":1.0,\"reason\":\"r out of bounds: 2\",\"policy\":\"0\"}")
                .getBytes(StandardCharsets.UTF_8);
    }
}
