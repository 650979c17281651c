// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A server that answers its only connection without end, after it has read the beginning of a request. */
final class HostileServer implements Closeable {
    private final ServerSocket listener = new ServerSocket(0, 1, InetAddress.getLoopbackAddress());
    private final CompletableFuture<Long> sent;

    /**
     * Starts the server.
     *
     * @param beginning the beginning of the answer
     * @param repeated the text that follows again and again
     */
    HostileServer(String beginning, String repeated) throws IOException {
        sent = CompletableFuture.supplyAsync(() -> serve(bytes(beginning), bytes(repeated.repeat(4_096))));
    }

    private long serve(byte[] beginning, byte[] repeated) {
        long written = 0;
        try (Socket client = listener.accept()) {
            int unused = client.getInputStream().read();
            OutputStream out = client.getOutputStream();
            out.write(beginning);
            while (true) {
                out.write(repeated);
                written += repeated.length;
            }
        } catch (IOException e) {
            return written; // the client has closed the connection
        }
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + listener.getLocalPort());
    }

    /**
     * Waits until the client has closed the connection, and returns the number of repeated bytes that it accepted.
     * Those in the buffers of the kernel are included.
     */
    long sentBytes() throws Exception {
        return sent.get(30, TimeUnit.SECONDS);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    @Override
    public void close() throws IOException {
        listener.close();
    }
}
