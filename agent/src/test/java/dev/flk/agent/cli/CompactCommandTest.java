// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import static dev.flk.agent.send.Certificates.certificate;
import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.cli.Cli.Ended;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.Settlement;
import dev.flk.agent.send.ScriptedBackend;
import dev.flk.agent.send.ScriptedBackend.Said;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.stream.LongStream;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class CompactCommandTest {
    @TempDir
    Path directory;

    private ScriptedBackend backend;
    private Cli cli;

    @BeforeEach
    void start() throws Exception {
        backend = new ScriptedBackend();
        cli = new Cli(directory).sendingTo(backend);
    }

    @AfterEach
    void stop() throws Exception {
        cli.stopAgent();
        backend.close();
    }

    /** Leaves {@code settled} certificates that were settled so long ago, and {@code waiting} that wait. */
    private void fill(Cli cli, Duration ago, int settled, int waiting) throws Exception {
        try (Outbox outbox = cli.own(InstantSource.offset(InstantSource.system(), ago.negated()))) {
            outbox.append(LongStream.range(0, settled + waiting)
                    .mapToObj(epoch -> certificate(epoch))
                    .toList());
            outbox.settle(Settlement.ACCEPTED, outbox.pendingAfter(0, settled));
        }
    }

    private static String firstLine(Ended ended) {
        assertThat(ended.exitCode()).as(ended.err()).isZero();
        return ended.out().lines().findFirst().orElseThrow();
    }

    @Test
    void alone_removesWhatIsOlderThanTheHorizon_andKeepsWhatWaits() throws Exception {
        fill(cli, Duration.ofDays(20), 50, 1);
        Path old = cli.segment();

        assertThat(firstLine(cli.run("compact", "--horizon-days", "21")))
                .startsWith("0 segments removed, 1 compressed");
        Ended planned = cli.run("compact", "--dry-run");
        assertThat(old.resolveSibling(old.getFileName() + ".gz")).exists();
        Ended done = cli.run("compact");

        assertThat(firstLine(planned)).startsWith("1 segment would be removed, 0 would be compressed, about ");
        assertThat(planned.out()).endsWith("1 certificate waits; 1 would be written anew\n");
        assertThat(firstLine(done)).startsWith("1 segment removed, ");
        assertThat(done.out()).endsWith("1 certificate waits; 1 written anew\n");
        assertThat(cli.run("status", "--json").out()).contains("\"pending\":1,");
    }

    @Test
    void dryRun_withoutAHorizon_countsTheSegmentThatIsWrittenTo_andChangesNothing() throws Exception {
        cli.startAgent();
        cli.submit(certificate(1), certificate(2), certificate(3));
        Awaitility.await().until(() -> cli.run("status").out().contains("waiting   0 certificates"));
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
    void besideAnAgent_keepsWhatWaits() throws Exception {
        backend.submit = line -> line.contains("\"epoch\":7,") ? Said.error(503, "overloaded") : Said.recorded(line);
        cli.with("BATCH_SIZE", "1");
        cli.startAgent();
        cli.submit(LongStream.range(0, 50).mapToObj(epoch -> certificate(epoch)).toArray(byte[][]::new));
        Awaitility.await().until(() -> cli.run("status").out().contains("waiting   1 certificate,"));

        Ended planned = cli.run("compact", "--horizon-days", "0", "--dry-run");
        Ended done = cli.run("compact", "--horizon-days", "0");

        assertThat(planned.out()).contains("1 certificate waits; 1 would be written anew\n");
        assertThat(done.out()).contains("1 certificate waits; 1 written anew\n");
        backend.submit = Said::recorded;
        Awaitility.await().until(() -> cli.run("status").out().contains("waiting   0 certificates"));
    }

    @Test
    void nothingThereYet_isFine() {
        assertThat(firstLine(new Cli(directory).run("compact"))).startsWith("0 segments removed, 0 compressed, ");
    }

    @ParameterizedTest
    @ValueSource(strings = {"-1", "36501", "many"})
    void horizonThatIsNone_is2(String days) {
        Ended ended = new Cli(directory).run("compact", "--horizon-days", days);

        assertThat(ended.exitCode()).isEqualTo(2);
        assertThat(ended.err()).contains("--horizon-days", days, "Try: flk-agent compact --help");
    }
}
