// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the debug pages, and of {@code diagnostics} for a running backend and agent. */
final class AnswersIT {
    private static final String METRICS_PASSWORD = "a password/of metrics";
    private static final String REDIS_PASSWORD = "of-redis-1";
    private static final String SEED = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";

    @TempDir
    static Path directory;

    private static int port;
    private static int opsPort;
    private static BackendProcess backend;
    private static Program agent;

    @BeforeAll
    static void start() throws Exception {
        port = FreePort.choose();
        opsPort = FreePort.choose();
        Files.writeString(directory.resolve("backend.properties"), """
                PORT=%d
                BIND_ADDR=127.0.0.1
                OPS_PORT=%d
                DEBUG=on
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                METRICS_USER=prometheus
                METRICS_PASS=%s
                REDIS_URI=redis://:%s@localhost:6379
                WAL_DIR=wal
                DEDUP_DIR=dedup
                STATE_PORT=off
                """.formatted(
                        port, opsPort, Pcs.KEY, METRICS_PASSWORD, REDIS_PASSWORD));
        Files.writeString(directory.resolve("agent.properties"), """
                ENDPOINT=http://127.0.0.1:%d
                METRICS_PORT=%d
                PCS_SIGN_ALG=hmac
                PCS_HMAC_KEY=%s
                PCS_ED25519_PRIV_B64=%s
                OUTBOX_PATH=outbox
                DLQ_PATH=dlq.jsonl
                """.formatted(port, FreePort.choose(), Pcs.KEY, SEED));
        backend = BackendProcess.of(program("flk-backend", "--config", "backend.properties"));
        agent = program("flk-agent", "run", "--config", "agent.properties");
        agent.awaitLine(line -> line.contains("metrics are on port "));
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
    void debugPages_requireTheLogin_onTheOperatorsPortOnly() throws Exception {
        Client operator = new Client("http://127.0.0.1:" + opsPort).withLogin("prometheus", METRICS_PASSWORD);
        assertThat(operator.get("/debug/threads").body()).contains("\"inbox-writer", "java.lang.Thread.State: ");
        assertThat(operator.get("/debug/heap").body()).contains("COLLECTOR", "java.lang.String");
        assertThat(operator.get("/debug/jfr?seconds=1").body()).startsWith("FLR\0");
        assertThat(operator.get("/debug/jfr?seconds=1000").body()).contains("from 1 to 300");
        assertThat(new Client("http://127.0.0.1:" + opsPort)
                        .get("/debug/threads")
                        .status())
                .isEqualTo(401);
        assertThat(new Client(backend.url()).get("/debug/threads").status()).isEqualTo(404);
    }

    @Test
    void diagnostics_areCompleteWithoutSecrets() throws Exception {
        StringBuilder all = new StringBuilder();
        Map<String, String> secrets = Map.of(
                "backend", METRICS_PASSWORD + " " + REDIS_PASSWORD + " " + Pcs.KEY, "agent", SEED + " " + Pcs.KEY);
        for (String name : secrets.keySet()) {
            Path log = Files.writeString(directory.resolve(name + ".log"), "secrets: " + secrets.get(name) + "\n");
            Path archive = directory.resolve(name + ".zip");
            assertThat(diagnostics(name, log)).contains(archive.getFileName() + ", ", "metrics.txt");
            Archive.read(archive).values().forEach(all::append);
        }
        assertThat(all)
                .contains("flk_ingest_total 3", "flk_agent_outbox_pending 0", "redis://:***@localhost:6379")
                .contains("3 complete records (1 to 3)", "\"inbox-writer", "0 dead letters", "Max open files")
                .contains("PCS_HMAC_KEY         set (file)", "METRICS_PASS         set (file)")
                .doesNotContain("could not be obtained")
                .doesNotContain(METRICS_PASSWORD, REDIS_PASSWORD, Pcs.KEY, SEED);
    }

    private static String diagnostics(String name, Path log) throws Exception {
        try (Program program = program(
                "flk-" + name,
                "diagnostics",
                "--config",
                name + ".properties",
                "--log",
                log.toString(),
                "--output",
                name + ".zip")) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
            return program.allLines();
        }
    }

    @Test
    void diagnostics_ofAStoppedProgram_saySo() throws Exception {
        Path archive = directory.resolve("alone.zip");
        Map<String, String> environment = Map.of(
                "PORT", Integer.toString(FreePort.choose()),
                "PCS_SIGN_ALG", "none",
                "WAL_DIR", "no-wal",
                "DEDUP_DIR", "no-dedup");
        try (Program alone = Program.java(
                "flk-backend",
                directory,
                environment,
                Program.QUICK_START,
                "diagnostics",
                "--output",
                archive.toString())) {
            assertThat(alone.awaitExit()).as(alone.allLines()).isZero();
            assertThat(alone.out()).contains("missing  metrics.txt", "missing  wal-verify.txt", "versions.txt");
        }
        assertThat(Archive.read(archive).get("health.txt"))
                .contains("could not be obtained: ", "the program is not running");
    }

    private static Program program(String jar, String... args) throws IOException {
        return Program.java(jar, directory, Map.of(), Program.QUICK_START, args);
    }
}
