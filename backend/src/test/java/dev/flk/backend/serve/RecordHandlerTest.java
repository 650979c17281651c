// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.program.config.Secret;
import java.io.IOException;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of {@code /v1/outcomes} on a real server, and of the command {@code record}, which asks it. */
@Timeout(120)
final class RecordHandlerTest {
    private static final Instant NOW = ServerFixture.NOW;
    private static final String COLUMNS = "received_at,shard_id,epoch,pcs_id,verdict,D_hat,recomputed_D_hat,budget,"
            + "recomputed_budget,coh_star,r,regime,reason,policy,key_id,merkle_root,window_start,window_end";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private final MemoryRecord record = new MemoryRecord();

    @BeforeEach
    void start() {
        server.record = record.outcomes();
    }

    @AfterEach
    void close() {
        record.close();
    }

    private String add(String shard, int epoch, String verdict, String reason) {
        return record.add(shard, epoch, verdict, reason, NOW.plusSeconds(epoch));
    }

    private HttpResponse<String> get(String path, @Nullable String accept) throws IOException, InterruptedException {
        String[] headers = accept == null ? new String[0] : new String[] {"Accept", accept};
        return server.send("GET", "/v1" + path, "", headers);
    }

    private HttpResponse<String> csv(String path) throws IOException, InterruptedException {
        HttpResponse<String> answer = get(path, "text/csv");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        assertThat(answer.headers().firstValue("Content-Type")).contains("text/csv; charset=utf-8");
        return answer;
    }

    private String printed(int exitCode, String... args) throws IOException {
        return server.run(Map.of(), exitCode, args);
    }

    @Test
    void shards_sayHowEachChanged() throws Exception {
        for (int epoch = 1; epoch <= 12; epoch++) {
            add("usual", epoch, "accepted", "");
            record.add("pump", epoch, "accepted", "", record.now, Map.of("r", epoch < 12 ? 0.4 : 0.1));
        }
        add("few", 1, "accepted", "");
        while (record.outcomes().changes().step()) {
            // compares all shards
        }
        add("new", 1, "accepted", "");

        String pump = "{\"shard_id\":\"pump\",\"change\":{\"state\":\"changed\",\"measure\":\"r\","
                + "\"distance\":30.0,\"from\":0.4,\"to\":0.1,\"at\":\"" + record.now + "\"}}";
        HttpResponse<String> all = get("/shards", null);
        assertThat(all.body().lines())
                .containsExactly(
                        "{\"shard_id\":\"few\",\"change\":{\"state\":\"too_few\"}}",
                        "{\"shard_id\":\"new\",\"change\":{\"state\":\"not_looked_at\"}}",
                        pump,
                        "{\"shard_id\":\"usual\",\"change\":{\"state\":\"usual\",\"measure\":\"recomputed_D_hat\","
                                + "\"distance\":0.0,\"from\":1.2,\"to\":1.2,\"at\":\"" + NOW.plusSeconds(12) + "\"}}");
        assertThat(all.headers().firstValue("X-Flk-Changed")).contains("1");
        assertThat(all.headers().firstValue("X-Flk-Not-Looked-At")).contains("1");
        assertThat(get("/shards?change=changed", null).body()).isEqualTo(pump + "\n");
        assertThat(get("/shards?change=usual", null).body()).contains("change is not one of changed");
    }

    @Test
    void csv_hasStableColumns_inertCells_andWhatRecordPrints() throws Exception {
        String id = record.add(
                "=cmd|' /C'!A0",
                1,
                "rejected",
                "degraded: +2",
                NOW,
                Map.of("D_hat", -1.5, "window_end", "2026-01-02T00:00:00Z", "key_id", "@SUM(1)"));
        add("a,\"b\"\tc", 2, "accepted", "");

        String text = csv("/outcomes").body();

        assertThat(text.split("\n", -1))
                .containsExactly(
                        COLUMNS,
                        "2026-01-09T10:30:45.000Z,'=cmd|' /C'!A0,1," + id
                                + ",rejected,-1.5,1.2,0.4,0.3,0.5,0.8,mixed,degraded: +2,p,'@SUM(1)," + "0".repeat(64)
                                + ",2026-01-02T00:00:00.000Z,2026-01-02T00:00:00.000Z",
                        text.split("\n", -1)[2],
                        "");
        assertThat(text.split("\n", -1)[2]).contains("\"a,\"\"b\"\"");
        assertThat(csv("/shards/"
                                + URLEncoder.encode("=cmd|' /C'!A0", StandardCharsets.UTF_8)
                                        .replace("+", "%20") + "/outcomes")
                        .body())
                .isEqualTo(COLUMNS + "\n" + text.split("\n", -1)[1] + "\n");
        assertThat(printed(0, "record", "--all", "--csv")).isEqualTo(text.replace("\n", System.lineSeparator()));
        assertThat(csv("/outcomes?id=" + id.substring(0, 8)).body().lines()).hasSize(2);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            nullValues = "none",
            value = {
                "none                                   | application/x-ndjson",
                "*/*                                    | application/x-ndjson",
                "application/json                       | application/x-ndjson",
                "text/html, */*;q=0.8                   | application/x-ndjson",
                "text/csv;q=0                           | application/x-ndjson",
                "text/csv;q=0.5, application/x-ndjson   | application/x-ndjson",
                "Text/CSV                               | text/csv; charset=utf-8",
                "text/csv; header=present; q=0.9, */*   | text/csv; charset=utf-8",
                "application/x-ndjson;q=0.5, text/csv   | text/csv; charset=utf-8"
            })
    void accept_choosesTheFormat(@Nullable String accept, String type) throws Exception {
        HttpResponse<String> answer = get("/outcomes", accept);

        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.headers().firstValue("Content-Type")).contains(type);
        assertThat(get("/outcomes?limit=0", accept).headers().firstValue("Content-Type"))
                .contains("application/json");
    }

    @Test
    void csv_cut_saysSoInTheHead_andContinues() throws Exception {
        for (int epoch = 1; epoch <= 700; epoch++) {
            add("shard-" + epoch % 3, epoch, epoch % 2 == 0 ? "accepted" : "rejected", "r out of bounds: 1");
        }
        List<String> all = csv("/outcomes").body().lines().toList();
        assertThat(all).hasSize(701).doesNotHaveDuplicates();

        HttpResponse<String> first = csv("/outcomes?limit=300");
        HttpResponse<String> second = csv("/outcomes?limit=10000&cursor="
                + first.headers().firstValue("X-Flk-Cursor").orElseThrow());

        assertThat(second.headers().firstValue("X-Flk-Cursor")).isEmpty();
        assertThat(first.body().lines()).isEqualTo(all.subList(0, 301));
        assertThat(second.body().lines().skip(1)).isEqualTo(all.subList(301, 701));
        assertThat(get("/outcomes?limit=10001", "text/csv").body())
                .isEqualTo("{\"error\":\"limit is not a whole number from 1 to 10000\"}");
        assertThat(get("/outcomes?limit=1001", null).body())
                .isEqualTo("{\"error\":\"limit is not a whole number from 1 to 1000\"}");
    }

    @Test
    void csv_longReasons_endsWithinItsMemory() throws Exception {
        for (int epoch = 1; epoch <= 2_500; epoch++) {
            add("a", epoch, "escalated", "degraded: " + "\u202e".repeat(680));
        }

        HttpResponse<String> first = csv("/outcomes");

        assertThat(first.body().length()).isBetween(5 << 20, 8 << 20);
        HttpResponse<String> second = csv(
                "/outcomes?cursor=" + first.headers().firstValue("X-Flk-Cursor").orElseThrow());
        assertThat(first.body().lines().count() + second.body().lines().count()).isEqualTo(2_502);
        assertThat(printed(0, "record", "--all", "--csv", "--limit", "2100").lines())
                .hasSize(2_101)
                .doesNotHaveDuplicates();
    }

    @Test
    void reason_selectsItsKind() throws Exception {
        String mismatch = add("a", 1, "escalated", "regime mismatch: claimed=mixed, expected=sticky");
        add("a", 2, "rejected", "r out of bounds: 1.2000 not in [0, 1]");

        for (String path : List.of("/outcomes", "/shards/a/outcomes", "/outcomes/changes")) {
            assertThat(get(path + "?reason=regime+mismatch", null).body().lines())
                    .singleElement()
                    .asString()
                    .contains(mismatch);
        }
        assertThat(printed(0, "record", "--reason", "regime mismatch", "--json"))
                .contains(mismatch)
                .doesNotContain("bounds");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "/shards/nobody/outcomes               | 404 | no outcome of this shard is recorded",
                "/shards/x/outcomes?from=yesterday     | 400 | from is not a time; write it like 2026-01-31T12:00:00Z",
                "/outcomes?verdct=rejected             | 400 | unknown parameter, verdct; did you mean verdict?",
                "/outcomes?id=01234567&limit=1         | 400 | id can't be combined with other conditions; leave out limit"
            })
    void invalidQuestion_saysWhatIsWrong(String path, int status, String error) throws Exception {
        HttpResponse<String> answer = get(path, null);

        assertThat(answer.statusCode()).isEqualTo(status);
        assertThat(answer.body()).contains(error);
    }

    @Test
    void record_withoutCondition_listsShards_andCsvNamesAll() throws Exception {
        add("a", 1, "accepted", "");
        add("b", 2, "accepted", "");

        assertThat(printed(0, "record")).isEqualTo("a\nb\n".replace("\n", System.lineSeparator()));
        assertThat(printed(0, "record", "--all").lines()).hasSize(3).allMatch(line -> line.length() <= 80);
        assertThat(printed(2, "record", "--csv")).contains("--all").contains("lists the shards");
    }

    @Test
    void record_needsTheLoginOfOperators() throws Exception {
        server.login(new Login("operator", new Secret("secret of operators")));
        Map<String, String> login = Map.of("METRICS_USER", "operator", "METRICS_PASS", "secret of operators");

        assertThat(server.run(login, 0, "record")).isEmpty();
        assertThat(printed(1, "record"))
                .contains("the server asks for the operators' login; run this with its METRICS_USER and METRICS_PASS");
    }
}
