// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tokens;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the lines in the log and in the audit log when the files of keys, tokens and TLS are read again after a reload
 * signal: first with a problem, then without. The check that runs every second may add the same line again.
 */
final class TokensReportsTest {
    private static final String TIME = "2026-11-20T10:00:00Z";

    @TempDir
    private Path directory;

    private final Metrics metrics = new Metrics("test");
    private final LogCapture log = new LogCapture();
    private Audit audit;

    @BeforeEach
    void open() {
        audit = Audit.open(
                directory, InstantSource.fixed(Instant.parse(TIME)), System::nanoTime, new AuditMetrics(metrics));
    }

    @AfterEach
    void close() {
        audit.close();
        log.close();
    }

    private List<Map<String, String>> audited() throws IOException {
        JsonMapper json = new JsonMapper();
        return Files.readAllLines(directory.resolve("audit.jsonl")).stream()
                .map(line -> {
                    try {
                        return json.readValue(line, new TypeReference<Map<String, String>>() {});
                    } catch (IOException e) {
                        throw new AssertionError(line, e);
                    }
                })
                .distinct()
                .toList();
    }

    private static Map<String, String> entry(String event, Path file, String member, String value) {
        return Map.of("time", TIME, "event", event, "file", file.toString(), member, value);
    }

    private List<String> logged(String part, int lines) {
        Callable<List<String>> distinct =
                () -> log.lines(part).stream().distinct().toList();
        return await().until(distinct, found -> found.size() == lines);
    }

    @Test
    void tokens() throws Exception {
        Path file = Files.writeString(directory.resolve("tokens.json"), "{\"version\":1,\"tokens\":[]}");
        try (Tokens inForce = Tokens.open(file, audit)) {
            Files.writeString(file, "{}");
            inForce.onReloadSignal();
            assertThat(logged(file.toString(), 1)).hasSize(1);
            Files.writeString(file, "{\"version\":1, \"tokens\":[]}");
            inForce.onReloadSignal();

            String problem = "it must be {\"version\": 1, \"tokens\": [...]}";
            assertThat(logged(file.toString(), 2))
                    .containsExactly(
                            "ERROR " + file + " can't be used, so the tokens that were read before stay in force."
                                    + " Problems: " + problem,
                            "INFO " + file + " was read again and has 0 tokens");
            await().untilAsserted(() -> assertThat(audited())
                    .containsExactly(
                            entry("state_tokens_refused", file, "problems", problem),
                            entry("state_tokens_changed", file, "tokens", "0")));
        }
    }
}
