// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests that a backend which has not opened its features yet does not answer that something does not exist. */
final class StartingTest {
    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @ParameterizedTest
    @CsvSource({
        "GET, /v1/shards",
        "GET, /v1/shards/a/outcomes",
        "GET, /v1/outcomes",
        "GET, /v1/outcomes/changes",
        "GET, /v1/pcs/01234567",
        "GET, /v1/reviews",
        "PUT, /v1/reviews",
        "POST, /v1/outcomes/backup",
        "GET, /v1/agents",
        "PUT, /v1/agents/a",
        "PUT, /v1/sessions/a",
        "GET, /v1/logs",
        "POST, /v1/logs/forget",
    })
    void request_whileStarting_is503(String method, String path) throws Exception {
        server.areFeaturesOpen = false;

        HttpResponse<String> answer = HttpClient.newHttpClient()
                .send(
                        HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.port() + path))
                                .method(
                                        method,
                                        method.equals("GET") ? BodyPublishers.noBody() : BodyPublishers.ofString("{}"))
                                .build(),
                        BodyHandlers.ofString());

        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.body()).isEqualTo("{\"error\":\"this backend is still starting\"}");
        assertThat(answer.headers().firstValue("Retry-After")).contains("1");
    }
}
