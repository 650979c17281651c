// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.net.http.HttpRequest.BodyPublishers;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of look-ups, readiness, methods and unknown paths. */
final class ContractOperationsIT {
    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of());

    @Test
    void readyz_whenReady_hasALinePerComponent() throws Exception {
        Answer answer = backend.client().get("/readyz");
        assertThat(answer.status()).isEqualTo(200);
        JsonNode ready = StrictJson.read(answer.body());
        assertThat(ready.get("ready").booleanValue()).isTrue();
        for (JsonNode component : ready.get("components")) {
            assertThat(component.get("ready").booleanValue()).isTrue();
            assertThat(answer.body().lines())
                    .anyMatch(line -> line.startsWith("{\"name\":" + component.get("name") + ","));
        }
        assertThat(ready.get("components"))
                .extracting(each -> each.get("name").textValue())
                .containsExactly("log", "dedup");
    }

    @Test
    void lookUp_rejected_isTheStoredBodyWith200() throws Exception {
        Pcs pcs = backend.next().with("r", "2");
        Answer submitted = backend.client().submit(pcs);
        Answer answer = backend.client().get("/v1/pcs/" + pcs.id());
        assertThat(submitted.status()).isEqualTo(202);
        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.body()).isEqualTo(submitted.body());
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"})
    void lookUp_invalidId_is400(String id) throws Exception {
        Answer answer = backend.client().get("/v1/pcs/" + id);
        assertThat(answer.status()).isEqualTo(400);
        assertThat(answer.error()).isEqualTo("pcs_id is not 8 to 64 lower-case hex digits");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/v1", "/v1/pcs/", "/v1/pcs/submit/", "/metrics/x"})
    void unknownPath_is404(String path) throws Exception {
        Answer answer = backend.client().get(path);
        assertThat(answer.status()).isEqualTo(404);
        assertThat(answer.error()).isEqualTo("not found");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "GET|/v1/pcs/submit|POST",
                "HEAD|/v1/pcs/submit|POST",
                "POST|/health|GET, HEAD",
                "DELETE|/v1/pcs/abab|GET, HEAD"
            })
    void wrongMethod_is405WithTheAllowedOnes(String method, String path, String allow) throws Exception {
        Answer answer = ask(method, path);
        assertThat(answer.status()).isEqualTo(405);
        assertThat(answer.header("Allow")).isEqualTo(allow);
        assertThat(answer.body()).isEqualTo(method.equals("HEAD") ? "" : "{\"error\":\"method not allowed\"}");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/health", "/readyz", "/v1/pcs/abab"})
    void head_returnsTheHeadersOfGetWithoutABody(String path) throws Exception {
        Answer got = ask("GET", path);
        Answer answer = ask("HEAD", path);
        assertThat(answer.status()).isEqualTo(got.status());
        assertThat(answer.header("Content-Length")).isEqualTo(got.header("Content-Length"));
        assertThat(answer.header("Content-Type")).isEqualTo(got.header("Content-Type"));
        assertThat(answer.body()).isEmpty();
    }

    private static Answer ask(String method, String path) throws Exception {
        return backend.client().send(backend.client().request(path).method(method, BodyPublishers.noBody()));
    }
}
