// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.testing.FreePort;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Answers to "why": {@code policy try}, the debug port, and {@code diagnostics}, beside a backend and an agent that run. */
final class AnswersIT {
    private static final String METRICS_PASSWORD = "a password/of metrics";
    private static final String REDIS_PASSWORD = "of-redis-1";
    private static final String SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
    private static final List<String> SECRETS = List.of(Pcs.KEY, METRICS_PASSWORD, REDIS_PASSWORD, SEED);

    @TempDir
    static Path directory;

    private static int port;
    private static int backendDebugPort;
    private static int agentDebugPort;
    private static BackendProcess backend;
    private static Program agent;

    @BeforeAll
    static void start() throws Exception {
        port = FreePort.choose();
        backendDebugPort = FreePort.choose();
        agentDebugPort = FreePort.choose();
        Files.writeString(directory.resolve("backend.properties"), """
                PORT=%d
                BIND_ADDR=127.0.0.1
                DEBUG_PORT=%d
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                METRICS_USER=prometheus
                METRICS_PASS=%s
                REDIS_URI=redis://:%s@localhost:6379
                WAL_DIR=wal
                DEDUP_DIR=dedup
                """.formatted(
                        port, backendDebugPort, Pcs.KEY, METRICS_PASSWORD, REDIS_PASSWORD));
        Files.writeString(directory.resolve("agent.properties"), """
                ENDPOINT=http://127.0.0.1:%d
                DEBUG_PORT=%d
                METRICS_PORT=%d
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                PCS_ED25519_PRIV_B64=%s
                OUTBOX_PATH=outbox
                DLQ_PATH=dlq.jsonl
                """.formatted(
                        port, agentDebugPort, FreePort.choose(), Pcs.KEY, SEED));
        backend = BackendProcess.of(program("flk-backend", "--config", "backend.properties"));
        agent = program("flk-agent", "run", "--config", "agent.properties");
        agent.awaitLine(line -> line.contains("metrics on port "));
        Client client = new Client(backend.url());
        client.submit(Pcs.number(1));
        client.submit(Pcs.number(2).with("D_hat", "1.18"));
        client.submit(Pcs.number(3).with("D_hat", "1.18").ofShard("other"));
    }

    @AfterAll
    static void stop() {
        Stream.of(backend == null ? null : backend.program(), agent).forEach(program -> {
            if (program != null) {
                program.close();
            }
        });
    }

    @Test
    void policyTry_besideTheBackend_saysWhatAnotherToleranceWouldChange() throws Exception {
        try (Program tried = program(
                "flk-backend",
                "policy",
                "try",
                "--config",
                "backend.properties",
                "--since",
                "1h",
                "--set",
                "TOL_D=0.20",
                "--json")) {
            assertThat(tried.awaitExit()).as(tried.allLines()).isZero();
            List<JsonNode> facts = tried.out().lines().map(StrictJson::read).toList();
            assertThat(facts.get(facts.size() - 1).get("decided").intValue()).isEqualTo(3);
            assertThat(facts.get(facts.size() - 1).get("different").intValue()).isEqualTo(2);
            assertThat(facts.stream()
                            .filter(fact -> fact.get("type").textValue().equals("example")))
                    .extracting(fact -> fact.get("pcs_id").textValue())
                    .containsExactly(
                            Pcs.number(2).id().toString(),
                            Pcs.number(3).ofShard("other").id().toString());
        }
        assertThat(new Client(backend.url())
                        .get("/v1/pcs/" + Pcs.number(2).id())
                        .body())
                .contains("\"accepted\":false");
    }

    @Test
    void debugPorts_showThreadsAndHeap_toProgramsOfThisMachineOnly() throws Exception {
        assertThat(debug(backendDebugPort, "/threads")).contains("\"inbox-writer", "java.lang.Thread.State: ");
        assertThat(debug(agentDebugPort, "/heap")).contains("COLLECTOR", "java.lang.String");
        HttpRequest fromAPage = HttpRequest.newBuilder(debugUri(agentDebugPort, "/threads"))
                .header("Origin", "http://attacker.example")
                .build();
        assertThat(HttpClient.newHttpClient()
                        .send(fromAPage, BodyHandlers.ofString())
                        .statusCode())
                .isEqualTo(403);
    }

    @Test
    void flightRecording_isDownloaded() throws Exception {
        HttpRequest record = HttpRequest.newBuilder(debugUri(backendDebugPort, "/jfr?seconds=1"))
                .POST(BodyPublishers.noBody())
                .build();

        byte[] recording = HttpClient.newHttpClient()
                .send(record, BodyHandlers.ofByteArray())
                .body();

        assertThat(new String(recording, StandardCharsets.ISO_8859_1)).startsWith("FLR\0");
    }

    @Test
    void debugPort_taken_isNamed_andFreedBySigterm() throws Exception {
        Map<String, String> environment = Map.of(
                "ENDPOINT", backend.url(), "PCS_SIGN_ALG", "none", "OUTBOX_PATH", "other", "DLQ_PATH", "other.jsonl");
        Map<String, String> taken = with(environment, "DEBUG_PORT", Integer.toString(backendDebugPort));
        try (Program refused = Program.java("flk-agent", directory, taken, Program.QUICK_START, "run")) {
            assertThat(refused.awaitExit()).isEqualTo(1);
            assertThat(refused.allLines())
                    .contains("DEBUG_PORT " + backendDebugPort + " can't be used: ", "; choose another")
                    .doesNotContain("\tat ");
        }
        try (Program other = Program.java(
                "flk-agent", directory, with(environment, "DEBUG_PORT", "0"), Program.QUICK_START, "run")) {
            String line = other.awaitLine(text -> text.contains("debugging on 127.0.0.1 port "));
            other.awaitLine(text -> text.contains("certificates wait in the outbox"));
            int own = Integer.parseInt(line.substring(line.lastIndexOf(' ') + 1));
            assertThat(debug(own, "/")).contains("/jfr");

            assertThat(other.terminate()).isEqualTo(143);

            assertThatExceptionOfType(ConnectException.class)
                    .isThrownBy(() -> new Socket(InetAddress.getLoopbackAddress(), own).close());
        }
    }

    @Test
    void diagnostics_holdWhatIsNeeded_andNoSecret() throws Exception {
        Path log = Files.writeString(directory.resolve("some.log"), "secrets: " + String.join(" ", SECRETS) + "\n");

        String told = flkDiagnostics(0, log);

        Path archive = directory.resolve("all.tar.gz");
        assertThat(told).contains(archive.getFileName() + ", ", "backend/metrics.txt", "agent/status.json");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(archive)))
                .isEqualTo("rw-------");
        Path unpacked = Files.createDirectory(directory.resolve("unpacked"));
        run(0, "tar", "-xzf", archive.toString(), "-C", unpacked.toString());
        StringBuilder all = new StringBuilder();
        try (Stream<Path> files = Files.walk(unpacked)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                all.append(Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        assertThat(all)
                .contains("secrets: *** *** *** ***\n")
                .contains("\nflk_ingest_total 3", "\nflk_agent_outbox_pending 0", "redis://:***@localhost:6379")
                .contains("3 whole records (1 to 3)", "\"inbox-writer", "0 dead letters", "Max open files")
                .contains("PCS_HMAC_KEY         set (file)", "METRICS_PASS         set (file)")
                .doesNotContain("could not be had");
        assertThat(all).doesNotContain(SECRETS.toArray(String[]::new));

        byte[] before = Files.readAllBytes(archive);
        assertThat(flkDiagnostics(1, log)).contains("name another file with --output");
        assertThat(archive).hasBinaryContent(before);
    }

    @Test
    void diagnostics_ofWhatDoesNotRun_saySo() throws Exception {
        Path archive = directory.resolve("alone.tar.gz");
        Map<String, String> environment = Map.of(
                "PORT",
                Integer.toString(FreePort.choose()),
                "PCS_SIGN_ALG",
                "none",
                "WAL_DIR",
                "no-wal",
                "DEDUP_DIR",
                "no-dedup");
        try (Program alone = Program.java(
                "flk-backend",
                directory,
                environment,
                Program.QUICK_START,
                "diagnostics",
                "--output",
                archive.toString())) {
            assertThat(alone.awaitExit()).as(alone.allLines()).isZero();
            assertThat(alone.out()).contains("not there  metrics.txt", "not there  wal-verify.txt", "versions.txt");
        }
        assertThat(run(0, "tar", "-xzOf", archive.toString(), "health.txt"))
                .contains("could not be had: ", "it is not running");
    }

    private static String flkDiagnostics(int exitCode, Path log) throws Exception {
        return run(
                exitCode,
                Built.root().resolve("flk").toString(),
                "diagnostics",
                "--backend-config",
                "backend.properties",
                "--agent-config",
                "agent.properties",
                "--log",
                log.toString(),
                "--output",
                "all.tar.gz");
    }

    private static String run(int exitCode, String... command) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command).directory(directory.toFile());
        builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isEqualTo(exitCode);
        return output;
    }

    private static Program program(String jar, String... args) throws IOException {
        return Program.java(jar, directory, Map.of(), Program.QUICK_START, args);
    }

    private static Map<String, String> with(Map<String, String> environment, String name, String value) {
        Map<String, String> more = new java.util.HashMap<>(environment);
        more.put(name, value);
        return more;
    }

    private static String debug(int debugPort, String path) throws Exception {
        return HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(debugUri(debugPort, path)).build(), BodyHandlers.ofString())
                .body();
    }

    private static URI debugUri(int debugPort, String path) {
        return URI.create("http://127.0.0.1:" + debugPort + path);
    }
}
