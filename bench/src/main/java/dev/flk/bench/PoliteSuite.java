// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.bench.Results.Sample;
import dev.flk.bench.Workbench.Subject;
import dev.flk.bench.Workbench.Subject.Plan;
import java.io.Closeable;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * The suite that measures requests next to clients that pipeline, which send further requests without waiting for the
 * answers, and next to clients that wait. The clients that pipeline have an address of their own, with the usual limit
 * on failures; they request an unknown path, which is a failure, or {@code /health}, which never is.
 */
final class PoliteSuite {
    /** The end of the names of the subjects that are measured next to clients that wait. */
    static final String NEXT_TO_POLITE = "; polite";

    private static final String UNKNOWN = "/x";
    private static final String HEALTH = "/health";
    private static final int POLITE = 400;
    /** The number of clients on the port for operators, which accepts at most 64 connections. */
    private static final int POLITE_OPERATORS = 60;

    private static final double PER_SECOND = 100;

    private PoliteSuite() {}

    static Results run(Workbench bench) throws IOException, InterruptedException {
        Server one = bench.backend("one-port", Map.of("ADDRESS_FAILURE_RATE", "10"));
        Server two = bench.backend("two-ports", Map.of("ADDRESS_FAILURE_RATE", "10", "OPS_PORT", "0"));
        Server operators =
                new Server(two.program(), two.program().awaitPort("serving metrics and probes on 127.0.0.1 port "));
        Stock submissions = Stock.ofSingles(Workbench.SUBMIT, bench.certificates());
        Stock outcomes = views("/v1/outcomes?limit=1");
        Stock health = views(HEALTH);
        List<Subject> subjects = new ArrayList<>();
        int[] all = {10, 50, 200};
        add(subjects, "submit", one, submissions, POLITE, all);
        add(subjects, "outcomes", one, outcomes, POLITE, all);
        add(subjects, "health", one, health, POLITE, all);
        add(subjects, "outcomes, OPS_PORT", operators, outcomes, POLITE_OPERATORS, 10, 50);
        add(subjects, "health, OPS_PORT", operators, health, POLITE_OPERATORS, 10, 50);
        return bench.measure("requests", "", subjects);
    }

    private static Stock views(String path) {
        Stock stock = Stock.ofViews(List.of(path)).repeating();
        stock.fill(1);
        return stock;
    }

    private static void add(
            List<Subject> subjects, String what, Server server, Stock stock, int polite, int... pipelining) {
        Subject steady = Workbench.steady(what, server, 4, stock, PER_SECOND);
        subjects.add(new Subject(what + NEXT_TO_POLITE, plan -> besidePolite(server.port(), polite, steady, plan)));
        for (int connections : pipelining) {
            subjects.add(besideFlood(what + "; " + connections, server, steady, UNKNOWN, connections));
        }
        subjects.add(besideFlood(what + "; 10 of " + HEALTH, server, steady, HEALTH, 10));
    }

    private static Subject besideFlood(String name, Server server, Subject steady, String path, int connections) {
        return new Subject(name, plan -> {
            try (Flood flood = new Flood(server.port(), path, connections)) {
                Sample sample = steady.round().measure(plan);
                flood.requireAlive();
                return sample.withoutCosts();
            }
        });
    }

    private static Sample besidePolite(int port, int connections, Subject steady, Plan plan)
            throws IOException, InterruptedException {
        Duration time = plan.warmUp().plus(plan.measured()).plusSeconds(1);
        try (LoadClient client = new LoadClient(port, connections, views(HEALTH), "200")) {
            FutureTask<LoadClient.Load> polite = new FutureTask<>(() -> client.run(Duration.ZERO, time, () -> {}));
            new Thread(polite, "polite").start();
            Sample sample = steady.round().measure(plan);
            polite.get();
            return sample.withoutCosts();
        } catch (ExecutionException e) {
            throw new IOException("the polite clients failed: " + e.getMessage(), e);
        }
    }

    /** Connections that send requests as fast as the server reads them, and discard the answers. */
    private static final class Flood implements Closeable {
        private static final String ADDRESS = "127.0.0.2";

        private final Selector selector = Selector.open();
        private final FutureTask<Void> sending = new FutureTask<>(this::send, null);
        private final Thread thread = new Thread(sending, "flood");
        private volatile boolean ended;

        Flood(int port, String path, int connections) throws IOException {
            byte[] requests = ("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    .repeat(1_000)
                    .getBytes(StandardCharsets.US_ASCII);
            for (int i = 0; i < connections; i++) {
                SocketChannel channel = SocketChannel.open().bind(new InetSocketAddress(ADDRESS, 0));
                channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                channel.configureBlocking(false);
                channel.register(selector, SelectionKey.OP_READ | SelectionKey.OP_WRITE, ByteBuffer.wrap(requests));
            }
            thread.start();
        }

        private void send() {
            ByteBuffer answers = ByteBuffer.allocateDirect(64 << 10);
            while (!ended) {
                try {
                    selector.select(50);
                    for (SelectionKey key : selector.selectedKeys()) {
                        SocketChannel channel = (SocketChannel) key.channel();
                        if (key.isReadable() && channel.read(answers.clear()) < 0) {
                            throw new IOException("the server closed a connection");
                        }
                        ByteBuffer requests = (ByteBuffer) key.attachment();
                        if (key.isWritable()) {
                            channel.write(requests);
                        }
                        if (!requests.hasRemaining()) {
                            requests.rewind();
                        }
                    }
                    selector.selectedKeys().clear();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }

        /** Throws if a connection has failed. */
        void requireAlive() throws IOException {
            if (sending.isDone()) {
                throw new IOException("the pipelining clients ended early");
            }
        }

        @Override
        public void close() throws IOException {
            ended = true;
            try {
                thread.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            for (SelectionKey key : selector.keys()) {
                key.channel().close();
            }
            selector.close();
        }
    }
}
