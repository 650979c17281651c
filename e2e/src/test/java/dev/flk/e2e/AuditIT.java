// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The audit log of the real jar: what operators did, what strangers tried, and what a flood of that makes of it. */
final class AuditIT {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int FLOOD = 5_000;

    @TempDir
    private Path directory;

    private BackendProcess start(Map<String, String> more) throws IOException {
        Map<String, String> environment = new HashMap<>(more);
        environment.put("ADDRESS_FAILURE_RATE", "0");
        return BackendProcess.start(directory, environment, Program.QUICK_START);
    }

    private static void stop(BackendProcess backend) {
        assertThat(backend.program().terminate()).isEqualTo(143);
    }

    private List<JsonNode> audit(String... args) throws IOException {
        List<String> all = new ArrayList<>(List.of("audit", "--json"));
        all.addAll(List.of(args));
        try (Program program = Program.java(
                "flk-backend",
                directory,
                BackendProcess.environment(),
                Program.QUICK_START,
                all.toArray(String[]::new))) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
            List<JsonNode> lines = new ArrayList<>();
            for (String line : program.out().lines().toList()) {
                lines.add(JSON.readTree(line));
            }
            return lines;
        }
    }

    private static List<String> events(List<JsonNode> lines) {
        return lines.stream().map(line -> line.get("event").textValue()).toList();
    }

    @Test
    void startsAndChangedSettings_areThere_withWhoAndFromWhere() throws Exception {
        stop(start(Map.of()));
        stop(start(Map.of("TOL_D", "0.20", "METRICS_USER", "sre", "METRICS_PASS", "a-password")));

        List<JsonNode> lines = audit();
        assertThat(events(lines)).containsExactly("started", "stopped", "started", "configuration_changed", "stopped");
        JsonNode changed = lines.get(3);
        assertThat(changed.get("TOL_D").textValue()).isEqualTo("0.15 → 0.20");
        assertThat(changed.get("METRICS_PASS").textValue()).isEqualTo("not set → set");
        assertThat(changed.get("account").textValue()).isEqualTo(System.getProperty("user.name"));
        assertThat(lines.toString()).doesNotContain("a-password").doesNotContain(Pcs.KEY);
    }

    @Test
    void refusedAndConflicting_areThere_withAddressAndId() throws Exception {
        Pcs first = Pcs.number(1);
        Pcs other = first.with("N_j", "{\"2\":3,\"4\":5,\"8\":9}");
        Pcs forged = Pcs.number(2).tampered("D_hat", "1.23");
        try (BackendProcess backend = start(Map.of())) {
            Client client = new Client(backend.url());
            assertThat(client.submit(first).status()).isEqualTo(200);
            assertThat(client.submit(other).has("X-Flk-Conflict")).isTrue();
            assertThat(client.submit(forged).status()).isEqualTo(401);
            stop(backend);
        }
        List<JsonNode> refused = audit("--event", "signature_refused");
        assertThat(refused).hasSize(1);
        assertThat(refused.get(0).get("address").textValue()).isEqualTo("127.0.0.1");
        assertThat(refused.get(0).get("reason").textValue()).isEqualTo("unknown key");
        assertThat(refused.get(0).get("pcs_id").textValue())
                .isEqualTo(forged.id().toString());
        List<JsonNode> conflicts = audit("--event", "conflict");
        assertThat(conflicts).hasSize(1);
        assertThat(conflicts.get(0).get("pcs_id").textValue())
                .isEqualTo(first.id().toString());
    }

    @Test
    void flood_isCountedToTheLast_inAFewLines() throws Exception {
        try (BackendProcess backend = start(Map.of())) {
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < FLOOD; i++) {
                lines.append(Pcs.number(i).tampered("D_hat", "1.23").json()).append('\n');
                if (i % 500 == 499) {
                    assertThat(new Client(backend.url()).batch(lines.toString()).status())
                            .isEqualTo(200);
                    lines.setLength(0);
                }
            }
            stop(backend);
        }
        List<JsonNode> refused = audit("--event", "signature_refused");
        long counted = refused.stream()
                .mapToLong(line -> line.has("more") ? line.get("more").longValue() : 1)
                .sum();
        assertThat(counted).isEqualTo(FLOOD);
        assertThat(refused).hasSizeLessThanOrEqualTo(8); // three and their number, in two periods at the most
    }

    private Program addKey(Map<String, String> environment) throws IOException {
        return Program.java(
                "flk-backend",
                directory,
                environment,
                Program.QUICK_START,
                "keys",
                "add",
                "plant-7",
                "--generate",
                "--shard",
                "plant-7");
    }

    @Test
    void commandWithoutAnAuditLog_isDone_andSaysSo() throws Exception {
        try (Program program = addKey(Map.of("KEYS_FILE", "keys.json"))) {
            assertThat(program.awaitExit()).isZero();
            assertThat(program.allLines())
                    .contains("key plant-7 is active")
                    .contains("done, but not in the audit log: there is no ");
        }
        assertThat(Files.exists(directory.resolve("keys.json"))).isTrue();
    }

    @Test
    void commandWhoseAuditLogCantBeTold_isDone_andSaysSo() throws Exception {
        try (Program program = addKey(Map.of("KEYS_FILE", "keys.json", "WAL_DIR_FILE", "no-such-file"))) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
            assertThat(program.allLines())
                    .contains("key plant-7 is active")
                    .contains("done, but not in the audit log: WAL_DIR_FILE: no-such-file can't be read");
        }
    }

    @Test
    void directoryThatCantBeWritten_stopsNoService() throws Exception {
        Files.writeString(directory.resolve("a-file"), "");
        try (BackendProcess backend = start(Map.of("AUDIT_DIR", "a-file"))) {
            assertThat(new Client(backend.url()).submit(Pcs.number(1)).status()).isEqualTo(200);
            assertThat(new Client(backend.url()).metric("flk_audit_errors_total"))
                    .isPositive();
            backend.program().awaitLine(line -> line.contains("the audit log can't be written"));
        }
    }
}
