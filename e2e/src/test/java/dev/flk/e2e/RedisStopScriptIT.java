// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import redis.embedded.core.ExecutableProvider;

/** Tests of {@code e2e/chaos/redis-stop.sh} as an operator runs it, for a few seconds. */
@Tag("thorough")
final class RedisStopScriptIT {
    private static final Path SCRIPT = Built.root().resolve("e2e/chaos/redis-stop.sh");

    @TempDir
    private Path directory;

    private record Ended(int exitCode, String output) {}

    @Test
    void script_reportsThatThePromiseWasKept_andCleansUp() throws Exception {
        Path redis = ExecutableProvider.newJarResourceProvider(
                        Files.createDirectory(directory.resolve("redis")).toFile())
                .get()
                .toPath();
        Path temporary = Files.createDirectory(directory.resolve("temporary"));

        Ended ended = run(temporary, "--self-contained", "--redis-server", redis.toString(), "--seconds", "4");

        List<String> broken =
                ended.output().lines().filter(line -> line.contains("BROKEN")).toList();
        // a busy machine may exceed time limits, so only other broken promises fail the test
        assertThat(broken).as(ended.output()).allMatch(line -> line.contains(" ms "));
        assertThat(ended.exitCode()).as(ended.output()).isEqualTo(broken.isEmpty() ? 0 : 1);
        assertThat(ended.output())
                .contains("Redis is stopped", "\"dedup\",\"ready\":false", "Verdict on 4 s")
                .contains("  ok      0 lost", "  ok      0 changed, 0 conflicts");
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left).isEmpty();
        }
        assertThat(ProcessHandle.allProcesses().flatMap(process -> process.info().commandLine().stream()))
                .noneMatch(command -> command.contains(temporary.toString()) || command.contains(redis.toString()));
    }

    @Test
    void script_redisNeverStopped_reportsFailure() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Ended ended = run(directory, "--url", backend.url(), "--stop", "true", "--start", "true", "--seconds", "1");

            assertThat(ended.exitCode()).isEqualTo(1);
            assertThat(ended.output()).contains("the backend does not notice that Redis is stopped");
        }
    }

    private static Ended run(Path temporary, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(SCRIPT.toString()));
        command.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().put("TMPDIR", temporary.toString());
        builder.environment().put("PCS_HMAC_KEY", Pcs.KEY);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), output);
    }
}
