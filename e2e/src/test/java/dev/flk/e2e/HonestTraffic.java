// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/**
 * Agents that send so many certificates a second in all, on a connection each, of a shard each, whatever the answers take: one that is late is sent as
 * soon as it can be, and its time counts from when it was due. What is to come later does, beside the rest.
 */
final class HonestTraffic {
    static final int SHARDS = 10;
    private static final int MOST_ATTEMPTS = 20;

    private final int port;
    private final int perSecond;
    private final AtomicLong numbers = new AtomicLong();
    private final ConcurrentLinkedQueue<Pcs> seen = new ConcurrentLinkedQueue<>();

    HonestTraffic(int port, int perSecond) {
        this.port = port;
        this.perSecond = perSecond;
    }

    /**
     * What came of a stretch.
     *
     * @param sent certificates
     * @param atOnce of these that were answered 200 at the first attempt
     * @param inTheEnd of these that were answered 200, by later attempts too
     * @param millis from when each was due to its first answer, sorted
     */
    record Told(long sent, long atOnce, long inTheEnd, double[] millis) {
        double millisAt(double share) {
            return millis[(int) Math.min(millis.length - 1, Math.round(share * millis.length))];
        }

        @Override
        public String toString() {
            return "%d sent, %d answered at the first attempt (%.2f %%), %d in the end; p50 %.1f, p99 %.1f, p99.9 %.1f ms"
                    .formatted(
                            sent,
                            atOnce,
                            100.0 * atOnce / sent,
                            inTheEnd,
                            millisAt(0.5),
                            millisAt(0.99),
                            millisAt(0.999));
        }
    }

    static String shard(int number) {
        return "plant-" + number;
    }

    static String key(String shard) {
        return "the secret key of " + shard;
    }

    /** One that was answered, as whoever listens in has it; null before the first. */
    Pcs overheard() {
        Pcs one = seen.poll();
        if (one != null) {
            seen.add(one);
        }
        return one;
    }

    /** Sends for so many seconds; returns when all was answered. */
    Told run(int seconds) throws Exception {
        ExecutorService agents = Executors.newFixedThreadPool(SHARDS);
        ScheduledExecutorService clock = Executors.newScheduledThreadPool(2);
        try {
            List<Future<Told>> running = new ArrayList<>();
            long began = System.nanoTime();
            for (int i = 0; i < SHARDS; i++) {
                int agent = i;
                running.add(agents.submit(() -> send(agent, began, seconds, clock)));
            }
            List<Told> all = new ArrayList<>();
            for (Future<Told> one : running) {
                all.add(one.get());
            }
            double[] millis = all.stream()
                    .flatMapToDouble(told -> Arrays.stream(told.millis()))
                    .sorted()
                    .toArray();
            return new Told(
                    all.stream().mapToLong(Told::sent).sum(),
                    all.stream().mapToLong(Told::atOnce).sum(),
                    all.stream().mapToLong(Told::inTheEnd).sum(),
                    millis);
        } finally {
            agents.shutdownNow();
            clock.shutdownNow();
        }
    }

    private Told send(int agent, long began, int seconds, ScheduledExecutorService clock) throws Exception {
        long everyNanos = TimeUnit.SECONDS.toNanos(SHARDS) / perSecond;
        int count = (int) (TimeUnit.SECONDS.toNanos(seconds) / everyNanos);
        double[] millis = new double[count];
        long atOnce = 0;
        List<CompletableFuture<Boolean>> inTheEnd = new ArrayList<>();
        String shard = shard(agent);
        try (RawConnection connection = new RawConnection(port)) {
            for (int i = 0; i < count; i++) {
                Pcs pcs = Pcs.number(numbers.incrementAndGet()).ofShard(shard).signedBy(key(shard));
                byte[] bytes = pcs.bytes();
                long due = began + i * everyNanos + agent * everyNanos / SHARDS;
                for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                    LockSupport.parkNanos(left);
                }
                Answer answer = connection.submit(bytes);
                millis[i] = (System.nanoTime() - due) / 1e6;
                atOnce += answer.status() == 200 ? 1 : 0;
                if (answer.status() != 200) {
                    inTheEnd.add(later(clock, bytes, answer, 1));
                }
                if (i % 100 == 0) {
                    seen.add(pcs);
                }
            }
        }
        long taken = atOnce;
        for (CompletableFuture<Boolean> one : inTheEnd) {
            taken += one.get() ? 1 : 0;
        }
        Arrays.sort(millis);
        return new Told(count, atOnce, taken, millis);
    }

    /** Sends it again when it may come, until it is answered 200 or something that is for good. */
    private CompletableFuture<Boolean> later(ScheduledExecutorService clock, byte[] bytes, Answer answer, int attempt) {
        if (!isForLater(answer) || attempt == MOST_ATTEMPTS) {
            return CompletableFuture.completedFuture(answer.status() == 200);
        }
        CompletableFuture<Boolean> taken = new CompletableFuture<>();
        Future<?> unused = clock.schedule(
                () -> {
                    try (RawConnection connection = new RawConnection(port)) {
                        CompletableFuture<Void> unusedEnd = later(clock, bytes, connection.submit(bytes), attempt + 1)
                                .thenAccept(taken::complete);
                    } catch (IOException | AssertionError e) {
                        taken.completeExceptionally(e);
                    }
                },
                Long.parseLong(answer.header("Retry-After")),
                TimeUnit.SECONDS);
        return taken;
    }

    private static boolean isForLater(Answer answer) {
        return answer.status() == 429 || answer.status() == 503;
    }
}
