// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.awaitility.Awaitility.await;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongFunction;

/**
 * A sender of new certificates at a constant rate that does not depend on the answers (an open loop). It records every
 * answer.
 */
final class Traffic implements AutoCloseable {
    private static final Duration TIMEOUT = Duration.ofSeconds(20);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    private final URI target;
    private final LongFunction<Pcs> certificate;
    private final AtomicLong nextEpoch;
    private final AtomicLong underWay = new AtomicLong();
    private final Map<Long, Sent> sent = new ConcurrentHashMap<>();
    private final ConcurrentLinkedQueue<Sent> answered = new ConcurrentLinkedQueue<>();

    /**
     * A sent certificate and its answer.
     *
     * @param status the status of the answer; 0 before the answer arrives, -1 if the request failed
     */
    record Sent(Pcs pcs, int status, String body, long sentNanos) {
        boolean isAcknowledged() {
            return status == 200 || status == 202;
        }
    }

    Traffic(String url, long firstEpoch, int perSecond) {
        this(url, firstEpoch, perSecond, Pcs::number);
    }

    /** @param certificate returns the certificate of an epoch */
    Traffic(String url, long firstEpoch, int perSecond, LongFunction<Pcs> certificate) {
        this.certificate = certificate;
        this.target = URI.create(url + "/v1/pcs/submit");
        this.nextEpoch = new AtomicLong(firstEpoch);
        Future<?> unused =
                timer.scheduleAtFixedRate(this::send, 0, TimeUnit.SECONDS.toNanos(1) / perSecond, TimeUnit.NANOSECONDS);
    }

    private void send() {
        long epoch = nextEpoch.getAndIncrement();
        Sent begun = new Sent(certificate.apply(epoch), 0, "", System.nanoTime());
        sent.put(epoch, begun);
        underWay.incrementAndGet();
        var unused = http.sendAsync(
                        HttpRequest.newBuilder(target)
                                .timeout(TIMEOUT)
                                .POST(BodyPublishers.ofByteArray(begun.pcs().bytes()))
                                .build(),
                        BodyHandlers.ofString())
                .whenComplete((answer, failure) -> {
                    Sent done = new Sent(
                            begun.pcs(),
                            answer == null ? -1 : answer.statusCode(),
                            answer == null ? String.valueOf(failure) : answer.body(),
                            begun.sentNanos());
                    sent.put(epoch, done);
                    answered.add(done);
                    underWay.decrementAndGet();
                });
    }

    /** Returns all certificates sent so far, each with its answer. */
    List<Sent> sent() {
        return List.copyOf(sent.values());
    }

    /** Returns the certificates whose requests were answered or failed so far, in this order. */
    List<Sent> answered() {
        return List.copyOf(answered);
    }

    @Override
    public void close() {
        end();
    }

    /** Stops sending, and blocks until every request is answered. */
    void end() {
        timer.shutdown();
        try {
            if (!timer.awaitTermination(TIMEOUT.toSeconds(), TimeUnit.SECONDS)) {
                throw new AssertionError("the sender does not end");
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        await().atMost(TIMEOUT.plusSeconds(5)).until(() -> underWay.get() == 0);
    }

    /** Returns the number of answers with this status, or of failed requests if the status is -1. */
    static long count(List<Sent> all, int status) {
        return all.stream().filter(one -> one.status() == status).count();
    }

    /** Submits each certificate again and checks the answer. */
    static void resubmit(Client client, List<Sent> all, Check check) throws IOException, InterruptedException {
        for (Sent one : all) {
            check.answer(one, client.submit(one.pcs()));
        }
    }

    /** A check of the answer to a certificate that is sent again. */
    interface Check {
        void answer(Sent before, Client.Answer again);
    }
}
