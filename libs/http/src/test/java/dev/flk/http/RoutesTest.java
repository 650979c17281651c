// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.Routes.Endpoint;
import dev.flk.http.Routes.Endpoint.Request;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import io.netty.handler.codec.http.HttpMethod;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of the mapping from methods and paths to endpoints, and of methods other than GET and POST. */
class RoutesTest {
    private static final int MAX_BODY_BYTES = 1000;
    private static final String BELOW = "/v1/items/**";

    @RegisterExtension
    private final TestServer server = new TestServer().routes(RoutesTest::addTo);

    private static void addTo(Routes routes) {
        routes.get("/v1/items", said("list"))
                .get("/v1/items/changes", said("changes"))
                .get(BELOW, said("read"))
                .route(HttpMethod.PUT, BELOW, Endpoint.withBody(MAX_BODY_BYTES, (r, e) -> say("write", r, e)))
                .route(HttpMethod.DELETE, BELOW, said("delete"))
                .get("/v1/shards/*", said("shard"))
                .get("/v1/shards/*/outcomes", said("outcomes"))
                .get("/v1/*/a", said("first"))
                .get("/v1/x/*", said("second"));
    }

    private static Endpoint said(String name) {
        return Endpoint.asking((request, exchange) -> say(name, request, exchange));
    }

    /** Answers with the name of the endpoint and the parts of the request; of the headers, only {@code X-Part}. */
    private static void say(String name, Request request, Exchange exchange) {
        BodyBuffer body = request.body();
        exchange.answer(Answer.text(
                200,
                String.join(
                        " ",
                        name,
                        request.method().name(),
                        request.target(),
                        request.path(),
                        "?" + request.query(),
                        String.join(",", request.headers().getAll("X-Part")),
                        new String(body.exact(), StandardCharsets.UTF_8))));
    }

    private Reply ask(String method, String target) throws IOException {
        RawClient client = server.connect().send(method + " " + target + " HTTP/1.1\nHost: h\nContent-Length: 0\n\n");
        return method.equals("HEAD") ? client.readHead() : client.read();
    }

    @ParameterizedTest
    @CsvSource({
        "GET,/v1/items,list",
        "GET,/v1/items?limit=1,list",
        "GET,/v1/items/changes,changes",
        "GET,/v1/items/changes?a/b,changes",
        "GET,/v1/items/changes/x,read",
        "GET,/v1/items/a,read",
        "GET,/v1/items/a/b/c,read",
        "GET,/v1/items//,read",
        "GET,/v1/items/a%2Fb%00,read",
        "GET,/v1/items/\u0085,read",
        "GET,/v1/items/../shards,read",
        "PUT,/v1/items/a/b,write",
        "DELETE,/v1/items/a/b,delete",
        "GET,http://other/v1/items/a/b?c,read",
        "PUT,http://other/v1/items/a,write",
        "GET,/v1/shards/s,shard",
        "GET,/v1/shards/s/outcomes,outcomes",
        "GET,/v1/shards/%2F/outcomes,outcomes",
        "GET,/v1/shards/outcomes,shard",
        "GET,/v1/x/a,first",
        "GET,/v1/x/b,second"
    })
    void path_leadsToItsEndpoint(String method, String target, String endpoint) throws IOException {
        assertThat(ask(method, target).body()).startsWith(endpoint + " " + method + " ");
    }

    @ParameterizedTest
    @CsvSource({
        "GET,/v1/items/",
        "GET,/v1/itemsx",
        "PUT,/v1/",
        "GET,http://h?/v1/items",
        "GET,http://h?/health",
        "GET,/v1%2Fitems",
        "GET,/v1/shards/",
        "GET,/v1/shards//outcomes",
        "GET,/v1/shards/a/b",
        "GET,/v1/shards/a/b/outcomes",
        "GET,/v1/shards/s/outcomes/",
        "GET,/V1/items"
    })
    void otherPath_is404(String method, String target) throws IOException {
        assertThat(ask(method, target).status()).isEqualTo(404);
    }

    @ParameterizedTest
    @CsvSource({
        "PUT,/v1/items,'GET, HEAD'",
        "PUT,/v1/items/changes,'GET, HEAD'",
        "DELETE,/v1/items/changes,'GET, HEAD'",
        "POST,/v1/items/a/b,'GET, HEAD, PUT, DELETE'",
        "OPTIONS,/v1/items/a,'GET, HEAD, PUT, DELETE'",
        "get,/v1/items/a,'GET, HEAD, PUT, DELETE'",
        "DELETE,/v1/shards/s,'GET, HEAD'",
        "GET,/echo,POST"
    })
    void otherMethod_is405WithTheAllowedOnes(String method, String target, String allowed) throws IOException {
        Reply answer = ask(method, target);

        assertThat(answer.status()).isEqualTo(405);
        assertThat(answer.header("allow")).contains(allowed);
    }

    @Test
    void head_isServedWithoutABody() throws IOException {
        Reply answer = ask("HEAD", "/v1/items/a/b");

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("content-length"))
                .contains(Integer.toString("read HEAD /v1/items/a/b /v1/items/a/b ?  ".length()));
    }

    @Test
    void endpoint_receivesTheRequestUnchanged() throws IOException {
        Reply answer = server.connect()
                .send("PUT http://h:1/v1/items/%41/b%2f?q=%20&r HTTP/1.1\nHost: h\nX-Part: a\nX-Part: b\n"
                        + "Content-Length: 4\n\nbody")
                .read();

        assertThat(answer.body())
                .isEqualTo("write PUT http://h:1/v1/items/%41/b%2f?q=%20&r /v1/items/%41/b%2f ?q=%20&r a,b body");
    }

    @ParameterizedTest
    @CsvSource({"GET,read", "DELETE,delete"})
    void body_ofAMethodWithoutOne_isDiscarded(String method, String endpoint) throws IOException {
        RawClient client = server.connect().send(method + " /v1/items/a HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc");

        assertThat(client.read().body()).isEqualTo(endpoint + " " + method + " /v1/items/a /v1/items/a ?  ");
        assertThat(client.post("/echo", "x").read().body()).isEqualTo("\"x\"");
    }

    @Test
    void put_overTheLimit_is413() throws IOException {
        RawClient client = server.connect()
                .send("PUT /v1/items/a HTTP/1.1\nHost: h\nContent-Length: " + (MAX_BODY_BYTES + 1) + "\n\n");

        assertThat(client.read().status()).isEqualTo(413);
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.count("bodyTooLong")).isEqualTo(1);
    }

    @Test
    void put_chunkedOverTheLimit_is413() throws IOException {
        RawClient client = server.connect()
                .send("PUT /v1/items/a HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3e9\n"
                        + "x".repeat(MAX_BODY_BYTES + 1));

        assertThat(client.read().status()).isEqualTo(413);
    }

    @Test
    void put_expectsContinue_getsContinue() throws IOException {
        RawClient client =
                server.connect().send("PUT /v1/items/a HTTP/1.1\nHost: h\nContent-Length: 3\nExpect: 100-continue\n\n");

        assertThat(client.readHead().status()).isEqualTo(100);
        assertThat(client.send("abc").read().body()).endsWith(" abc");
    }
}
