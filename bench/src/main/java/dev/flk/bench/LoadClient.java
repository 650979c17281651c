// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.HdrHistogram.Histogram;

/**
 * A client with many connections to one port of the loopback interface, all served by one thread. Each connection has
 * at most one request in flight, and sends the next one as soon as the response has arrived.
 */
final class LoadClient implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(30);
    private static final long MAX_LATENCY_NANOS = Duration.ofMinutes(1).toNanos();

    private final Selector selector = Selector.open();
    private final Stock stock;
    private final String expected;
    private final List<Connection> pool = new ArrayList<>();
    private final Histogram latencies = new Histogram(MAX_LATENCY_NANOS, 3);
    private boolean sending;
    private int inFlight;
    private long completed;

    /**
     * Connects to an HTTP server.
     *
     * @param expected the prefix of the status of every response, or of every line in the response to a batch, such as
     *     2 or 401; any other response ends the run
     */
    public LoadClient(int port, int connections, Stock stock, String expected) throws IOException {
        this(port, connections, stock, expected, HttpReply::new, List.of());
    }

    /**
     * Connects to a server.
     *
     * @param expected the text that is passed to {@code Reply.require} to check every reply
     * @param replies the kind of reply
     * @param greetings the requests that are sent first on each connection, each of which gets a reply
     */
    LoadClient(
            int port,
            int connections,
            Stock stock,
            String expected,
            Supplier<? extends Reply> replies,
            List<byte[]> greetings)
            throws IOException {
        this.stock = stock;
        this.expected = expected;
        for (int i = 0; i < connections; i++) {
            SocketChannel channel = SocketChannel.open();
            channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            Reply reply = replies.get();
            for (byte[] greeting : greetings) {
                channel.write(ByteBuffer.wrap(greeting)); // writes all bytes, because the channel is in blocking mode
                do {
                    readFrom(channel, reply);
                } while (!reply.isComplete());
                reply.require(expected, 1);
                reply.clear();
            }
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            Connection connection = new Connection(channel, key, reply);
            key.attach(connection);
            pool.add(connection);
        }
    }

    private static void readFrom(SocketChannel channel, Reply reply) throws IOException {
        if (channel.read(reply.writable()) < 0) {
            throw new IOException("the server closed a connection");
        }
    }

    /**
     * The responses within the measured time.
     *
     * @param items the number of certificates in the responses
     * @param seconds the duration of the measured time
     * @param latencies the latencies of requests in nanoseconds
     */
    public record Load(long items, double seconds, Histogram latencies) {}

    /**
     * Runs for {@code warmUp}, then for {@code measured} or until the stock is used up, and counts only the responses
     * of the second period. Finally waits for the requests in flight.
     *
     * @param atBounds called before and after the measured time
     */
    public Load run(Duration warmUp, Duration measured, Runnable atBounds) throws IOException {
        begin();
        pollUntil(System.nanoTime() + warmUp.toNanos());
        latencies.reset();
        completed = 0;
        atBounds.run();
        long begun = System.nanoTime();
        pollUntil(begun + measured.toNanos());
        double seconds = (System.nanoTime() - begun) / 1e9;
        atBounds.run();
        Load load = new Load(completed * stock.itemsPerRequest(), seconds, latencies.copy());
        finish();
        return load;
    }

    /** Sends, and returns the number of certificates answered in each second. */
    public long[] perSecond(int seconds) throws IOException {
        begin();
        long begun = System.nanoTime();
        long[] answered = new long[seconds];
        for (int second = 0; second < seconds; second++) {
            long before = completed;
            pollUntil(begun + TimeUnit.SECONDS.toNanos(second + 1));
            answered[second] = (completed - before) * stock.itemsPerRequest();
        }
        if (!sending) {
            throw new IOException("the stock of certificates was too small");
        }
        finish();
        return answered;
    }

    private void begin() throws IOException {
        sending = true;
        for (Connection connection : pool) {
            connection.send();
        }
    }

    private void pollUntil(long deadlineNanos) throws IOException {
        while (sending && System.nanoTime() < deadlineNanos) {
            poll();
        }
    }

    private void finish() throws IOException {
        sending = false;
        long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (inFlight > 0) {
            if (System.nanoTime() > deadline) {
                throw new IOException(inFlight + " requests got no response within " + TIMEOUT.toSeconds() + " s");
            }
            poll();
        }
    }

    private void poll() throws IOException {
        selector.select(50);
        for (SelectionKey key : selector.selectedKeys()) {
            ((Connection) key.attachment()).serve();
        }
        selector.selectedKeys().clear();
    }

    @Override
    public void close() throws IOException {
        for (SelectionKey key : selector.keys()) {
            key.channel().close();
        }
        selector.close();
    }

    /** A connection with at most one request in flight. */
    private final class Connection {
        private final SocketChannel channel;
        private final SelectionKey key;
        private final Reply in;
        private ByteBuffer out = ByteBuffer.allocate(0);
        private long sentNanos;

        Connection(SocketChannel channel, SelectionKey key, Reply reply) {
            this.channel = channel;
            this.key = key;
            this.in = reply;
        }

        void send() throws IOException {
            if (stock.isEmpty()) {
                sending = false;
                return;
            }
            sentNanos = System.nanoTime();
            inFlight++;
            out = ByteBuffer.wrap(stock.take());
            write();
        }

        private void write() throws IOException {
            channel.write(out);
            key.interestOps(out.hasRemaining() ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ);
        }

        void serve() throws IOException {
            if (key.isWritable()) {
                write();
            }
            if (key.isReadable()) {
                readFrom(channel, in);
                if (in.isComplete()) {
                    in.require(expected, stock.itemsPerRequest());
                    latencies.recordValue(Math.min(MAX_LATENCY_NANOS, System.nanoTime() - sentNanos));
                    inFlight--;
                    completed++;
                    in.clear();
                    if (sending) {
                        send();
                    }
                }
            }
        }
    }

    /** A reply that is being received. */
    abstract static class Reply {
        ByteBuffer in = ByteBuffer.allocate(8 << 10);

        /** Returns a buffer to read into. */
        final ByteBuffer writable() {
            if (!in.hasRemaining()) {
                ByteBuffer larger = ByteBuffer.allocate(in.capacity() * 4);
                larger.put(in.flip());
                in = larger;
            }
            return in;
        }

        /** Returns whether the reply is complete. */
        abstract boolean isComplete() throws IOException;

        /** Throws if a complete reply to a request with {@code items} certificates is not as {@code expected}. */
        abstract void require(String expected, int items) throws IOException;

        /** Prepares for the next reply. */
        void clear() throws IOException {
            in.clear();
        }

        final String text(int from, int to) {
            return new String(Arrays.copyOfRange(in.array(), from, to), StandardCharsets.ISO_8859_1);
        }
    }

    /**
     * An HTTP response: a status, headers with a length, and a body. Chunked bodies are not supported; the measured
     * servers do not send them here.
     */
    private static final class HttpReply extends Reply {
        private static final int STATUS_AT = "HTTP/1.1 ".length();
        private static final String END_OF_HEAD = "\r\n\r\n";
        private static final String LENGTH = "\r\ncontent-length:";
        private static final String LINE_STATUS = "{\"status\":";

        /** The index of the body; 0 until the headers are complete. */
        private int body;

        private int end;

        @Override
        boolean isComplete() throws IOException {
            if (body == 0) {
                String text = text(0, in.position());
                int head = text.indexOf(END_OF_HEAD);
                if (head < 0) {
                    return false;
                }
                String headers = text.substring(0, head + 2).toLowerCase(Locale.ROOT);
                int length = headers.indexOf(LENGTH) + LENGTH.length();
                if (length < LENGTH.length()) {
                    throw new IOException("a response has no content-length: " + headers);
                }
                body = head + END_OF_HEAD.length();
                end = body
                        + Integer.parseInt(headers.substring(length, headers.indexOf('\r', length))
                                .strip());
            }
            return in.position() >= end;
        }

        /**
         * Checks the response. For a single certificate, checks the status; for a batch, checks the number of lines and
         * the status of each line.
         */
        @Override
        void require(String status, int lines) throws IOException {
            String text = text(0, end);
            boolean isExpected = text.startsWith(lines == 1 ? status : "200", STATUS_AT);
            if (isExpected && lines > 1) {
                List<String> all = text.substring(body).lines().toList();
                isExpected = all.size() == lines
                        && all.stream()
                                .allMatch(line ->
                                        line.startsWith(status, LINE_STATUS.length()) && line.startsWith(LINE_STATUS));
            }
            if (!isExpected) {
                throw new IOException("unexpected response: " + text.substring(0, Math.min(end, 2_000)));
            }
        }

        @Override
        void clear() throws IOException {
            if (in.position() > end) {
                throw new IOException("bytes after the response: " + text(0, in.position()));
            }
            super.clear();
            body = 0;
            end = 0;
        }
    }
}
