// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of refusals caused by the state of the backend: rate limits, a full store, and failed writes. */
final class ContractRefusalsIT {
    @TempDir
    private Path directory;

    @Test
    void rateLimit_emptyBucket_is429BeforeTheBodyIsParsed() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory, Map.of("TOKEN_RATE", "0.001", "TOKEN_BURST", "1"))) {
            Client client = Client.comparing(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Answer answer = client.submit("{".getBytes(StandardCharsets.UTF_8));
            assertThat(answer.status()).isEqualTo(429);
            assertThat(answer.body()).isEqualTo("{\"error\":\"Too many requests\"}");
            assertThat(retryAfter(answer)).isBetween(900L, 1000L);
            assertThat(client.get("/health").status()).isEqualTo(200);
            assertThat(client.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(200);
            assertThat(client.metric("flk_ingest_total")).isEqualTo(1);
            assertThat(client.metric("flk_rate_limited_total")).isEqualTo(1);
        }
    }

    @Test
    void memoryStore_full_is503OverloadedAndDuplicatesAreAnswered() throws Exception {
        Map<String, String> small = Map.of("DEDUP_BACKEND", "memory", "MEMORY_MAX_ENTRIES", "1");
        try (ServedBackend backend = BackendInJvm.start(directory, small)) {
            Client client = Client.comparing(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Answer answer = client.submit(Pcs.number(2));
            assertThat(answer.status()).isEqualTo(503);
            assertThat(answer.error()).isEqualTo("overloaded");
            assertThat(retryAfter(answer)).isPositive();
            assertThat(client.submit(Pcs.number(1)).marks()).containsKey("x-flk-duplicate");
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).entries()).hasSize(1);
        }
    }

    @Test
    void log_writeFails_is500AndTheNextSegmentTakesOver() throws Exception {
        Map<String, String> environment = ServedBackend.environment();
        // the native library of the embedded store exceeds the file size limit
        environment.put("DEDUP_BACKEND", "memory");
        // the limit is in blocks of 512 bytes; without a limit, segments can grow to 64 MiB
        Program program = Program.limited("ulimit -f 12288", "flk-backend", directory, environment);
        try (ServedBackend backend = BackendProcess.of(program)) {
            Client client = Client.comparing(backend.url());
            Answer failed = null;
            long epoch = 0;
            for (; failed == null && epoch < 20; epoch++) {
                Answer answer = client.submit(large(epoch));
                failed = answer.status() == 200 ? null : answer;
            }
            assertThat(failed).isNotNull();
            assertThat(failed.status()).isEqualTo(500);
            assertThat(failed.body()).isEqualTo("{\"error\":\"log append failed\"}");
            program.awaitLine(line -> line.contains(" ERROR ") && line.contains("WAL append error"));
            assertThat(client.metric("flk_wal_errors")).isEqualTo(1);

            Answer retried = client.submit(large(epoch - 1));
            assertThat(retried.status()).isEqualTo(200);
            assertThat(retried.marks()).isEmpty();
            assertThat(LogFiles.inbox(directory.resolve("data/wal")).segments()).hasSize(2);
        }
    }

    private static Pcs large(long epoch) {
        return Pcs.number(epoch).with("x_fill", "\"" + "x".repeat(1_000_000) + "\"");
    }

    private static long retryAfter(Answer answer) {
        return Long.parseLong(answer.header("Retry-After"));
    }
}
