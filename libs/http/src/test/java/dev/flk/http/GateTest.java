// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Gate;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests of endpoints that decide from the head of a request whether they serve it. */
final class GateTest {
    private static final int MAX_BYTES = 1000;
    private static final int BUDGET_BYTES = 4000;

    @RegisterExtension
    private final TestServer server = new TestServer();

    private final Bound budget = new Bound(BUDGET_BYTES);
    private Duration delay = Duration.ZERO;

    private void start() throws IOException {
        server.routes(routes -> routes.route(
                        HttpMethod.PUT,
                        "/guarded",
                        Endpoint.withBody(MAX_BYTES, this::serve).behind(this::refusal, budget))
                .get("/guarded", Endpoint.always(this::serve).behind(this::refusal, budget)));
        server.port();
    }

    private Optional<Gate.Refused> refusal(Request head, Exchange exchange) {
        return "right".equals(head.header("Key"))
                ? Optional.empty()
                : Optional.of(new Gate.Refused(Answer.error(401, "key needed"), delay));
    }

    private void serve(Request request, Exchange exchange) {
        boolean isReserved = exchange.reserveAnswer(budget, MAX_BYTES);
        exchange.answer(
                Answer.text(isReserved ? 200 : 503, "read " + request.body().length()));
    }

    private static String put(String key, String body) {
        return "PUT /guarded HTTP/1.1\nHost: h\nKey: " + key + "\nContent-Length: " + body.length() + "\n\n" + body;
    }

    private void occupyEverything() throws IOException {
        ServerLoad load = server.server().load();
        load.requests().add(1_000);
        load.bodyBytes().add(256 << 20);
        load.answerBytes().add(128 << 20);
    }

    @Test
    void admittedRequest_othersOccupyEverything_isServed() throws IOException {
        start();
        occupyEverything();
        RawClient client = server.connect();

        assertThat(client.send(put("right", "x".repeat(100))).read().body()).isEqualTo("read 100");
        assertThat(client.send("GET /guarded HTTP/1.1\nHost: h\nKey: right\n\n")
                        .read()
                        .status())
                .isEqualTo(200);
        assertThat(client.post("/echo", "x").read().status()).isEqualTo(503);
        assertThat(budget.held()).isZero();
    }

    @Test
    void refusedRequest_takesNothing() throws IOException {
        start();
        occupyEverything();
        budget.add(BUDGET_BYTES);
        RawClient client = server.connect();

        assertThat(client.send(put("wrong", "x".repeat(100))).read().status()).isEqualTo(401);
        assertThat(client.send("GET /guarded HTTP/1.1\nHost: h\n\n").read().status())
                .isEqualTo(401);
        assertThat(client.send(put("right", "x")).read().status()).isEqualTo(503);
        assertThat(server.connect()
                        .send("PUT /guarded HTTP/1.1\nHost: h\nExpect: 100-continue\nContent-Length: 3\n\n")
                        .read()
                        .status())
                .isEqualTo(401);
        assertThat(server.connect()
                        .send("PUT /guarded HTTP/1.1\nHost: h\nContent-Length: 5000\n\n")
                        .read()
                        .status())
                .isEqualTo(401);
        assertThat(budget.held()).isEqualTo(BUDGET_BYTES);
    }

    @Test
    void delayedRefusal_isAnswered_andThenTheNextRequest() throws IOException {
        delay = Duration.ofMillis(50);
        start();
        RawClient client = server.connect().send(put("wrong", "x") + put("wrong", "") + put("right", "abc"));

        assertThat(client.read().status()).isEqualTo(401);
        assertThat(client.read().status()).isEqualTo(401);
        Reply served = client.read();
        assertThat(served.body()).isEqualTo("read 3");
    }
}
