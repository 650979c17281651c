// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that an agent with the options of its package survives an endpoint whose answers do not end. */
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

    @TempDir
    private Path directory;

    private final AtomicInteger answers = new AtomicInteger();

    @Test
    void answersWithoutEnd_areOutages() throws Exception {
        AgentHome home = AgentHome.in(directory);
        home.spool("waiting", IntStream.range(0, 100).mapToObj(Pcs::number).toList());
        ExecutorService connections = Executors.newCachedThreadPool();
        try (ServerSocket listener = new ServerSocket(0, 0, InetAddress.getLoopbackAddress())) {
            connections.execute(() -> accept(listener, connections));
            Map<String, String> environment = home.sendingTo("http://127.0.0.1:" + listener.getLocalPort());
            environment.put("MAX_DELAY", "50ms");
            environment.put("HEARTBEAT", "1s");
            try (Program agent = Program.java("flk-agent", directory, environment, PACKAGED, "run")) {
                await().atMost(Duration.ofMinutes(2)).until(() -> answers.get() >= ANSWERS || !agent.isAlive());

                assertThat(agent.isAlive()).as(agent.allLines()).isTrue();
                assertThat(home.status().path("pending").asInt()).isEqualTo(100);
                assertThat(home.deadLetters()).isEmpty();
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
        } finally {
            connections.shutdown();
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
