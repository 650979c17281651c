// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.logging;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.Audit.AuditFile;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.ScrapedText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the audit log: the lines for operations and for refused requests, and the limit on their number. */
final class AuditTest {
    private static final Instant NOW = Instant.parse("2026-11-20T10:00:00Z");

    @TempDir
    private Path directory;

    private final Metrics metrics = new Metrics("test");
    private final AuditMetrics auditMetrics = new AuditMetrics(metrics);
    private long nanos;

    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void open_fileIsAFifo_isAConfigurationError() throws Exception {
        Path fifo = Files.createDirectory(directory.resolve("audit")).resolve("audit.jsonl");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor())
                .isZero();

        assertThatExceptionOfType(InvalidConfig.class)
                .isThrownBy(this::open)
                .withMessage("AUDIT_DIR: " + fifo
                        + " is a FIFO, not a regular file; move it away or name another directory");
    }

    private Audit open() {
        return Audit.open(directory.resolve("audit"), () -> NOW, () -> nanos, auditMetrics);
    }

    private List<JsonNode> lines() throws IOException {
        List<JsonNode> lines = new ArrayList<>();
        for (String line : Files.readAllLines(directory.resolve("audit").resolve(Audit.FILE))) {
            lines.add(new JsonMapper().readTree(line));
        }
        return lines;
    }

    @Test
    void operation_isOneJsonObject_keptAfterARestart_inAPrivateDirectory() throws Exception {
        try (Audit audit = open()) {
            audit.operation("keys_changed", Map.of("changes", "added \u001b\"a\"\n"));
        }
        open().close();
        assertThat(lines()).hasSize(3);
        assertThat(lines().get(0).toString())
                .isEqualTo("{\"time\":\"2026-11-20T10:00:00Z\",\"event\":\"keys_changed\","
                        + "\"changes\":\"added \\u001B\\\"a\\\"\\n\"}");
        assertThat(lines().get(2).path("event").asText()).isEqualTo("stopped");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("audit"))))
                .isEqualTo("rwx------");
    }

    @Test
    void refused_floodOfOneReason_isBoundedCountedAndHidesNoOther() throws Exception {
        try (Audit audit = open()) {
            for (int i = 0; i < 1_000; i++) {
                audit.signatureRefused("10.0.0." + i % 9, "unknown_key", null, null);
            }
            audit.signatureRefused("10.0.0.9", "revoked", "plant-7", "ab".repeat(32));
            nanos += 61_000_000_000L;
            audit.signatureRefused("10.0.0.1", "unknown_key", null, null);
        }
        List<JsonNode> lines = lines();
        assertThat(lines).hasSize(Audit.LINES_AT_ONCE + 3);
        assertThat(lines.get(Audit.LINES_AT_ONCE).toString())
                .contains("\"address\":\"10.0.0.9\",\"reason\":\"revoked\",\"key\":\"plant-7\",\"pcs_id\":\"abab");
        assertThat(lines.get(Audit.LINES_AT_ONCE + 1).path("not_written_before").asInt())
                .isEqualTo(1_000 - Audit.LINES_AT_ONCE);
    }

    @Test
    void open_directoryIsAFile_isCountedAndServingContinues() throws Exception {
        Files.writeString(directory.resolve("audit"), "a file");
        try (Audit audit = open()) {
            audit.operation("started", Map.of());
        }
        assertThat(ScrapedText.text(metrics)).containsPattern("(?m)^flk_audit_errors_total [1-9]");
    }

    @Test
    void operation_fileCouldNotBeOpened_isCounted_untilTheDirectoryIsRepaired() throws Exception {
        Path file = Files.writeString(directory.resolve("audit"), "a file");
        try (Audit audit = open()) {
            double before = ScrapedText.sample(metrics, "flk_audit_errors_total");
            for (int i = 1; i <= 20; i++) {
                audit.operation("keys_changed", Map.of());
                assertThat(ScrapedText.sample(metrics, "flk_audit_errors_total"))
                        .isEqualTo(before + i);
            }

            Files.delete(file);
            audit.operation("keys_refused", Map.of());
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo("rwx------");
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file.resolve("audit.jsonl"))))
                    .isEqualTo("rw-------");
        }
        assertThat(lines()).extracting(line -> line.path("event").asText()).containsExactly("keys_refused", "stopped");
    }

    @Test
    void operation_writeFails_eachLineIsCounted_untilTheDiskHasRoom() throws Exception {
        Path file = Files.createDirectory(directory.resolve("audit")).resolve(Audit.FILE);
        Files.createSymbolicLink(file, Path.of("/dev/full"));
        try (Audit audit = Audit.writingTo(new AuditFile(file, auditMetrics), () -> NOW, () -> nanos)) {
            for (int i = 1; i <= 20; i++) {
                audit.operation("keys_changed", Map.of());
                assertThat(ScrapedText.sample(metrics, "flk_audit_errors_total"))
                        .isEqualTo(i);
            }

            Files.delete(file);
            audit.operation("keys_refused", Map.of());
        }
        assertThat(lines()).extracting(line -> line.path("event").asText()).containsExactly("keys_refused", "stopped");
    }
}
