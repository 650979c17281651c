// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetter;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Entry;
import dev.flk.agent.outbox.Fate;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.SendingSetup.SendOptions;
import dev.flk.agent.send.Shipment.Parcel;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LineLimit;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What an answer does to an entry: settled, dead-lettered or put off. Owned by the sender's thread. A dead letter is on disk
 * before its entry is settled.
 */
final class Settlement {
    private static final Logger LOG = LoggerFactory.getLogger(Settlement.class);
    private static final int LONGEST_REASON = 300;
    /** This answer leaves the certificate in the backend's log: it will be decided whether or not it is sent again. So may a 500. */
    private static final String IN_LOG_BUT_UNDECIDED = "dedup store unavailable";

    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final Lanes lanes;
    private final Backoff backoff;
    private final SendOptions options;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final AgentMeters meters;
    private final SignatureHold hold;
    private final Throughput throughput;
    private final Map<Fate, List<Entry>> done = new EnumMap<>(Fate.class);
    private final List<Entry> notArrived = new ArrayList<>();
    private final LineLimit limit;
    private long longestWaitNanos;
    private String whyLongest = "";
    private String kindOfLongest = "";

    Settlement(
            Outbox outbox,
            DeadLetters deadLetters,
            Lanes lanes,
            SignatureHold hold,
            Backoff backoff,
            SendOptions options,
            Surroundings surroundings,
            AgentMeters meters,
            LineLimit limit) {
        this.limit = limit;
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.lanes = lanes;
        this.hold = hold;
        this.throughput = new Throughput(surroundings.nanoTicker().getAsLong());
        this.backoff = backoff;
        this.options = options;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        this.meters = meters;
    }

    /** How the sending of an entry ended. */
    enum Ending {
        SETTLED,
        DEAD_LETTERED,
        PUT_OFF
    }

    /** Takes in the answer to one certificate; {@link #finish} must follow. */
    Ending apply(Parcel parcel, Answer answer) {
        return answer.match(new AnswerTo(parcel));
    }

    /** Settles what is done since the last call, and tells once what was put off. */
    void finish() {
        done.forEach((fate, entries) -> {
            outbox.settle(fate, List.copyOf(entries));
            throughput.settled(entries.size(), nanoTicker.getAsLong());
        });
        done.clear();
        outbox.notArrived(List.copyOf(notArrived));
        notArrived.clear();
        if (longestWaitNanos > 0) {
            String seconds = String.format(Locale.ROOT, "%.1f", longestWaitNanos / 1e9);
            limit.say(
                    "backoff " + kindOfLongest,
                    leftOut -> LOG.warn("Backing off for {}s before retry ({}{})", seconds, whyLongest, leftOut));
            longestWaitNanos = 0;
        }
    }

    /** Certificates a second that were settled within the last minute. */
    double settledASecond() {
        return throughput.aSecond(nanoTicker.getAsLong());
    }

    private void done(Fate fate, Entry entry) {
        done.computeIfAbsent(fate, any -> new ArrayList<>()).add(entry);
    }

    /** Gives an entry up; if the disk refuses the dead letter, the entry stays and is tried again later. */
    Ending deadLetter(Delivery delivery, String pcsId, byte[] certificate, int status, String reason) {
        String shown = printable(reason);
        try {
            deadLetters.add(
                    new DeadLetter(clock.instant(), delivery.entry, pcsId, status, shown, delivery.sent, certificate));
        } catch (IOException e) {
            limit.say(
                    "dead letter",
                    leftOut -> LOG.error(
                            "cannot write a dead letter, {} stays in the outbox: {}{}",
                            idForLog(pcsId),
                            describe(e),
                            leftOut));
            return putOff(delivery, "dead letter", 0, "no dead letter can be written");
        }
        LOG.warn("Added {} to DLQ: {}", idForLog(pcsId), shown);
        meters.givenUp(outbox.shardName(delivery.entry));
        hold.gone(delivery);
        done(Fate.DEAD, delivery.entry);
        return Ending.DEAD_LETTERED;
    }

    /** Puts entries off that could not even be read; {@link #finish} must follow. */
    void unreadable(List<Delivery> deliveries, String reason) {
        String why = "cannot read the outbox: " + reason;
        deliveries.forEach(delivery -> putOff(delivery, "outbox", 0, why));
    }

    /** Forgets an entry that there is nothing left of to send or to show. */
    void lost(Delivery delivery) {
        limit.say(
                "lost",
                leftOut -> LOG.error(
                        "the certificate with outbox sequence {} can't be read from the disk any more; flk-agent outbox cat"
                                + " tells which are lost{}",
                        delivery.entry.sequence(),
                        leftOut));
        meters.lost(1);
        hold.gone(delivery);
        done(Fate.LOST, delivery.entry);
    }

    /** Puts a delivery off by the backoff, and by {@code atLeastSeconds} in any case; {@code kind} is a status or a word. */
    private Ending putOff(Delivery delivery, String kind, long atLeastSeconds, String why) {
        long wait = Duration.ofSeconds(atLeastSeconds).toNanos() + backoff.afterNanos(delivery.failures++);
        if (wait > longestWaitNanos) {
            longestWaitNanos = wait;
            whyLongest = printable(why);
            kindOfLongest = kind;
        }
        delivery.dueNanos = nanoTicker.getAsLong() + wait;
        lanes.putOff(delivery);
        meters.retried(outbox.shardName(delivery.entry));
        return Ending.PUT_OFF;
    }

    /** It is known that this sending has left nothing with the backend. */
    void noteNotArrived(Delivery delivery) {
        if (delivery.neverArrivedBefore) {
            notArrived.add(delivery.entry);
        }
    }

    /** An id is printed only if it is one: it came from outside. */
    private static String idForLog(String pcsId) {
        return PcsId.isHex64(pcsId) ? pcsId : "(malformed id)";
    }

    static String describe(IOException failure) {
        return failure.getClass().getSimpleName() + ": " + failure.getMessage();
    }

    private static String printable(String text) {
        String clean = Printable.of(text);
        return clean.length() > LONGEST_REASON ? clean.substring(0, LONGEST_REASON) + "…" : clean;
    }

    private final class AnswerTo implements Answer.Cases<Ending> {
        private final Parcel parcel;
        private final Delivery delivery;
        private final String shardId;

        AnswerTo(Parcel parcel) {
            this.parcel = parcel;
            this.delivery = parcel.delivery();
            this.shardId = parcel.signed().shardId();
        }

        @Override
        public Ending recorded(Answer.Recorded recorded) {
            meters.submitted(Integer.toString(recorded.status()));
            hold.accepted(delivery, shardId);
            LOG.info(
                    "PCS {} submitted successfully (status={})",
                    idForLog(parcel.signed().pcsId()),
                    recorded.status());
            done(Fate.ofStatus(recorded.status()), delivery.entry);
            return Ending.SETTLED;
        }

        @Override
        public Ending conflict(Answer.Conflict conflict) {
            meters.submitted(Integer.toString(conflict.status()));
            hold.accepted(delivery, shardId);
            return giveUp(conflict.status(), "conflict: other content was recorded under this id before");
        }

        @Override
        public Ending never(Answer.Never never) {
            meters.submitted(Integer.toString(never.status()));
            return giveUp(never.status(), never.error());
        }

        @Override
        public Ending inFuture(Answer.InFuture inFuture) {
            meters.submitted("400");
            noteNotArrived(delivery);
            hold.unanswered(delivery, shardId);
            return putOff(delivery, "400", 0, "status 400: " + inFuture.error());
        }

        @Override
        public Ending badSignature(Answer.BadSignature badSignature) {
            meters.submitted("401");
            noteNotArrived(delivery);
            if (hold.refused(delivery, shardId, nanoTicker.getAsLong())) {
                return giveUp(401, "Signature verification failed, while others of this key and shard are accepted");
            }
            limit.say(
                    "401",
                    leftOut -> LOG.error(
                            "Signature verification failed for {}: the backend does not know this key, or not for this"
                                    + " shard; it is held, check PCS_SIGN_ALG and the key{}",
                            idForLog(parcel.signed().pcsId()),
                            leftOut));
            meters.retried(outbox.shardName(delivery.entry));
            return Ending.PUT_OFF;
        }

        @Override
        public Ending later(Answer.Later later) {
            meters.submitted(Integer.toString(later.status()));
            hold.unanswered(delivery, shardId);
            if (!later.error().equals(IN_LOG_BUT_UNDECIDED) && later.status() != 500) {
                noteNotArrived(delivery);
            }
            if (!later.concernsAll()) {
                delivery.attemptsSpent++;
                if (options.maxAttempts() > 0 && delivery.attemptsSpent >= options.maxAttempts()) {
                    return giveUp(
                            later.status(), "gave up after " + delivery.attemptsSpent + " attempts: " + later.error());
                }
            }
            String status = Integer.toString(later.status());
            // what concerns all of them the endpoint waits out, and another may take this one meanwhile
            long atLeastSeconds = later.concernsAll() ? 0 : later.atLeastSeconds();
            return putOff(delivery, status, atLeastSeconds, "status " + status + ": " + later.error());
        }

        @Override
        public Ending outage(Answer.Outage outage) {
            meters.submitted("outage");
            hold.unanswered(delivery, shardId);
            if (outage.reach() == Answer.Reach.NOT_SENT) {
                noteNotArrived(delivery);
            }
            return putOff(delivery, "outage", 0, outage.what());
        }

        private Ending giveUp(int status, String reason) {
            return deadLetter(delivery, parcel.signed().pcsId(), parcel.stored(), status, reason);
        }
    }

    /** How many certificates a second were settled within the last minute. One thread. */
    private static final class Throughput {
        private static final int SLOTS = 12;
        private static final long SLOT_NANOS = TimeUnit.SECONDS.toNanos(5);

        private final long[] counts = new long[SLOTS];
        private final long startSlot;
        private long lastSlot;

        /** @param nowNanos on a ticker that starts near 0 and never goes back */
        Throughput(long nowNanos) {
            startSlot = nowNanos / SLOT_NANOS;
            lastSlot = startSlot;
        }

        void settled(int certificates, long nowNanos) {
            advance(nowNanos);
            counts[(int) (lastSlot % SLOTS)] += certificates;
        }

        double aSecond(long nowNanos) {
            advance(nowNanos);
            long sum = 0;
            for (long count : counts) {
                sum += count;
            }
            long slots = Math.min(SLOTS, lastSlot - startSlot + 1);
            return sum / (slots * (double) TimeUnit.NANOSECONDS.toSeconds(SLOT_NANOS));
        }

        private void advance(long nowNanos) {
            long slot = nowNanos / SLOT_NANOS;
            for (long i = Math.max(lastSlot + 1, slot - SLOTS + 1); i <= slot; i++) {
                counts[(int) (i % SLOTS)] = 0;
            }
            lastSlot = Math.max(lastSlot, slot);
        }
    }
}
