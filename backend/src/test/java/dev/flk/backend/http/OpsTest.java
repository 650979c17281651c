// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.http.Readiness.Component;
import dev.flk.backend.ingest.Ingest.LookUp;
import dev.flk.backend.ingest.Outcome.Cause;
import dev.flk.program.config.Secret;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Health, readiness, metrics and the look-up of an outcome. */
class OpsTest {
    private static final String ID = "ab".repeat(32);

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void health_whileServing_isOk() throws IOException {
        RawAnswer answer = server.get("/health");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("OK");
    }

    @Test
    void readyz_allReady_is200WithALinePerComponent() throws IOException {
        server.components = List.of(new Component("log", true, "open"), new Component("store", true, "\"up\""));

        RawAnswer answer = server.get("/readyz");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("""
                        {"ready":true,"components":[
                        {"name":"log","ready":true,"detail":"open"},
                        {"name":"store","ready":true,"detail":"\\"up\\""}
                        ]}
                        """);
    }

    @Test
    void readyz_oneNotReady_is503() throws IOException {
        server.components = List.of(new Component("log", true, "open"), new Component("store", false, "starting"));

        RawAnswer answer = server.get("/readyz");

        assertThat(answer.status()).isEqualTo(503);
        assertThat(answer.body()).startsWith("{\"ready\":false,").contains("\"detail\":\"starting\"");
    }

    @Test
    void served_certificatesAlone_hidesMetricsAndReadiness() throws IOException {
        server.withoutOps();

        assertThat(server.get("/health").status()).isEqualTo(200);
        assertThat(server.get("/readyz").status()).isEqualTo(404);
        assertThat(server.get("/metrics").status()).isEqualTo(404);
        assertThat(server.submit("x").status()).isEqualTo(200);
        server.ingest.store(id -> new LookUp.Found(200, new byte[0]));
        assertThat(server.get("/v1/pcs/" + ID).status()).isEqualTo(200);
    }

    @Test
    void lookUp_found_givesTheStoredBodyWith200() throws IOException {
        server.ingest.store(id -> new LookUp.Found(202, ("{\"id\":\"" + id + "\"}").getBytes(StandardCharsets.UTF_8)));

        RawAnswer answer = server.get("/v1/pcs/" + ID);

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("{\"id\":\"" + ID + "\"}");
    }

    @Test
    void lookUp_unknown_is404() throws IOException {
        assertThat(server.get("/v1/pcs/" + ID).status()).isEqualTo(404);
    }

    @Test
    void lookUp_unavailable_is503WithRetryAfter() throws IOException {
        server.ingest.store(id -> new LookUp.Unavailable(Cause.STARTING, 2));

        RawAnswer answer = server.get("/v1/pcs/" + ID);

        assertThat(answer.status()).isEqualTo(503);
        assertThat(answer.body()).isEqualTo("{\"error\":\"starting\"}");
        assertThat(answer.header("retry-after")).contains("2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB", "%61"})
    void lookUp_noId_is400(String id) throws IOException {
        assertThat(server.get("/v1/pcs/" + id).status()).isEqualTo(400);
    }

    @Test
    void metrics_noLoginConfigured_areForEveryone() throws IOException {
        RawAnswer answer = server.get("/metrics");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("content-type")).get().asString().startsWith("text/plain; version=0.0.4");
        assertThat(answer.body()).contains("\nflk_ingest_total 0.0\n");
    }

    @Test
    void metrics_openMetricsAskedFor_areThat() throws IOException {
        RawAnswer answer = server.get("/metrics", "Accept: application/openmetrics-text; version=1.0.0");

        assertThat(answer.header("content-type")).get().asString().startsWith("application/openmetrics-text");
        assertThat(answer.body()).endsWith("# EOF\n");
    }

    @Test
    void metrics_withoutTheLogin_is401() throws IOException {
        server.login(new Login("ann", new Secret("s:ä")));

        RawAnswer answer = server.get("/metrics");

        assertThat(answer.status()).isEqualTo(401);
        assertThat(answer.header("www-authenticate")).get().asString().startsWith("Basic realm=");
        assertThat(answer.body()).startsWith("{\"error\":");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Basic YW5uOng=", "Basic ###", "Basic", "Bearer x", ""})
    void metrics_withAnotherLogin_is401(String authorization) throws IOException {
        server.login(new Login("ann", new Secret("s:ä")));

        assertThat(server.get("/metrics", "Authorization: " + authorization).status())
                .isEqualTo(401);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Basic ", "basic  "})
    void metrics_withTheLogin_areGiven(String scheme) throws IOException {
        server.login(new Login("ann", new Secret("s:ä")));
        String login = Base64.getEncoder().encodeToString("ann:s:ä".getBytes(StandardCharsets.UTF_8));

        assertThat(server.get("/metrics", "Authorization: " + scheme + login).status())
                .isEqualTo(200);
    }

    @Test
    void metrics_connections_areCounted() throws IOException {
        server.get("/health");

        assertThat(server.get("/metrics").body()).contains("\nflk_http_connections 2.0\n");
    }
}
