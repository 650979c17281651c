// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Abuse of a port: other protocols, paths around a guard, floods, large bodies, dropped connections. Over raw sockets, against the real
 * jar with little memory; after each test a certificate is accepted, no connection is left, and no error is logged.
 */
final class HttpAbuseIT {
    private static final String LOGIN = "Basic c3JlOnNlY3JldA==";
    private static final int TIMES = 50;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(
            Map.of(
                    "METRICS_USER",
                    "sre",
                    "METRICS_PASS",
                    "secret",
                    "HEADER_TIMEOUT",
                    "500ms",
                    "BODY_TIMEOUT",
                    "500ms",
                    "ADDRESS_FAILURE_RATE",
                    "0"),
            "-Xmx64m");

    @AfterEach
    void honestClients_areServedAsBefore() throws Exception {
        assertThat(backend.client().submit(backend.next()).status()).isEqualTo(200);
        // one connection may be the client's own
        Client.awaitUntil(() -> metric("flk_http_connections") <= 2);
        assertThat(metric("flk_http_body_bytes")).isZero();
        assertThat(backend.process().program().allLines()).doesNotContain("ERROR", "Exception", "Error:");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "//metrics",
                "/./metrics",
                "/health/../metrics",
                "/v1/pcs/../../metrics",
                "/v1/pcs/..%2f..%2fmetrics",
                "/v1/pcs/%2e%2e/%2e%2e/metrics",
                "/%6detrics",
                "/metrics%00",
                "/metrics%3fx",
                "/metrics/",
                "/metrics;a=b",
                "/METRICS",
                "\\metrics",
                "metrics",
                "*",
                "http:metrics",
                "http://e2e",
                "/v1/pcs/%73ubmit",
                "/v1/pcs/submit/",
                "/v1/pcs/./submit",
                "/v1/pcs/..",
                "/v1/pcs/%",
                "/v1/pcs/%zz",
                "/v1/pcs/%00",
                "/v1/pcs/%c0%ae%c0%ae",
                "/v1/pcs/\u00ff\u00fe"
            })
    void pathWrittenInAnotherWay_leadsNowhere(String target) throws IOException {
        for (String method : List.of("GET", "POST", "OPTIONS", "CONNECT", "BREW")) {
            try (RawConnection connection = backend.connect()) {
                Answer answer = connection
                        .send(method + " " + target + " HTTP/1.1\r\nHost: e2e\r\nContent-Length: 0\r\n\r\n")
                        .read();
                assertThat(answer.status()).as(method + " " + answer).isIn(400, 404, 405);
                assertThat(answer.error()).doesNotContain("flk_");
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/metrics", "/metrics?x=/health", "http://e2e/metrics", "x://other/metrics"})
    void metrics_howeverAskedFor_needTheLogin(String target) throws IOException {
        try (RawConnection connection = backend.connect()) {
            String head = "GET " + target + " HTTP/1.1\r\nHost: e2e\r\n";
            assertThat(connection.send(head + "\r\n").read().status()).isEqualTo(401);
            assertThat(connection
                            .send(head + "Authorization: " + LOGIN + "\r\n\r\n")
                            .read()
                            .status())
                    .isEqualTo(200);
        }
    }

    @Test
    void http2WithPriorKnowledge_is505AndEnds() throws IOException {
        try (RawConnection connection = backend.connect()) {
            String settings = "\0\0\0\4\0\0\0\0\0";
            String answers = connection
                    .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings)
                    .endOutput()
                    .readToEnd();
            assertThat(answers).startsWith("HTTP/1.1 505 ").containsOnlyOnce("HTTP/1.1");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                "Connection: Upgrade\r\nUpgrade: TLS/1.2"
            })
    void upgrade_isNotTaken(String headers) throws IOException {
        try (RawConnection connection = backend.connect()) {
            Answer answer = connection
                    .send("GET /health HTTP/1.1\r\nHost: e2e\r\n" + headers + "\r\n\r\n")
                    .read();
            assertThat(answer.status()).isEqualTo(200);
            assertThat(answer.has("Upgrade")).isFalse();
        }
    }

    @Test
    void tlsOnThePlainPort_failsAtOnce() throws IOException {
        try (SSLSocket socket = (SSLSocket) SSLSocketFactory.getDefault().createSocket()) {
            socket.connect(new InetSocketAddress(
                    InetAddress.getLoopbackAddress(), backend.process().port()));
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
                bytes("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /health HTTP/1.1\r\nHost: e2e\r\n\r\n"),
                bytes("\r\n\r\n\0QUIT\n!\21"),
                bytes("\3\0\0\23\16\340\0\0\0\0\0\1\0\10\0\3\0\0\0"),
                bytes("\377".repeat(100_000)),
                new byte[1 << 20]);
    }

    @ParameterizedTest
    @MethodSource("otherProtocols")
    void otherProtocol_isRefusedOrEndsWithoutAWord(byte[] first) throws IOException {
        try (RawConnection connection = backend.connect()) {
            String answers = connection.send(first).endOutput().readToEnd();
            assertThat(answers.isEmpty() || answers.matches("(?s)HTTP/1\\.1 (400|408|414|431) .*"))
                    .as(answers)
                    .isTrue();
        }
    }

    @Test
    void headersWithoutEnd_areCutOff() throws IOException {
        for (int i = 0; i < TIMES; i++) {
            String more = i % 2 == 0 ? "a: b\r\n".repeat(5_000) : "a: " + "x".repeat(17_000);
            try (RawConnection connection = backend.connect()) {
                Answer answer = connection
                        .send("GET /health HTTP/1.1\r\nHost: e2e\r\n" + more)
                        .read();
                assertThat(answer.status()).isEqualTo(431);
            }
        }
    }

    @Test
    void slowHeadsAndBodies_onManyConnections_are408() throws Exception {
        List<RawConnection> crowd = new ArrayList<>();
        try {
            for (int i = 0; i < 10 * TIMES; i++) {
                RawConnection connection = backend.connect();
                crowd.add(connection);
                connection.send(
                        i % 2 == 0
                                ? "GET /hea"
                                : "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 9\r\n\r\n{");
            }
            assertThat(backend.client().submit(backend.next()).status()).isEqualTo(200);
            for (RawConnection slow : crowd) {
                assertThat(slow.read().status()).isEqualTo(408);
                assertThat(slow.isEnded()).isTrue();
            }
        } finally {
            closeAll(crowd);
        }
    }

    @Test
    void targetsWithoutEnd_are414() throws IOException {
        for (int i = 0; i < TIMES; i++) {
            try (RawConnection connection = backend.connect()) {
                assertThat(connection.send("GET /" + "x".repeat(100_000)).read().status())
                        .isEqualTo(414);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gzip", "deflate", "gzip, gzip", "gzip\r\nContent-Encoding: gzip", "br"})
    void compressedBodies_onManyConnections_are415(String coding) throws IOException {
        byte[] body = new byte[1 << 20];
        List<RawConnection> crowd = new ArrayList<>();
        try {
            for (int i = 0; i < TIMES; i++) {
                RawConnection connection = backend.connect();
                crowd.add(connection);
                connection
                        .send("POST /v1/pcs/" + (i % 2 == 0 ? "submit" : "batch")
                                + " HTTP/1.1\r\nHost: e2e\r\nContent-Encoding: " + coding + "\r\nContent-Length: "
                                + body.length + "\r\n\r\n")
                        .send(body);
            }
            for (RawConnection connection : crowd) {
                assertThat(connection.read().status()).isEqualTo(415);
            }
        } finally {
            closeAll(crowd);
        }
    }

    @Test
    void bodyCutShort_is400AndIsNotTaken() throws Exception {
        Pcs pcs = backend.next();
        byte[] body = pcs.bytes();
        try (RawConnection connection = backend.connect()) {
            connection.send(
                    "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: " + (body.length + 1) + "\r\n\r\n");
            Answer answer = connection.send(body).endOutput().read();
            assertThat(answer.status()).isEqualTo(400);
            assertThat(answer.error()).isEqualTo("the body ended too early");
            assertThat(connection.isEnded()).isTrue();
        }
        assertThat(backend.client().get("/v1/pcs/" + pcs.id()).status()).isEqualTo(404);
    }

    @Test
    void largestBodies_areTaken() throws Exception {
        Pcs manyKeys = backend.next().with("x", keys(121_000));
        assertThat(manyKeys.bytes().length).isBetween(1_000_000, 1 << 20);
        assertThat(backend.client().submit(manyKeys).status()).isEqualTo(200);
        Pcs longNumbers = backend.next()
                .with("attempt", "9".repeat(300_000))
                .with("r", "0.8" + "0".repeat(300_000))
                .with("x", "-9." + "7".repeat(300_000) + "e-999999999");
        assertThat(backend.client().submit(longNumbers).status()).isEqualTo(200);
    }

    @Test
    void moreKeysThanTheHeapHolds_are503_andOthersAreServed(@TempDir Path directory) throws Exception {
        byte[] body = backend.next().with("x", keys(1_000_000)).bytes();
        try (BackendProcess small =
                BackendProcess.start(directory, Map.of("MAX_BODY_BYTES", "16MiB"), List.of("-Xmx64m"))) {
            Client client = new Client(small.url());
            for (int i = 0; i < 20; i++) {
                assertThat(client.submit(backend.next()).status()).isEqualTo(200);
            }
            for (int i = 0; i < 5; i++) {
                Answer answer = client.submit(body);
                assertThat(answer.status()).as(answer.body()).isEqualTo(503);
                assertThat(answer.error()).isEqualTo("overloaded");
                assertThat(client.submit(backend.next()).status()).isEqualTo(200);
            }
            small.program().awaitLine(line -> line.contains("not enough memory to read a body of"));
        }
    }

    /** An object of that many different keys, as short as possible. */
    private static String keys(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> "\"" + Integer.toString(i, Character.MAX_RADIX) + "\":0")
                .collect(Collectors.joining(",", "{", "}"));
    }

    @Test
    void pipelinedWithoutReading_isHeldBackAndHarmsNobody() throws Exception {
        ByteBuffer requests = ByteBuffer.wrap(bytes("GET /readyz HTTP/1.1\r\nHost: e2e\r\n\r\n".repeat(2_000)));
        List<SocketChannel> crowd = new ArrayList<>();
        try {
            for (int i = 0; i < TIMES; i++) {
                SocketChannel channel = channel();
                crowd.add(channel);
                channel.configureBlocking(false);
            }
            long taken = 0;
            for (int round = 0; round < 200; round++) {
                for (SocketChannel channel : crowd) {
                    taken += channel.write(requests.duplicate());
                }
                if (round % 20 == 0) {
                    assertThat(backend.client().submit(backend.next()).status()).isEqualTo(200);
                }
            }
            // what was offered is 650 MB; the kernel's buffers are the most that was taken
            assertThat(taken).isLessThan(TIMES * (10L << 20));
            assertThat(metric("flk_http_answer_bytes")).isLessThanOrEqualTo(8 << 20);
        } finally {
            for (SocketChannel channel : crowd) {
                channel.close();
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "GET /hea",
                "GET /health HTTP/1.1\r\nHost: e2e\r\n\r\n",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 1000\r\n\r\n{\"pcs_id\":",
                "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
                "POST /v1/pcs/batch HTTP/1.1\r\nHost: e2e\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\n{}\r\n",
                "CERTIFICATE",
                "PIPELINED"
            })
    void resetAndHalfClosed_atAnyMoment_leaveNothingBehind(String sent) throws Exception {
        long filesBefore = openFiles();
        for (int i = 0; i < TIMES; i++) {
            String request = switch (sent) {
                case "CERTIFICATE" -> submission();
                case "PIPELINED" ->
                    submission() + submission() + "GET /metrics HTTP/1.1\r\nHost: e2e\r\n\r\n".repeat(100);
                default -> sent;
            };
            try (SocketChannel channel = channel()) {
                channel.write(ByteBuffer.wrap(bytes(request)));
                if (i % 2 == 0) {
                    channel.setOption(StandardSocketOptions.SO_LINGER, 0); // the close is a reset
                } else {
                    channel.shutdownOutput();
                }
            }
        }
        Client.awaitUntil(() -> metric("flk_http_connections") <= 2);
        Client.awaitUntil(() -> openFiles() <= filesBefore + 2);
    }

    private static String submission() {
        String certificate = backend.next().json();
        return "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: " + certificate.length() + "\r\n\r\n"
                + certificate;
    }

    private static double metric(String sample) throws IOException, InterruptedException {
        return backend.client().withLogin("sre", "secret").metric(sample);
    }

    private static long openFiles() throws IOException {
        try (Stream<Path> files = Files.list(
                Path.of("/proc", Long.toString(backend.process().program().pid()), "fd"))) {
            return files.count();
        }
    }

    private static SocketChannel channel() throws IOException {
        return SocketChannel.open(new InetSocketAddress(
                InetAddress.getLoopbackAddress(), backend.process().port()));
    }

    private static void closeAll(List<RawConnection> crowd) throws IOException {
        for (RawConnection connection : crowd) {
            connection.close();
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
