// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code kill -9} of the agent while it takes in, sends and settles: nothing is lost, and what is sent twice changes nothing. */
final class AgentKillIT {
    private static final int CERTIFICATES = 600;
    private static final int SPOOL_FILES = 40;
    private static final int KILLS = 8;

    @TempDir
    private Path directory;

    private final Random random = new Random(4);

    @BeforeEach
    void makeSpool() throws IOException {
        Files.createDirectory(directory.resolve("spool"));
    }

    @Test
    void killedWhileSending_everyCertificateIsRecordedOnce() throws Exception {
        Path file = directory.resolve("all.ndjson");
        Files.writeString(file, lines(0, CERTIFICATES));
        // slow enough that a kill meets the agent at work
        try (BackendProcess backend =
                BackendProcess.start(directory, Map.of("TOKEN_RATE", "300", "TOKEN_BURST", "20"))) {
            Client client = new Client(backend.url());
            try (Program submit = agent(backend, "submit", file.toString())) {
                assertThat(submit.awaitExit()).isZero();
            }
            for (int kill = 0; kill < KILLS; kill++) {
                try (Program agent = agent(backend, "run")) {
                    awaitAccepted(client, 10 + random.nextInt(40));
                    agent.kill();
                }
            }
            finish(backend, client, CERTIFICATES);
        }
    }

    @Test
    void killedWhileTakingIn_everySpooledCertificateIsRecordedOnce() throws Exception {
        Path spool = directory.resolve("spool");
        try (BackendProcess backend = BackendProcess.start(directory)) {
            Client client = new Client(backend.url());
            int each = 10;
            for (int file = 0; file < SPOOL_FILES; file++) {
                Path part = directory.resolve("part");
                Files.writeString(part, lines((long) file * each, each));
                Files.move(part, spool.resolve("file-" + file + ".ndjson"));
                if (file % 5 == 4) {
                    try (Program agent = agent(backend, "run")) {
                        int left = random.nextInt(5);
                        await().until(() -> files(spool) <= left);
                        agent.kill();
                    }
                }
            }
            try (Program agent = agent(backend, "run")) {
                await().until(() -> files(spool) == 0);
                assertThat(agent.terminate()).isEqualTo(143);
            }
            finish(backend, client, SPOOL_FILES * each);
        }
    }

    private void finish(BackendProcess backend, Client client, int certificates) throws Exception {
        try (Program last = agent(backend, "run", "--until-empty")) {
            assertThat(last.awaitExit()).as(last.allLines()).isZero();
        }
        assertThat(client.metric("flk_accepted")).isEqualTo(certificates);
        assertThat(client.metric("flk_conflicts_total")).isZero();
        for (long epoch = 0; epoch < certificates; epoch++) {
            assertThat(client.get("/v1/pcs/" + Pcs.number(epoch).id()).status()).isEqualTo(200);
        }
        assertThat(Files.readString(directory.resolve("data/dlq.jsonl"))).isEmpty();
    }

    private static void awaitAccepted(Client client, int more) throws IOException, InterruptedException {
        double from = client.metric("flk_accepted");
        await().until(() -> {
            double now = client.metric("flk_accepted");

            return now >= from + more || now >= CERTIFICATES;
        });
    }

    private Program agent(BackendProcess backend, String... args) throws IOException {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("ENDPOINT", backend.url());
        environment.put("PCS_SIGN_ALG", "hmac");
        environment.put("PCS_HMAC_KEY", Pcs.KEY);
        environment.put("BATCH_SIZE", "7");
        environment.put("MAX_IN_FLIGHT", "21");
        environment.put("BASE_DELAY", "20ms");
        environment.put("SPOOL_DIR", "spool");
        return Program.java("flk-agent", directory, environment, List.of(), args);
    }

    private static String lines(long firstEpoch, int count) {
        return LongStream.range(firstEpoch, firstEpoch + count)
                .mapToObj(epoch -> Pcs.number(epoch).without("sig").json())
                .collect(Collectors.joining("\n", "", "\n"));
    }

    private static long files(Path spool) throws IOException {
        try (Stream<Path> files = Files.list(spool)) {
            return files.count();
        }
    }
}
