// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.program.config.Secret;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of readiness, of the login for metrics, and of the look-up of an outcome while ingest is not available. */
class OpsTest {
    private static final String ID = "ab".repeat(32);

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @Test
    void readyz_allReady_is200WithALinePerComponent() throws IOException {
        server.components = List.of(new Component("log", true, "open"), new Component("store", true, "\"up\""));

        Reply answer = server.get("/readyz");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo("""
                        {"ready":true,"components":[
                        {"name":"log","ready":true,"detail":"open"},
                        {"name":"store","ready":true,"detail":"\\"up\\""}
                        ]}
                        """);
    }

    @Test
    void lookUp_unavailable_is503WithRetryAfter() throws IOException {
        server.ingest.store(id -> Optional.of(new Refused(Refusal.STARTING, 2)));

        Reply answer = server.get("/v1/pcs/" + ID);

        assertThat(answer.status()).isEqualTo(503);
        assertThat(answer.body()).isEqualTo("{\"error\":\"starting\"}");
        assertThat(answer.header("retry-after")).contains("2");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Basic YW5uOng=", "Basic ###", "Basic", "Bearer x", ""})
    void metrics_withAnotherLogin_is401(String authorization) throws IOException {
        server.login(new Login("ann", new Secret("s:ä")));

        assertThat(server.get("/metrics", "Authorization: " + authorization).status())
                .isEqualTo(401);
    }

    @ParameterizedTest
    @ValueSource(strings = {";", ",", "; q=1, application/openmetrics-text; version=1.0.0", "*/*"})
    void metrics_anyAccept_areReturned(String accept) throws IOException {
        Reply answer = server.get("/metrics", "Accept: " + accept);

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("content-type").orElseThrow())
                .startsWith(accept.contains("openmetrics") ? "application/openmetrics-text" : "text/plain");
    }

    @ParameterizedTest
    @ValueSource(strings = {"Basic ", "basic  "})
    void metrics_withTheLogin_areReturned(String scheme) throws IOException {
        server.login(new Login("ann", new Secret("s:ä")));
        String login = Base64.getEncoder().encodeToString("ann:s:ä".getBytes(StandardCharsets.UTF_8));

        assertThat(server.get("/metrics", "Authorization: " + scheme + login).status())
                .isEqualTo(200);
    }
}
