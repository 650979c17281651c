// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/** Attackers of all kinds at once, each from its own address and at a bounded rate, since they share this machine's cores with the backend. */
final class MixedAttack implements AutoCloseable {
    /** The one key that was stolen; it may sign for {@link #STOLEN_SHARD}. */
    static final String STOLEN_KEY = "the secret key that was stolen";

    static final String STOLEN_SHARD = "stolen";
    /** Whatever it makes others accept has these epochs. */
    static final long FIRST_EPOCH = 1_000_000_000;

    private static final int SLOW_CONNECTIONS = 200;
    /** As large as a batch may be, and nothing in it. */
    private static final int EMPTY_BATCH_BYTES = 8 << 20;
    /** As long as a certificate may be. */
    private static final int PADDED_BYTES = 1 << 20;

    private static final String SUBMIT = "/v1/pcs/submit";
    private static final String SMUGGLED = """
            POST /v1/pcs/submit HTTP/1.1
            Host: e2e
            Content-Length: 5
            Transfer-Encoding: chunked

            0

            POST /v1/pcs/submit HTTP/1.1
            """.replace("\n", "\r\n");

    private final int port;
    private final HonestTraffic honest;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final List<Future<?>> running = new ArrayList<>();
    private final Map<String, Count> counts = new LinkedHashMap<>();
    private final AtomicLong epochs = new AtomicLong(FIRST_EPOCH);
    private volatile boolean over;

    /** What one of them did, and was told. */
    static final class Count {
        private final AtomicLong sent = new AtomicLong();
        private final Map<Integer, AtomicLong> answers = new ConcurrentSkipListMap<>();

        private void add(int status) {
            answers.computeIfAbsent(status, unused -> new AtomicLong()).incrementAndGet();
        }

        long of(int status) {
            AtomicLong counted = answers.get(status);
            return counted == null ? 0 : counted.get();
        }

        @Override
        public String toString() {
            return sent + " sent, answered " + answers;
        }
    }

    /** Something that is done again and again on a connection; it may end the connection by throwing. */
    private interface Deed {
        void on(RawConnection connection, Count count) throws IOException;
    }

    MixedAttack(int port, HonestTraffic honest) {
        this.port = port;
        this.honest = honest;
    }

    /** Begins. */
    void begin() {
        byte[] spaces = " ".repeat(PADDED_BYTES).getBytes(StandardCharsets.US_ASCII);
        byte[] emptyBatch = "\n".repeat(EMPTY_BATCH_BYTES).getBytes(StandardCharsets.US_ASCII);
        Random random = new Random(7);
        posts("garbage", 10, 300, () -> garbage(random));
        posts("bad signatures", 11, 300, () -> signed(HonestTraffic.shard(0), "nobody's key"));
        posts("stolen key, foreign shard", 12, 300, () -> signed(HonestTraffic.shard(1), STOLEN_KEY));
        posts("stolen key, its own shard", 13, 2_000, () -> signed(STOLEN_SHARD, STOLEN_KEY));
        every("replays", 14, 500, (connection, count) -> {
            Pcs pcs = honest.overheard();
            if (pcs != null) {
                post(connection, count, SUBMIT, pcs.bytes());
            }
        });
        every("variations of what is not signed", 15, 50, (connection, count) -> {
            Pcs pcs = honest.overheard();
            if (pcs != null) {
                post(
                        connection,
                        count,
                        SUBMIT,
                        pcs.tampered("v_star", "[" + epochs.incrementAndGet() + "]")
                                .bytes());
            }
        });
        every(
                "batches of nothing",
                20,
                10,
                (connection, count) -> post(connection, count, "/v1/pcs/batch", emptyBatch));
        posts("long bodies of spaces", 23, 10, () -> spaces);
        every("look-ups", 21, 500, (connection, count) -> {
            count.sent.incrementAndGet();
            connection.send("GET /v1/pcs/%064x HTTP/1.1\r\nHost: e2e\r\n\r\n".formatted(epochs.incrementAndGet()));
            count.add(connection.read().status());
        });
        every("smuggling", 17, 50, (connection, count) -> {
            count.sent.incrementAndGet();
            connection.send(SMUGGLED);
            count.add(connection.read().status());
            throw new IOException("it ends the connection");
        });
        every("headers without end", 18, 20, (connection, count) -> {
            count.sent.incrementAndGet();
            connection.send("GET /health HTTP/1.1\r\nHost: e2e\r\nX: " + "x".repeat(20_000));
            count.add(connection.read().status());
            throw new IOException("it ends the connection");
        });
        every("connections that are dropped", 19, 50, (connection, count) -> {
            count.sent.incrementAndGet();
            connection.send("POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 1000\r\n\r\n{");
            throw new IOException("it goes away");
        });
        running.add(threads.submit(() -> slow("slow bodies", 20)));
    }

    private byte[] signed(String shard, String key) {
        return Pcs.number(epochs.incrementAndGet()).ofShard(shard).signedBy(key).bytes();
    }

    private static byte[] garbage(Random random) {
        byte[] bytes = new byte[500];
        random.nextBytes(bytes);
        return bytes;
    }

    private void posts(String name, int address, int perSecond, Supplier<byte[]> body) {
        every(name, address, perSecond, (connection, count) -> post(connection, count, SUBMIT, body.get()));
    }

    private static void post(RawConnection connection, Count count, String path, byte[] body) throws IOException {
        count.sent.incrementAndGet();
        count.add(connection.post(path, body).status());
    }

    private void every(String name, int address, int perSecond, Deed deed) {
        Count count = new Count();
        counts.put(name, count);
        running.add(threads.submit(() -> {
            long everyNanos = TimeUnit.SECONDS.toNanos(1) / perSecond;
            long due = System.nanoTime();
            while (!over) {
                try (RawConnection connection = new RawConnection(port, from(address))) {
                    while (!over) {
                        due = Math.max(due + everyNanos, System.nanoTime() - everyNanos);
                        for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                            LockSupport.parkNanos(left);
                        }
                        deed.on(connection, count);
                    }
                } catch (IOException | AssertionError e) {
                    // the backend has ended it, or was to be left: on with another
                    LockSupport.parkNanos(everyNanos);
                }
            }
            return null;
        }));
    }

    /** Holds connections that send a byte of their body now and then; who is thrown out comes again. */
    private Void slow(String name, int address) throws IOException {
        Count count = new Count();
        synchronized (counts) {
            counts.put(name, count);
        }
        List<RawConnection> crowd = new ArrayList<>();
        try {
            while (!over) {
                for (int i = 0; i < SLOW_CONNECTIONS && !over; i++) {
                    try {
                        if (crowd.size() <= i) {
                            RawConnection connection = new RawConnection(port, from(address));
                            crowd.add(connection);
                            count.sent.incrementAndGet();
                            connection.send(
                                    "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 4000\r\n\r\n");
                        } else {
                            crowd.get(i).send("x");
                        }
                    } catch (IOException e) {
                        crowd.remove(i).close();
                    }
                    LockSupport.parkNanos(TimeUnit.SECONDS.toNanos(2) / SLOW_CONNECTIONS);
                }
            }
        } finally {
            for (RawConnection connection : crowd) {
                connection.close();
            }
        }
        return null;
    }

    private static InetAddress from(int last) throws IOException {
        return InetAddress.getByAddress(new byte[] {127, 0, 0, (byte) last});
    }

    /** What each did and was told. */
    Map<String, Count> counts() {
        synchronized (counts) {
            return new LinkedHashMap<>(counts);
        }
    }

    /** Ends them all. */
    @Override
    public void close() {
        over = true;
        try {
            for (Future<?> each : running) {
                each.get();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } catch (ExecutionException e) {
            throw new AssertionError(e.getCause());
        } finally {
            threads.shutdownNow();
        }
    }
}
