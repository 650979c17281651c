// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.control;

import dev.flk.http.Answer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** An HTTP client for the socket of a running agent, with one connection per request. Any thread. */
final class LocalClient {
    private static final int MAX_ANSWER_BYTES = 16 << 20;
    private static final Pattern HEAD = Pattern.compile(
            "HTTP/1\\.1 (\\d{3}) .*?\r\ncontent-length: (\\d+)\r\n.*", Pattern.DOTALL | Pattern.CASE_INSENSITIVE);

    private LocalClient() {}

    /**
     * Sends a request and waits for the answer.
     *
     * @throws RunningAgent.NotThere if no process listens on the socket
     * @throws IOException if the connection fails, or no complete answer arrives within the timeout
     */
    static Answer ask(Path socket, String method, String uri, String contentType, byte[] body, Duration timeout)
            throws IOException {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            CompletableFuture<Void> timer = CompletableFuture.runAsync(
                    () -> close(channel), CompletableFuture.delayedExecutor(timeout.toMillis(), TimeUnit.MILLISECONDS));
            try {
                connect(channel, socket);
                send(channel, method, uri, contentType, body);
                return receive(channel);
            } catch (ClosedChannelException e) {
                throw new IOException("no answer within " + timeout.toSeconds() + " s", e);
            } finally {
                timer.cancel(false);
            }
        } catch (RunningAgent.NotThere e) {
            throw e;
        } catch (IOException e) {
            throw new IOException("the agent at " + socket + " did not answer: " + e.getMessage(), e);
        }
    }

    private static void close(SocketChannel channel) {
        try {
            channel.close();
        } catch (IOException e) {
            // the request fails nevertheless
        }
    }

    private static void connect(SocketChannel channel, Path socket) throws IOException {
        try {
            boolean unused = channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (ClosedChannelException e) {
            throw e;
        } catch (IOException e) {
            throw new RunningAgent.NotThere(socket, e);
        }
    }

    private static void send(SocketChannel channel, String method, String uri, String contentType, byte[] body) {
        String head = method + " " + uri + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + contentType
                + "\r\nConnection: close\r\nContent-Length: " + body.length + "\r\n\r\n";
        try {
            for (byte[] part : new byte[][] {head.getBytes(StandardCharsets.US_ASCII), body}) {
                for (ByteBuffer left = ByteBuffer.wrap(part); left.hasRemaining(); ) {
                    int unused = channel.write(left);
                }
            }
        } catch (IOException e) {
            // the agent may have answered and closed the connection before it read everything
        }
    }

    private static Answer receive(SocketChannel channel) throws IOException {
        var received = new ByteArrayOutputStream();
        ByteBuffer block = ByteBuffer.allocate(1 << 16);
        while (received.size() <= MAX_ANSWER_BYTES && channel.read(block.clear()) >= 0) {
            received.write(block.array(), 0, block.position());
        }
        byte[] bytes = received.toByteArray();
        String text = new String(bytes, StandardCharsets.ISO_8859_1);
        int end = text.indexOf("\r\n\r\n") + 4;
        Matcher head = HEAD.matcher(text.substring(0, Math.max(0, end - 2)));
        if (!head.matches() || bytes.length - end != Integer.parseInt(head.group(2))) {
            throw new IOException("the connection was closed before the answer was complete");
        }
        return Answer.json(Integer.parseInt(head.group(1)), Arrays.copyOfRange(bytes, end, bytes.length));
    }
}
