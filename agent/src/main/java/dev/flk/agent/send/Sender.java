// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.logging.LineLimit;
import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Entry;
import dev.flk.agent.outbox.Outbox;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Ships what is in the outbox. All of it happens in {@link #step}, on the one thread that loops over it; other threads only
 * leave mail. Up to {@code maxInFlight} certificates wait for an answer at the same time, the rest waits in the outbox.
 * Durations are measured on a ticker that starts near 0.
 */
public final class Sender {
    private static final Logger LOG = LoggerFactory.getLogger(Sender.class);
    /** Half of what the backend takes, so that what stamping adds never matters. */
    private static final long MAX_BATCH_BYTES = 4 << 20;

    private static final long IDLE_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long SHORTEST_WAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final BackendClient client;
    private final SendOptions options;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final Schedule schedule = new Schedule();
    private final Backoff backoff;
    private final EndpointBreaker breaker;
    private final Settlement settlement;
    private final Packer packer;
    private final ClockOffset offset;
    private final LineLimit limit;
    private final Mailbox mailbox = new Mailbox();
    private final Set<Shipment> underWay = Collections.newSetFromMap(new IdentityHashMap<>());
    private long pausedUntilNanos;
    private final AtomicInteger inFlight = new AtomicInteger();
    private volatile boolean stopping;

    /** Sends nothing before {@link #subscribeTo}; the signer is empty where certificates go out as they are. */
    public Sender(
            URI endpoint,
            Duration requestTimeout,
            SendOptions options,
            Optional<Signer> signer,
            Outbox outbox,
            DeadLetters deadLetters,
            AgentMeters meters,
            Surroundings surroundings) {
        this.client = new BackendClient(endpoint, requestTimeout);
        this.options = options;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        offset = new ClockOffset(clock, nanoTicker);
        limit = new LineLimit(nanoTicker);
        backoff = new Backoff(options.baseDelay(), options.maxDelay(), surroundings.random());
        breaker = new EndpointBreaker(backoff, nanoTicker);
        settlement = new Settlement(outbox, deadLetters, schedule, backoff, options, surroundings, meters, limit);
        packer = new Packer(outbox, settlement, signer, options.maxAge(), clock);
    }

    /** Takes over what is pending in the outbox and what will be added to it. */
    public void subscribeTo(Outbox outbox) {
        outbox.subscribe(entries -> mailbox.post(() -> entries.forEach(this::arrived)));
    }

    private void arrived(Entry entry) {
        schedule.add(new Delivery(entry, nanoTicker.getAsLong()));
    }

    /** Handles the answers that have come and sends what is due; returns how many nanoseconds there is nothing more to do. */
    public long step() {
        mailbox.runAll();
        while (!stopping && inFlight.get() < options.maxInFlight() && sendOne()) {
            // until something stands in the way
        }
        return untilNextNanos();
    }

    /** Waits for mail, {@code nanos} at the longest. */
    public void await(long nanos) throws InterruptedException {
        mailbox.await(nanos);
    }

    /** Sends nothing more; answers that are under way are still taken in. Any thread may call. */
    public void stop() {
        stopping = true;
        mailbox.wake();
    }

    /** Remembers of what is still under way that nobody knows whether it arrived; the last thing before the end. */
    public void giveUpWaiting() {
        underWay.forEach(
                shipment -> shipment.parcels().forEach(parcel -> settlement.noteUnanswered(parcel.delivery())));
    }

    /** Certificates that wait for their answers. */
    public int inFlight() {
        return inFlight.get();
    }

    /** Whether sending is stopped because nobody answers. */
    public boolean breakerOpen() {
        return breaker.isOpen();
    }

    /** Sends one request; false if nothing may or need be sent now. */
    private boolean sendOne() {
        long now = nanoTicker.getAsLong();
        OptionalLong due = schedule.firstDueNanos();
        if (due.isEmpty() || due.getAsLong() > now || pausedUntilNanos > now) {
            return false;
        }
        offset.forgetIfClockJumped();
        if (offset.unknown()) {
            if (inFlight.get() == 0 && breaker.tryAcquire()) {
                measureOffset();
            }
            return false;
        }
        if (!breaker.tryAcquire()) {
            return false;
        }
        int most = Math.min(options.batchSize(), options.maxInFlight() - inFlight.get());
        List<Delivery> taken = schedule.take(now, most, MAX_BATCH_BYTES);
        try {
            Shipment shipment = packer.pack(taken, offset.get());
            if (shipment.parcels().isEmpty()) {
                breaker.release();
            } else {
                ship(shipment);
            }
        } catch (IOException e) {
            // the disk may read again later; it is no reason to stop for good
            breaker.release();
            settlement.unreadable(taken, e);
            pause(backoff.afterNanos(0));
        }
        settlement.finish();
        return true;
    }

    private void ship(Shipment shipment) {
        List<byte[]> lines = shipment.lines();
        long sentNanos = nanoTicker.getAsLong();
        inFlight.addAndGet(lines.size());
        underWay.add(shipment);
        BackendClient.Ended ended = (reply, failure) -> mailbox.post(() -> {
            inFlight.addAndGet(-lines.size());
            underWay.remove(shipment);
            take(shipment, reply, failure, sentNanos);
        });
        if (lines.size() == 1) {
            client.submit(lines.get(0), ended);
        } else {
            client.submitBatch(lines, ended);
        }
    }

    /** Asks the backend for its time; counts as one certificate in flight, so that nothing is sent before. */
    private void measureOffset() {
        long sentNanos = nanoTicker.getAsLong();
        inFlight.incrementAndGet();
        client.health((reply, failure) -> mailbox.post(() -> {
            inFlight.decrementAndGet();
            if (reply != null && reply.status() == 200) {
                answered();
                offset.assumeNone();
                learn(reply, sentNanos);
            } else {
                outage();
                String what = reply == null
                        ? AnswerReader.describe(failure)
                        : "status " + reply.status() + ", is ENDPOINT a backend?";
                limit.say(
                        "health", leftOut -> LOG.warn("{}/health: {}; sending waits{}", client.base(), what, leftOut));
            }
        }));
    }

    private void take(Shipment shipment, @Nullable Reply reply, @Nullable Throwable failure, long sentNanos) {
        List<Answer> answers = AnswerReader.read(shipment, reply, failure);
        if (reply != null && answers.stream().anyMatch(answer -> !(answer instanceof Answer.Outage))) {
            answered();
            learn(reply, sentNanos);
        } else {
            outage();
        }
        if (reply != null && refusesBatch(shipment, reply, answers)) {
            sendAlone(shipment);
            return;
        }
        for (int i = 0; i < answers.size(); i++) {
            settlement.apply(shipment.parcels().get(i), answers.get(i));
            heed(answers.get(i));
        }
        settlement.finish();
    }

    /** Whether the request was refused for good as a whole, which says nothing of any one certificate in it. */
    private static boolean refusesBatch(Shipment shipment, Reply reply, List<Answer> answers) {
        return shipment.parcels().size() > 1 && reply.status() != 200 && answers.get(0) instanceof Answer.Never;
    }

    private void sendAlone(Shipment shipment) {
        for (Shipment.Parcel parcel : shipment.parcels()) {
            parcel.delivery().alone = true;
            schedule.add(parcel.delivery());
        }
    }

    /** What an answer says of the endpoint rather than of its certificate. */
    private void heed(Answer answer) {
        if (answer instanceof Answer.InFuture) {
            offset.forget();
        }
        if (answer instanceof Answer.Later later && later.concernsAll()) {
            pause(TimeUnit.SECONDS.toNanos(later.atLeastSeconds()) + backoff.afterNanos(0));
        }
    }

    private void outage() {
        boolean open = breaker.isOpen();
        breaker.failed();
        pause(backoff.afterNanos(0));
        if (!open && breaker.isOpen()) {
            limit.say(
                    "open",
                    leftOut -> LOG.warn(
                            "{} does not answer; sending stops until it does, nothing is lost{}",
                            client.base(),
                            leftOut));
        }
    }

    private void answered() {
        boolean open = breaker.isOpen();
        breaker.answered();
        if (open && !breaker.isOpen()) {
            limit.say("closed", leftOut -> LOG.info("{} answers again{}", client.base(), leftOut));
        }
    }

    private void pause(long nanos) {
        pausedUntilNanos = Math.max(pausedUntilNanos, nanoTicker.getAsLong() + nanos);
    }

    private void learn(Reply reply, long sentNanos) {
        reply.date().ifPresent(date -> offset.learn(date, nanoTicker.getAsLong() - sentNanos));
    }

    private long untilNextNanos() {
        OptionalLong due = schedule.firstDueNanos();
        if (stopping || due.isEmpty() || inFlight.get() >= options.maxInFlight()) {
            return IDLE_NANOS;
        }
        long now = nanoTicker.getAsLong();
        long wait = Math.max(due.getAsLong(), pausedUntilNanos) - now;
        if (wait <= 0) {
            // it is the breaker, a probe or the measurement that is waited for
            wait = breaker.remainingNanos() == 0 ? IDLE_NANOS : breaker.remainingNanos();
        }
        return Math.max(SHORTEST_WAIT_NANOS, Math.min(wait, IDLE_NANOS));
    }
}
