// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.send.SendQueue.LongQueue;
import dev.flk.agent.send.SendQueue.Queued;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The hold on entries with rejected signatures; it distinguishes a bad certificate from a key that the backend, or one
 * of several backends behind one address, does not accept yet or any more.
 *
 * <p><b>When an entry is bad.</b> After three events in this order: the signature of the entry is rejected; another
 * entry of its shard is sent and accepted; the first entry is sent again and rejected again. All three answers must
 * come from the same {@link BackendKeys}: from one process with the same keys. The order matters because a slow answer
 * may concern keys that the backend no longer uses. Answers may lack these headers, or their process may never answer
 * again. So an entry is also bad if three such answers of any backends came, and the shard was accepted for the grace
 * period since its first rejection.
 *
 * <p><b>When entries wait.</b>
 *
 * <ul>
 *   <li>A shard of which nothing is known to be accepted is <em>held</em>: all its entries wait, except for one probe
 *       at a time with backoff. This is the case for the first rejection of a shard that was not accepted lately, and
 *       for {@value #ROUNDS_TO_HOLD} in a row of entries that were not rejected before. An acceptance releases the
 *       shard.
 *   <li>Otherwise, only the rejected entry waits. It is sent again with a backoff of its own, because perhaps the next
 *       answer comes from another backend.
 *   <li>An entry that was rejected more than {@value #MOST_RETRIES} times is a <em>suspect</em>. One suspect of a shard
 *       at a time is sent as the probe, with backoff. If a suspect is accepted, all are sent again.
 * </ul>
 *
 * <p>Owned by the sender's thread.
 */
final class SignatureHold {
    /**
     * The number of rounds of rejections after which a shard is held. A round is a number of rejections of entries that
     * were sent before the first of these rejections arrived. Where one of two backends lacks the key, one round in a
     * row is usual, and several are rare.
     */
    private static final int ROUNDS_TO_HOLD = 3;

    private static final int MOST_RETRIES = 6;
    /**
     * The longest time for which one acceptance counts as time in which the key is accepted. Without this limit, a key
     * that is accepted again after months would have been accepted for months.
     */
    private static final long VOUCHED_NANOS = TimeUnit.HOURS.toNanos(1);

    /**
     * The time for which the last acceptance of a shard, and the last rejection by a backend, say something about the
     * present.
     */
    private static final long LATELY_NANOS = TimeUnit.MINUTES.toNanos(10);

    private static final int MOST_FAILURES_LATELY = 3;

    /** The number of rejections without an acceptance after which a backend counts as lagging. */
    private static final int LAGGING_REFUSALS = 3;

    /** The largest number of backends to remember for a shard, and for an entry. */
    private static final int MOST_INSTANCES = 16;

    private static final int MOST_ACCEPTED_SHARDS = 256;

    private final SendQueue queue;
    private Backoff backoff;
    private long graceNanos;
    /** The shards with at least one rejected signature since the last change of the configuration, by shard id. */
    private final Map<String, Shard> shards = new HashMap<>();
    /** The times of the last acceptances of other shards, by shard id. */
    private final Map<String, Long> acceptedShards = bounded(MOST_ACCEPTED_SHARDS);

    /**
     * A counter that shows which sendings came before which rejections. It grows with every change of the
     * configuration, and with every rejection of an entry that was sent after the last such change.
     */
    private long mark;

    /**
     * The value of {@link #mark} at the last change of the configuration. Entries that were sent at this value or a
     * lower value may have been signed with an old key.
     */
    private long resetAt = -1;

    /** The number of entries that were rejected since the last change of the configuration and are not settled. */
    private long refusedEntries;

    private static final class Shard {
        /**
         * The highest {@code sentAtMark} of all entries of the shard that any backend has accepted since the first
         * rejection; -1 if none was accepted.
         */
        private long acceptedOfMark = -1;

        /** Whether the shard was accepted lately before its first rejection, or at any time since. */
        private boolean wasAccepted;
        /** The time of the last acceptance, or of the first rejection if that was later. */
        private long acceptedAtNanos;
        /** The time in which the key was accepted for this shard, see {@link #VOUCHED_NANOS}. */
        private long acceptedForNanos;

        /** The answers of each backend, by instance. */
        private final Map<String, Answers> answers = bounded(MOST_INSTANCES);

        private boolean held;
        /** The rounds of rejections since the last acceptance, and the mark of the first rejection of the last one. */
        private int rounds;

        private long roundOfMark = -1;
        private int failures;
        private long nextProbeNanos;
        /** The entry that is being sent as a probe; null if no probe is being sent. */
        private @Nullable Queued probe;

        /** The held entries that this process has sent before, and the suspects, which remain if the shard is released. */
        private final Deque<Queued> waiting = new ArrayDeque<>();

        private final Deque<Queued> suspects = new ArrayDeque<>();
        /** The outbox sequences of held entries that this process has not sent yet. */
        private final LongQueue unsent = new LongQueue();

        Shard(boolean wasAccepted, long nowNanos) {
            this.wasAccepted = wasAccepted;
            this.acceptedAtNanos = nowNanos;
        }

        private boolean hasProbe() {
            return !suspects.isEmpty() || (held && !(waiting.isEmpty() && unsent.isEmpty()));
        }

        /**
         * Returns the number of failures for the backoff of the next probe. It is small while a shard is held that was
         * accepted lately: perhaps the connection leads to a backend that lags, and the next one to another.
         */
        private int failuresToWaitFor(long nowNanos) {
            boolean isLately = wasAccepted && nowNanos - acceptedAtNanos < LATELY_NANOS;
            return held && isLately ? Math.min(failures, MOST_FAILURES_LATELY) : failures;
        }

        private Answers answers(BackendKeys by) {
            return answers.compute(
                    by.instance(),
                    (instance, known) -> known != null && known.state.equals(by.state()) ? known : new Answers(by));
        }
    }

    /** The answers of one backend about one shard in one state of its keys. */
    private static final class Answers {
        private final String state;
        /** The counterpart of {@link Shard#acceptedOfMark} that counts acceptances by this backend only. */
        private long acceptedOfMark = -1;
        /** The rejections since the last acceptance. */
        private int refusals;

        private long refusedAtNanos;

        Answers(BackendKeys by) {
            this.state = by.state();
        }
    }

    /** The rejections of one entry since the last change of the configuration. */
    static final class Refusals {
        /** The {@link Shard#acceptedForNanos} at the first rejection. */
        private final long sinceNanos;
        /** The rejections since the start, or since the suspects of the shard were sent again. */
        private int count;
        /** The value of {@link #mark} at the last rejection. */
        private long atMark = -1;
        /**
         * Whether the key was known to be good when this entry was last sent: after the last rejection of this entry,
         * another entry of the shard had been sent and accepted.
         */
        private boolean keyKnownGood;
        /** The first rejection by each backend in the last known state of its keys, by instance. */
        private final Map<String, Refusal> by = new HashMap<>(2);

        private Refusals(long sinceNanos) {
            this.sinceNanos = sinceNanos;
        }
    }

    /** The first rejection of an entry by one backend in one state of its keys. */
    private static final class Refusal {
        private final String state;
        private final long atMark;
        /** The counterpart of {@link Refusals#keyKnownGood} for this backend in this state. */
        private boolean keyKnownGood;

        Refusal(String state, long atMark) {
            this.state = state;
            this.atMark = atMark;
        }
    }

    /**
     * Creates a hold on nothing.
     *
     * @param grace how long the key must have been accepted before an entry is bad without three answers of one backend
     */
    SignatureHold(SendQueue queue, Backoff backoff, Duration grace) {
        this.queue = queue;
        this.backoff = backoff;
        this.graceNanos = grace.toNanos();
    }

    /**
     * Returns whether an entry of this shard may be sent now. If the entry may not be sent, keeps the entry until the
     * shard is released or the entry becomes the probe; then the entry returns to the queue.
     */
    boolean admits(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard == null || !shard.held || queued.probe) {
            queued.sentAtMark = mark;
            Refusals refusals = refusals(queued);
            if (shard != null && refusals != null) {
                refusals.keyKnownGood = shard.acceptedOfMark > refusals.atMark;
                refusals.by.forEach((instance, refusal) -> {
                    Answers answers = shard.answers.get(instance);
                    refusal.keyKnownGood = answers != null
                            && answers.state.equals(refusal.state)
                            && answers.acceptedOfMark > refusal.atMark;
                });
            }
            return true;
        }
        if (queued.sent == 0) {
            if (shard.failures == 0) {
                // sends the first probe immediately, because usually only one certificate is bad
                shard.nextProbeNanos = queued.dueNanos;
            }
            shard.unsent.add(queued.entry.sequence());
        } else {
            shard.waiting.add(queued);
        }
        return false;
    }

    /** Returns the rejections of an entry since the last change of the configuration; null if none are noted. */
    private @Nullable Refusals refusals(Queued queued) {
        Refusals refusals = queued.refusals;
        return refusals != null && refusals.atMark > resetAt ? refusals : null;
    }

    private void forgetRefusals(Queued queued) {
        if (refusals(queued) != null) {
            refusedEntries--;
        }
        queued.refusals = null;
    }

    /**
     * Notes that a backend accepted the signature of an entry of this shard, and releases the shard.
     *
     * @param by the backend's keys; null if they are not known
     */
    void accepted(Queued queued, String shardId, @Nullable BackendKeys by, long nowNanos) {
        Refusals refusals = refusals(queued);
        boolean wasSuspect = queued.probe && refusals != null && refusals.count > MOST_RETRIES;
        forgetRefusals(queued);
        queued.probe = false;
        if (queued.sentAtMark <= resetAt) {
            return; // the entry may have been signed with an old key
        }
        Shard shard = shards.get(shardId);
        if (shard == null) {
            acceptedShards.put(shardId, nowNanos);
            return;
        }
        if (shard.wasAccepted) {
            shard.acceptedForNanos += Math.min(nowNanos - shard.acceptedAtNanos, VOUCHED_NANOS);
        }
        shard.wasAccepted = true;
        shard.acceptedAtNanos = nowNanos;
        shard.acceptedOfMark = Math.max(shard.acceptedOfMark, queued.sentAtMark);
        if (by != null) {
            Answers answers = shard.answers(by);
            answers.acceptedOfMark = Math.max(answers.acceptedOfMark, queued.sentAtMark);
            answers.refusals = 0;
        }
        shard.rounds = 0;
        if (shard.probe == queued) {
            shard.probe = null;
        }
        if (shard.held) {
            release(shard, nowNanos);
        }
        if (wasSuspect) {
            sendSuspects(shard, nowNanos);
        }
    }

    /** Releases a shard, but not its suspects, the next of which is sent later. */
    private void release(Shard shard, long nowNanos) {
        shard.held = false;
        shard.rounds = 0;
        shard.failures = MOST_RETRIES;
        shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(shard.failures);
        shard.waiting.forEach(queue::retry);
        shard.waiting.clear();
        while (!shard.unsent.isEmpty()) {
            queue.release(shard.unsent.remove());
        }
    }

    private void sendSuspects(Shard shard, long nowNanos) {
        for (Queued suspect : shard.suspects) {
            Refusals refusals = refusals(suspect);
            if (refusals != null) {
                refusals.count = 0;
            }
            suspect.dueNanos = nowNanos;
            queue.retry(suspect);
        }
        shard.suspects.clear();
    }

    /**
     * Notes that the signature of an entry was rejected.
     *
     * @param by the keys of the backend that rejected it; null if they are not known
     * @return true if the entry is bad, and the caller must give up the entry. False if the entry will be sent again:
     *     the entry is then kept here or in the queue
     */
    boolean refused(Queued queued, String shardId, @Nullable BackendKeys by, long nowNanos) {
        boolean wasProbe = queued.probe;
        queued.probe = false;
        if (queued.sentAtMark <= resetAt) {
            // the entry may have been signed with an old key; the rejection then says nothing about the new key
            queued.dueNanos = nowNanos;
            queue.retry(queued);
            return false;
        }
        Shard shard = shards.computeIfAbsent(shardId, id -> newShard(id, nowNanos));
        Refusals refusals = refusals(queued);
        if (refusals == null) {
            refusals = new Refusals(shard.acceptedForNanos);
            queued.refusals = refusals;
            refusedEntries++;
            if (queued.sentAtMark > shard.roundOfMark) {
                shard.rounds++;
                shard.roundOfMark = mark;
            }
        }
        boolean isBad = note(refusals, shard, by, nowNanos);
        mark++;
        if (wasProbe) {
            shard.probe = null;
        }
        if (isBad) {
            return true; // the next probe is already due
        }
        if (!shard.held && (!shard.wasAccepted || shard.rounds >= ROUNDS_TO_HOLD)) {
            shard.held = true;
            shard.failures = 0;
            shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(0);
        } else if (wasProbe) {
            shard.failures++;
            shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(shard.failuresToWaitFor(nowNanos));
        }
        keep(queued, refusals, shard, nowNanos);
        return false;
    }

    private Shard newShard(String shardId, long nowNanos) {
        Long acceptedAt = acceptedShards.remove(shardId);
        return new Shard(acceptedAt != null && nowNanos - acceptedAt < LATELY_NANOS, nowNanos);
    }

    /** Returns a map that forgets the least recently used entry if it has more than {@code most}. */
    private static <V> Map<String, V> bounded(int most) {
        return new LinkedHashMap<>(16, 0.75f, true) {
            private static final long serialVersionUID = 1;

            @Override
            protected boolean removeEldestEntry(Map.Entry<String, V> eldest) {
                return size() > most;
            }
        };
    }

    /** Adds a rejection of an entry, and returns whether the entry is bad. */
    private boolean note(Refusals refusals, Shard shard, @Nullable BackendKeys by, long nowNanos) {
        boolean isBad = refusals.keyKnownGood && shard.acceptedForNanos - refusals.sinceNanos >= graceNanos;
        refusals.count++;
        refusals.atMark = mark;
        refusals.keyKnownGood = false;
        if (by != null) {
            Answers answers = shard.answers(by);
            answers.refusals++;
            answers.refusedAtNanos = nowNanos;
            Refusal first = refusals.by.get(by.instance());
            if (first != null && first.state.equals(by.state())) {
                isBad |= first.keyKnownGood;
            } else {
                if (refusals.by.size() == MOST_INSTANCES) {
                    refusals.by.clear();
                }
                refusals.by.put(by.instance(), new Refusal(by.state(), mark));
            }
        }
        return isBad;
    }

    private void keep(Queued queued, Refusals refusals, Shard shard, long nowNanos) {
        queued.dueNanos = nowNanos;
        if (refusals.count > MOST_RETRIES) {
            if (shard.suspects.isEmpty() && shard.probe == null && !shard.held) {
                shard.failures = Math.max(shard.failures, MOST_RETRIES);
                shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(shard.failures);
            }
            shard.suspects.add(queued);
        } else if (shard.held) {
            shard.waiting.add(queued);
        } else {
            queued.dueNanos = nowNanos + backoff.afterNanos(refusals.count - 1);
            queue.retry(queued);
        }
    }

    /**
     * Notes that the result of sending an entry says nothing about the signature. If the entry was the probe, another
     * probe may be sent.
     */
    void unanswered(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard != null && shard.probe == queued) {
            shard.probe = null;
        }
        queued.probe = false;
    }

    /** Notes that an entry was given up. If the entry was the probe, another probe may be sent. */
    void givenUp(Queued queued) {
        forgetRefusals(queued);
        for (Shard shard : shards.values()) {
            if (shard.probe == queued) {
                shard.probe = null;
            }
        }
    }

    /** Queues a probe for each shard whose next probe is due. */
    void step(long nowNanos) {
        for (Shard shard : shards.values()) {
            if (shard.probe == null && shard.hasProbe() && shard.nextProbeNanos <= nowNanos) {
                probe(shard, nowNanos);
            }
        }
    }

    private void probe(Shard shard, long nowNanos) {
        Queued queued;
        if (!shard.unsent.isEmpty()) {
            queued = queue.read(shard.unsent.remove(), nowNanos).orElse(null);
        } else {
            queued = shard.waiting.isEmpty() ? shard.suspects.poll() : shard.waiting.poll();
        }
        if (queued != null) {
            queued.probe = true;
            queued.maxTogether = 1;
            queued.dueNanos = nowNanos;
            shard.probe = queued;
            queue.retry(queued);
        }
    }

    /** Returns the time on the ticker at which the next probe is due; empty if no shard waits to send a probe. */
    OptionalLong nextProbeNanos() {
        return shards.values().stream()
                .filter(shard -> shard.probe == null && shard.hasProbe())
                .mapToLong(shard -> shard.nextProbeNanos)
                .min();
    }

    /**
     * Releases all entries after a change of the configuration, because earlier answers say nothing about the new key.
     * From now on, probes use the backoff {@code next}.
     */
    void reset(Backoff next, Duration grace, long nowNanos) {
        backoff = next;
        graceNanos = grace.toNanos();
        resetAt = mark++;
        shards.values().forEach(shard -> {
            release(shard, nowNanos);
            sendSuspects(shard, nowNanos);
        });
        shards.clear();
        acceptedShards.clear();
        refusedEntries = 0;
    }

    long heldShards() {
        return shards.values().stream().filter(shard -> shard.held).count();
    }

    /** Returns the number of entries that wait because their signature, or another one of their shard, was rejected. */
    long heldEntries() {
        return refusedEntries
                + shards.values().stream()
                        .mapToLong(shard -> shard.unsent.size())
                        .sum();
    }

    /** Returns the instances that have only rejected signatures of a shard for which another one accepts the key. */
    List<String> lagging(long nowNanos) {
        return shards.values().stream()
                .filter(shard -> shard.acceptedOfMark >= 0)
                .flatMap(shard -> shard.answers.entrySet().stream())
                .filter(each -> each.getValue().acceptedOfMark < 0
                        && each.getValue().refusals >= LAGGING_REFUSALS
                        && nowNanos - each.getValue().refusedAtNanos < LATELY_NANOS)
                .map(Map.Entry::getKey)
                .distinct()
                .sorted()
                .toList();
    }
}
