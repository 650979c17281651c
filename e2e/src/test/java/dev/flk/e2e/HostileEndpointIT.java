// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.sample.Pcs;
import dev.flk.testkit.FreePort;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that an agent with the options of its package survives an endpoint whose answers do not end, and certificates
 * that its heap can't hold.
 */
final class HostileEndpointIT {
    private static final List<String> PACKAGED =
            List.of("-Xmx64m", "-Xms8m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", "-XX:TieredStopAtLevel=1");
    private static final List<String> BEGINNINGS = List.of(
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{\"status\":",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 ",
            "HTTP/1.1 200 OK\r\na: ",
            "SSH-2.0-OpenSSH_9.2\r\n");
    private static final int ANSWERS = 60;
    private static final int HUGE_BYTES = 8_000_000;

    @TempDir
    private Path directory;

    private final AtomicInteger answers = new AtomicInteger();

    @Test
    void answersWithoutEndAndHugeCertificates_endNothing() throws Exception {
        AgentHome home = AgentHome.in(directory);
        // as an agent with a larger heap has accepted it
        try (Outbox outbox = Outbox.open(new OutboxOptions(home.outbox(), 1 << 30, 0), InstantSource.system())) {
            outbox.append(List.of(utf8("{\"" + "x".repeat(HUGE_BYTES) + "\":0}")));
        }
        Files.write(home.spool().resolve("a-text.ndjson"), utf8("{\"a\":\"" + "x".repeat(HUGE_BYTES) + "\"}\n"));
        Files.write(home.spool().resolve("b-members.ndjson"), utf8(members() + "\n"));
        home.spool(
                "c-names",
                IntStream.range(100, 160).mapToObj(HostileEndpointIT::longName).toList());
        home.spool("waiting", IntStream.range(0, 100).mapToObj(Pcs::number).toList());
        ExecutorService connections = Executors.newCachedThreadPool();
        try (ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
            connections.execute(() -> accept(listener, connections));
            Map<String, String> environment = home.sendingTo("http://127.0.0.1:" + listener.getLocalPort());
            environment.put("MAX_DELAY", "50ms");
            environment.put("HEARTBEAT", "1s");
            int port = FreePort.choose();
            environment.put("INTAKE_PORT", Integer.toString(port));
            try (Program agent = Program.java("flk-agent", directory, environment, PACKAGED, "run")) {
                await().atMost(Duration.ofMinutes(2)).until(() -> answers.get() > 0 || !agent.isAlive());
                assertThat(postTogether(port)).as(agent.allLines()).containsOnly("HTTP/1.1 413");
                await().atMost(Duration.ofMinutes(2)).until(() -> answers.get() >= ANSWERS || !agent.isAlive());
                await().atMost(Duration.ofMinutes(2))
                        .until(() -> home.status().path("pending").asInt() == 160 || !agent.isAlive());
                assertThat(agent.isAlive()).as(agent.allLines()).isTrue();
                assertThat(home.deadLetters()).singleElement().asString().contains("8000006 bytes");
                assertThat(home.spool().resolve("a-text.ndjson.rejected")).exists();
                assertThat(home.spool().resolve("b-members.ndjson.rejected")).exists();
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
        } finally {
            connections.shutdown();
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Returns a certificate with a member whose long name no other one has. */
    private static Pcs longName(int number) {
        return Pcs.number(number).with("x".repeat(1_000_000) + number, "0");
    }

    private static String members() {
        return IntStream.range(0, HUGE_BYTES / 20)
                .mapToObj(i -> "\"" + i + "\":0")
                .collect(Collectors.joining(",", "{", "}"));
    }

    /** Posts four huge certificates at once, and returns the beginnings of the answers. */
    private static List<String> postTogether(int port) {
        return IntStream.range(0, 4).mapToObj(i -> CompletableFuture.supplyAsync(() -> post(port))).toList().stream()
                .map(CompletableFuture::join)
                .toList();
    }

    private static String post(int port) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream()
                    .write(utf8("POST /v1/pcs HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + HUGE_BYTES + "\r\n\r\n"
                            + "x".repeat(HUGE_BYTES)));
            return new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
        } catch (IOException e) {
            return e.toString();
        }
    }

    private void accept(ServerSocket listener, ExecutorService connections) {
        try {
            while (true) {
                Socket connection = listener.accept();
                connections.execute(() -> answer(connection));
            }
        } catch (IOException e) {
            // the test has ended
        }
    }

    /** Answers as a backend that serves, and all other requests without end. */
    private void answer(Socket connection) {
        try (connection) {
            byte[] request = new byte[1 << 16];
            while (true) {
                int read = connection.getInputStream().read(request);
                if (read < 0) {
                    return;
                }
                OutputStream out = connection.getOutputStream();
                if (new String(request, 0, read, StandardCharsets.ISO_8859_1).startsWith("GET /health")) {
                    out.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK".getBytes(StandardCharsets.US_ASCII));
                    continue;
                }
                String beginning = BEGINNINGS.get(answers.getAndIncrement() % BEGINNINGS.size());
                out.write(beginning.getBytes(StandardCharsets.US_ASCII));
                byte[] endless = "x".repeat(1 << 16).getBytes(StandardCharsets.US_ASCII);
                while (true) {
                    out.write(endless);
                }
            }
        } catch (IOException e) {
            // the agent has closed the connection
        }
    }
}
