// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.BackendClient.Reply;
import dev.flk.agent.send.Endpoint.SlowStart;
import dev.flk.agent.send.SendingSetup.SendOptions;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LineLimit;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ships what is in the outbox. All of it happens in {@link #step}, on the one thread that loops over it; other threads only leave mail.
 * Up to {@code maxInFlight} certificates wait for an answer at the same time, the rest waits in the outbox. Before anything is sent
 * whose fate may stay unknown, the outbox notes on disk that it is. Durations are measured on a ticker that starts near 0.
 */
public final class Sender {
    private static final Logger LOG = LoggerFactory.getLogger(Sender.class);
    /** Half of what the backend takes, so that what stamping adds never matters. */
    private static final long MAX_BATCH_BYTES = 4 << 20;
    /** What waits for answers takes memory; a single certificate may be longer. */
    private static final long MAX_IN_FLIGHT_BYTES = 8 << 20;

    private static final int MOST_REQUESTS_A_STEP = 64;
    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long SHORTEST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final AgentMeters meters;
    private final Surroundings surroundings;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final LineLimit limit;
    private final Lanes lanes;
    private final SignatureHold hold;
    private final Mailbox mailbox = new Mailbox();
    private final AtomicBoolean woken = new AtomicBoolean();
    private final AtomicInteger inFlight = new AtomicInteger();
    private long inFlightBytes;
    private Means means;
    private volatile boolean breakerOpen;
    private volatile CertificateEnds certificateEnds;
    private volatile boolean stopping;

    /** Sends nothing before {@link #step} is called. */
    public Sender(
            SendingSetup setup, Outbox outbox, DeadLetters deadLetters, AgentMeters meters, Surroundings surroundings) {
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.meters = meters;
        this.surroundings = surroundings;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        this.limit = LineLimit.ofOutages(nanoTicker);
        this.lanes = new Lanes(outbox);
        this.hold = new SignatureHold(
                lanes, new Backoff(setup.options().baseDelay(), setup.options().maxDelay(), surroundings.random()));
        this.means = new Means(setup);
        this.certificateEnds = means.certificateEnds();
        outbox.onArrival(this::wake);
    }

    /**
     * Until when the certificates of TLS are valid.
     *
     * @param client the own one; empty if none is shown
     * @param endpoint what the endpoints showed last, of which the first to end counts; empty if none has answered over TLS yet
     */
    public record CertificateEnds(Optional<Instant> client, Optional<Instant> endpoint) {}

    /** What follows from the configuration, and is replaced with it. */
    private final class Means {
        private final SendOptions options;
        private final Backoff backoff;
        private final Settlement settlement;
        private final Packer packer;
        private final List<Endpoint> endpoints;
        private final Optional<Instant> ownCertificateEnd;

        Means(SendingSetup setup) {
            ownCertificateEnd = setup.tls().flatMap(ClientTls::ownEnd);
            options = setup.options();
            backoff = new Backoff(options.baseDelay(), options.maxDelay(), surroundings.random());
            settlement =
                    new Settlement(outbox, deadLetters, lanes, hold, backoff, options, surroundings, meters, limit);
            packer = new Packer(outbox, settlement, hold, setup.signer(), options.maxAge());
            endpoints = setup.endpoints().stream()
                    .map(url -> new Endpoint(
                            new BackendClient(url, setup.requestTimeout(), setup.tls()),
                            new EndpointBreaker(backoff, nanoTicker),
                            new ClockOffset(clock, nanoTicker),
                            new SlowStart(options.batchSize(), options.maxInFlight())))
                    .toList();
        }

        CertificateEnds certificateEnds() {
            return new CertificateEnds(
                    ownCertificateEnd,
                    endpoints.stream()
                            .flatMap(endpoint -> endpoint.client().certificateEnd().stream())
                            .min(Instant::compareTo));
        }
    }

    /** Goes on with another key, other endpoints or other options, from the next request on. Any thread may call. */
    public void reconfigure(SendingSetup setup) {
        mailbox.post(() -> {
            means = new Means(setup);
            hold.forget(means.backoff);
        });
    }

    /** Handles the answers that have come and sends what is due; returns how many nanoseconds there is nothing more to do. */
    public long step() {
        woken.set(false);
        mailbox.runAll();
        int requests = 0;
        while (!stopping && inFlight.get() < means.options.maxInFlight() && sendOne()) {
            // until something stands in the way; of a held shard, much may be taken up and nothing sent
            mailbox.runAll();
            if (++requests >= MOST_REQUESTS_A_STEP) {
                return 0;
            }
        }
        breakerOpen =
                means.endpoints.stream().allMatch(endpoint -> endpoint.breaker().isOpen());
        certificateEnds = means.certificateEnds();
        return untilNextNanos();
    }

    /** Waits for mail, {@code nanos} at the longest. */
    public void await(long nanos) throws InterruptedException {
        mailbox.await(nanos);
    }

    private void wake() {
        if (woken.compareAndSet(false, true)) {
            mailbox.wake();
        }
    }

    /** Sends nothing more; answers that are under way are still taken in. Any thread may call. */
    public void stop() {
        stopping = true;
        mailbox.wake();
    }

    /** Certificates that wait for their answers. */
    public int inFlight() {
        return inFlight.get();
    }

    /** Whether an answer of any kind is under way. The sender's thread. */
    boolean awaitsAnswer() {
        return inFlight.get() > 0 || means.endpoints.stream().anyMatch(Endpoint::isAsked);
    }

    /** Whether sending is stopped because nobody answers. */
    public boolean breakerOpen() {
        return breakerOpen;
    }

    /** As of the last step. Any thread may call. */
    public CertificateEnds certificateEnds() {
        return certificateEnds;
    }

    /** How it is going; completes on the sender's thread, at its next step. Any thread may call. */
    public CompletableFuture<SendingState> state() {
        CompletableFuture<SendingState> state = new CompletableFuture<>();
        mailbox.post(() -> state.complete(stateNow()));
        return state;
    }

    private SendingState stateNow() {
        long now = nanoTicker.getAsLong();
        return new SendingState(
                means.endpoints.stream()
                        .map(endpoint -> new SendingState.Backend(
                                endpoint.client().base(),
                                !endpoint.breaker().isOpen(),
                                endpoint.lastAnswer(),
                                endpoint.pausedSeconds(now),
                                endpoint.window().window(),
                                endpoint.offset().get().toMillis(),
                                endpoint.lastTrouble().map(Endpoint.Trouble::when),
                                endpoint.lastTrouble().map(Endpoint.Trouble::what)))
                        .toList(),
                inFlight.get(),
                means.settlement.settledASecond(),
                hold.heldShards());
    }

    /** Sends one request, to the first endpoint that takes one; false if nothing may or need be sent now. */
    private boolean sendOne() {
        long now = nanoTicker.getAsLong();
        hold.step(now);
        OptionalLong due = lanes.firstDueNanos(now);
        if (due.isEmpty() || due.getAsLong() > now || inFlightBytes >= MAX_IN_FLIGHT_BYTES) {
            return false;
        }
        for (Endpoint endpoint : means.endpoints) {
            switch (endpoint.readiness(now)) {
                case READY -> {
                    shipVia(endpoint, now);
                    return true;
                }
                case FULL -> {
                    return false;
                }
                case ASK -> {
                    askForItsTime(endpoint);
                    if (!endpoint.breaker().isOpen()) {
                        return false;
                    }
                }
                case WAIT -> {}
            }
        }
        return false;
    }

    private void shipVia(Endpoint endpoint, long now) {
        int most = Math.min(
                Math.min(means.options.batchSize(), endpoint.room()), means.options.maxInFlight() - inFlight.get());
        List<Delivery> taken = lanes.take(now, most, Math.min(MAX_BATCH_BYTES, MAX_IN_FLIGHT_BYTES - inFlightBytes));
        try {
            Instant sentAt = clock.instant().plus(endpoint.offset().get());
            Shipment shipment =
                    means.packer.pack(taken, sentAt, endpoint.offset().get());
            if (shipment.parcels().isEmpty()) {
                endpoint.nothingSent();
            } else {
                ship(shipment, endpoint, sentAt);
            }
        } catch (IOException e) {
            // the disk may read again later; it is no reason to stop for good
            endpoint.nothingSent();
            means.settlement.unreadable(taken, Settlement.describe(e));
            endpoint.pauseUntil(now + means.backoff.afterNanos(0));
        }
        means.settlement.finish();
    }

    /** Notes that it is being sent, and sends it once that is on disk. */
    private void ship(Shipment shipment, Endpoint endpoint, Instant sentAt) {
        Means with = means;
        inFlight.addAndGet(shipment.size());
        inFlightBytes += shipment.bytes();
        endpoint.sent(shipment.size());
        outbox.beingSent(
                shipment.entries(),
                sentAt.toEpochMilli(),
                () -> mailbox.post(() -> transmit(shipment, endpoint, with)));
    }

    private void transmit(Shipment shipment, Endpoint endpoint, Means with) {
        if (stopping) {
            ended(shipment, endpoint);
            shipment.parcels().forEach(parcel -> with.settlement.noteNotArrived(parcel.delivery()));
            with.settlement.finish();
            return;
        }
        long sentNanos = nanoTicker.getAsLong();
        BackendClient.Ended ended = (reply, failure) -> mailbox.post(() -> {
            ended(shipment, endpoint);
            take(shipment, endpoint, with, reply, failure, sentNanos);
        });
        List<byte[]> lines = shipment.lines();
        if (lines.size() == 1) {
            endpoint.client().submit(lines.get(0), ended);
        } else {
            endpoint.client().submitBatch(lines, ended);
        }
    }

    private void ended(Shipment shipment, Endpoint endpoint) {
        inFlight.addAndGet(-shipment.size());
        inFlightBytes -= shipment.bytes();
        endpoint.ended(shipment.size());
    }

    /** Asks a backend for its time, and whether it serves; nothing is sent to it before the answer. */
    private void askForItsTime(Endpoint endpoint) {
        Means with = means;
        long sentNanos = nanoTicker.getAsLong();
        endpoint.asked();
        endpoint.client()
                .health((reply, failure) -> mailbox.post(() -> {
                    if (reply != null && serves(reply)) {
                        endpoint.serves();
                        endpoint.answered(clock.instant());
                        endpoint.offset().assumeNone();
                        learn(endpoint, reply, sentNanos);
                    } else {
                        String what = reply == null
                                ? AnswerReader.describe(failure)
                                : "status " + reply.status() + " without the backend's body, is ENDPOINT a backend?";
                        endpoint.doesNotServe();
                        outage(endpoint, with, what);
                        limit.say(
                                "health",
                                leftOut -> LOG.warn(
                                        "{}/health: {}; sending waits{}",
                                        endpoint.client().base(),
                                        Printable.of(what),
                                        leftOut));
                    }
                }));
    }

    /** Whatever else answers 200, a captive portal say, must not tell us the time. */
    private static boolean serves(Reply reply) {
        return reply.status() == 200
                && new String(reply.body(), StandardCharsets.UTF_8).strip().equals("OK");
    }

    private void take(
            Shipment shipment,
            Endpoint endpoint,
            Means with,
            @Nullable Reply reply,
            @Nullable Throwable failure,
            long sentNanos) {
        List<Answer> answers = AnswerReader.read(shipment, reply, failure);
        Optional<Answer.Outage> outage = AnswerReader.outage(answers);
        if (reply != null && outage.isEmpty()) {
            answered(endpoint);
            learn(endpoint, reply, sentNanos);
        } else {
            outage(endpoint, with, outage.map(Answer.Outage::what).orElse("no answer"));
        }
        if (reply != null && refusesBatch(shipment, reply, answers)) {
            sendAlone(shipment, with);
        } else {
            for (int i = 0; i < answers.size(); i++) {
                sendFewerTogether(shipment.parcels().get(i).delivery(), shipment.size(), answers.get(i));
                with.settlement.apply(shipment.parcels().get(i), answers.get(i));
            }
            heed(endpoint, with, answers);
        }
        with.settlement.finish();
    }

    /** Whether the request was refused for good as a whole, which says nothing of any one certificate in it. */
    private static boolean refusesBatch(Shipment shipment, Reply reply, List<Answer> answers) {
        return shipment.size() > 1 && reply.status() != 200 && answers.get(0) instanceof Answer.Never;
    }

    private void sendAlone(Shipment shipment, Means with) {
        for (Shipment.Parcel parcel : shipment.parcels()) {
            with.settlement.noteNotArrived(parcel.delivery());
            parcel.delivery().mostTogether = 1;
            lanes.putOff(parcel.delivery());
        }
    }

    /** A batch that is not answered may be too much, or one of it may be what breaks the backend. */
    private static void sendFewerTogether(Delivery delivery, int together, Answer answer) {
        if (together > 1 && answer instanceof Answer.Outage outage && outage.reach() == Answer.Reach.UNKNOWN) {
            delivery.mostTogether = Math.max(1, together / 2);
        }
    }

    /** What answers say of the endpoint rather than of their certificates. */
    private void heed(Endpoint endpoint, Means with, List<Answer> answers) {
        long atLeastSeconds = -1;
        boolean recorded = false;
        for (Answer answer : answers) {
            if (answer instanceof Answer.InFuture) {
                endpoint.offset().forget();
            }
            if (answer instanceof Answer.Later later && later.concernsAll()) {
                atLeastSeconds = Math.max(atLeastSeconds, later.atLeastSeconds());
                endpoint.trouble(clock.instant(), "status " + later.status() + ": " + later.error());
            }
            recorded |= answer instanceof Answer.Recorded;
        }
        if (atLeastSeconds >= 0) {
            endpoint.window().refused();
            pause(endpoint, TimeUnit.SECONDS.toNanos(atLeastSeconds) + with.backoff.afterNanos(0));
        } else if (recorded) {
            endpoint.window().answered();
        }
    }

    private void outage(Endpoint endpoint, Means with, String what) {
        boolean open = endpoint.breaker().isOpen();
        endpoint.breaker().failed();
        endpoint.window().outage();
        endpoint.trouble(clock.instant(), what);
        pause(endpoint, with.backoff.afterNanos(0));
        if (!open && endpoint.breaker().isOpen()) {
            limit.say(
                    "open",
                    leftOut -> LOG.warn(
                            "{} does not answer; sending to it stops until it does, nothing is lost{}",
                            endpoint.client().base(),
                            leftOut));
        }
    }

    private void answered(Endpoint endpoint) {
        boolean open = endpoint.breaker().isOpen();
        endpoint.answered(clock.instant());
        endpoint.breaker().answered();
        if (open && !endpoint.breaker().isOpen()) {
            limit.say(
                    "closed",
                    leftOut -> LOG.info("{} answers again{}", endpoint.client().base(), leftOut));
        }
    }

    private void pause(Endpoint endpoint, long nanos) {
        endpoint.pauseUntil(nanoTicker.getAsLong() + nanos);
    }

    private void learn(Endpoint endpoint, Reply reply, long sentNanos) {
        reply.date().ifPresent(date -> endpoint.offset().learn(date, nanoTicker.getAsLong() - sentNanos));
    }

    private long untilNextNanos() {
        long now = nanoTicker.getAsLong();
        hold.step(now);
        OptionalLong due = lanes.firstDueNanos(now);
        OptionalLong probe = hold.nextProbeNanos();
        if (stopping || (due.isEmpty() && probe.isEmpty()) || inFlight.get() >= means.options.maxInFlight()) {
            return IDLE_NANOS;
        }
        long ready = means.endpoints.stream()
                .mapToLong(endpoint -> endpoint.nextNanos(now, IDLE_NANOS))
                .min()
                .orElse(now + IDLE_NANOS);
        long dueNanos = Math.min(due.orElse(Long.MAX_VALUE), probe.orElse(Long.MAX_VALUE));
        // what is due now waits for an endpoint; what is due later for its time
        long wait = (dueNanos > now ? dueNanos : ready) - now;
        return Math.max(SHORTEST_WAIT_NANOS, Math.min(wait, IDLE_NANOS));
    }
}
