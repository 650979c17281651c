// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.http.testing.RawClient;
import dev.flk.testkit.TestAuthority;
import java.io.ByteArrayOutputStream;
import java.net.Socket;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import javax.net.ssl.SSLContext;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Tests whose address a connection from a trusted proxy has. */
class ProxyTest {
    private static final String GET = "GET /health HTTP/1.1\nHost: h\n\n";
    private static final byte[] SIGNATURE = HexFormat.of().parseHex("0d0a0d0a000d0a515549540a");

    private final Queue<SocketAddress> clients = new ConcurrentLinkedQueue<>();

    @RegisterExtension
    private final TestServer server = new TestServer().admission(remote -> {
        clients.add(remote);
        return new Admission.Visitor() {};
    });

    /** Returns a header of version 2 for TCP over IPv4, from 192.0.2.7 port 4711. */
    private static byte[] header() {
        ByteArrayOutputStream header = new ByteArrayOutputStream();
        header.writeBytes(SIGNATURE);
        header.writeBytes(HexFormat.of().parseHex("2111000c" + "c0000207" + "c0000201" + "1267" + "1f90"));
        return header.toByteArray();
    }

    private String client() {
        return String.valueOf(clients.poll());
    }

    @Test
    void headerOfATrustedProxy_namesTheClient_inOnePieceOrByteByByte() throws Exception {
        server.trustProxies();

        assertThat(server.connect().send(header()).send(GET).read().status()).isEqualTo(200);
        assertThat(client()).isEqualTo("/192.0.2.7:4711");

        RawClient slow = server.connect();
        for (byte each : header()) {
            slow.send(new byte[] {each});
        }
        assertThat(slow.send(GET).read().status()).isEqualTo(200);
        assertThat(client()).isEqualTo("/192.0.2.7:4711");

        String text = "PROXY TCP4 192.0.2.9 192.0.2.1 4712 8080\n" + GET;
        assertThat(server.connect().send(text).read().status()).isEqualTo(200);
        assertThat(client()).isEqualTo("/192.0.2.9:4712");
    }

    @Test
    void connectionWithoutHeader_isThatOfTheProxy() throws Exception {
        server.trustProxies();

        assertThat(server.connect().send(GET).read().status()).isEqualTo(200);
        assertThat(client()).startsWith("/127.0.0.1:");
    }

    @Test
    void headerOfAStranger_isNoRequest() throws Exception {
        assertThat(server.connect().send(header()).send(GET).read().status()).isEqualTo(400);
        assertThat(client()).startsWith("/127.0.0.1:");
    }

    @Test
    void wrongOrUnfinishedHeader_isClosed() throws Exception {
        server.trustProxies();
        server.headerTimeout(Duration.ofMillis(200));

        byte[] wrong = header();
        wrong[13] = 0x7f;
        assertThat(server.connect().send(wrong).isAtEnd()).isTrue();
        byte[] huge = header();
        huge[14] = 0x7f;
        assertThat(server.connect().send(huge).isAtEnd()).isTrue();
        assertThat(server.connect().send(SIGNATURE).isAtEnd()).isTrue();
        assertThat(clients).isEmpty();
    }

    @Test
    void headerBeforeTls_namesTheClient() throws Exception {
        TestAuthority authority = TestAuthority.named("authority");
        SSLContext tls = authority.context(authority.issue("server", "localhost"));
        server.trustProxies().tls(tls);
        Socket socket = RawClient.connect(server.port(), 4 << 10);
        socket.getOutputStream().write(header());

        try (RawClient client =
                new RawClient(tls.getSocketFactory().createSocket(socket, "localhost", server.port(), true))) {
            assertThat(client.send(GET).read().status()).isEqualTo(200);
        }
        assertThat(client()).isEqualTo("/192.0.2.7:4711");
    }
}
