// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class BackendClientTest {
    @Test
    void submit_bodyNeverCompletes_timesOut() throws Exception {
        try (ServerSocket server = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            CompletableFuture<Void> serving = CompletableFuture.runAsync(() -> serveBeginning(server));
            URI endpoint = URI.create("http://127.0.0.1:" + server.getLocalPort());
            var ended = new CompletableFuture<Throwable>();
            try (BackendClient client = new BackendClient(endpoint, Duration.ofMillis(300), Optional.empty())) {
                client.submit(Certificates.certificate(1), (reply, failure) -> ended.complete(failure));

                assertThat(AnswerReader.describe(ended.get(20, TimeUnit.SECONDS)))
                        .isEqualTo("no answer within REQUEST_TIMEOUT");
                serving.get(20, TimeUnit.SECONDS);
            }
        }
    }

    /** Sends the beginning of a body, and waits until the client closes the connection. */
    private static void serveBeginning(ServerSocket server) {
        try (Socket client = server.accept()) {
            client.getOutputStream()
                    .write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{".getBytes(StandardCharsets.US_ASCII));
            while (client.getInputStream().read() >= 0) {
                // reads the request
            }
        } catch (IOException e) {
            // the client has reset the connection
        }
    }
}
