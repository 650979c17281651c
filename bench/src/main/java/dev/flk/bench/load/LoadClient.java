// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.load;

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
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;

/**
 * Many connections to one port of the loopback interface, in one thread; a connection has one request in flight. Closed loop: it sends
 * the next request at once. Open loop: requests are due at a steady rate, whether the server keeps up or not, and a request's latency
 * counts from its due time, so that a stalling server is charged with the requests that could not be sent (coordinated omission).
 */
public final class LoadClient implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final long LONGEST_PARK_NANOS = 100_000;
    private static final long LONGEST_NANOS = Duration.ofMinutes(1).toNanos();

    private final Selector selector = Selector.open();
    private final Stock stock;
    private final String expected;
    private final ArrayDeque<Peer> idle = new ArrayDeque<>();
    private final List<Peer> peers = new ArrayList<>();
    private final Histogram latencies = new Histogram(LONGEST_NANOS, 3);
    /** Between two requests of an open load; 0 in a closed one. */
    private long intervalNanos;

    private long nextDueNanos;
    private final ArrayDeque<Long> due = new ArrayDeque<>();
    private boolean sending;
    private int outstanding;
    private long answered;

    /**
     * Connects.
     *
     * @param expected what every answer's status begins with, and in a batch every line's: 2 or 401, say; another answer ends the run
     */
    public LoadClient(int port, int connections, Stock stock, String expected) throws IOException {
        this.stock = stock;
        this.expected = expected;
        for (int i = 0; i < connections; i++) {
            SocketChannel channel = SocketChannel.open();
            channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
            channel.configureBlocking(false);
            SelectionKey key = channel.register(selector, SelectionKey.OP_READ);
            Peer peer = new Peer(channel, key);
            key.attach(peer);
            peers.add(peer);
        }
    }

    /**
     * What was answered within the measured time.
     *
     * @param items certificates
     * @param seconds that it took
     * @param latencies of requests, in nanoseconds
     */
    public record Load(long items, double seconds, Histogram latencies) {
        /** Certificates a second. */
        public double itemsPerSecond() {
            return items / seconds;
        }
    }

    /** At this rate of requests from now on, whatever the server does. */
    public LoadClient open(double requestsPerSecond) {
        intervalNanos = Math.round(1e9 / requestsPerSecond);
        return this;
    }

    /**
     * Loads for {@code warmUp}, then for {@code measured} or until the stock is used up, and counts in the latter; then waits for what
     * is under way.
     *
     * @param between called between the two and behind the latter
     */
    public Load run(Duration warmUp, Duration measured, Runnable between) throws IOException {
        sending = true;
        idle.addAll(peers);
        nextDueNanos = System.nanoTime();
        turnUntil(System.nanoTime() + warmUp.toNanos());
        latencies.reset();
        answered = 0;
        between.run();
        long begun = System.nanoTime();
        turnUntil(begun + measured.toNanos());
        double seconds = (System.nanoTime() - begun) / 1e9;
        between.run();
        Load load = new Load(answered * stock.itemsPerRequest(), seconds, latencies.copy());
        finish();
        return load;
    }

    private void turnUntil(long deadlineNanos) throws IOException {
        while (sending && System.nanoTime() < deadlineNanos) {
            send();
            turn();
        }
    }

    private void finish() throws IOException {
        sending = false;
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (outstanding > 0) {
            if (System.nanoTime() > deadline) {
                throw new IOException(outstanding + " requests got no answer in " + PATIENCE.toSeconds() + " s");
            }
            turn();
        }
    }

    private void send() throws IOException {
        if (intervalNanos > 0) {
            for (long now = System.nanoTime(); nextDueNanos <= now; nextDueNanos += intervalNanos) {
                due.add(nextDueNanos);
            }
        }
        while (sending && !idle.isEmpty() && (intervalNanos == 0 || !due.isEmpty())) {
            idle.remove().send(intervalNanos == 0 ? System.nanoTime() : due.remove());
        }
    }

    private void turn() throws IOException {
        boolean waitsForATime = sending && intervalNanos > 0;
        int ready = waitsForATime ? selector.selectNow() : selector.select(50);
        if (ready > 0) {
            for (SelectionKey key : selector.selectedKeys()) {
                ((Peer) key.attachment()).serve();
            }
            selector.selectedKeys().clear();
        } else if (waitsForATime) {
            // about 60 us at the least, which count as latency; to spin would take the processor from the server
            LockSupport.parkNanos(this, Math.max(1, Math.min(LONGEST_PARK_NANOS, nextDueNanos - System.nanoTime())));
        }
    }

    @Override
    public void close() throws IOException {
        for (SelectionKey key : selector.keys()) {
            key.channel().close();
        }
        selector.close();
    }

    /** A connection. */
    private final class Peer {
        private final SocketChannel channel;
        private final SelectionKey key;
        private final AnswerBuffer in = new AnswerBuffer();
        private ByteBuffer out = ByteBuffer.allocate(0);
        private long sentNanos;

        Peer(SocketChannel channel, SelectionKey key) {
            this.channel = channel;
            this.key = key;
        }

        void send(long nanos) throws IOException {
            if (stock.isEmpty()) {
                sending = false;
                return;
            }
            sentNanos = nanos;
            outstanding++;
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
                if (channel.read(in.room()) < 0) {
                    throw new IOException("the server closed a connection");
                }
                if (in.isWhole()) {
                    in.require(expected, stock.itemsPerRequest());
                    latencies.recordValue(Math.min(LONGEST_NANOS, System.nanoTime() - sentNanos));
                    outstanding--;
                    answered++;
                    in.clear();
                    if (sending && intervalNanos == 0) {
                        send(System.nanoTime());
                    } else {
                        idle.add(this);
                    }
                }
            }
        }
    }

    /** One answer as it comes in: a status, headers with a length, a body. Knows no chunks, which our servers do not send here. */
    private static final class AnswerBuffer {
        private static final int STATUS_AT = "HTTP/1.1 ".length();
        private static final byte[] END_OF_HEAD = "\r\n\r\n".getBytes(StandardCharsets.US_ASCII);
        private static final byte[] LENGTH = "\r\ncontent-length:".getBytes(StandardCharsets.US_ASCII);
        private static final byte[] LINE_STATUS = "{\"status\":".getBytes(StandardCharsets.US_ASCII);

        private ByteBuffer in = ByteBuffer.allocate(8 << 10);
        /** Where the body begins and ends; 0 while the head is not whole. */
        private int body;

        private int end;

        /** To be read into. */
        ByteBuffer room() {
            if (!in.hasRemaining()) {
                ByteBuffer larger = ByteBuffer.allocate(in.capacity() * 4);
                larger.put(in.flip());
                in = larger;
            }
            return in;
        }

        /** Whether all of it is there. */
        boolean isWhole() throws IOException {
            if (body == 0) {
                int head = find(END_OF_HEAD, 0, in.position());
                if (head < 0) {
                    return false;
                }
                int length = find(LENGTH, 0, head);
                if (length < 0) {
                    throw new IOException("an answer without a length: " + text(0, head));
                }
                body = head + END_OF_HEAD.length;
                end = body + number(length + LENGTH.length, head);
            }
            return in.position() >= end;
        }

        /** Checks the status, and that of each line of the answer to a batch. */
        void require(String status, int lines) throws IOException {
            if (lines == 1) {
                require(startsWith(STATUS_AT, status));
                return;
            }
            require(startsWith(STATUS_AT, "200"));
            int seen = 0;
            for (int at = body; at < end; at++) {
                require(find(LINE_STATUS, at, at + LINE_STATUS.length) == at
                        && startsWith(at + LINE_STATUS.length, status));
                seen++;
                while (at < end && in.get(at) != '\n') {
                    at++;
                }
            }
            require(seen == lines);
        }

        private void require(boolean right) throws IOException {
            if (!right) {
                throw new IOException("not the answer that was expected: " + text(0, Math.min(end, 2_000)));
            }
        }

        private boolean startsWith(int at, String status) {
            for (int i = 0; i < status.length(); i++) {
                if (in.get(at + i) != status.charAt(i)) {
                    return false;
                }
            }
            return true;
        }

        void clear() throws IOException {
            if (in.position() > end) {
                throw new IOException("more than an answer: " + text(0, in.position()));
            }
            in.clear();
            body = 0;
            end = 0;
        }

        private String text(int from, int to) {
            return new String(Arrays.copyOfRange(in.array(), from, to), StandardCharsets.ISO_8859_1);
        }

        private int number(int from, int to) {
            int value = 0;
            for (int at = from; at < to && in.get(at) != '\r'; at++) {
                value = in.get(at) == ' ' ? value : 10 * value + in.get(at) - '0';
            }
            return value;
        }

        /** Where lower-case bytes stand, whatever the case; -1 if nowhere. */
        private int find(byte[] wanted, int from, int to) {
            byte[] bytes = in.array();
            int last = Math.min(to, in.position()) - wanted.length;
            for (int at = from; at <= last; at++) {
                int same = 0;
                while (same < wanted.length && lower(bytes[at + same]) == wanted[same]) {
                    same++;
                }
                if (same == wanted.length) {
                    return at;
                }
            }
            return -1;
        }

        private static byte lower(byte b) {
            return b >= 'A' && b <= 'Z' ? (byte) (b + ('a' - 'A')) : b;
        }
    }
}
