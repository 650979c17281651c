// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.io.Closeable;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;

/** Answers one request with headers that promise a body, and with no more than its beginning. */
final class TricklingServer implements Closeable {
    private final ServerSocket socket;
    private final Thread thread;

    TricklingServer() throws IOException {
        socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
        thread = new Thread(this::serve, "trickling");
        thread.start();
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + socket.getLocalPort());
    }

    private void serve() {
        try (Socket client = socket.accept()) {
            client.getOutputStream()
                    .write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{".getBytes(StandardCharsets.US_ASCII));
            while (client.getInputStream().read() >= 0) {
                // until the client has enough of it
            }
        } catch (IOException e) {
            // the client has gone, or the test is over
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
