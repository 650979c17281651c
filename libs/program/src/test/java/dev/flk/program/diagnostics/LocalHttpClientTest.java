// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.diagnostics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpRequest;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class LocalHttpClientTest {
    private final LocalHttpClient client = new LocalHttpClient(Duration.ofSeconds(60));

    @Test
    void ask_answerWithoutEnd_fails() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> serving = serving(server);

            assertThatThrownBy(() -> client.ask(url(server), Optional.empty()))
                    .isInstanceOf(IOException.class)
                    .hasMessageContaining("is longer than ");
            serving.get(30, TimeUnit.SECONDS);
        }
    }

    @Test
    void lines_lineWithoutEnd_fails() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> serving = serving(server);

            try (Stream<String> lines = client.lines(HttpRequest.newBuilder(URI.create(url(server))))
                    .body()) {
                assertThatThrownBy(lines::findFirst).hasMessageContaining("a line of the answer is longer than ");
            }
            serving.get(30, TimeUnit.SECONDS);
        }
    }

    @Test
    void ask_answer_returnsItsText() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> serving = CompletableFuture.runAsync(() -> serve(server, "é", 1));

            assertThat(client.ask(url(server), Optional.empty()).body()).isEqualTo("é");
            serving.get(30, TimeUnit.SECONDS);
        }
    }

    private static String url(ServerSocket server) {
        return "http://127.0.0.1:" + server.getLocalPort() + "/";
    }

    /** Answers the only connection without end, until the client closes it. */
    private static CompletableFuture<Void> serving(ServerSocket server) {
        return CompletableFuture.runAsync(() -> serve(server, "x".repeat(1 << 16), Integer.MAX_VALUE));
    }

    private static void serve(ServerSocket server, String text, int times) {
        try (Socket connection = server.accept()) {
            int unused = connection.getInputStream().read(new byte[1 << 16]);
            connection.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            for (int i = 0; i < times; i++) {
                connection.getOutputStream().write(text.getBytes(StandardCharsets.UTF_8));
            }
        } catch (IOException e) {
            // the client has closed the connection
        }
    }
}
