// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that a backup of the outcomes, made under traffic, replaces a lost DEDUP_DIR. */
@Tag("thorough")
final class OutcomesBackupIT {
    private static final int BEFORE = 300;
    private static final int ANSWERS = 100;
    private static final int ID_COLUMN = 3;

    @TempDir
    private Path directory;

    private Path dedupDir() {
        return directory.resolve("data/dedup");
    }

    private Map<String, String> environment() {
        Map<String, String> environment = ServedBackend.environment();
        environment.put("WAL_DIR", directory.resolve("data/wal").toString());
        environment.put("DEDUP_DIR", dedupDir().toString());
        return environment;
    }

    private Command outcomes(String... args) {
        List<String> command = new ArrayList<>(List.of("outcomes"));
        command.addAll(List.of(args));
        return Command.ofBackend(environment(), command.toArray(String[]::new));
    }

    private static void awaitRecorded(Client client) {
        client.awaitNothingPending();
        Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);
    }

    @Test
    void restore_backupWasMadeWhileSubmitting_nothingIsLostOrRecordedTwice() throws Exception {
        Path backup = directory.resolve("backup");
        List<Pcs> before =
                IntStream.rangeClosed(1, BEFORE).mapToObj(Pcs::number).toList();
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            submit(new Client(backend.url()), 1, BEFORE);
        }
        KilledUnderTraffic traffic = new KilledUnderTraffic(epoch -> Pcs.number(BEFORE + epoch));
        try (BackendProcess backend = BackendProcess.start(directory)) {
            Client client = new Client(backend.url());
            traffic.kill(backend, ANSWERS, () -> {
                Client.awaitUntil(() -> client.metric("flk_record_lag_records") >= 0); // not NaN: the record is open
                JsonNode made = StrictJson.read(outcomes("backup", backup.toString(), "--json", "--url", backend.url())
                        .exits(0)
                        .out());
                assertThat(made.path("complete_up_to").asLong()).isGreaterThanOrEqualTo(BEFORE);
                assertThat(outcomes("restore", backup.toString()).exits(1).err())
                        .contains("is in use by ", "; stop the backend first");
                double more = client.metric("flk_accepted") + ANSWERS;
                Client.awaitUntil(() -> client.metric("flk_accepted") >= more);
            });
        }

        assertThat(outcomes("restore", backup.toString()).exits(1).err()).contains(dedupDir() + " is not empty");
        Files.move(dedupDir(), directory.resolve("lost"));
        outcomes("restore", backup.toString()).exits(0);
        Files.delete(LogFiles.inbox(directory.resolve("data/wal")).segments().get(0));

        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            client.awaitReady();
            awaitRecorded(client);
            traffic.assertKept(client);
            Answer table =
                    client.send(client.request("/v1/outcomes?limit=10000").header("Accept", "text/csv"));
            assertThat(table.body().lines().map(line -> line.split(",", -1)[ID_COLUMN]))
                    .doesNotHaveDuplicates()
                    .containsAll(before.stream().map(pcs -> pcs.id().toString()).toList())
                    .containsAll(traffic.acknowledged().stream()
                            .map(one -> one.pcs().id().toString())
                            .toList());
            assertThat(client.metric("flk_record_missed_total")).isZero();
            assertThat(client.metric("flk_dedup_set_aside_total")).isZero();
            assertThat(client.get("/v1/outcomes").has("X-Flk-Gap")).isFalse();
            for (Pcs pcs : before) {
                assertThat(client.get("/v1/pcs/" + pcs.id()).status()).isEqualTo(200);
            }
        }
    }

    @Test
    void answersOfABackup_areAsDocumented() throws Exception {
        byte[] body = ("{\"directory\":\"" + directory.resolve("backup") + "\"}").getBytes(UTF_8);
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = Client.comparing(backend.url());
            submit(client, 1, 10);
            assertThat(client.post("/v1/outcomes/backup", body).status()).isEqualTo(200);
            assertThat(client.post("/v1/outcomes/backup", body).status()).isEqualTo(400);
            assertThat(client.post("/v1/outcomes/backup", new byte[20 << 10]).status())
                    .isEqualTo(413);
        }
        try (ServedBackend backend =
                BackendInJvm.start(directory, Map.of("DEDUP_BACKEND", "memory", "RECORD", "off"))) {
            Client client = Client.comparing(backend.url());
            Client.awaitUntil(() -> client.post("/v1/outcomes/backup", body).status() == 404); // 503 while it starts
        }
    }

    private static void submit(Client client, int first, int last) throws IOException, InterruptedException {
        StringBuilder lines = new StringBuilder();
        for (int number = first; number <= last; number++) {
            lines.append(Pcs.number(number).json()).append('\n');
        }
        assertThat(client.batch(lines.toString()).status()).isEqualTo(200);
        awaitRecorded(client);
    }
}
