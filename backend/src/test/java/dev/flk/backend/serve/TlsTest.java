// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tls.ReloadedTls.TlsMetrics;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.http.tls.TlsFailures.TlsFailure;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Tests of TLS on the port: which handshakes succeed, how failed handshakes are counted, and that HTTP works as it does
 * without TLS.
 */
class TlsTest {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final TestAuthority STRANGE = TestAuthority.named("strange");
    private static final Issued OWN = AUTHORITY.issue("backend", "localhost", "127.0.0.1");
    private static final int PATIENCE_MILLIS = 20_000;
    private static final String HEALTH = "GET /health HTTP/1.1\r\nHost: h\r\n\r\n";

    /** A ClientHello that offers at most TLS 1.1. */
    private static final String HELLO_OF_1_1 = "\u0016\u0003\u0001\u0000/\u0001\u0000\u0000+\u0003\u0002"
            + "r".repeat(32) + "\u0000\u0000\u0004\u00c0\u0013\u00c0\u0009\u0001\u0000";

    @RegisterExtension
    private final ServerFixture server = new ServerFixture();

    @TempDir
    private Path directory;

    private ReloadedTls tls;
    private final List<Socket> sockets = new ArrayList<>();

    @AfterEach
    void closeSockets() throws IOException {
        for (Socket socket : sockets) {
            socket.close();
        }
        if (tls != null) {
            tls.close();
        }
    }

    private void start(Optional<TestAuthority> ofClients) throws Exception {
        OWN.writeTo(directory, "own");
        Optional<Path> clients = ofClients.isEmpty()
                ? Optional.empty()
                : Optional.of(ofClients.get().writeTo(directory.resolve("clients.crt")));
        tls = new ReloadedTls(
                new TlsFiles(directory.resolve("own.crt"), directory.resolve("own.key"), clients),
                InstantSource.system(),
                new TlsMetrics(server.metrics));
        server.tls(tls).port();
    }

    private Socket plain() throws IOException {
        Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port());
        sockets.add(socket);
        socket.setSoTimeout(PATIENCE_MILLIS);
        return socket;
    }

    private SSLSocket connect(SSLContext context, String... protocols) throws IOException {
        SSLSocket socket =
                (SSLSocket) context.getSocketFactory().createSocket(InetAddress.getLoopbackAddress(), server.port());
        sockets.add(socket);
        socket.setSoTimeout(PATIENCE_MILLIS);
        if (protocols.length > 0) {
            socket.setEnabledProtocols(protocols);
        }
        return socket;
    }

    private static void send(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.ISO_8859_1));
        socket.getOutputStream().flush();
    }

    /** Reads until the server closes its side of the connection. */
    private static String rest(Socket socket) throws IOException {
        return new String(socket.getInputStream().readAllBytes(), StandardCharsets.ISO_8859_1);
    }

    private static String statusOf(SSLSocket socket) throws IOException {
        send(socket, HEALTH);
        return line(socket.getInputStream());
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = in.read(); c != '\r' && c >= 0; c = in.read()) {
            line.append((char) c);
        }
        return line.toString();
    }

    private double failures(TlsFailure reason) {
        return Double.parseDouble(
                server.sample("flk_tls_handshake_failures_total{reason=\"" + reason.label() + "\",}"));
    }

    private void awaitFailure(TlsFailure reason) {
        await().until(() -> failures(reason) == 1);
        for (TlsFailure other : TlsFailure.values()) {
            assertThat(failures(other)).as(other.label()).isEqualTo(other == reason ? 1 : 0);
        }
    }

    @Test
    void version13_and12_areServed() throws Exception {
        start(Optional.empty());
        for (String version : List.of("TLSv1.3", "TLSv1.2")) {
            SSLSocket socket = connect(AUTHORITY.context(), version);

            assertThat(statusOf(socket)).isEqualTo("HTTP/1.1 200 OK");
            assertThat(socket.getSession().getProtocol()).isEqualTo(version);
            assertThat(socket.getSession().getCipherSuite()).containsPattern("^TLS_(ECDHE_ECDSA_WITH_)?AES_256_GCM");
        }
    }

    @Test
    void onlyWeakCipherSuites_isRefused() throws Exception {
        start(Optional.empty());
        SSLSocket socket = connect(AUTHORITY.context(), "TLSv1.2");
        socket.setEnabledCipherSuites(
                new String[] {"TLS_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"});

        assertThatExceptionOfType(SSLException.class).isThrownBy(socket::startHandshake);
        awaitFailure(TlsFailure.CIPHER);
    }

    @Test
    void clientThatAlreadySentItsRequest_getsTheReasonOfTheRefusal() throws Exception {
        start(Optional.of(AUTHORITY));
        for (int i = 0; i < 50; i++) {
            SSLSocket socket = connect(AUTHORITY.context(), "TLSv1.3");
            socket.startHandshake();
            // sends a large request, which the backend no longer reads
            assertThatExceptionOfType(SSLException.class)
                    .isThrownBy(() -> {
                        send(
                                socket,
                                "POST /v1/pcs/submit HTTP/1.1\r\nHost: h\r\nContent-Length: 9000\r\n\r\n"
                                        + "x".repeat(9_000));
                        rest(socket);
                    })
                    .withMessageMatching("(?s).*(bad_certificate|certificate_required).*"); // the JDK's wording
            socket.close();
        }
        server.awaitNoConnections();
    }

    @Test
    void clientCertificate_missing_ofAnotherAuthority_orEnded_isRefused() throws Exception {
        start(Optional.of(STRANGE));
        for (SSLSocket missing :
                List.of(connect(AUTHORITY.context(), "TLSv1.3"), connect(AUTHORITY.context(), "TLSv1.2"))) {
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> statusOf(missing));
        }
        await().until(() -> failures(TlsFailure.CLIENT_CERTIFICATE_MISSING) == 2);
        for (Issued shown : List.of(AUTHORITY.issue("agent"), STRANGE.issueEnded("agent"))) {
            SSLSocket socket = connect(AUTHORITY.context(shown));
            assertThatExceptionOfType(IOException.class).isThrownBy(() -> statusOf(socket));
        }
        await().until(() ->
                failures(TlsFailure.CLIENT_CERTIFICATE_MISSING) + failures(TlsFailure.CLIENT_CERTIFICATE_REFUSED) == 4);
        assertThat(failures(TlsFailure.CLIENT_CERTIFICATE_REFUSED)).isPositive();
    }

    @Test
    void clientThatDoesNotTrust_isCountedWithThatReason() throws Exception {
        start(Optional.empty());
        SSLSocket socket = connect(STRANGE.context());

        assertThatExceptionOfType(SSLException.class).isThrownBy(socket::startHandshake);
        awaitFailure(TlsFailure.REFUSED_BY_CLIENT);
    }

    @Test
    void renegotiation_isRefused() throws Exception {
        start(Optional.empty());
        SSLSocket socket = connect(AUTHORITY.context(), "TLSv1.2");
        assertThat(statusOf(socket)).isEqualTo("HTTP/1.1 200 OK");

        assertThatExceptionOfType(IOException.class).isThrownBy(() -> {
            socket.startHandshake();
            rest(socket);
        });
        server.awaitNoConnections();
    }

    static Stream<Arguments> handshakes() {
        String incomplete = HELLO_OF_1_1.substring(0, 9);
        String alert = "(?s)\u0015.*\u0000\u0002\u0002F"; // fatal, protocol_version
        return Stream.of(
                Arguments.of(TlsFailure.TIMEOUT, incomplete, ""),
                Arguments.of(TlsFailure.OTHER, "\u0016\u0003\u0003\u0000\u0004\u0009\u0009\u0009\u0009", "(?s).*"),
                Arguments.of(TlsFailure.PROTOCOL, HELLO_OF_1_1, alert),
                Arguments.of(
                        TlsFailure.NO_TLS,
                        HEALTH,
                        "(?s)HTTP/1.1 400 .*Content-Type: text/plain.*\r\n\r\nThis port speaks TLS: use https\n"));
    }

    @ParameterizedTest
    @MethodSource("handshakes")
    void handshakeThatFails_isAnsweredAndCounted(TlsFailure reason, String sent, String answer) throws Exception {
        if (reason == TlsFailure.TIMEOUT) {
            server.headerTimeout(Duration.ofMillis(200));
        }
        start(Optional.empty());
        Socket socket = plain();
        send(socket, sent);

        assertThat(rest(socket)).matches(answer);
        awaitFailure(reason);
        server.awaitNoConnections();
    }

    @Test
    void clientThatDisconnects_isCounted_portScanIsNot() throws Exception {
        start(Optional.empty());
        plain().close();
        Socket cutOff = plain();
        send(cutOff, HELLO_OF_1_1.substring(0, 9));
        cutOff.close();
        awaitFailure(TlsFailure.CLOSED);
    }

    @Test
    void lastAnswer_isFollowedByCloseNotify() throws Exception {
        start(Optional.empty());
        for (String version : List.of("TLSv1.3", "TLSv1.2")) {
            SSLSocket socket = connect(AUTHORITY.context(), version);
            send(socket, "GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");

            // if the server ended the connection without close_notify, reading would throw
            assertThat(rest(socket)).endsWith("\r\n\r\nOK");
            socket.close();
        }
        server.awaitNoConnections();
    }

    @Test
    void manyAnswers_someLong_arriveInOrder() throws Exception {
        start(Optional.empty());
        server.ingest.answer(body -> ScriptedIngest.echo(body + "y".repeat(50_000)));
        SSLSocket socket = connect(AUTHORITY.context());
        int all = 40;
        for (int i = 0; i < all; i++) {
            String body = "%03d".formatted(i);
            send(
                    socket,
                    "POST /v1/pcs/submit HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                            + (i == all - 1 ? "Connection: close\r\n" : "") + "\r\n" + body);
        }
        String answers = rest(socket);

        int at = 0;
        for (int i = 0; i < all; i++) {
            at = answers.indexOf("\r\n\r\n\"%03dy".formatted(i), at);
            assertThat(at).isPositive();
        }
    }
}
