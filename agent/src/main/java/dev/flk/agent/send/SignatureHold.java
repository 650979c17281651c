// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.send.SendQueue.LongQueue;
import dev.flk.agent.send.SendQueue.Queued;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * The hold on shards with rejected signatures; it distinguishes a bad certificate from a wrong key. After a 401, the
 * entries of the shard are held back, because perhaps the backend does not know the key yet, or does not accept the key
 * for this shard. Meanwhile one entry at a time is sent as a probe, with backoff. An entry counts as bad only after
 * three events in this order. First, the signature of the entry is rejected. Then, another entry of the shard is sent
 * and accepted. Finally, the first entry is sent again and rejected again. The order matters because a slow answer may
 * concern a key that the backend no longer uses. Owned by the sender's thread.
 */
final class SignatureHold {
    private final SendQueue queue;
    private Backoff backoff;
    /** The shards with at least one rejected signature since the last change of the configuration, by shard id. */
    private final Map<String, Shard> shards = new HashMap<>();

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

    private static final class Shard {
        /**
         * The highest {@code sentAtMark} of all entries of the shard that the backend has accepted since the first
         * rejection; -1 if it has accepted none.
         */
        private long acceptedOfMark = -1;

        private boolean held;
        private int failures;
        private long nextProbeNanos;
        /** The entry that is being sent as a probe; null if no probe is being sent. */
        private @Nullable Queued probe;

        private final Deque<Queued> refused = new ArrayDeque<>();
        /** The outbox sequences of held entries that this process has not sent yet. */
        private final LongQueue unsent = new LongQueue();

        private boolean isEmpty() {
            return refused.isEmpty() && unsent.isEmpty();
        }
    }

    SignatureHold(SendQueue queue, Backoff backoff) {
        this.queue = queue;
        this.backoff = backoff;
    }

    /**
     * Returns whether an entry of this shard may be sent now. If the entry may not be sent, keeps the entry until the
     * shard is released or the entry becomes the probe; then the entry returns to the queue.
     */
    boolean admits(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard == null || !shard.held || queued.probe) {
            queued.sentAtMark = mark;
            queued.keyKnownGood =
                    queued.refusedAt > resetAt && shard != null && shard.acceptedOfMark > queued.refusedAt;
            return true;
        }
        if (queued.sent == 0) {
            if (shard.failures == 0) {
                // sends the first probe immediately, because usually only one certificate is bad
                shard.nextProbeNanos = queued.dueNanos;
            }
            shard.unsent.add(queued.entry.sequence());
        } else {
            shard.refused.add(queued);
        }
        return false;
    }

    /** Notes that the backend accepted the signature of an entry of this shard, and releases the shard. */
    void accepted(Queued queued, String shardId) {
        queued.probe = false;
        Shard shard = shards.get(shardId);
        if (shard != null) {
            shard.acceptedOfMark = Math.max(shard.acceptedOfMark, queued.sentAtMark);
            release(shard);
        }
    }

    private void release(Shard shard) {
        shard.held = false;
        shard.probe = null;
        shard.failures = 0;
        shard.refused.forEach(queue::retry);
        shard.refused.clear();
        while (!shard.unsent.isEmpty()) {
            queue.release(shard.unsent.remove());
        }
    }

    /**
     * Notes that the signature of an entry was rejected.
     *
     * @return true if the key was known to be good when the entry was sent: the entry itself is then bad, and the
     *     caller must give up the entry. False if the entry will be sent again: the entry is then kept here or in the
     *     queue
     */
    boolean refused(Queued queued, String shardId, long nowNanos) {
        boolean wasProbe = queued.probe;
        queued.probe = false;
        if (queued.sentAtMark <= resetAt) {
            // the entry may have been signed with an old key; the rejection then says nothing about the new key
            queued.dueNanos = nowNanos;
            queue.retry(queued);
            return false;
        }
        Shard shard = shards.computeIfAbsent(shardId, id -> new Shard());
        boolean hopeless = queued.keyKnownGood;
        queued.refusedAt = mark++;
        if (wasProbe) {
            shard.probe = null;
            shard.failures++;
        }
        if (hopeless) {
            return true;
        }
        queued.dueNanos = nowNanos;
        shard.refused.add(queued);
        if (!shard.held || wasProbe) {
            shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(shard.failures);
        }
        shard.held = true;
        return false;
    }

    /**
     * Notes that the result of sending an entry says nothing about the signature. If the entry was the probe, another
     * probe may be sent.
     */
    void unanswered(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard != null && queued.probe) {
            shard.probe = null;
        }
        queued.probe = false;
    }

    /** Notes that an entry was given up. If the entry was the probe, another probe may be sent. */
    void givenUp(Queued queued) {
        for (Shard shard : shards.values()) {
            if (shard.probe == queued) {
                shard.probe = null;
            }
        }
    }

    /** Queues a probe for each held shard whose next probe is due. */
    void step(long nowNanos) {
        for (Shard shard : shards.values()) {
            if (shard.held && shard.probe == null && !shard.isEmpty() && shard.nextProbeNanos <= nowNanos) {
                probe(shard, nowNanos);
            }
        }
    }

    private void probe(Shard shard, long nowNanos) {
        Queued queued = shard.unsent.isEmpty()
                ? shard.refused.poll()
                : queue.read(shard.unsent.remove(), nowNanos).orElse(null);
        if (queued != null) {
            queued.probe = true;
            queued.maxTogether = 1;
            queued.dueNanos = nowNanos;
            shard.probe = queued;
            queue.retry(queued);
        }
    }

    /** Returns the time on the ticker at which the next probe is due; empty if no held shard waits to send a probe. */
    OptionalLong nextProbeNanos() {
        return shards.values().stream()
                .filter(shard -> shard.held && shard.probe == null && !shard.isEmpty())
                .mapToLong(shard -> shard.nextProbeNanos)
                .min();
    }

    /**
     * Releases all shards after a change of the configuration, because earlier answers say nothing about the new key.
     * From now on, probes use the backoff {@code next}.
     */
    void reset(Backoff next) {
        backoff = next;
        resetAt = mark++;
        shards.values().forEach(this::release);
        shards.clear();
    }

    long heldShards() {
        return shards.values().stream().filter(shard -> shard.held).count();
    }
}
