// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static dev.flk.agent.send.Certificates.id;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxInspector.Check;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OutboxCommandsTest extends CommandTest {
    /**
     * Adds {@code settled + waiting} certificates and settles the first {@code settled} of them, with a clock that is
     * behind by {@code ago}.
     */
    private void fill(Cli cli, Duration ago, int settled, int waiting) throws Exception {
        try (Outbox outbox = cli.own(InstantSource.offset(InstantSource.system(), ago.negated()))) {
            outbox.append(LongStream.range(0, settled + waiting)
                    .mapToObj(epoch -> certificate(epoch))
                    .toList());
            outbox.settle(SettledAs.ACCEPTED, outbox.pendingAfter(0, settled));
        }
    }

    private static String firstLine(Ended ended) {
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        return ended.out().lines().findFirst().orElseThrow();
    }

    @Test
    void compact_noAgent_removesSettledBeforeTheHorizonAndKeepsPending() throws Exception {
        fill(cli, Duration.ofDays(20), 50, 1);
        Path old = cli.segment();

        assertThat(firstLine(cli.run("compact", "--horizon-days", "21")))
                .startsWith("0 segments removed, 1 compressed");
        Ended planned = cli.run("compact", "--dry-run");
        assertThat(old.resolveSibling(old.getFileName() + ".gz")).exists();
        Ended done = cli.run("compact");

        assertThat(firstLine(planned)).startsWith("1 segment would be removed, 0 would be compressed, about ");
        assertThat(planned.out()).endsWith("1 certificate waits; 1 would be rewritten\n");
        assertThat(firstLine(done)).startsWith("1 segment removed, ");
        assertThat(done.out()).endsWith("1 certificate waits; 1 rewritten\n");
        assertThat(cli.run("status", "--json").out()).contains("\"pending\":1,");
    }

    @Test
    void compact_dryRunWithoutAHorizon_countsTheActiveSegmentAndChangesNothing() throws Exception {
        cli.startAgent();
        cli.submit(certificate(1), certificate(2), certificate(3));
        awaitStatus("waiting   0 certificates");
        List<String> before = cli.files();

        Ended planned = cli.run("compact", "--horizon-days", "0", "--dry-run");
        assertThat(cli.files()).isEqualTo(before);
        Ended done = cli.run("compact", "--horizon-days", "0");

        assertThat(firstLine(planned)).startsWith("1 segment would be removed, 0 would be compressed, about ");
        assertThat(firstLine(done)).startsWith("1 segment removed, 0 compressed, ");
        assertThat(done.out()).endsWith("0 certificates wait\n");
        assertThat(firstLine(cli.run("compact", "--horizon-days", "0", "--dry-run")))
                .startsWith("0 segments would be removed, ");
    }

    @Test
    void compact_agentRunning_keepsPending() throws Exception {
        backend.submit = line -> line.contains("\"epoch\":7,") ? Said.error(503, "overloaded") : Said.recorded(line);
        cli.with("BATCH_SIZE", "1");
        cli.startAgent();
        cli.submit(LongStream.range(0, 50).mapToObj(epoch -> certificate(epoch)).toArray(byte[][]::new));
        awaitStatus("waiting   1 certificate,");

        Ended planned = cli.run("compact", "--horizon-days", "0", "--dry-run");
        Ended done = cli.run("compact", "--horizon-days", "0");

        assertThat(planned.out()).contains("1 certificate waits; 1 would be rewritten\n");
        assertThat(done.out()).contains("1 certificate waits; 1 rewritten\n");
        backend.submit = Said::recorded;
        awaitStatus("waiting   0 certificates");
    }

    @Test
    void requeue_agentRunning_sendsSettledOnesAgain() throws Exception {
        cli.startAgent();
        cli.submit(certificate(1), certificate(2));
        awaitStatus("waiting   0 certificates");
        backend.received.clear();

        assertThat(done("outbox", "requeue", "--since", "1d", "--dry-run"))
                .isEqualTo("2 certificates would wait again\n");
        assertThat(done("outbox", "requeue", "--since", "1d")).isEqualTo("2 certificates wait again\n");

        awaitStatus("waiting   0 certificates");
        assertThat(String.join("", backend.received)).contains(id(1), id(2));
    }

    @Test
    void requeue_mistakes_exit2() {
        for (String options : List.of("--shard=a", "--since=yesterday", "--since=1d --until=x")) {
            List<String> words = new ArrayList<>(List.of("outbox", "requeue"));
            words.addAll(List.of(options.split(" ", -1)));
            assertThat(cli.run(words.toArray(String[]::new)).exitCode())
                    .as(options)
                    .isEqualTo(2);
        }
        assertThat(done("outbox", "requeue", "--since", "3d")).isEqualTo("0 certificates wait again\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "36501", "many"})
    void compact_invalidHorizon_exits2(String days) {
        Ended ended = new Cli(directory).run("compact", "--horizon-days", days);

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err()).contains("--horizon-days", days, "Try: flk-agent compact --help");
    }

    private Cli withThree() {
        cli.submit(certificate(1), certificate(2), certificate(3));
        return cli;
    }

    @Test
    void fsck_undamaged_exits0() {
        Ended ended = withThree().run("fsck");

        assertThat(ended.exitCode()).isZero();
        assertThat(unwrapped(ended.out())).isEqualTo(directory.resolve("outbox") + ": 3 complete records\n");
    }

    @Test
    void fsck_damaged_isReportedAndSetAsideOnce() throws Exception {
        withThree();
        Path segment = cli.segment();
        cli.damage("\"epoch\":2,");
        byte[] damaged = Files.readAllBytes(segment);
        String missing = "segment " + segment.getFileName() + " is damaged at byte ";

        Ended looked = cli.run("fsck", "--dry-run");
        assertThat(Files.readAllBytes(segment)).isEqualTo(damaged);
        Ended mended = cli.run("fsck");
        Ended again = cli.run("fsck");

        assertThat(looked.exitCode()).isEqualTo(1);
        assertThat(unwrapped(looked.out()))
                .containsPattern("(?m)^\\Q" + missing + "\\E\\d+: record 2 can't be read\n1 record is gone$")
                .doesNotContain("set aside");
        assertThat(mended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(mended.out()))
                .startsWith(unwrapped(looked.out()))
                .contains("\nset aside: " + segment.getFileName() + " to " + segment.getFileName() + ".broken")
                .endsWith("\nthe outbox is repaired, without the missing records\n");
        Path aside = cli.outbox()
                .resolve(cli.files().stream()
                        .filter(name -> name.contains(".broken"))
                        .findFirst()
                        .orElseThrow());
        assertThat(aside).hasBinaryContent(damaged);
        assertThat(again.exitCode()).isZero();
        assertThat(unwrapped(again.out()))
                .contains("2 complete records\n", "declared lost by an earlier repair: " + missing);
        assertThat(cli.run("status").out()).contains("waiting   2 certificates").doesNotContain("lost");
    }

    @Test
    void fsck_damagedAgentRunning_changesNothing() throws Exception {
        withThree();
        cli.damage("\"epoch\":2,");
        backend.submit = line -> Said.error(503, "overloaded");
        cli.startAgent();
        List<String> before = cli.files();

        Ended ended = cli.run("fsck");

        assertThat(ended.exitCode()).as(ended.err()).isEqualTo(1);
        assertThat(unwrapped(ended.out()))
                .contains(": record 2 can't be read\n1 record is gone\n")
                .contains("is in use by process " + ProcessHandle.current().pid())
                .endsWith("; nothing was repaired: the running agent itself skips the missing records\n");
        assertThat(cli.files()).isEqualTo(before);
    }

    @Test
    void fsck_segmentRemovedByHand_isNamed() throws Exception {
        withThree();
        // each certificate fills blocks of its own; otherwise, the header of the next segment would repeat it, and it
        // would not be lost
        byte[] large = ("{\"pad\":\"" + "x".repeat(9_000) + "\","
                        + new String(certificate(4), StandardCharsets.UTF_8).substring(1))
                .getBytes(StandardCharsets.UTF_8);
        Path removed;
        try (Outbox outbox = cli.own()) {
            outbox.append(List.of(large));
            outbox.append(List.of(large));
            outbox.append(List.of(large));
            removed = cli.newestSegment();
        }
        cli.submit(certificate(5));
        Files.move(removed, directory.resolve("elsewhere"));

        Ended ended = cli.run("fsck", "--dry-run");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(ended.out())).contains("is missing, with records 4 to 6\n", "3 records are gone\n");
        try (Outbox outbox = cli.own()) {
            assertThat(outbox.losses()).singleElement().asString().endsWith("is missing, with records 4 to 6");
        }
    }

    @ParameterizedTest
    @CsvSource({"3, false, at least 3 records", "3, true, 3 records", "1, true, 1 record"})
    void missingCount_notCompletelyKnown_saysAtLeast(long missingRecords, boolean isCountKnown, String count) {
        Check check = new Check(
                9, List.of("segment x is missing"), missingRecords, isCountKnown, List.of(), 0, List.of(), List.of());

        assertThat(check.missingCount()).isEqualTo(count);
    }

    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void fsck_rangeFileIsAFifo_isNotOpened() throws Exception {
        cli.submit(certificate(1));
        Path fifo = cli.outbox().resolve("outbox.range");
        Files.deleteIfExists(fifo);
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();

        Ended ended = cli.run("fsck");

        assertThat(ended.exitCode()).isEqualTo(1);
        assertThat(unwrapped(ended.err())).contains(fifo + " is not a regular file; move it away");
    }

    /** Returns the 202 answer for a rejected certificate. */
    private static Said rejected(String certificate) {
        return Said.of(
                202, "{\"pcs_id\":\"" + ScriptedBackend.id(certificate) + "\",\"accepted\":false,\"escalated\":true}");
    }

    @Test
    void cat_printsTheResultOfEach_alsoWhileAnAgentRuns() throws Exception {
        backend.submit = line -> line.contains("\"epoch\":1,")
                ? Said.recorded(line)
                : line.contains("\"epoch\":2,")
                        ? rejected(line)
                        : line.contains("\"epoch\":3,") ? Said.error(400, "no") : Said.error(503, "overloaded");
        cli.startAgent();
        cli.submit(certificate(1), certificate(2), certificate(3), certificate(4));
        awaitStatus("waiting   1 certificate,");

        Ended concurrent = cli.run("outbox", "cat");

        assertThat(concurrent.exitCode()).isZero();
        assertThat(concurrent.out().lines()).hasSize(8);
        assertThat(concurrent.out())
                .containsSubsequence(
                        "Z  #1        answered 200: accepted\n    " + id(1) + "\n",
                        "Z  #2        answered 202: escalated or rejected\n    " + id(2) + "\n",
                        "Z  #3        given up: now a dead letter\n    " + id(3) + "\n",
                        "Z  #4        waits\n    " + id(4) + "\n");
        cli.stopAgent();

        assertThat(cli.run("outbox", "cat", "--waiting").out().lines()).hasSize(2);
        Ended json = cli.run("outbox", "cat", "--waiting", "--json");
        JsonNode line = new JsonMapper().readTree(json.out());
        assertThat(line.path("outbox_seq").asInt()).isEqualTo(4);
        assertThat(line.path("pcs_id").asText()).isEqualTo(id(4));
        assertThat(line.path("fate").asText()).isEqualTo("waits");
        assertThat(line.path("certificate"))
                .isEqualTo(new JsonMapper().readTree(new String(certificate(4), StandardCharsets.UTF_8)));
    }

    @Test
    void cat_invalidId_isNotPrinted() throws Exception {
        String certificate = new String(certificate(1), StandardCharsets.UTF_8);
        cli.submit(certificate.replace(id(1), "\u009b2J" + "x".repeat(90)).getBytes(StandardCharsets.UTF_8));

        assertThat(cli.run("outbox", "cat").out()).contains("(malformed id)").doesNotContain("\u009b", "xxx");
    }
}
