// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.outbox.DeadLetter;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxEntry;
import dev.flk.agent.outbox.SettledAs;
import dev.flk.agent.send.Batch.Item;
import dev.flk.agent.send.SendQueue.Queued;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.Printable;
import dev.flk.program.logging.LineLimit;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The handler of the results of submissions: it settles an entry, gives it up as a dead letter, or queues it for a
 * retry. A dead letter is on disk before its entry is settled. Owned by the sender's thread.
 */
final class AnswerHandler {
    private static final Logger LOG = LoggerFactory.getLogger(AnswerHandler.class);
    private static final long AGE_CHECK_NANOS = Duration.ofMinutes(1).toNanos();
    private static final int LONGEST_REASON = 300;
    /**
     * The error text of a 503 for a certificate that is in the backend's log but not decided yet. The backend will
     * decide this certificate even if the agent does not send it again. After a 503 with any other text, a 408 or a
     * 429, the certificate is not in the log. After a 500, the certificate may be in the log.
     */
    private static final String IN_LOG_BUT_UNDECIDED = "dedup store unavailable";

    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final SendQueue queue;
    private final Backoff backoff;
    private final SendOptions options;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final AgentMeters meters;
    private final SignatureHold hold;
    private final Throughput throughput;
    private final Settlement.Awaited awaited;
    private final Map<SettledAs, List<OutboxEntry>> done = new EnumMap<>(SettledAs.class);
    private final Map<OutboxEntry, Settlement> settlements = new HashMap<>();
    private final List<OutboxEntry> notArrived = new ArrayList<>();
    private final LineLimit limit;
    private long longestWaitNanos;
    private String whyLongest = "";
    private String kindOfLongest = "";

    AnswerHandler(
            Outbox outbox,
            DeadLetters deadLetters,
            SendQueue queue,
            SignatureHold hold,
            Backoff backoff,
            SendOptions options,
            Surroundings surroundings,
            AgentMeters meters,
            LineLimit limit,
            Settlement.Awaited awaited) {
        this.awaited = awaited;
        this.limit = limit;
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.queue = queue;
        this.hold = hold;
        this.throughput = new Throughput(surroundings.nanoTicker().getAsLong());
        this.backoff = backoff;
        this.options = options;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        this.meters = meters;
    }

    /**
     * Applies the result of one certificate; the caller must call {@link #finish} after the last result.
     *
     * @param by the keys of the backend that answered; null if they are not known
     */
    void apply(Item item, SubmitResult result, @Nullable BackendKeys by) {
        meters.submitted(result.isOutage() ? "outage" : Integer.toString(result.status()));
        apply(item, result, item.signed().shardId(), by);
    }

    /**
     * Settles the entries that have received a final result since the last call, completes the futures of their
     * certificates, and records the entries that did not arrive at the backend. Logs the longest wait among the entries
     * that will be retried.
     */
    void finish() {
        done.forEach((how, entries) -> {
            outbox.settle(how, List.copyOf(entries));
            throughput.settled(entries.size(), nanoTicker.getAsLong());
        });
        done.clear();
        settlements.forEach((entry, settlement) -> awaited.settled(entry.sequence(), settlement));
        settlements.clear();
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

    /** Returns the average number of settled certificates per second within the last minute. */
    double settledASecond() {
        return throughput.aSecond(nanoTicker.getAsLong());
    }

    private void done(Queued queued, Settlement settlement) {
        queue.settled(queued);
        done.computeIfAbsent(settlement.kind().how(), any -> new ArrayList<>()).add(queued.entry);
        settlements.put(queued.entry, settlement);
    }

    /**
     * Gives up an entry: writes a dead letter to disk, and then has the entry settled by the next {@link #finish}. If
     * the dead letter can't be written, the entry stays in the outbox and is retried later.
     */
    void deadLetter(Queued queued, String pcsId, byte[] certificate, int status, String reason) {
        String shown = printable(reason);
        try {
            deadLetters.add(
                    DeadLetter.of(clock.instant(), queued.entry, pcsId, status, shown, queued.sent, certificate));
        } catch (IOException e) {
            limit.say(
                    "dead letter",
                    leftOut -> LOG.error(
                            "cannot write the dead letter of {}: {}; the certificate stays in the outbox and this"
                                    + " will be retried{}",
                            idForLog(pcsId),
                            describe(e),
                            leftOut));
            retry(queued, "dead letter", 0, "its dead letter can't be written");
            return;
        }
        LOG.warn("Added {} to DLQ: {}", idForLog(pcsId), shown);
        meters.givenUp(outbox.shardName(queued.entry));
        hold.givenUp(queued);
        done(queued, new Settlement(Settlement.Kind.DEAD_LETTERED, pcsId, shown));
    }

    /**
     * Queues entries for a retry, because their certificates could not be read. The caller must then call {@link
     * #finish}.
     */
    void unreadable(List<Queued> unread, String reason) {
        String why = "cannot read the outbox: " + reason;
        unread.forEach(queued -> retry(queued, "outbox", 0, why));
    }

    /**
     * Has an entry settled as lost by the next {@link #finish}, because its certificate can't be read from the disk any
     * more.
     */
    void lost(Queued queued) {
        limit.say(
                "lost",
                leftOut -> LOG.error(
                        "the certificate with outbox sequence {} can no longer be read from the disk; flk-agent fsck"
                                + " lists the lost records{}",
                        queued.entry.sequence(),
                        leftOut));
        meters.lost(1);
        hold.givenUp(queued);
        done(queued, new Settlement(Settlement.Kind.LOST, "", "the disk can no longer read it"));
    }

    /**
     * Defers an entry for a minute, because its age is uncertain: the entry is older than {@code MAX_AGE} only if a
     * recent jump of the agent's clock and the backend's clock is real.
     */
    void ageNotCertain(Queued queued) {
        limit.say(
                "age",
                leftOut -> LOG.warn(
                        "the clocks of this machine and of the backend have jumped forward together; certificates that"
                                + " exceed MAX_AGE only because of this jump are held back: if neither clock goes back"
                                + " within {} minutes, they become dead letters, otherwise they are sent{}",
                        AgeClock.CONFIRMED_AFTER.toMinutes(),
                        leftOut));
        queued.dueNanos = nanoTicker.getAsLong() + AGE_CHECK_NANOS;
        queue.retry(queued);
    }

    /**
     * Queues an entry for a retry after {@code atLeastSeconds} plus the backoff. {@code kind} names the kind of
     * failure, such as a status or {@code outage}; log lines of the same kind share a rate limit.
     */
    private void retry(Queued queued, String kind, long atLeastSeconds, String why) {
        long wait = Duration.ofSeconds(atLeastSeconds).toNanos() + backoff.afterNanos(queued.failures++);
        if (wait > longestWaitNanos) {
            longestWaitNanos = wait;
            whyLongest = printable(why);
            kindOfLongest = kind;
        }
        queued.dueNanos = nanoTicker.getAsLong() + wait;
        queue.retry(queued);
        meters.retried(outbox.shardName(queued.entry));
    }

    /**
     * Notes that the last sending of an entry did not arrive in the backend's log. If no earlier sending can have
     * arrived either, the next {@link #finish} records the entry as not arrived.
     */
    void noteNotArrived(Queued queued) {
        if (queued.neverArrivedBefore) {
            notArrived.add(queued.entry);
        }
    }

    /**
     * Returns an id as it is shown in log lines. A malformed id is replaced with a fixed text, because a certificate
     * may contain any text as its id.
     */
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

    private void apply(Item item, SubmitResult result, String shardId, @Nullable BackendKeys by) {
        Queued queued = item.queued();
        switch (result.kind()) {
            case RECORDED, REJECTED -> {
                hold.accepted(queued, shardId, by, nanoTicker.getAsLong());
                LOG.info(
                        "PCS {} submitted successfully (status={})",
                        idForLog(item.signed().pcsId()),
                        result.status());
                done(queued, new Settlement(result.verdict(), item.signed().pcsId(), result.text()));
            }
            case CONFLICT -> {
                hold.accepted(queued, shardId, by, nanoTicker.getAsLong());
                giveUp(item, result.status(), "conflict: different content was recorded under this id before");
            }
            case NEVER -> giveUp(item, result.status(), result.text());
            case IN_FUTURE -> {
                noteNotArrived(queued);
                hold.unanswered(queued, shardId);
                retry(queued, "400", 0, "status 400: " + result.text());
            }
            case UNPROVEN -> {
                hold.unanswered(queued, shardId);
                holdAlone(item, result.text());
            }
            case BAD_SIGNATURE, UNPROVEN_SIGNATURE -> badSignature(item, result, shardId, by);
            case LATER -> later(item, result, shardId);
            case NOT_SENT, NO_ANSWER, FOREIGN -> {
                hold.unanswered(queued, shardId);
                if (result.kind() == SubmitResult.Kind.NOT_SENT) {
                    noteNotArrived(queued);
                }
                retry(queued, "outage", 0, result.text());
            }
        }
    }

    /**
     * Queues an entry for a retry that is sent alone. {@code MAX_AGE} counts from the sending that got the first such
     * answer, because it is not known whether the certificate has arrived.
     */
    private void holdAlone(Item item, String why) {
        Queued queued = item.queued();
        queue.hold(queued, printable(why));
        limit.say(
                "held",
                leftOut -> LOG.warn(
                        "PCS {} is held: {}; perhaps a proxy has answered, or has changed the certificate on the way;"
                                + " it is sent again, alone, until MAX_AGE{}",
                        idForLog(item.signed().pcsId()),
                        printable(why),
                        leftOut));
        retry(queued, "held", 0, why);
    }

    private void badSignature(Item item, SubmitResult result, String shardId, @Nullable BackendKeys by) {
        boolean isProven = result.kind() == SubmitResult.Kind.BAD_SIGNATURE;
        boolean isBad = hold.refused(item.queued(), shardId, by, nanoTicker.getAsLong());
        if (isBad && !isProven) {
            holdAlone(item, result.text());
            return;
        }
        noteNotArrived(item.queued());
        if (isBad) {
            giveUp(
                    item,
                    401,
                    "Signature verification failed, although the backend accepts other certificates of this shard"
                            + " with the same key");
            return;
        }
        limit.say(
                "401",
                leftOut -> LOG.error(
                        "Signature verification failed for {}: perhaps the backend does not know this key, or does not"
                                + " accept this key now or for this shard; the certificate waits; check PCS_SIGN_ALG"
                                + " and the key{}{}",
                        idForLog(item.signed().pcsId()),
                        by == null ? "" : "; it was refused by the backend with instance id " + by.instance(),
                        leftOut));
        meters.retried(outbox.shardName(item.queued().entry));
    }

    private void later(Item item, SubmitResult result, String shardId) {
        Queued queued = item.queued();
        hold.unanswered(queued, shardId);
        if (!result.text().equals(IN_LOG_BUT_UNDECIDED) && result.status() != 500) {
            noteNotArrived(queued);
        }
        if (result.status() == 500) {
            queued.attemptsSpent++;
            if (options.maxAttempts() > 0 && queued.attemptsSpent >= options.maxAttempts()) {
                giveUp(item, result.status(), "gave up after " + queued.attemptsSpent + " attempts: " + result.text());
                return;
            }
        }
        String status = Integer.toString(result.status());
        // if the answer concerns all certificates, BackendLink pauses this backend. The entry itself waits only for the
        // backoff, because another backend may accept the entry
        long atLeastSeconds = result.concernsAll() ? 0 : result.retryAfterSeconds();
        retry(queued, status, atLeastSeconds, "status " + status + ": " + result.text());
    }

    private void giveUp(Item item, int status, String reason) {
        deadLetter(item.queued(), item.signed().pcsId(), item.stored(), status, reason);
    }

    /** The rate at which certificates were settled within the last minute. Not thread-safe. */
    private static final class Throughput {
        private static final int SLOTS = 12;
        private static final long SLOT_NANOS = TimeUnit.SECONDS.toNanos(5);

        private final long[] counts = new long[SLOTS];
        private final long startSlot;
        private long lastSlot;

        /** @param nowNanos the time of a ticker that starts near 0 and never goes back */
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
