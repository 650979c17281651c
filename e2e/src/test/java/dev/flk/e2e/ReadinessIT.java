// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import dev.flk.testkit.RedisServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that {@code /readyz} reports a failed append immediately, and recovers by itself. */
final class ReadinessIT {
    @TempDir
    private Path directory;

    private Path wal() {
        return directory.resolve("data/wal");
    }

    private static void assertRefusedAndUnready(Client client, long epoch, int status, String cause) throws Exception {
        Client.awaitUntil(() -> client.submit(Pcs.number(epoch)).status() == status);
        Answer ready = client.get("/readyz");
        assertThat(ready.status()).isEqualTo(503);
        assertThat(ready.body()).contains("append failed").contains(cause);
    }

    /**
     * Checks that the backend becomes ready again. Nothing is submitted in the meantime, because a load balancer sends
     * nothing to a backend that is not ready.
     */
    private static void assertReadyAgain(Client client, long epoch) throws Exception {
        client.awaitReady();
        Answer answer = client.submit(Pcs.number(epoch));
        assertThat(answer.status()).as(answer.body()).isEqualTo(200);
        assertThat(client.get("/readyz").status()).isEqualTo(200);
    }

    @Test
    void logDirectoryMissing_isNotReadyUntilItIsBack() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Path away = directory.resolve("away");
            Files.move(wal(), away);

            assertRefusedAndUnready(client, 2, 500, "data/wal: no such file or directory");
            Files.move(away, wal());

            assertReadyAgain(client, 3);
            assertThat(client.get("/v1/pcs/" + Pcs.number(1).id()).status()).isEqualTo(200);
        }
    }

    /** Checks that the actual reason is reported when the next segment can't be opened, and that it is no failure. */
    @Test
    void fileDescriptorsExhausted_is503AndNotReadyUntilSomeAreFree() throws Exception {
        HostProgram prlimit = HostProgram.orSkip("prlimit", "util-linux", directory);
        try (BackendProcess backend = BackendProcess.start(directory);
                Connections idle = new Connections()) {
            Client client = new Client(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            assertThat(client.get("/readyz").status()).isEqualTo(200);
            String pid = Long.toString(backend.program().pid());
            Path segment = LogFiles.inbox(wal()).segments().get(0);
            limit(prlimit, pid, Integer.toString(openFiles(pid)));
            // these, and those that wait to be accepted, take every number below the limit that is or becomes free
            idle.open(backend.port(), 64);
            backend.awaitLine(line -> line.contains("can't be accepted: "));
            Files.move(segment, segment.resolveSibling(segment.getFileName() + ".1"));

            assertRefusedAndUnready(client, 2, 503, "Too many open files");
            Answer refused = client.submit(Pcs.number(2));
            assertThat(refused.error()).isEqualTo("overloaded");
            assertThat(refused.has("retry-after")).isTrue();
            assertThat(client.metric("flk_files_exhausted_total")).isPositive();
            assertThat(backend.allLines())
                    .doesNotContain("Mount point not found", "was removed, emptied or moved out")
                    .containsOnlyOnce("WAL append error");
            limit(prlimit, pid, "4096");

            assertReadyAgain(client, 3);
        }
    }

    /** Checks that connections, which come while the backend starts, leave it the files that it needs. */
    @Test
    void fewOpenFiles_idleConnections_doNotStopIntake() throws Exception {
        Program program = Program.limited("ulimit -n 256", "flk-backend", directory, ServedBackend.environment());
        try (Connections idle = new Connections()) {
            String listening = program.awaitLine(line -> line.contains("listening on 127.0.0.1 port "));
            idle.open(Integer.parseInt(listening.substring(listening.lastIndexOf(' ') + 1)), 400);
            try (BackendProcess backend = BackendProcess.of(program)) {
                Client client = new Client(backend.url());
                assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
                Path segment = LogFiles.inbox(wal()).segments().get(0);
                Files.move(segment, segment.resolveSibling(segment.getFileName() + ".1"));

                assertThat(client.submit(Pcs.number(2)).status()).isEqualTo(200);
                assertThat(client.get("/readyz").status()).isEqualTo(200);
                assertThat(backend.allLines())
                        .containsOnlyOnce("this process may have only 256 open files; at most 128 connections");
            }
        }
    }

    /** Connections that send nothing. */
    private static final class Connections implements AutoCloseable {
        private static final int ADDRESSES = 8;

        private final List<Socket> open = new ArrayList<>();

        /** Opens connections from several addresses, so that no limit of one address applies. */
        void open(int port, int number) throws IOException {
            for (int i = 0; i < number; i++) {
                Socket socket = new Socket();
                open.add(socket);
                socket.bind(new InetSocketAddress("127.0.0." + (2 + i % ADDRESSES), 0));
                socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            }
        }

        @Override
        public void close() throws IOException {
            for (Socket socket : open) {
                socket.close();
            }
        }
    }

    /**
     * Checks the log line that scripts wait for. Before this line, each submission is answered 503; after it, the next
     * submission is decided.
     */
    @Test
    void ready_isLogged_whenTheNextSubmissionWillBeDecided() throws Exception {
        try (RedisServer redis = RedisServer.startDurable(directory.resolve("redis"))) {
            try (ServedBackend backend = BackendInJvm.start(directory, redis.configuration())) {
                assertThat(new Client(backend.url()).submit(Pcs.number(1)).status())
                        .isEqualTo(200);
            }
            redis.kill();
            try (ServedBackend backend = BackendInJvm.start(directory, redis.configuration())) {
                assertThat(new Client(backend.url()).submit(Pcs.number(2)).error())
                        .isEqualTo("dedup store unavailable");
                assertThat(backend.allLines()).doesNotContain("ready: ");
                redis.restart();
                backend.awaitLine(line -> line.contains("ready: submissions are accepted"));
                assertThat(new Client(backend.url()).submit(Pcs.number(3)).status())
                        .isEqualTo(200);
            }
        }
    }

    /** Checks that a late clock raises an alarm, but refuses nothing. */
    @Test
    void clockBehindTheTimeTrustedBefore_isReported_andCertificatesAreAccepted() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            assertThat(client.get("/readyz").body()).doesNotContain("clock");
            assertThat(client.metric("flk_clock_behind_seconds")).isZero();
        }
        String time = "flk-clock1 " + Instant.now().plus(Duration.ofHours(3)).toEpochMilli() + " 1";
        CRC32C checksum = new CRC32C();
        checksum.update(time.getBytes(StandardCharsets.US_ASCII));
        Files.writeString(
                wal().resolve("inbox.clock"),
                time + " " + HexFormat.of().toHexDigits((int) checksum.getValue()) + "\n");

        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Client client = new Client(backend.url());
            backend.awaitLine(line -> line.contains("ERROR") && line.contains("behind the time at which"));
            Answer ready = client.get("/readyz");
            assertThat(ready.status()).isEqualTo(200);
            assertThat(ready.body()).contains("{\"name\":\"clock\",\"ready\":false,\"detail\":\"the clock is 2 h ");
            assertThat(client.metric("flk_clock_behind_seconds")).isBetween(7_000.0, 10_800.0);
            assertThat(client.submit(Pcs.number(2)).status()).isEqualTo(200);
        }
    }

    private static void limit(HostProgram prlimit, String pid, String files) throws Exception {
        prlimit.succeed("--pid", pid, "--nofile=" + files + ":");
    }

    private static int openFiles(String pid) throws IOException {
        try (Stream<Path> files = Files.list(Path.of("/proc", pid, "fd"))) {
            return (int) files.mapToLong(
                                    file -> Long.parseLong(file.getFileName().toString()))
                            .max()
                            .orElseThrow()
                    + 1;
        }
    }
}
