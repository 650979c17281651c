// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of bodies in all forms: chunked, compressed, announced, too long. */
class BodyTest {
    private static final String SUBMIT = "POST /echo HTTP/1.1\nHost: h\n";
    private static final int MAX = TestServer.MAX_BODY_BYTES;

    @RegisterExtension
    private final TestServer server = new TestServer();

    @Test
    void body_overTheLimit_isRefusedBeforeItArrives() throws IOException {
        RawClient client = server.connect().send(SUBMIT + "Content-Length: " + (MAX + 1) + "\n\n");

        Reply answer = client.read();

        assertThat(answer.status()).isEqualTo(413);
        assertThat(answer.body()).isEqualTo("{\"error\":\"body over 1000 bytes\"}");
        assertThat(answer.header("connection")).contains("close");
        assertThat(client.isAtEnd()).isTrue();
        assertThat(server.count("bodyTooLong")).isEqualTo(1);
    }

    @Test
    void body_unexpectedAndTooLongToSkip_isRefusedAtOnce() throws IOException {
        RawClient client = server.connect().send("POST /nowhere HTTP/1.1\nHost: h\nContent-Length: 999999999999\n\n");

        assertThat(client.read().status()).isEqualTo(404);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void chunked_body_isAccepted() throws IOException {
        RawClient client =
                server.connect().send(SUBMIT + "Transfer-Encoding: chunked\n\n3\nabc\n2;x=y\nde\n0\nTrailer: t\n\n");

        assertThat(client.read().body()).isEqualTo("\"abcde\"");
        assertThat(client.post("/echo", "x").read().body()).isEqualTo("\"x\"");
    }

    @Test
    void chunked_inManyParts_isAssembled() throws IOException {
        RawClient client = server.connect().send(SUBMIT + "Transfer-Encoding: chunked\n\n");
        for (int i = 0; i < MAX; i++) {
            client.send("1\n" + (char) ('a' + i % 26) + "\n");
        }

        assertThat(client.send("0\n\n").read().body()).hasSize(MAX + 2).startsWith("\"abcdefghijklmnopqrstuvwxyza");
    }

    @Test
    void chunked_overTheLimit_is413() throws IOException {
        RawClient client =
                server.connect().send(SUBMIT + "Transfer-Encoding: chunked\n\n3e8\n" + "x".repeat(MAX) + "\n1\nx\n");

        assertThat(client.read().status()).isEqualTo(413);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void chunked_unexpectedAndTooLong_is413() throws IOException {
        RawClient client = server.connect()
                .send("POST /nowhere HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n3e9\n" + "x".repeat(MAX + 1));

        assertThat(client.read().status()).isEqualTo(413);
    }

    @Test
    void large_body_arrivesCompletely() throws IOException {
        server.maxBodyBytes(4 << 20);
        byte[] body = new byte[3 << 20];
        Arrays.fill(body, (byte) 'z');

        server.connect().post("/echo", body).read();

        assertThat(server.served.remove()).isEqualTo(body);
    }

    @Test
    void compressed_is415AndKeepsTheConnection() throws IOException {
        RawClient client = server.connect().post("/echo", new byte[] {'x'}, "Content-Encoding: identity, gzip");

        Reply answer = client.read();

        assertThat(answer.status()).isEqualTo(415);
        assertThat(answer.body())
                .isEqualTo("{\"error\":\"Content-Encoding is not supported, send the body as it is\"}");
        assertThat(client.post("/echo", new byte[] {'x'}, "Content-Encoding: Identity")
                        .read()
                        .body())
                .isEqualTo("\"x\"");
    }

    @Test
    void noBody_reachesTheEndpointEmpty() throws IOException {
        assertThat(server.connect().send(SUBMIT + "\n").read().body()).isEqualTo("\"\"");
    }

    @Test
    void expectContinue_acceptable_getsContinue() throws IOException {
        RawClient client = server.connect().send(SUBMIT + "Content-Length: 3\nExpect: 100-continue\n\n");

        assertThat(client.readHead().status()).isEqualTo(100);
        assertThat(client.send("abc").read().body()).isEqualTo("\"abc\"");
    }

    @ParameterizedTest
    @CsvSource({"/echo,1001,413", "/nowhere,3,404"})
    void expectContinue_refused_getsNoContinue(String path, int length, int status) throws IOException {
        RawClient client = server.connect()
                .send("POST " + path + " HTTP/1.1\nHost: h\nContent-Length: " + length + "\nExpect: 100-continue\n\n");

        assertThat(client.read().status()).isEqualTo(status);
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void expectContinue_afterAnotherRequest_comesAfterItsAnswer() throws Exception {
        server.keep();
        RawClient client =
                server.connect().post("/echo", "a").send(SUBMIT + "Content-Length: 1\nExpect: 100-continue\n\n");

        server.next().echo();
        assertThat(client.read().body()).isEqualTo("\"a\"");
        assertThat(client.readHead().status()).isEqualTo(100);
        client.send("b");
        server.next().echo();

        assertThat(client.read().body()).isEqualTo("\"b\"");
    }

    @Test
    void expectContinue_bodySentWithoutWaiting_isReadOnce() throws IOException {
        RawClient client = server.connect().send(SUBMIT + "Content-Length: 3\nExpect: 100-continue\n\nabc");

        Reply first = client.readHead();

        assertThat(first.status()).isEqualTo(100);
        assertThat(client.read().body()).isEqualTo("\"abc\"");
    }
}
