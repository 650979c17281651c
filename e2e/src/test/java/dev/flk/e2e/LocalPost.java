// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A plain HTTP client for the agent's Unix sockets and loopback port. It opens one connection per request. */
final class LocalPost {
    private LocalPost() {}

    record Answer(int status, String body) {}

    /** Posts certificates, one per line. The agent answers 202 when they are on disk. */
    static Answer lines(SocketAddress door, String lines) throws IOException {
        return exchange(door, "POST", "/v1/pcs", "application/x-ndjson", lines);
    }

    /** Posts one certificate. */
    static Answer one(SocketAddress door, String certificate) throws IOException {
        return exchange(door, "POST", "/v1/pcs", "application/json", certificate);
    }

    static Answer get(Path socket, String path) throws IOException {
        return exchange(UnixDomainSocketAddress.of(socket), "GET", path, "text/plain", "");
    }

    /** Posts an operator's command to an agent. */
    static Answer post(Path socket, String path) throws IOException {
        return exchange(UnixDomainSocketAddress.of(socket), "POST", path, "text/plain", "");
    }

    static SocketAddress loopback(int port) {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
    }

    /**
     * Sends one request and reads the answer.
     *
     * @throws ConnectException if nothing listens at the address
     * @throws IOException if the answer has no complete head
     */
    private static Answer exchange(SocketAddress door, String method, String path, String contentType, String body)
            throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        String head = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
                + contentType + "\r\nContent-Length: " + bytes.length + "\r\n\r\n";
        try (SocketChannel channel = connect(door)) {
            var request = new ByteArrayOutputStream();
            request.writeBytes(head.getBytes(StandardCharsets.US_ASCII));
            request.writeBytes(bytes);
            ByteBuffer out = ByteBuffer.wrap(request.toByteArray());
            while (out.hasRemaining()) {
                channel.write(out);
            }
            return answer(readAll(channel));
        }
    }

    private static SocketChannel connect(SocketAddress door) throws ConnectException {
        try {
            return SocketChannel.open(door);
        } catch (IOException e) {
            ConnectException nobody = new ConnectException("nobody listens at " + door);
            nobody.initCause(e);
            throw nobody;
        }
    }

    private static String readAll(SocketChannel channel) throws IOException {
        var all = new ByteArrayOutputStream();
        ByteBuffer in = ByteBuffer.allocate(1 << 14);
        while (channel.read(in.clear()) >= 0) {
            all.write(in.array(), 0, in.position());
        }
        return all.toString(StandardCharsets.UTF_8);
    }

    private static Answer answer(String text) throws IOException {
        int headEnd = text.indexOf("\r\n\r\n");
        if (headEnd < 0) {
            throw new IOException("no answer, but \"" + text + "\"");
        }
        int status = Integer.parseInt(text.substring("HTTP/1.1 ".length(), "HTTP/1.1 200".length()));
        return new Answer(status, text.substring(headEnd + 4));
    }
}
