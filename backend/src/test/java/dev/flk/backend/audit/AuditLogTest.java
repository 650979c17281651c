// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.audit;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.audit.AuditReader.Entry;
import dev.flk.backend.audit.AuditReader.Found;
import dev.flk.backend.metrics.Meters;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AuditLogTest {
    private static final Instant NOW = Instant.parse("2026-11-21T03:04:05.678912Z");
    private static final InstantSource CLOCK = InstantSource.fixed(NOW);

    @TempDir
    private Path home;

    private final Meters meters = new Meters("test");

    private Path directory() {
        return home.resolve("wal/audit");
    }

    private AuditLog log(Map<String, String> environment) {
        return new AuditLog(directory(), environment, CLOCK, meters);
    }

    private List<Entry> entries() throws IOException {
        Found found = new AuditReader(directory()).since(Instant.EPOCH);
        assertThat(found.unreadable()).isZero();
        return found.entries();
    }

    @Test
    void operation_isThereWhenTheCallReturns_andTellsWhoAndFromWhere() throws Exception {
        try (AuditLog log = log(Map.of("SUDO_USER", "ann", "SSH_CONNECTION", "10.1.2.3 55555 10.0.0.1 22"))) {
            log.operation("key_added", Map.of("key", "plant-7"));

            Entry entry = entries().get(0);
            assertThat(entry.time()).isEqualTo(Instant.parse("2026-11-21T03:04:05.678Z"));
            assertThat(entry.event()).isEqualTo("key_added");
            assertThat(entry.details())
                    .containsEntry("account", System.getProperty("user.name"))
                    .containsEntry("sudo_user", "ann")
                    .containsEntry("address", "10.1.2.3")
                    .containsEntry("pid", Long.toString(ProcessHandle.current().pid()))
                    .containsEntry("key", "plant-7")
                    .containsKey("host");
        }
    }

    @Test
    void environmentThatLies_writesNoLineOfItsOwn() throws Exception {
        try (AuditLog log = log(Map.of("SUDO_USER", "a\"}\n{\"time\":1}", "SSH_CONNECTION", "x\u001b[2J y"))) {
            log.operation("key_added", Map.of("key", "\u0000\n"));
        }
        assertThat(entries()).hasSize(1);
        assertThat(entries().get(0).details()).doesNotContainKey("address").containsEntry("key", "\u0000\n");
        assertThat(Files.readString(directory().resolve("operations.jsonl"))).matches("[ -~]*\n");
    }

    /** Root's commands write here, too, in a directory of the backend's account. */
    @Test
    void linkInPlaceOfAFile_isNotFollowed() throws Exception {
        Path elsewhere = Files.writeString(home.resolve("elsewhere"), "whole\n");
        Files.createDirectories(directory());
        Files.createSymbolicLink(directory().resolve("operations.jsonl"), elsewhere);
        try (AuditLog log = log(Map.of())) {
            log.operation("key_added", Map.of("key", "plant-7"));
        }
        assertThat(elsewhere).hasContent("whole\n");
    }

    @Test
    void filesAndDirectory_areTheOwnersAlone() throws Exception {
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of("PORT", "8080"));
            log.signatureRefused("10.0.0.9", "unknown_key", null, null);
            log.step();
        }
        try (Stream<Path> files = Files.list(directory())) {
            List<Path> all = files.toList();
            assertThat(all).hasSizeGreaterThanOrEqualTo(3);
            for (Path file : all) {
                assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                        .as(file.toString())
                        .isEqualTo("rw-------");
            }
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory())))
                .isEqualTo("rwx------");
    }

    @Test
    void refusals_haveAddressReasonKeyAndId() throws Exception {
        String id = "ab".repeat(32);
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of());
            log.signatureRefused("10.0.0.9", "wrong_shard", "plant-7", id);
            log.conflict("10.0.0.8", "signed fields differ", "plant-8", id);
        }
        List<Entry> refusals = entries().stream()
                .filter(entry -> !entry.details().containsKey("pid"))
                .toList();
        assertThat(refusals.get(0).event()).isEqualTo("signature_refused");
        assertThat(refusals.get(0).details())
                .containsExactly(
                        Map.entry("address", "10.0.0.9"),
                        Map.entry("reason", "wrong_shard"),
                        Map.entry("key", "plant-7"),
                        Map.entry("pcs_id", id));
        assertThat(refusals.get(1).event()).isEqualTo("conflict");
    }

    @Test
    void startWithOtherSettings_tellsWhatHasChanged() throws Exception {
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of("TOL_D", "0.15", "PORT", "8080", "METRICS_USER", "sre"));
        }
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of("TOL_D", "0.20", "PORT", "8080", "KEYS_FILE", "/etc/keys.json"));
        }
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of("TOL_D", "0.20", "PORT", "8080", "KEYS_FILE", "/etc/keys.json"));
        }
        assertThat(entries().stream().map(Entry::event))
                .containsExactlyInAnyOrder(
                        "started", "stopped", "started", "configuration_changed", "stopped", "started", "stopped");
        Entry changed = entries().stream()
                .filter(entry -> entry.event().equals("configuration_changed"))
                .findFirst()
                .orElseThrow();
        assertThat(changed.details())
                .containsEntry("TOL_D", "0.15 → 0.20")
                .containsEntry("METRICS_USER", "sre → not set")
                .containsEntry("KEYS_FILE", "not set → /etc/keys.json")
                .doesNotContainKey("PORT");
    }

    @Test
    void flood_neverTakesMoreThanItsRoom_andPushesNoOperationOut() throws Exception {
        BoundedFile small = new BoundedFile(directory(), "refusals", 40_000);
        try (AuditLog log = log(Map.of())) {
            log.operation("key_revoked", Map.of("key", "plant-7"));
        }
        String line = "{\"time\":\"2026-11-21T03:04:05Z\",\"event\":\"signature_refused\"}\n";
        for (int i = 0; i < 5_000; i++) {
            small.append(List.of(line), false);
        }
        long bytes = 0;
        for (Path file : BoundedFile.files(directory(), "refusals")) {
            bytes += Files.size(file);
        }
        assertThat(bytes).isBetween(30_000L, 40_000L);
        assertThat(entries().stream().map(Entry::event)).contains("key_revoked");
    }

    @Test
    void lineThatSomebodyDiedIn_spoilsNoOther() throws Exception {
        BoundedFile file = new BoundedFile(directory(), "operations", 1 << 20);
        String line = "{\"time\":\"2026-11-21T03:04:05Z\",\"event\":\"started\"}\n";
        file.append(List.of(line), true);
        Files.writeString(directory().resolve("operations.jsonl"), "{\"time\":\"2026", StandardOpenOption.APPEND);
        file.append(List.of(line), true);

        Found found = new AuditReader(directory()).since(Instant.EPOCH);
        assertThat(found.entries()).hasSize(2);
        assertThat(found.unreadable()).isEqualTo(1);
    }

    @Test
    void manyWriters_loseNothing() throws Exception {
        int writers = 8;
        int linesEach = 200;
        ExecutorService pool = Executors.newFixedThreadPool(writers);
        List<Future<?>> done = IntStream.range(0, writers)
                .<Future<?>>mapToObj(writer -> pool.submit(() -> {
                    OperationsFile file = new OperationsFile(directory(), Map.of(), CLOCK);
                    for (int i = 0; i < linesEach; i++) {
                        file.write("key_added", Map.of("key", writer + "-" + i));
                    }
                    return null;
                }))
                .toList();
        for (Future<?> one : done) {
            one.get();
        }
        pool.shutdown();
        assertThat(entries().stream().map(entry -> entry.details().get("key")))
                .doesNotHaveDuplicates()
                .hasSize(writers * linesEach);
    }

    @Test
    void directoryThatCantBeMade_isCounted_andStopsNobody() throws Exception {
        Files.writeString(home.resolve("wal"), "a file");
        try (AuditLog log = log(Map.of())) {
            log.start("1", Map.of());
            log.signatureRefused("10.0.0.9", "unknown_key", null, null);
            log.step();
        }
        assertThat(new String(meters.expose(null).text(), StandardCharsets.UTF_8))
                .doesNotContain("flk_audit_errors_total 0.0")
                .contains("flk_audit_errors_total ");
    }
}
