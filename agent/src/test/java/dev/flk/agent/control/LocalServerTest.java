// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.flk.agent.control.LocalServer.Addresses;
import dev.flk.agent.control.LocalServer.Operations;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxCompaction.Mode;
import dev.flk.agent.outbox.OutboxCompaction.Report;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.outbox.certificate.CertificateLimit;
import dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull;
import dev.flk.http.Answer;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LogCapture;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.Timeout.ThreadMode;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class LocalServerTest {
    private static final String GOOD = "{\"pcs_id\":\"p\",\"shard_id\":\"s\",\"epoch\":1,\"merkle_root\":\"m\","
            + "\"D_hat\":1,\"coh_star\":1,\"r\":1,\"budget\":1}";
    private static final Duration SOON = Duration.ofSeconds(20);

    @TempDir
    Path directory;

    private final List<String> asked = new CopyOnWriteArrayList<>();
    private Outbox outbox;
    private CountDownLatch compacting = new CountDownLatch(0);
    private LocalServer server;
    private Path control;
    private Path programs;

    @BeforeEach
    void start() throws IOException {
        control = directory.resolve("control.sock");
        programs = directory.resolve("programs.sock");
        outbox = Outbox.open(new OutboxOptions(directory.resolve("outbox"), 2 << 20, 0), InstantSource.system());
        server = server();
    }

    private LocalServer server() throws IOException {
        return LocalServer.start(
                new Addresses(control, Optional.of(programs), Optional.of(0)), outbox, new NotedOperations());
    }

    @AfterEach
    void stop() throws IOException {
        compacting.countDown();
        server.close();
        outbox.close();
    }

    /** Checks that a file is not deleted unless it is a socket that an agent left behind. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "file   | a regular file, not a socket; name another path",
                "empty  | a regular file, not a socket; name another path",
                "dir    | a directory, not a socket; name another path",
                "fifo   | a FIFO, not a socket; name another path",
                "link   | a link, not a socket; name another path",
                "server | a socket on which another process listens; stop that process, or name another path"
            })
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void start_socketPathIsAnotherFile_isAConfigurationErrorAndLeftAlone(String what, String reason) throws Exception {
        Path elsewhere = Files.writeString(directory.resolve("elsewhere"), "precious");
        Path socket = directory.resolve("x.sock");
        try (ServerSocketChannel other = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            switch (what) {
                case "file" -> Files.writeString(socket, "precious");
                case "empty" -> Files.createFile(socket);
                case "dir" -> Files.createDirectory(socket);
                case "link" -> Files.createSymbolicLink(socket, elsewhere);
                case "fifo" ->
                    assertThat(new ProcessBuilder("mkfifo", socket.toString())
                                    .start()
                                    .waitFor())
                            .isZero();
                default -> other.bind(UnixDomainSocketAddress.of(socket));
            }
            Object before = identity(socket);

            Path usual = control;
            control = socket;
            assertThatExceptionOfType(InvalidConfig.class)
                    .isThrownBy(this::server)
                    .withMessage("CONTROL_SOCKET: " + socket + " is " + reason);
            control = directory.resolve("y.sock");
            programs = socket;
            assertThatExceptionOfType(InvalidConfig.class)
                    .isThrownBy(this::server)
                    .withMessage("INTAKE_SOCKET: " + socket + " is " + reason);
            control = usual;

            assertThat(identity(socket)).isEqualTo(before);
            assertThat(elsewhere).hasContent("precious");
        }
    }

    private static Object identity(Path path) throws IOException {
        return Files.readAttributes(path, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS)
                .fileKey();
    }

    private final class NotedOperations implements Operations {
        @Override
        public StatusReport status() {
            return new StatusReport(
                    1L,
                    "o",
                    new StatusReport.Waiting(2, 3, null, null),
                    new StatusReport.Sending(4, 5.5, null, List.of(), 0L, null, null),
                    "d",
                    6,
                    0,
                    new StatusReport.Disk(7, 8, 9, 10),
                    null);
        }

        @Override
        public Report compact(Duration horizon, Mode mode) {
            asked.add("compact " + horizon.toDays() + " " + mode);
            try {
                compacting.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
            return new Report(1, 2, 3, 4, 5);
        }

        @Override
        public int requeue(DeadLetterFilter which) throws IOException {
            if (which.isAll()) {
                throw new OutboxFull("the outbox is full");
            }
            asked.add("requeue " + which);
            return 3;
        }

        @Override
        public Requeue.Counts requeue(Requeue.Selection which) {
            asked.add("requeue " + which);
            return new Requeue.Counts(1, 2, 3);
        }

        @Override
        public int purge(DeadLetterFilter which) throws IOException {
            throw new IOException("the disk is gone");
        }
    }

    private Answer post(Path socket, String uri, String contentType, String body) throws IOException {
        return RunningAgent.ask(socket, "POST", uri, contentType, body.getBytes(StandardCharsets.UTF_8), SOON);
    }

    private String overPort(String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), server.port())) {
            socket.getOutputStream().write(request.getBytes(StandardCharsets.UTF_8));
            var answer = new ByteArrayOutputStream();
            socket.getInputStream().transferTo(answer);
            return answer.toString(StandardCharsets.UTF_8);
        }
    }

    @Test
    void post_oneCertificate_is202AndPending() throws Exception {
        try (LogCapture log = new LogCapture("io.netty", Level.WARN)) {
            for (Path door : List.of(control, programs)) {
                Answer answered = post(door, "/v1/pcs", "application/json", GOOD.replace(",", ",\n"));
                assertThat(answered.status()).isEqualTo(202);
                assertThat(answered.bodyText()).isEqualTo("{\"added\":1}");
            }
            assertThat(log.lines("")).isEmpty();
        }
        assertThat(outbox.pendingEntries()).isEqualTo(2);
    }

    @Test
    void post_oneBadLine_acceptsTheOthersAndNamesIt() throws Exception {
        Answer answered = post(programs, "/v1/pcs", "application/x-ndjson", GOOD + "\n\nnonsense\n" + GOOD);

        assertThat(answered.status()).isEqualTo(202);
        assertThat(answered.bodyText()).startsWith("{\"added\":2,\"refused\":[{\"line\":3,\"reason\":\"");
        assertThat(outbox.pendingEntries()).isEqualTo(2);
    }

    @Test
    void post_manyBadLines_namesAThousandOfThem() throws Exception {
        Answer answered = post(programs, "/v1/pcs", "application/x-ndjson", "x\n".repeat(100_000));

        assertThat(answered.status()).isEqualTo(400);
        assertThat(answered.bodyText())
                .contains("{\"line\":1000,")
                .doesNotContain("{\"line\":1001,")
                .endsWith("\"refused_lines\":100000}");
    }

    @ParameterizedTest
    @CsvSource({"application/json, nonsense", "application/x-ndjson, nonsense", "application/json, ''"})
    void post_noValidLine_is400(String contentType, String body) throws Exception {
        Answer answered = post(programs, "/v1/pcs", contentType, body);

        assertThat(answered.status()).isEqualTo(400);
        assertThat(answered.bodyText()).startsWith("{\"error\":");
        assertThat(outbox.pendingEntries()).isZero();
    }

    @Test
    void post_outboxFull_is503WithTheReasonAndAddsNothing() throws Exception {
        String large = GOOD.replace("\"p\"", "\"" + "p".repeat(1_500_000) + "\"");
        assertThat(post(programs, "/v1/pcs", "application/json", large).status())
                .isEqualTo(202);

        Answer answered = post(programs, "/v1/pcs", "application/json", large);

        assertThat(answered.status()).isEqualTo(503);
        assertThat(answered.bodyText()).contains("OUTBOX_MAX_BYTES");
        assertThat(outbox.pendingEntries()).isEqualTo(1);
    }

    @Test
    void port_localClient_isServedOverOneConnection() throws Exception {
        String request = "POST /v1/pcs HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: " + GOOD.length() + "\r\n";

        String answers = overPort(request + "\r\n" + GOOD + request + "Connection: close\r\n\r\n" + GOOD);

        assertThat(answers.split("HTTP/1.1 202 Accepted", -1)).hasSize(3);
        assertThat(outbox.pendingEntries()).isEqualTo(2);
    }

    @ParameterizedTest
    @ValueSource(strings = {"Host: evil.example", "Host: localhost\r\nOrigin: http://evil.example"})
    void port_pageInABrowser_isForbidden(String headers) throws Exception {
        String answer = overPort("POST /v1/pcs HTTP/1.1\r\nConnection: close\r\n" + headers + "\r\nContent-Length: "
                + GOOD.length() + "\r\n\r\n" + GOOD);

        assertThat(answer).startsWith("HTTP/1.1 403");
        assertThat(outbox.pendingEntries()).isZero();
    }

    @Test
    void operations_areServedOnlyOnTheControlSocket() throws Exception {
        assertThat(post(programs, "/v1/compact", "text/plain", "").status()).isEqualTo(404);
        assertThat(overPort("POST /v1/compact HTTP/1.0\r\nHost: localhost\r\n\r\n"))
                .startsWith("HTTP/1.1 404");
        assertThat(asked).isEmpty();
    }

    /** Checks that clients of the loopback port, who may be any local users, keep no one else out. */
    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void port_allPlacesIdle_newClientsOfEachAddressAreServed() throws Exception {
        List<Socket> crowd = new ArrayList<>();
        try {
            for (int i = 0; i <= LocalServer.MAX_CONNECTIONS; i++) {
                crowd.add(new Socket(InetAddress.getLoopbackAddress(), server.port()));
            }
            assertThat(crowd.get(0).getInputStream().read())
                    .as("the oldest has given way")
                    .isEqualTo(-1);
            assertThat(overPort(request(GOOD))).startsWith("HTTP/1.1 202");
            assertThat(post(programs, "/v1/pcs", "application/json", GOOD).status())
                    .isEqualTo(202);
            RunningAgent.at(control, directory).requireThere();
        } finally {
            for (Socket one : crowd) {
                one.close();
            }
        }
    }

    @Test
    @Timeout(value = 60, threadMode = ThreadMode.SEPARATE_THREAD)
    void sockets_allPlacesIdle_theOldestGivesWay() throws Exception {
        for (Path door : List.of(programs, control)) {
            List<SocketChannel> crowd = new ArrayList<>();
            try {
                for (int i = 0; i <= LocalServer.MAX_CONNECTIONS; i++) {
                    crowd.add(SocketChannel.open(UnixDomainSocketAddress.of(door)));
                }
                assertThat(crowd.get(0).read(ByteBuffer.allocate(1))).isEqualTo(-1);
                assertThat(post(door, "/v1/pcs", "application/json", GOOD).status())
                        .isEqualTo(202);
            } finally {
                for (SocketChannel one : crowd) {
                    one.close();
                }
            }
        }
    }

    @Test
    void post_certificateTooLong_is413WithTheNumber() throws Exception {
        Answer longerThanTheOutbox = post(programs, "/v1/pcs", "application/json", "x".repeat((2 << 20) + 1));
        assertThat(longerThanTheOutbox.status()).isEqualTo(413);
        assertThat(longerThanTheOutbox.bodyText()).contains("longer than 2097152 bytes");

        String answer = overPort(request("x".repeat(CertificateLimit.BYTES + (64 << 10) + 1)));
        assertThat(answer)
                .startsWith("HTTP/1.1 413")
                .contains("body over " + (CertificateLimit.BYTES + (64 << 10)) + " bytes");
        assertThat(outbox.pendingEntries()).isZero();
    }

    private static String request(String body) {
        return "POST /v1/pcs HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: " + body.length()
                + "\r\n\r\n" + body;
    }

    @Test
    void runningAgent_found_hasTheLimitOfTheAgent() throws Exception {
        RunningAgent agent = RunningAgent.at(control, directory);

        agent.requireThere();

        assertThat(agent.maxBytes()).isEqualTo(2 << 20);
    }

    @Test
    void runningAgent_request_isAnswered() throws Exception {
        RunningAgent agent = RunningAgent.at(control, directory);
        assertThat(agent.status()).isEqualTo(new NotedOperations().status());
        assertThat(agent.compact(Duration.ofDays(3), Mode.DRY_RUN)).isEqualTo(new Report(1, 2, 3, 4, 5));
        DeadLetterFilter some = new DeadLetterFilter(
                Optional.of("a & b=ü"), Optional.of(Instant.parse("2026-11-20T08:00:00Z")), List.of("1", "2"));
        assertThat(agent.requeue(some)).isEqualTo(3);
        assertThat(asked).containsExactly("compact 3 DRY_RUN", "requeue " + some);
        DeadLetterFilter all = new DeadLetterFilter(Optional.empty(), Optional.empty(), List.of());
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> agent.requeue(all))
                .withMessageContaining("the outbox is full");
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> agent.purge(all))
                .withMessageContaining("the disk is gone");
        agent.append(List.of(GOOD.replace(",", ",\n").getBytes(StandardCharsets.UTF_8)));
        assertThat(outbox.pendingEntries()).isEqualTo(1);
    }

    @Test
    void runningAgent_manyIds_arePassedInSeveralRequests() throws Exception {
        RunningAgent agent = RunningAgent.at(control, directory);
        List<String> ids =
                IntStream.range(0, 120).mapToObj(i -> "f" + i + "x".repeat(60)).toList();

        assertThat(agent.requeue(new DeadLetterFilter(Optional.of("r"), Optional.empty(), ids)))
                .isEqualTo(3 * 3);

        assertThat(asked).hasSize(3).allMatch(line -> line.contains("Optional[r]"));
        assertThat(ids)
                .allMatch(id -> asked.stream().filter(line -> line.contains(id)).count() == 1);
    }

    @Test
    void runningAgent_operationInProgress_isThereAndTellsItsStatus() throws Exception {
        compacting = new CountDownLatch(1);
        RunningAgent agent = RunningAgent.at(control, directory);
        CompletableFuture<Report> compaction = CompletableFuture.supplyAsync(() -> compact(agent));
        await().until(() -> !asked.isEmpty());

        agent.requireThere();
        assertThat(agent.status()).isEqualTo(new NotedOperations().status());
        assertThat(compaction).isNotDone();

        compacting.countDown();
        assertThat(compaction.join()).isEqualTo(new Report(1, 2, 3, 4, 5));
    }

    private static Report compact(RunningAgent agent) {
        try {
            return agent.compact(Duration.ofDays(3), Mode.RUN);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void runningAgent_nothingListens_saysSo() throws Exception {
        RunningAgent agent = RunningAgent.at(directory.resolve("none.sock"), directory);
        assertThatExceptionOfType(RunningAgent.NotThere.class).isThrownBy(agent::status);
    }

    @Test
    void start_socketsLeftByACrash_areReplacedAndPrivate() throws Exception {
        server.close();
        Files.deleteIfExists(control);
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            killed.bind(UnixDomainSocketAddress.of(control));
        }
        server = server();

        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(control)))
                .isEqualTo("rw-------");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(programs)))
                .isEqualTo("rw-rw----");
        assertThat(post(control, "/v1/pcs", "application/json", GOOD).status()).isEqualTo(202);
    }

    @Test
    void start_pathTooLongForASocket_namesTheSetting() {
        Addresses addresses = new Addresses(directory.resolve("x".repeat(120)), Optional.empty(), Optional.empty());

        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> LocalServer.start(addresses, outbox, new NotedOperations()))
                .withMessageContaining("CONTROL_SOCKET");
    }
}
