// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.access.keys.KeysFixture;
import dev.flk.backend.access.keys.KeysFixture.KeyText;
import dev.flk.backend.access.keys.ReloadedKeys;
import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tls.ReloadedTls.TlsMetrics;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.logging.LogCapture;
import dev.flk.program.metrics.Metrics;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests the lines in the log and in the audit log when the files of keys, tokens and TLS are read again after a reload
 * signal: first with a problem, then without. The check that runs every second may add the same line again.
 */
final class ReloadReportsTest {
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
    void keys() throws Exception {
        KeysFixture keys = new KeysFixture(directory).write(KeyText.ed25519("a", 1));
        try (ReloadedKeys inForce = new ReloadedKeys(
                        keys.file(), null, Instant::now, () -> false, System::nanoTime, new KeysMetrics(metrics))
                .start(audit, version -> {})) {
            keys.writeText("{}");
            inForce.onReloadSignal();
            String problem = logged(keys.file().toString(), 1).get(0).replaceAll(".*Problems: ", "");
            keys.write(KeyText.ed25519("a", 1), KeyText.ed25519("b", 2));
            inForce.onReloadSignal();

            assertThat(logged(keys.file().toString(), 2))
                    .containsExactly(
                            "ERROR " + keys.file() + " can't be used, so the keys that were read before stay in force."
                                    + " Problems: " + problem,
                            "INFO " + keys.file() + " was read again and has 2 active, 0 retiring, 0 revoked keys; key"
                                    + " b was added");
            await().untilAsserted(() -> assertThat(audited())
                    .containsExactly(
                            entry("keys_read", keys.file(), "keys", "1 active, 0 retiring, 0 revoked"),
                            entry("keys_refused", keys.file(), "problems", problem),
                            entry("keys_changed", keys.file(), "changes", "key b was added")));
        }
    }

    @Test
    void tls() throws Exception {
        TestAuthority authority = TestAuthority.named("authority");
        authority.issue("first", "localhost").writeTo(directory, "own");
        Path certificate = directory.resolve("own.crt");
        Path key = directory.resolve("own.key");
        try (ReloadedTls inForce = new ReloadedTls(
                        new TlsFiles(certificate, key, Optional.empty()), Instant::now, new TlsMetrics(metrics))
                .start(audit)) {
            String end = inForce.toString().replaceAll(".* until ", "");
            Files.delete(key);
            inForce.onReloadSignal();
            assertThat(logged("TLS can't be renewed", 1)).hasSize(1);
            authority.issue("second", "localhost").writeTo(directory, "own");
            inForce.onReloadSignal();

            String problem = "TLS_KEY: " + key + ": it does not exist";
            assertThat(logged("that was read before stays in use", 1))
                    .containsExactly("ERROR TLS can't be renewed: the certificate that was read before stays in use;"
                            + " its validity ends at " + end + ". Fix the files, which are read again when they"
                            + " change. The problem is: " + problem);
            assertThat(logged("new connections use", 1))
                    .containsExactly(
                            "INFO new connections use the certificate in TLS_CERT, " + certificate + ": " + inForce);
            await().untilAsserted(() -> assertThat(audited())
                    .containsExactly(
                            entry("tls_refused", certificate, "problem", problem),
                            entry("tls_changed", certificate, "certificate", inForce.toString())));
        }
    }
}
