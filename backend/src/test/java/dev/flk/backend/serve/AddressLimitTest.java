// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.math.BigDecimal;
import java.net.InetAddress;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of the limits on addresses with too many refusals or too many connections. */
final class AddressLimitTest {
    private static final String TOO_MANY = "{\"error\":\"Too many requests\"}";

    @RegisterExtension
    final ServerFixture server = new ServerFixture();

    private void allow(String failuresPerSecond, int failures, int connections) throws IOException {
        server.limits(
                new Limits.Sizes(BigDecimal.TEN, 10, null, new BigDecimal(failuresPerSecond), failures, connections));
    }

    private void failOnce() throws IOException {
        server.port();
        server.limits().failed(Submitter.from(InetAddress.getLoopbackAddress()), 100);
    }

    @Test
    void submissionFromALimitedAddress_is429BeforeIngestAndKeepsTheConnection() throws IOException {
        allow("0.001", 1, 10);
        RawClient client = server.connect();
        assertThat(client.post("/v1/pcs/submit", "x").read().status()).isEqualTo(200);
        server.ingest.turns.clear();
        failOnce();

        Reply answer = client.post("/v1/pcs/submit", "y").read();

        assertThat(answer.status()).isEqualTo(429);
        assertThat(answer.body()).isEqualTo(TOO_MANY);
        assertThat(Long.parseLong(answer.header("Retry-After").orElseThrow())).isBetween(900L, 1000L);
        assertThat(client.post("/v1/pcs/batch", "x\ny").read().body()).isEqualTo(TOO_MANY);
        assertThat(server.ingest.turns).isEmpty();
        assertThat(server.sample("flk_rate_limited_by_total{limit=\"address\",}"))
                .isEqualTo("2.0");
        assertThat(server.sample("flk_http_body_bytes")).isEqualTo("0.0");
        assertThat(server.sample("flk_held_addresses")).isEqualTo("1.0");
    }

    @Test
    void changedBody_countsAgainstItsAddress() throws IOException {
        allow("0.001", 1, 10);
        byte[] body = {'x'};
        String digest = "Content-Digest: sha-256=:" + "A".repeat(43) + "=:";
        RawClient client = server.connect();
        assertThat(client.post("/v1/pcs/submit", body, digest).read().status()).isEqualTo(408);

        assertThat(client.post("/v1/pcs/submit", body, digest).read().status()).isEqualTo(429);
    }

    @Test
    void requestsThatNobodyServes_countAgainstTheirAddress_andAre429Beyond() throws IOException {
        allow("0.001", 3, 10);
        RawClient client = server.connect();
        assertThat(client.send("GET /x HTTP/1.1\nHost: h\n\n").read().status()).isEqualTo(404);
        assertThat(client.send("DELETE /health HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(405);
        assertThat(client.send("GET /v1/pcs/x HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(400);

        assertThat(client.send("GET /x HTTP/1.1\nHost: h\n\n").read().body()).isEqualTo(TOO_MANY);
        assertThat(client.send("DELETE /health HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(429);
        assertThat(client.send("GET /v1/pcs/x HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(429);
        assertThat(client.post("/v1/pcs/submit", "x").read().status()).isEqualTo(429);
        assertThat(client.send("GET /health HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(200);
    }

    @Test
    void malformedRequests_countAgainstTheirAddress() throws IOException {
        allow("0.001", 1, 10);
        assertThat(server.connect().send("nonsense\n\n").read().status()).isEqualTo(400);

        assertThat(server.submit("x").status()).isEqualTo(429);
    }

    @Test
    void otherRequestsFromALimitedAddress_areServed() throws IOException {
        allow("0.001", 1, 10);
        failOnce();
        assertThat(server.get("/health").status()).isEqualTo(200);
        assertThat(server.get("/v1/pcs/" + "0".repeat(64)).status()).isEqualTo(404);
    }

    @Test
    void expectContinueFromALimitedAddress_isRefusedWithoutTheBody() throws IOException {
        allow("0.001", 1, 10);
        failOnce();
        RawClient client = server.connect()
                .send("POST /v1/pcs/submit HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 3\n\n");
        assertThat(client.read().status()).isEqualTo(429);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void connectionAboveTheAddressLimit_isClosedAndCounted_untilOneEnds() throws IOException {
        allow("0", 1, 1);
        RawClient first = server.connect();
        assertThat(first.post("/v1/pcs/submit", "x").read().status()).isEqualTo(200);

        assertThat(server.connect().isAtEnd()).isTrue();

        assertThat(server.sample("flk_address_connections_refused_total")).isEqualTo("1.0");
        assertThat(server.sample("flk_http_connections")).isEqualTo("1.0");
        server.closeClients();
        server.awaitNoConnections();
        assertThat(server.submit("y").status()).isEqualTo(200);
        assertThat(server.sample("flk_connected_addresses")).isEqualTo("1.0");
    }
}
