// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of abuse of a port: other protocols, paths that try to evade a route, endless heads, dropped connections. */
class AbuseTest {
    private static final String HEALTH = "GET /health HTTP/1.1\nHost: h\n";

    @RegisterExtension
    private final TestServer server = new TestServer().headerTimeout(Duration.ofMillis(500));

    @ParameterizedTest
    @ValueSource(
            strings = {
                "//health",
                "/./health",
                "/health/../health",
                "/x/..%2fhealth",
                "/x/%2e%2e/health",
                "/%68ealth",
                "/health%00",
                "/health%3fx",
                "/health/",
                "/health;a=b",
                "/HEALTH",
                "\\health",
                "health",
                "*",
                "http:health",
                "http://h",
                "/%65cho",
                "/echo/",
                "/..",
                "/%",
                "/%zz",
                "/%c0%ae%c0%ae",
                "/\u00ff\u00fe"
            })
    void pathSpelledDifferently_isNotServed(String target) throws IOException {
        for (String method : List.of("GET", "POST", "OPTIONS", "CONNECT", "BREW")) {
            Reply answer = server.connect()
                    .send(method + " " + target + " HTTP/1.1\nHost: h\nContent-Length: 0\n\n")
                    .read();
            assertThat(answer.status()).as(method + " " + answer).isIn(400, 404, 405);
        }
    }

    @Test
    void http2WithPriorKnowledge_is505AndCloses() throws IOException {
        RawClient client = server.connect()
                .send("PRI * HTTP/2.0\n\nSM\n\n\0\0\0\4\0\0\0\0\0")
                .shutDownOutput();

        assertThat(client.read().status()).isEqualTo(505);
        assertThat(client.isAtEnd()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
                "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAA=",
                "Connection: Upgrade\nUpgrade: TLS/1.2"
            })
    void upgrade_isIgnored(String headers) throws IOException {
        Reply answer = server.connect().send(HEALTH + headers + "\n\n").read();

        assertThat(answer.status()).isEqualTo(200);
        assertThat(answer.header("Upgrade")).isEmpty();
    }

    @Test
    void tlsOnThePlainPort_failsAtOnce() throws IOException {
        try (SSLSocket socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()));
            socket.setSoTimeout(20_000);
            assertThatThrownBy(socket::startHandshake).isInstanceOf(SSLException.class);
        }
    }

    static Stream<byte[]> otherProtocols() {
        return Stream.of(
                bytes("SSH-2.0-OpenSSH_9.2\r\n"),
                bytes("EHLO e2e\r\nMAIL FROM:<a@b>\r\n"),
                bytes("*1\r\n$4\r\nPING\r\n"),
                bytes("\0\0\0\10\4\322\26/"),
                bytes("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /health HTTP/1.1\r\nHost: h\r\n\r\n"),
                bytes("\r\n\r\n\0QUIT\n!\21"),
                bytes("\3\0\0\23\16\340\0\0\0\0\0\1\0\10\0\3\0\0\0"),
                bytes("\377".repeat(100_000)),
                new byte[1 << 20]);
    }

    @ParameterizedTest
    @MethodSource("otherProtocols")
    void otherProtocol_isRefusedOrClosedSilently(byte[] first) throws IOException {
        String answers = server.connect().send(first).shutDownOutput().readToEnd();

        assertThat(answers).matches("(?s)(HTTP/1\\.1 (400|408|414|431) .*)?");
    }

    @Test
    void endlessHeaders_areCutOff() throws IOException {
        RawClient manyHeaders = server.connect().send(HEALTH + "a: b\n".repeat(5_000));
        RawClient longHeader = server.connect().send(HEALTH + "a: " + "x".repeat(17_000));
        RawClient longTarget = server.connect().send("GET /" + "x".repeat(100_000));

        assertThat(manyHeaders.read().status()).isEqualTo(431);
        assertThat(longHeader.read().status()).isEqualTo(431);
        assertThat(longTarget.read().status()).isEqualTo(414);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "deflate", "gzip, gzip", "gzip\nContent-Encoding: gzip", "br"})
    void compressedBody_long_is415(String coding) throws IOException {
        server.maxBodyBytes(1 << 20);
        RawClient client = server.connect().post("/echo", new byte[1 << 20], "Content-Encoding: " + coding);

        assertThat(client.read().status()).isEqualTo(415);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "GET /hea",
                "GET /health HTTP/1.1\r\nHost: h\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{\"pcs_id\":",
                "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
                "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n",
                "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nxPOST /echo HTTP/1.1\r\nHost: h\r\nContent-"
            })
    void resetOrHalfClosed_atAnyMoment_releasesEverything(String sent) throws IOException {
        for (int i = 0; i < 50; i++) {
            try (SocketChannel channel =
                    SocketChannel.open(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()))) {
                channel.write(ByteBuffer.wrap(bytes(sent)));
                if (i % 2 == 0) {
                    channel.setOption(StandardSocketOptions.SO_LINGER, 0); // closing then sends a reset
                } else {
                    channel.shutdownOutput();
                }
            }
        }
        server.awaitConnections(0);
        // a connection counts as closed a moment before its answers are dropped
        await().untilAsserted(() -> {
            assertThat(server.load().bodyBytes().held()).isZero();
            assertThat(server.load().answerBytes().held()).isZero();
            assertThat(server.load().requests().held()).isZero();
        });
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
