// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.AgentReports;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.signing.HmacSigner;
import dev.flk.signing.message.MessageSigner;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of agents' reports, over HTTP and by the command {@code agents}. */
final class AgentsHandlerTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final Map<String, String> NO_CONFIGURATION = Map.of();

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    private AgentReports reports;
    private int nonce;

    @BeforeEach
    void start() {
        reports = server.agents;
    }

    private static String[] signature(String key, String target, String body, Instant created, String nonce) {
        return MessageSigner.of(new HmacSigner(key))
                .sign("PUT", target, Map.of(), body.getBytes(StandardCharsets.UTF_8), created, nonce)
                .entrySet()
                .stream()
                .flatMap(header -> Stream.of(header.getKey(), header.getValue()))
                .toArray(String[]::new);
    }

    private HttpResponse<String> put(String target, String body) throws IOException, InterruptedException {
        return server.send("PUT", target, body, signature("secret", target, body, server.now, "n-" + nonce++));
    }

    private JsonNode list(String query) throws IOException, InterruptedException {
        HttpResponse<String> answer = server.send("GET", "/v1/agents" + query, "");
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return JSON.readTree(answer.body());
    }

    private String refused(String reason) {
        return server.sample("flk_agent_reports_refused_total{reason=\"" + reason + "\",}");
    }

    @Test
    void report_isListedWithTheTimeOfTheBackend_andItsState() throws Exception {
        HttpResponse<String> answer = put("/v1/agents/pump%207", "{ \"pending\":7, \"host\":\"h\" }");
        assertThat(answer.statusCode()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("{\"id\":\"pump 7\",\"received_at\":\"" + ServerFixture.NOW + "\"}");
        put("/v1/agents/valve", "{\"stopped\":true}");
        server.now = ServerFixture.NOW.plusSeconds(301);

        assertThat(list("?prefix=pump"))
                .isEqualTo(JSON.readTree("{\"agents\":[{\"id\":\"pump 7\",\"state\":\"silent\",\"received_at\":\""
                        + ServerFixture.NOW + "\",\"age\":301,\"report\":{\"pending\":7,\"host\":\"h\"}}]}"));
        assertThat(list("").at("/agents/1/state").asText()).isEqualTo("stopped");
        assertThat(list("?silent=5m").path("agents")).hasSize(1);
        assertThat(list("?silent=6m").path("agents")).isEmpty();
        JsonNode first = list("?limit=1");
        assertThat(first.path("page").asText()).isEqualTo("pump 7");
        assertThat(list("?limit=1&page=pump%207").at("/agents/0/id").asText()).isEqualTo("valve");
        assertThat(server.send("GET", "/v1/agents?limit=0", "").statusCode()).isEqualTo(400);
        assertThat(server.send("GET", "/v1/agents?other=0", "").statusCode()).isEqualTo(400);
    }

    @Test
    void command_printsTheTable_andNamesTwoAgentsWithOneId() throws Exception {
        assertThat(server.run(NO_CONFIGURATION, 0, "agents"))
                .contains("no agent", "since 10:30:45 (UTC), when the\nbackend began.");
        for (String host : new String[] {"a", "b", "a"}) {
            put("/v1/agents/pump", "{\"host\":\"" + host + "\",\"pending\":3}");
        }
        server.now = ServerFixture.NOW.plusSeconds(150);
        put("/v1/agents/valve", "{}");

        assertThat(server.run(NO_CONFIGURATION, 0, "agents"))
                .contains("pump   late", "2 min        3", "valve  reporting")
                .contains("pump: two agents use this id: host b, host a")
                .doesNotContain("since");
        assertThat(server.run(NO_CONFIGURATION, 0, "agents", "--silent", "2m", "--prefix", "p", "--json"))
                .contains("\"duplicates\":[\"b\",\"a\"]")
                .doesNotContain("valve");
        assertThat(server.run(NO_CONFIGURATION, 2, "agents", "--silent", "soon"))
                .contains("--silent");
    }

    @Test
    void olderReport_is409() throws Exception {
        put("/v1/agents/a", "{\"host\":\"h\",\"sent_at\":\"2026-01-09T11:00:00Z\"}");
        HttpResponse<String> answer = put("/v1/agents/a", "{\"sent_at\":\"2026-01-09T10:59:59Z\"}");
        assertThat(answer.statusCode()).isEqualTo(409);
        assertThat(answer.body())
                .contains("a later report of this agent, from host h, was received at 2026-01-09T10:30");
        assertThat(refused("older")).isEqualTo("1.0");
    }

    @Test
    void reportsWithoutAValidSignature_areRefused_andCountAgainstTheAddress() throws Exception {
        server.limits(new Limits.Sizes(BigDecimal.TEN, 10, null, new BigDecimal("0.001"), 4, 1_000));
        String target = "/v1/agents/a";
        String[] once = signature("secret", target, "{}", server.now, "n");
        assertThat(server.send("PUT", target, "{}", once).statusCode()).isEqualTo(200);

        assertThat(server.send("PUT", target, "{}", once).statusCode()).isEqualTo(401);
        assertThat(server.send("PUT", target, "{}").statusCode()).isEqualTo(401);
        assertThat(server.send("PUT", target, "{}", signature("other", target, "{}", server.now, "o"))
                        .statusCode())
                .isEqualTo(401);
        assertThat(server.send(
                                "PUT",
                                target,
                                "{}",
                                signature("secret", target, "{}", server.now.minusSeconds(301), "p"))
                        .statusCode())
                .isEqualTo(401);

        assertThat(put(target, "{}").statusCode()).isEqualTo(429);
        assertThat(refused("replayed")).isEqualTo("1.0");
        assertThat(refused("credentials")).isEqualTo("2.0");
        assertThat(refused("age")).isEqualTo("1.0");
        assertThat(reports.all("")).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1/agents/%0A", "/v1/agents/a%2Fb", "/v1/agents/%FF", "/v1/agents/%"})
    void invalidId_is400(String target) throws Exception {
        Reply answer = server.connect()
                .send("PUT " + target + " HTTP/1.1\nHost: h\nContent-Length: 2\n\n{}")
                .read();
        assertThat(answer.status()).isEqualTo(400);
        assertThat(refused("malformed")).isEqualTo("1.0");
    }

    @Test
    void bodyThatIsNoReport_isRefused_aLongOneBeforeItIsRead() throws Exception {
        assertThat(put("/v1/agents/a", "[]").statusCode()).isEqualTo(400);
        assertThat(server.connect()
                        .send("PUT /v1/agents/a HTTP/1.1\nHost: h\nContent-Length: " + (AgentReports.MAX_BYTES + 1)
                                + "\n\n")
                        .read()
                        .status())
                .isEqualTo(413);
        assertThat(refused("too_large")).isEqualTo("1.0");
    }
}
