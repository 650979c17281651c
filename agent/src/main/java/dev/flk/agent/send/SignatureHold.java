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
 * Tells a wrong certificate from a wrong key. After a 401 the entries of its shard are held: the backend may not know the key yet, or
 * not for this shard. One at a time is sent as a probe, with backoff. An entry is at fault only if another entry of its shard, sent
 * after its refusal, was accepted, and it is then sent and refused again: an answer that took long may be about a key that the backend
 * has given up meanwhile. Owned by the sender's thread.
 */
final class SignatureHold {
    private final SendQueue queue;
    private Backoff backoff;
    /** The shards of which a signature was ever refused. */
    private final Map<String, Shard> shards = new HashMap<>();

    /** Grows with every refusal, and when the key changes. */
    private long mark;

    /** What was sent and refused up to this mark had an old key's signature. */
    private long forgotAt = -1;

    private static final class Shard {
        /** The mark at which the youngest was sent that was accepted; -1 while there is none. */
        private long acceptedOfMark = -1;

        private boolean held;
        private int failures;
        private long nextProbeNanos;
        /** The entry that was sent to find out. */
        private @Nullable Queued probe;

        private final Deque<Queued> refused = new ArrayDeque<>();
        /** Sequences of entries that were never sent. */
        private final LongQueue unsent = new LongQueue();

        private boolean isEmpty() {
            return refused.isEmpty() && unsent.isEmpty();
        }
    }

    SignatureHold(SendQueue queue, Backoff backoff) {
        this.queue = queue;
        this.backoff = backoff;
    }

    /** Whether an entry of this shard may be sent now; if not, it is held, and comes back by itself. */
    boolean admits(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard == null || !shard.held || queued.probe) {
            queued.sentAtMark = mark;
            queued.keyKnownGood =
                    queued.refusedAt > forgotAt && shard != null && shard.acceptedOfMark > queued.refusedAt;
            return true;
        }
        if (queued.sent == 0) {
            if (shard.failures == 0) {
                shard.nextProbeNanos = queued.dueNanos; // at once: mostly it is one certificate that is wrong
            }
            shard.unsent.add(queued.entry.sequence());
        } else {
            shard.refused.add(queued);
        }
        return false;
    }

    /** An entry of this shard had a good signature. */
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
     * The signature of this entry was refused.
     *
     * @return true if the key is known to be good, so that the entry itself is wrong; false if it is held, and comes back by itself
     */
    boolean refused(Queued queued, String shardId, long nowNanos) {
        boolean wasProbe = queued.probe;
        queued.probe = false;
        if (queued.sentAtMark <= forgotAt) {
            // by an old key, which says nothing of the one it is signed with next
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

    /** The result of an attempt is not known; if it was a probe, another may be sent. */
    void unanswered(Queued queued, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard != null && queued.probe) {
            shard.probe = null;
        }
        queued.probe = false;
    }

    /** The entry was given up; if it was a probe, another may be sent. */
    void gone(Queued queued) {
        for (Shard shard : shards.values()) {
            if (shard.probe == queued) {
                shard.probe = null;
            }
        }
    }

    /** Queues a probe for each held shard where one is due. */
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

    /** When the next probe is due, on the ticker; empty if none is. */
    OptionalLong nextProbeNanos() {
        return shards.values().stream()
                .filter(shard -> shard.held && shard.probe == null && !shard.isEmpty())
                .mapToLong(shard -> shard.nextProbeNanos)
                .min();
    }

    /** The key was replaced, and the backoff: earlier answers say nothing about it. */
    void forget(Backoff next) {
        backoff = next;
        forgotAt = mark++;
        shards.values().forEach(this::release);
        shards.clear();
    }

    /** How many shards are held. */
    long heldShards() {
        return shards.values().stream().filter(shard -> shard.held).count();
    }
}
