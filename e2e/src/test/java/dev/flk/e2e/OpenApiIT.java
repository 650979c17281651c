// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** {@code docs/openapi.yaml}: it is valid, and so are its examples. The contract tests compare their answers with it ({@link RunningBackend#client}). */
final class OpenApiIT {
    private static final OpenApi DOCUMENT = OpenApi.document();

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(
            Map.of("PCS_HMAC_KEYS", "an example of a secret", "BODY_TIMEOUT", "200ms"),
            Program.QUICK_START.toArray(String[]::new));

    @Test
    void document_isOpenApiAsAValidatorHasIt() {
        assertThat(DOCUMENT.at("/openapi").asText()).startsWith("3.1.");
        assertThat(DOCUMENT.mistakes()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "400, HTTP/1.1~~",
        "408, HTTP/1.1~Host: e2e~Content-Length: 9~~{",
        "413, HTTP/1.1~Host: e2e~Content-Length: 999999999~~",
        "415, HTTP/1.1~Host: e2e~Content-Encoding: br~Content-Length: 2~~{}",
        "431, HTTP/1.1~Host: e2e~X: LONG~~",
        "501, 'HTTP/1.1~Host: e2e~Transfer-Encoding: gzip, chunked~~'",
        "505, HTTP/2.0~Host: e2e~~"
    })
    void requestThatIsWrongAsHttp_isAnsweredAsDescribed(int status, String rest) throws IOException {
        for (String path : List.of("/v1/pcs/submit", "/v1/pcs/batch")) {
            try (RawConnection connection = backend.connect()) {
                Answer answer = connection
                        .send("POST " + path + " " + rest.replace("~", "\r\n").replace("LONG", "x".repeat(17 << 10)))
                        .read();
                assertThat(answer.status()).isEqualTo(status);
                DOCUMENT.require("POST", path, answer);
            }
        }
    }

    @Test
    void storeAndAddressRefusals_areAnsweredAsDescribed(@TempDir Path directory) throws Exception {
        try (BackendProcess storeless = BackendProcess.start(
                directory,
                Map.of(
                        "DEDUP_BACKEND", "redis",
                        "REDIS_ADDR", "127.0.0.1:9",
                        "ADDRESS_FAILURE_RATE", "0.001",
                        "ADDRESS_FAILURE_BURST", "1"),
                Program.QUICK_START)) {
            Client client = Client.comparing(storeless.url());
            assertThat(client.submit(Pcs.number(1)).error()).isEqualTo("dedup store unavailable");
            assertThat(client.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(503);
            assertThat(client.get("/readyz").status()).isEqualTo(503);
            assertThat(client.batch("{").status()).isEqualTo(200);
            assertThat(client.batch("{\n{\n").status()).isEqualTo(429);
        }
    }

    @Test
    void examples_areAsTheirSchemasSay() {
        List<String> broken = new ArrayList<>();
        int examples = 0;
        List<String> open = new ArrayList<>(List.of("/paths", "/components"));
        while (!open.isEmpty()) {
            String pointer = open.remove(0);
            JsonNode node = DOCUMENT.at(pointer);
            if (node.has("examples")) {
                for (Map.Entry<String, JsonNode> example : node.path("examples").properties()) {
                    examples++;
                    broken.addAll(DOCUMENT.violations(
                            pointer + "/schema", example.getValue().path("value")));
                }
            } else {
                node.fieldNames().forEachRemaining(name -> open.add(pointer + "/" + name.replace("/", "~1")));
            }
        }
        assertThat(broken).isEmpty();
        assertThat(examples).isGreaterThan(30);
    }

    @Test
    void examples_areAnsweredAsTheExamplesSay() throws Exception {
        String submit = "/paths/~1v1~1pcs~1submit/post";
        for (Map.Entry<String, JsonNode> sent : DOCUMENT.at(submit + "/requestBody/content/application~1json/examples")
                .properties()) {
            String status = sent.getKey().equals("accepted") ? "200" : "202";
            JsonNode expected = DOCUMENT.at(submit + "/responses/" + status + "/content/application~1json/examples/"
                    + sent.getKey() + "/value");
            Answer answer = backend.client()
                    .submit(sent.getValue().path("value").toString().getBytes(StandardCharsets.UTF_8));
            assertThat(answer.status()).as(sent.getKey()).isEqualTo(Integer.parseInt(status));
            assertThat(StrictJson.read(answer.body())).isEqualTo(expected);
        }
        String batch = "/paths/~1v1~1pcs~1batch/post";
        String two = "/content/application~1x-ndjson/examples/two/value";
        String answered = DOCUMENT.at(batch + "/responses/200" + two).textValue();
        assertThat(backend.client()
                        .batch(DOCUMENT.at(batch + "/requestBody" + two).textValue())
                        .body()
                        .replace(",\"duplicate\":true", ""))
                .isEqualTo(answered);
    }

    @Test
    void certificates_thatAreTaken_areAsTheSchemaSays_andOthersAreNot() {
        String schema = "/components/schemas/Certificate";
        assertThat(DOCUMENT.violations(schema, StrictJson.read(Pcs.number(1).json())))
                .isEmpty();
        for (String field : List.of("pcs_id", "shard_id", "epoch", "scales", "N_j", "D_hat", "regime", "merkle_root")) {
            for (Pcs wrong : List.of(Pcs.number(1).without(field), Pcs.number(1).tampered(field, "true"))) {
                assertThat(DOCUMENT.violations(schema, StrictJson.read(wrong.json())))
                        .as(field)
                        .isNotEmpty();
            }
        }
    }
}
