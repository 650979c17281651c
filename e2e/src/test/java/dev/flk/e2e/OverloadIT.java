// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the throughput under overload, with ten times as many submissions in flight as the best throughput needs.
 * Rounds with both loads alternate and their medians are compared, because other processes may use the machine.
 *
 * <p>The short form, which runs in every thorough build, requires half of the best throughput. After at least three
 * rounds, it stops as soon as the ratio of the medians is high enough. It detects a collapse, but does not prove a
 * figure. {@code mvn verify -Pthorough -Dflk.load=full -Dit.test=OverloadIT} requires four fifths, and needs an
 * otherwise idle machine.
 */
@Alone
@Tag("thorough")
final class OverloadIT {
    private static final boolean FULL = "full".equals(System.getProperty("flk.load"));
    private static final double LEAST_RATIO = FULL ? 0.8 : 0.5;
    private static final int ROUNDS = FULL ? 9 : 3;
    /**
     * The largest number of rounds. The short form runs additional rounds while it is below its target, so that a busy
     * machine does not fail the build. The full form runs no additional rounds.
     */
    private static final int MOST_ROUNDS = FULL ? ROUNDS : 12;

    private static final Duration WARM_UP = Duration.ofMillis(FULL ? 1000 : 300);
    private static final Duration MEASURED = Duration.ofMillis(FULL ? 3000 : 1000);
    /** The number of certificates for a round. A round ends early when all of them have been sent. */
    private static final int CERTIFICATES = FULL ? 200_000 : 60_000;

    private static final int CONNECTIONS = 64;
    private static final int DEPTH = 16;
    private static final int TIMES = 10;

    @TempDir
    private Path directory;

    private final Deque<byte[]> stock = new ArrayDeque<>();
    private long nextEpoch;

    @Test
    void tenTimesTheLoad_mostlyAccepted_throughputDoesNotCollapse() throws Exception {
        compare("MAX_REQUESTS as by default", Map.of());
    }

    @Test
    void tenTimesTheLoad_mostlyRefused_throughputDoesNotCollapse() throws Exception {
        compare("MAX_REQUESTS=1024", Map.of("MAX_REQUESTS", Integer.toString(CONNECTIONS * DEPTH)));
    }

    private void compare(String name, Map<String, String> configuration) throws Exception {
        List<LoadClient.Answered> best = new ArrayList<>();
        List<LoadClient.Answered> tenfold = new ArrayList<>();
        try (BackendProcess backend = BackendProcess.start(directory, configuration)) {
            round(backend, CONNECTIONS);
            while (best.size() < ROUNDS || (ratio(tenfold, best) < LEAST_RATIO && best.size() < MOST_ROUNDS)) {
                best.add(round(backend, CONNECTIONS));
                tenfold.add(round(backend, TIMES * CONNECTIONS));
            }
            assertThat(new Client(backend.url()).metric("flk_http_requests_in_flight"))
                    .isZero();
        }
        System.out.printf(
                "overload, %s: %.0f decided/s with %d requests under way, %.0f with %d (%.0f/s refused): ratio %.2f,"
                        + " medians of %d rounds%n",
                name,
                median(best),
                CONNECTIONS * DEPTH,
                median(tenfold),
                TIMES * CONNECTIONS * DEPTH,
                tenfold.stream()
                        .mapToDouble(LoadClient.Answered::refusedPerSecond)
                        .average()
                        .orElseThrow(),
                ratio(tenfold, best),
                best.size());
        assertThat(ratio(tenfold, best)).isGreaterThanOrEqualTo(LEAST_RATIO);
    }

    private LoadClient.Answered round(BackendProcess backend, int connections) throws Exception {
        while (stock.size() < CERTIFICATES) {
            stock.add(LoadClient.request(Pcs.number(nextEpoch++).bytes()));
        }
        try (LoadClient load = new LoadClient(backend.port(), connections, DEPTH, stock)) {
            LoadClient.Answered answered = load.run(WARM_UP, MEASURED);
            assertThat(answered.others()).isZero();
            return answered;
        }
    }

    private static double ratio(List<LoadClient.Answered> some, List<LoadClient.Answered> others) {
        return median(some) / median(others);
    }

    private static double median(List<LoadClient.Answered> rounds) {
        double[] sorted = rounds.stream()
                .mapToDouble(LoadClient.Answered::decidedPerSecond)
                .sorted()
                .toArray();
        return sorted[sorted.length / 2];
    }

    /**
     * A client with many connections in one thread. Each connection keeps {@code depth} submissions in flight: it sends
     * the next submission as soon as one is answered. Unlike an agent, it resends a refused submission immediately.
     */
    private static final class LoadClient implements AutoCloseable {
        private static final int ANSWER_BYTES = 16 << 10;
        private static final Pattern ANSWER =
                Pattern.compile("(?s)HTTP/1\\.1 ([0-9]{3}).*?Content-Length: ([0-9]+)(?=\r\n).*?\r\n\r\n");
        private static final Duration PATIENCE = Duration.ofSeconds(30);

        private final Selector selector = Selector.open();
        private final Deque<byte[]> stock;
        private boolean sending = true;
        private int outstanding;

        private long decided;
        private long refused;
        private long others;

        /**
         * The numbers of answers in the measured period.
         *
         * @param decided the number of answers with status 200 or 202
         * @param refused the number of answers with status 503 or 429
         * @param others the number of all other answers
         */
        record Answered(long decided, long refused, long others, double seconds) {
            double decidedPerSecond() {
                return decided / seconds;
            }

            double refusedPerSecond() {
                return refused / seconds;
            }
        }

        /**
         * @param stock the requests to send; each is removed when it is sent, and the measured period ends when none is
         *     left
         */
        LoadClient(int port, int connections, int depth, Deque<byte[]> stock) throws IOException {
            this.stock = stock;
            for (int i = 0; i < connections; i++) {
                SocketChannel channel = SocketChannel.open();
                channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                channel.setOption(StandardSocketOptions.TCP_NODELAY, true);
                channel.configureBlocking(false);
                Peer peer = new Peer(channel, depth);
                peer.key = channel.register(selector, SelectionKey.OP_READ | SelectionKey.OP_WRITE, peer);
            }
        }

        /** Returns a complete HTTP request that submits a certificate. */
        static byte[] request(byte[] certificate) {
            byte[] head = ("POST /v1/pcs/submit HTTP/1.1\r\nHost: load\r\nContent-Length: " + certificate.length
                            + "\r\n\r\n")
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] request = Arrays.copyOf(head, head.length + certificate.length);
            System.arraycopy(certificate, 0, request, head.length, certificate.length);
            return request;
        }

        /**
         * Loads the backend for {@code warmUp} and then for {@code measured}, counts the answers in the second period
         * only, and then waits for the submissions in flight.
         */
        Answered run(Duration warmUp, Duration measured) throws IOException {
            turnUntil(System.nanoTime() + warmUp.toNanos());
            decided = 0;
            refused = 0;
            others = 0;
            long begun = System.nanoTime();
            turnUntil(begun + measured.toNanos());
            Answered answered = new Answered(decided, refused, others, (System.nanoTime() - begun) / 1e9);
            sending = false;
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (outstanding > 0) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError(outstanding + " requests got no answer");
                }
                turn();
            }
            return answered;
        }

        private void turnUntil(long deadlineNanos) throws IOException {
            while (sending && System.nanoTime() < deadlineNanos) {
                turn();
            }
        }

        private void turn() throws IOException {
            selector.select(50);
            for (SelectionKey key : selector.selectedKeys()) {
                ((Peer) key.attachment()).serve();
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

        private final class Peer {
            private final SocketChannel channel;
            private final int depth;
            private final ArrayDeque<byte[]> sent = new ArrayDeque<>();
            private final ByteBuffer in = ByteBuffer.allocate(ANSWER_BYTES);
            private ByteBuffer out = ByteBuffer.allocate(0);
            private SelectionKey key;

            Peer(SocketChannel channel, int depth) {
                this.channel = channel;
                this.depth = depth;
            }

            void serve() throws IOException {
                if (key.isReadable()) {
                    read();
                }
                fill();
                if (out.hasRemaining()) {
                    channel.write(out);
                }
                key.interestOps(
                        out.hasRemaining() ? SelectionKey.OP_READ | SelectionKey.OP_WRITE : SelectionKey.OP_READ);
            }

            private void fill() {
                if (out.hasRemaining() || !sending) {
                    return;
                }
                int room = depth - sent.size();
                if (room == 0) {
                    return;
                }
                var together = new ByteArrayOutputStream();
                for (int i = 0; i < room && !stock.isEmpty(); i++) {
                    byte[] request = stock.remove();
                    together.writeBytes(request);
                    sent.add(request);
                    outstanding++;
                }
                sending = !stock.isEmpty();
                out = ByteBuffer.wrap(together.toByteArray());
            }

            private void read() throws IOException {
                if (channel.read(in) < 0) {
                    throw new AssertionError("the backend closed a connection");
                }
                String text = new String(in.array(), 0, in.position(), StandardCharsets.ISO_8859_1);
                Matcher answer = ANSWER.matcher(text);
                int start = 0;
                while (answer.find(start) && answer.end() + length(answer) <= text.length()) {
                    answered(Integer.parseInt(answer.group(1)));
                    start = answer.end() + length(answer);
                }
                in.flip().position(start);
                in.compact();
            }

            private static int length(Matcher answer) {
                return Integer.parseInt(answer.group(2));
            }

            private void answered(int status) {
                byte[] request = sent.remove();
                outstanding--;
                switch (status) {
                    case 200, 202 -> decided++;
                    case 429, 503 -> {
                        refused++;
                        stock.addFirst(request);
                    }
                    default -> others++;
                }
            }
        }
    }
}
