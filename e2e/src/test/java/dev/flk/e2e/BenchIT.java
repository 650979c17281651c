// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that most suites of {@code ./flk bench} run to completion. The rounds are too short for meaningful figures.
 */
@Alone
@Tag("thorough")
final class BenchIT {
    @TempDir
    private Path data;

    @Test
    void allSuites_withShortRounds_runToCompletion() throws Exception {
        var unused = HostProgram.orSkip("etcd", "etcd-server", data);
        ProcessBuilder command = new ProcessBuilder(
                        "./flk",
                        "bench",
                        "singles",
                        "batches",
                        "signatures",
                        "stores",
                        "agent",
                        "state",
                        "restart",
                        "peers",
                        "--rounds",
                        "1",
                        "--seconds",
                        "0.2",
                        "--warm-up",
                        "0",
                        "--data",
                        data.toString())
                .directory(Built.root().toFile())
                .redirectErrorStream(true);
        Process bench = command.start();
        bench.getOutputStream().close();
        String output = new String(bench.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

        assertThat(bench.waitFor()).as(output).isZero();
        assertThat(output).contains("backend, 64, warm", "measured     1 rounds of 0.2 s after 0.0 s");
    }
}
