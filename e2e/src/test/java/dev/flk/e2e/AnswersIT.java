// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
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
    private static ServedBackend backend;
    private static Agent agent;

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
                WAL_DIR=%s
                DEDUP_DIR=%s
                """.formatted(
                        port,
                        opsPort,
                        Pcs.KEY,
                        METRICS_PASSWORD,
                        REDIS_PASSWORD,
                        directory.resolve("wal"),
                        directory.resolve("dedup")));
        Map<String, String> settings = Map.of(
                "ENDPOINT",
                "http://127.0.0.1:" + port,
                "METRICS_PORT",
                Integer.toString(FreePort.choose()),
                "PCS_SIGN_ALG",
                "hmac",
                "PCS_HMAC_KEY",
                Pcs.KEY,
                "PCS_ED25519_PRIV_B64",
                SEED,
                "OUTBOX_PATH",
                directory.resolve("outbox").toString(),
                "DLQ_PATH",
                directory.resolve("dlq.jsonl").toString());
        Files.write(
                directory.resolve("agent.properties"),
                settings.entrySet().stream()
                        .map(each -> each.getKey() + "=" + each.getValue())
                        .toList());
        backend = BackendInJvm.serve(
                Map.of(), "--config", directory.resolve("backend.properties").toString());
        agent = AgentHome.open(settings);
        Client client = new Client(backend.url());
        client.submit(Pcs.number(1));
        client.submit(Pcs.number(2).with("D_hat", "1.18"));
        client.submit(Pcs.number(3).with("D_hat", "1.18").ofShard("other"));
    }

    @AfterAll
    static void stop() throws IOException {
        if (agent != null) {
            agent.close();
        }
        if (backend != null) {
            backend.close();
        }
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

    private static String diagnostics(String name, Path log) {
        String[] command = {
            "diagnostics",
            "--config",
            directory.resolve(name + ".properties").toString(),
            "--log",
            log.toString(),
            "--output",
            directory.resolve(name + ".zip").toString()
        };
        Command run = name.equals("agent") ? Command.ofAgent(Map.of(), command) : Command.ofBackend(Map.of(), command);
        return run.exits(0).all();
    }

    @Test
    void diagnostics_ofAStoppedProgram_saySo() throws Exception {
        Path archive = directory.resolve("alone.zip");
        Map<String, String> environment = Map.of(
                "PORT", Integer.toString(FreePort.choose()),
                "PCS_SIGN_ALG", "none",
                "WAL_DIR", directory.resolve("no-wal").toString(),
                "DEDUP_DIR", directory.resolve("no-dedup").toString());
        Command alone = Command.ofBackend(environment, "diagnostics", "--output", archive.toString())
                .exits(0);
        assertThat(alone.out()).contains("missing  metrics.txt", "missing  wal-verify.txt", "versions.txt");
        assertThat(Archive.read(archive).get("health.txt"))
                .contains("could not be obtained: ", "the program is not running");
    }
}
