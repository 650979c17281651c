// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that the record of outcomes can be queried, and is one for two backends in Postgres. */
class RecordIT {
    private static final int BATCH = 50;

    @TempDir
    private Path directory;

    private final Random random = new Random(21);
    private long next = 1;

    /**
     * Returns a certificate, which is usually new, but sometimes repeats an earlier certificate or has different
     * content under a known id. Some shards have unusual names.
     */
    private Pcs another() {
        boolean isKnown = next > 1 && random.nextInt(5) == 0;
        long number = isKnown ? 1 + random.nextLong(next - 1) : next++;
        String[] shards = {"\"shard-1\"", "\"a/b c\"", "\"\u007fdel\"", "\"" + "ä".repeat(200) + "\""};
        Pcs pcs = Pcs.number(number).with("shard_id", shards[(int) (number % shards.length)]);
        return isKnown && random.nextInt(3) == 0
                ? pcs.with("D_hat", "1.4")
                : pcs.with("D_hat", number % 7 == 0 ? "1.9" : "1.0");
    }

    private void submit(Client client, int certificates) throws IOException, InterruptedException {
        for (int sent = 0; sent < certificates; sent += BATCH) {
            StringBuilder lines = new StringBuilder();
            for (int i = 0; i < BATCH; i++) {
                lines.append(another().json()).append('\n');
            }
            assertThat(client.batch(lines.toString()).status()).isEqualTo(200);
        }
    }

    @Test
    void page_showsACertificateWithItsLogRecords() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            client.awaitReady();
            for (int i = 1; i <= 2; i++) {
                assertThat(client.submit(Pcs.number(i)).status()).isEqualTo(200);
            }
            Pcs wrong = Pcs.number(3).with("D_hat", "1.9");
            assertThat(client.submit(wrong).status()).isEqualTo(202);
            client.awaitNothingPending();
            Client.awaitUntil(() -> client.metric("flk_record_lag_records") == 0);

            String view = "/ui/certificate?id=" + wrong.id();
            assertThat(client.get(view).body())
                    .contains("This certificate was rejected: ", "<th scope=\"row\">D̂</th><td>1.9</td><td>1.0</td>")
                    .contains("<circle ", "wal cat --id " + wrong.id())
                    .contains("2. D_hat is close to the recomputed one: does not hold", "<h3>submission 3</h3>")
                    .doesNotContain("<h3>evidence");
            assertThat(client.submit(Pcs.number(3).with("r", "0.7")).status()).isIn(200, 202);

            assertThat(client.get(view).body()).contains("<h3>evidence 4</h3>");
        }
    }

    @Test
    void outcomes_canBeQueriedAndSearched_overHttpAndOnTheCommandLine() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = Client.comparing(backend.url());
            submit(client, 200);
            Pcs measured = Pcs.number(9_001)
                    .with("ft", "{\"window_start\":\"2026-01-01T00:00:00Z\",\"window_end\":\"2026-01-02T00:00:00Z\"}");
            String id = measured.id().toString();
            assertThat(client.submit(measured).status()).isEqualTo(200);
            Client.awaitUntil(
                    () -> client.metric("flk_inbox_pending") == 0 && client.metric("flk_record_lag_records") == 0);

            assertThat(client.get("/v1/shards")
                            .body()
                            .lines()
                            .map(line -> StrictJson.read(line).get("shard_id").textValue()))
                    .contains("shard-1", "a/b c", "\u007fdel", "ä".repeat(200));
            String ofShard = "/v1/shards/a%2Fb%20c/outcomes?limit=5&verdict=accepted";
            Answer first = client.get(ofShard);
            assertThat(first.body().lines()).hasSize(5).allSatisfy(line -> {
                JsonNode outcome = StrictJson.read(line);
                assertThat(outcome.get("shard_id").textValue()).isEqualTo("a/b c");
                assertThat(outcome.get("verdict").textValue()).isEqualTo("accepted");
            });
            Answer second = client.get(ofShard + "&cursor=" + first.header("X-Flk-Cursor"));
            assertThat(second.body().lines())
                    .hasSize(5)
                    .doesNotContainAnyElementsOf(first.body().lines().toList());
            Answer rejected = client.get("/v1/outcomes?verdict=rejected&order=newest&limit=1000");
            assertThat(rejected.header("X-Flk-Covers")).isEqualTo("all-backends");
            List<JsonNode> found = rejected.body().lines().map(StrictJson::read).toList();
            assertThat(found.stream().map(outcome -> outcome.get("shard_id").textValue()))
                    .contains("shard-1", "a/b c");
            assertThat(found.stream().map(outcome -> outcome.get("received_at").textValue()))
                    .isSortedAccordingTo(Comparator.comparing(Instant::parse).reversed());
            assertThat(client.get("/v1/outcomes?measured_from=2026-01-02T00:00:00Z&measured_to=2026-01-03T00:00:00Z")
                            .body()
                            .lines())
                    .singleElement()
                    .asString()
                    .contains(id, "\"window_end\":\"2026-01-02T00:00:00Z\"");
            String digits = id.substring(0, 8);
            assertThat(client.get("/v1/pcs/" + digits).body())
                    .isEqualTo(client.get("/v1/pcs/" + id).body());
            assertThat(client.get("/v1/pcs/00000000").status()).isEqualTo(404);

            assertThat(printed(backend, "record", "--id", digits)).contains(id.substring(0, 12));
            String[] table = {"record", "--shard", "shard-1", "--since", "1h", "--limit", "7"};
            assertThat(printed(backend, table).lines().filter(line -> !line.startsWith("    ")))
                    .hasSize(8);
            assertThat(printed(backend, table).lines())
                    .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
        }
    }

    @Test
    void recordInPostgres_isOneForTwoBackends() throws Exception {
        try (PostgresServer server = PostgresServer.startWithScram()) {
            Map<String, String> environment = new HashMap<>(server.configuration());
            try (ServedBackend one = BackendInJvm.start(Files.createDirectory(directory.resolve("one")), environment);
                    ServedBackend two =
                            BackendInJvm.start(Files.createDirectory(directory.resolve("two")), environment)) {
                List<Client> clients = List.of(new Client(one.url()), new Client(two.url()));
                for (Client each : clients) {
                    each.awaitReady();
                    submit(each, 200);
                }
                for (Client each : clients) {
                    each.awaitNothingPending();
                    Client.awaitUntil(() -> each.metric("flk_record_lag_records") == 0);
                }
                Map<String, List<String>> recorded = KilledUnderTraffic.recorded(clients.get(0));
                assertThat(recorded).hasSize((int) next - 1);
                assertThat(recorded.values())
                        .allSatisfy(versions -> assertThat(versions).hasSize(1));
                assertThat(KilledUnderTraffic.recorded(clients.get(1))).isEqualTo(recorded);
                for (String path : List.of("/v1/outcomes?limit=1000", "/v1/outcomes/changes?limit=100")) {
                    assertThat(clients.get(0).get(path).body())
                            .isEqualTo(clients.get(1).get(path).body());
                }
                String cursor = "&cursor="
                        + clients.get(0).get("/v1/outcomes/changes?limit=100").header("X-Flk-Cursor");
                assertThat(clients.get(1)
                                .get("/v1/outcomes/changes?limit=10" + cursor)
                                .body())
                        .isEqualTo(clients.get(0)
                                .get("/v1/outcomes/changes?limit=10" + cursor)
                                .body());
            }
        }
    }

    private static String printed(ServedBackend backend, String... arguments) {
        List<String> all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of("--url", backend.url()));
        return Command.ofBackend(Map.of(), all.toArray(String[]::new)).exits(0).out();
    }
}
