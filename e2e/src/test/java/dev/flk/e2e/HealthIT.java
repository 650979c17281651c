// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import dev.flk.testkit.Starts;
import dev.flk.testkit.Starts.Started;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of {@code ./flk health} and {@code ./flk diagnose} with the real jars. */
@Alone
final class HealthIT {
    private static final Duration LIMIT = Duration.ofSeconds(10);

    @TempDir
    private Path directory;

    /** The exit code and the standard output of a run. */
    private record Ended(int exitCode, String out) {}

    /** Writes a configuration file with the sample key and these settings. */
    private void configure(String name, Map<String, String> settings) throws IOException {
        Files.writeString(
                directory.resolve(name),
                settings.entrySet().stream()
                        .map(each -> each.getKey() + "=" + each.getValue() + "\n")
                        .collect(Collectors.joining("", "PCS_SIGN_ALG=hmac\nPCS_HMAC_KEY=" + Pcs.KEY + "\n", "")));
    }

    private void configureAgent(int port) throws IOException {
        configure(
                "agent.properties",
                Map.of("ENDPOINT", "http://127.0.0.1:" + port, "OUTBOX_PATH", "outbox", "DLQ_PATH", "dlq.jsonl"));
    }

    private Ended flk(String... command) throws IOException, InterruptedException {
        return flk(Map.of(), command);
    }

    private Ended flk(Map<String, String> settings, String... command) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(
                        Stream.concat(Stream.of(Built.root().resolve("flk").toString()), Stream.of(command))
                                .toList())
                .directory(directory.toFile())
                .redirectError(directory.resolve("errors").toFile());
        builder.environment().keySet().retainAll(List.of("PATH"));
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        builder.environment().putAll(settings);
        Starts.count(Started.JVM);
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Ended(process.waitFor(), out);
    }

    private Ended ofBoth(String command, String... options) throws IOException, InterruptedException {
        return flk(Stream.concat(
                        Stream.of(
                                command,
                                "--backend-config",
                                "backend.properties",
                                "--agent-config",
                                "agent.properties"),
                        Stream.of(options))
                .toArray(String[]::new));
    }

    @Test
    void health_bothRunning_exits0_stoppedBackendIsNamed() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            configure("backend.properties", Map.of("PORT", Integer.toString(backend.port())));
            configureAgent(backend.port());
            AgentHome home = AgentHome.in(directory);
            try (Agent agent = AgentHome.open(home.sendingTo(backend.url()))) {
                assertThat(agent.lockLost()).isEmpty();
                Client.awaitUntil(() -> Files.exists(home.control()));
                Ended health = ofBoth("health");
                assertThat(health.exitCode()).as(health.out()).isZero();
                assertThat(health.out())
                        .startsWith("backend\nok   settings ")
                        .containsPattern("(?m)^ok   backend +[0-9]+ ms  is ready at ")
                        .containsPattern("(?m)^agent$")
                        .containsPattern("(?m)^ok   agent +[0-9]+ ms  runs as process "
                                + ProcessHandle.current().pid());

                Ended diagnose = ofBoth("diagnose", "--output", "both.zip");
                assertThat(diagnose.exitCode()).as(diagnose.out()).isZero();
            }
            Map<String, String> entries = Archive.read(directory.resolve("both.zip"));
            assertThat(entries)
                    .containsKeys("config.txt", "readyz.txt", "agent/config.txt", "agent/status.json")
                    .allSatisfy((name, content) -> assertThat(content).doesNotContain(Pcs.KEY));
        }
        Ended down = ofBoth("health", "--json");
        assertThat(down.exitCode()).isEqualTo(1);
        assertThat(down.out().lines())
                .allMatch(line -> line.startsWith("{\"type\":\"check\",\"program\":\"flk-"))
                .anyMatch(line -> line.contains("flk-backend\",\"grade\":\"bad\",\"subject\":\"backend\"")
                        && line.contains("start it"))
                .anyMatch(
                        line -> line.contains("flk-agent\",\"grade\":\"bad\"") && line.contains("no process listens"));
    }

    @Test
    void health_bothConfiguredByTheEnvironment_asksBoth_onlyTheAgent_asksTheAgent() throws Exception {
        Map<String, String> agent = Map.of("ENDPOINT", "http://127.0.0.1:1", "OUTBOX_PATH", "outbox");
        Map<String, String> both = new HashMap<>(agent);
        both.put("WAL_DIR", "wal");

        assertThat(flk(agent, "health", "--json").out())
                .contains("\"program\":\"flk-agent\"")
                .doesNotContain("flk-backend");
        assertThat(flk(both, "health", "--json").out())
                .contains("\"program\":\"flk-agent\"", "\"program\":\"flk-backend\"");

        flk(both, "diagnose", "--output", "both.zip");
        assertThat(Archive.read(directory.resolve("both.zip"))).containsKeys("config.txt", "agent/config.txt");
    }

    @Test
    @Tag("thorough")
    void health_everythingHangs_endsWithinTenSecondsAndNamesEach() throws Exception {
        Path socket = Files.createDirectory(directory.resolve("outbox")).resolve("control.sock");
        try (ServerSocket silent = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
                ServerSocketChannel agent = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            agent.bind(UnixDomainSocketAddress.of(socket));
            String port = Integer.toString(silent.getLocalPort());
            configure(
                    "backend.properties",
                    Map.of(
                            "PORT",
                            port,
                            "RECORD_STORE",
                            "postgres",
                            "POSTGRES_CONN",
                            "postgresql://u@127.0.0.1:" + port + "/flk",
                            "POSTGRES_STATEMENT_TIMEOUT",
                            "1m",
                            "DEDUP_BACKEND",
                            "redis",
                            "DEDUP_TIMEOUT",
                            "60s",
                            "REDIS_ADDR",
                            "127.0.0.1:" + port));
            configureAgent(silent.getLocalPort());

            long beganNanos = System.nanoTime();
            Ended health = ofBoth("health", "--json");

            assertThat(Duration.ofNanos(System.nanoTime() - beganNanos)).isLessThan(LIMIT);
            assertThat(health.exitCode()).isEqualTo(1);
            for (String subject : List.of("backend", "redis", "postgres", "agent", "http://127.0.0.1:" + port)) {
                assertThat(health.out()).contains("\"bad\",\"subject\":\"" + subject + "\"");
            }
            assertThat(health.out()).contains("\"good\",\"subject\":\"disk\"");
        }
    }
}
