// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.ByteArrayOutputStream;
import java.net.InetAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;

/** Nine honest senders at five certificates a second each, with shards and keys of their own, beside somebody who sends as fast as he can. */
final class Crowd {
    static final int HONEST = 9;
    private static final int EACH = 25;
    private static final long EVERY_MILLIS = 200;
    private static final int MAD_CONNECTIONS = 4;
    /** That are under way on each of them. */
    private static final int DEPTH = 16;
    /** So that it ends by itself whatever happens. */
    private static final long MOST_MAD = 400_000;

    private static final int MOST_ATTEMPTS = 10;

    private final int port;
    private final AtomicInteger[] taken = new AtomicInteger[HONEST];
    private final AtomicInteger attempts = new AtomicInteger();
    private final AtomicInteger answeredInTheEnd = new AtomicInteger();
    private final AtomicLong madSent = new AtomicLong();
    private final AtomicLong madTaken = new AtomicLong();
    private volatile boolean over;

    Crowd(int port) {
        this.port = port;
        for (int i = 0; i < HONEST; i++) {
            taken[i] = new AtomicInteger();
        }
    }

    /**
     * What came of it.
     *
     * @param honest that they sent, all together
     * @param atOnce of these that were taken at the first attempt
     * @param inTheEnd of these that were taken, by an attempt or two more, each after its Retry-After
     * @param jain Jain's index of what each had taken at the first attempt: 1 if all the same, 1/9 if one had it all
     */
    record Told(int honest, int atOnce, int inTheEnd, double jain, long madSent, long madTaken, double seconds) {
        @Override
        public String toString() {
            return "%d of %d honest ones taken at the first attempt (%.1f %%), %d in the end, Jain's index %.3f; beside them %.0f/s sent and %.0f/s taken"
                    .formatted(
                            atOnce,
                            honest,
                            100.0 * atOnce / honest,
                            inTheEnd,
                            jain,
                            madSent / seconds,
                            madTaken / seconds);
        }
    }

    static String shard(int honest) {
        return "honest-" + honest;
    }

    static String key(String shard) {
        return "the key of " + shard;
    }

    /** @param mad what the other one sends, by number, from an address of this machine */
    Told run(InetAddress from, LongFunction<byte[]> mad) throws Exception {
        ScheduledExecutorService clock = Executors.newScheduledThreadPool(HONEST);
        ExecutorService madThreads = Executors.newFixedThreadPool(MAD_CONNECTIONS);
        long began = System.nanoTime();
        try {
            List<Future<?>> rushing = new ArrayList<>();
            for (int i = 0; i < MAD_CONNECTIONS; i++) {
                rushing.add(madThreads.submit(() -> rush(from, mad)));
            }
            List<Future<?>> sending = new ArrayList<>();
            for (int i = 0; i < HONEST; i++) {
                for (int number = 0; number < EACH; number++) {
                    int honest = i;
                    int epoch = number;
                    sending.add(clock.schedule(
                            () -> send(clock, honest, epoch, 1), number * EVERY_MILLIS + i, TimeUnit.MILLISECONDS));
                }
            }
            for (Future<?> each : sending) {
                each.get();
            }
            double seconds = (System.nanoTime() - began) / 1e9;
            long sent = madSent.get();
            long got = madTaken.get();
            over = true;
            for (Future<?> each : rushing) {
                each.get();
            }
            // what was held back comes again, now that nobody is in the way
            Client.awaitUntil(() -> attempts.get() == 0);
            int atOnce = 0;
            double squares = 0;
            for (AtomicInteger each : taken) {
                atOnce += each.get();
                squares += Math.pow(each.get(), 2);
            }
            double jain = squares == 0 ? 0 : Math.pow(atOnce, 2) / (HONEST * squares);
            return new Told(HONEST * EACH, atOnce, answeredInTheEnd.get(), jain, sent, got, seconds);
        } finally {
            over = true;
            clock.shutdownNow();
            madThreads.shutdownNow();
        }
    }

    private Void send(ScheduledExecutorService clock, int honest, int epoch, int attempt) throws Exception {
        Pcs pcs = Pcs.number(epoch).ofShard(shard(honest)).signedBy(key(shard(honest)));
        Answer answer;
        try (RawConnection connection = new RawConnection(port)) {
            answer = connection.submit(pcs.bytes());
        }
        if (answer.status() == 200) {
            answeredInTheEnd.incrementAndGet();
            taken[honest].addAndGet(attempt == 1 ? 1 : 0);
        } else {
            assertThat(answer.status()).isEqualTo(429);
            if (attempt < MOST_ATTEMPTS) {
                attempts.incrementAndGet();
                long seconds = Long.parseLong(answer.header("Retry-After"));
                Future<?> unused = clock.schedule(
                        () -> {
                            try {
                                return send(clock, honest, epoch, attempt + 1);
                            } finally {
                                attempts.decrementAndGet();
                            }
                        },
                        seconds,
                        TimeUnit.SECONDS);
            }
        }
        return null;
    }

    private Void rush(InetAddress from, LongFunction<byte[]> mad) throws Exception {
        try (RawConnection connection = new RawConnection(port, from)) {
            while (!over) {
                long first = madSent.getAndAdd(DEPTH);
                if (first >= MOST_MAD) {
                    return null;
                }
                ByteArrayOutputStream together = new ByteArrayOutputStream();
                for (long number = first; number < first + DEPTH; number++) {
                    together.writeBytes(LoadClient.request(mad.apply(number)));
                }
                connection.send(together.toByteArray());
                for (int i = 0; i < DEPTH; i++) {
                    Answer answer = connection.read();
                    assertThat(answer.status()).isIn(200, 401, 429);
                    madTaken.addAndGet(answer.status() == 429 ? 0 : 1);
                }
            }
        }
        return null;
    }
}
