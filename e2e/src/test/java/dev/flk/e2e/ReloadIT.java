// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that a backend applies certain settings of its configuration file on SIGHUP while certificates arrive. */
final class ReloadIT {
    private static final int AGENTS = 4;

    @TempDir
    private Path directory;

    private void configure(String... lines) throws IOException {
        List<String> all = new ArrayList<>(
                List.of("PORT=0", "BIND_ADDR=127.0.0.1", "PCS_SIGN_ALG=hmac", "PCS_HMAC_KEY=" + Pcs.KEY));
        all.addAll(List.of(lines));
        Files.write(directory.resolve("flk.properties"), all);
    }

    @Test
    void reload_ratesAndLogLevel_takeEffectUnderLoadWithoutLoss() throws Exception {
        configure("TOKEN_RATE=200", "TOKEN_BURST=200");
        ExecutorService agents = Executors.newFixedThreadPool(AGENTS);
        try (BackendProcess backend = BackendProcess.of(
                Program.java("flk-backend", directory, Map.of(), Program.QUICK_START, "--config", "flk.properties"))) {
            AtomicBoolean ending = new AtomicBoolean();
            AtomicInteger numbers = new AtomicInteger();
            AtomicInteger throttled = new AtomicInteger();
            List<Future<Integer>> accepted = new ArrayList<>();
            for (int i = 0; i < AGENTS; i++) {
                accepted.add(agents.submit(() -> send(backend.url(), numbers, throttled, ending)));
            }
            Client client = new Client(backend.url());
            Client.awaitUntil(() -> throttled.get() > 100);

            configure("TOKEN_RATE=1000000", "LOG_LEVEL=WARN", "MAX_BATCH=7");
            backend.program().onReloadSignal();
            backend.program()
                    .awaitLine(line -> line.endsWith(
                            "WARN  backend - SIGHUP: these changes need a restart: MAX_BATCH=7 (was 1000),"
                                    + " ADDRESS_FAILURE_RATE=100000/s (was 20/s; follows TOKEN_RATE)"));
            Client.awaitUntil(() -> client.metric("flk_accepted") > 2_000);
            configure("TOKEN_RATE=lots");
            backend.program().onReloadSignal();
            backend.program().awaitLine(line -> line.contains("SIGHUP: TOKEN_RATE: ") && line.contains(" ERROR "));
            configure("TOKEN_RATE=1000000", "SHARD_RATE=1", "MAX_BATCH=7");
            backend.program().onReloadSignal();
            backend.program()
                    .awaitLine(line -> line.endsWith("INFO  backend - SIGHUP: applied: LOG_LEVEL=INFO (was WARN),"
                            + " SHARD_RATE=1 (was not set)"));
            Client.awaitUntil(() -> client.metric("flk_rate_limited_by_total{limit=\"shard\",}") > 10);
            configure("TOKEN_RATE=1000000", "MAX_BATCH=7");
            backend.program().onReloadSignal();

            ending.set(true);
            int all = 0;
            for (Future<Integer> one : accepted) {
                all += one.get();
            }
            assertThat(all).isEqualTo(numbers.get());
            assertThat(client.metric("flk_accepted")).isEqualTo(all);
        } finally {
            agents.shutdownNow();
        }
    }

    /**
     * Sends certificates one at a time, repeats each until it is accepted, and returns the number of accepted
     * certificates.
     */
    private static int send(String url, AtomicInteger numbers, AtomicInteger throttled, AtomicBoolean ending)
            throws Exception {
        Client client = new Client(url);
        int accepted = 0;
        while (!ending.get()) {
            Pcs pcs = Pcs.number(numbers.incrementAndGet());
            Answer answer = client.submit(pcs);
            while (answer.status() == 429) {
                assertThat(answer.header("X-Flk-Limit")).isIn("global", "shard");
                throttled.incrementAndGet();
                answer = client.submit(pcs);
            }
            assertThat(answer.status()).as(answer.body()).isEqualTo(200);
            accepted++;
        }
        return accepted;
    }
}
