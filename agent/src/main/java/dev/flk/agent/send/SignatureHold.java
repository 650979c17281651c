// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import dev.flk.agent.send.Lanes.LongQueue;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;

/**
 * Tells a wrong certificate from a wrong key. After a 401 the entries of its shard are held: the backend may not know the key yet, or
 * not for this shard. One at a time goes out to see, with backoff. Only if another entry of the shard was sent after an entry was refused
 * and was accepted, and the refused one is then sent and refused again, is it the entry's own fault: an answer that was under way for long
 * tells of a key that the backend may have given up meanwhile. Owned by the sender's thread.
 */
final class SignatureHold {
    private final Lanes lanes;
    private Backoff backoff;
    /** For the shards that were ever refused. */
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
        /** Is out to see. */
        private @Nullable Delivery probe;

        private final Deque<Delivery> refused = new ArrayDeque<>();
        /** Sequences. */
        private final LongQueue unsent = new LongQueue();

        private boolean isEmpty() {
            return refused.isEmpty() && unsent.isEmpty();
        }
    }

    SignatureHold(Lanes lanes, Backoff backoff) {
        this.lanes = lanes;
        this.backoff = backoff;
    }

    /** Whether an entry of this shard may go out now; if not, it was taken and comes back by itself. */
    boolean admits(Delivery delivery, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard == null || !shard.held || delivery.probe) {
            delivery.sentAtMark = mark;
            delivery.keyKnownGood =
                    delivery.refusedAt > forgotAt && shard != null && shard.acceptedOfMark > delivery.refusedAt;
            return true;
        }
        if (delivery.sent == 0) {
            if (shard.failures == 0) {
                shard.nextProbeNanos = delivery.dueNanos; // at once: mostly it is one certificate that is wrong
            }
            shard.unsent.add(delivery.entry.sequence());
        } else {
            shard.refused.add(delivery);
        }
        return false;
    }

    /** An entry of this shard had a good signature. */
    void accepted(Delivery delivery, String shardId) {
        delivery.probe = false;
        Shard shard = shards.get(shardId);
        if (shard != null) {
            shard.acceptedOfMark = Math.max(shard.acceptedOfMark, delivery.sentAtMark);
            release(shard);
        }
    }

    private void release(Shard shard) {
        shard.held = false;
        shard.probe = null;
        shard.failures = 0;
        shard.refused.forEach(lanes::putOff);
        shard.refused.clear();
        while (!shard.unsent.isEmpty()) {
            lanes.release(shard.unsent.remove());
        }
    }

    /**
     * This entry was refused.
     *
     * @return true if the key is known to be good, and the entry is beyond hope; false if it was taken, and comes back by itself
     */
    boolean refused(Delivery delivery, String shardId, long nowNanos) {
        boolean wasProbe = delivery.probe;
        delivery.probe = false;
        if (delivery.sentAtMark <= forgotAt) {
            // by an old key, which says nothing of the one it is signed with next
            delivery.dueNanos = nowNanos;
            lanes.putOff(delivery);
            return false;
        }
        Shard shard = shards.computeIfAbsent(shardId, id -> new Shard());
        boolean hopeless = delivery.keyKnownGood;
        delivery.refusedAt = mark++;
        if (wasProbe) {
            shard.probe = null;
            shard.failures++;
        }
        if (hopeless) {
            return true;
        }
        delivery.dueNanos = nowNanos;
        shard.refused.add(delivery);
        if (!shard.held || wasProbe) {
            shard.nextProbeNanos = nowNanos + backoff.atLeastHalfNanos(shard.failures);
        }
        shard.held = true;
        return false;
    }

    /** Nobody knows what became of a look: another may go. */
    void unanswered(Delivery delivery, String shardId) {
        Shard shard = shards.get(shardId);
        if (shard != null && delivery.probe) {
            shard.probe = null;
        }
        delivery.probe = false;
    }

    /** It was given up, whatever for: if it was out to see, another may go. */
    void gone(Delivery delivery) {
        for (Shard shard : shards.values()) {
            if (shard.probe == delivery) {
                shard.probe = null;
            }
        }
    }

    /** Sends one entry of each held shard out to see, where that is due. */
    void step(long nowNanos) {
        for (Shard shard : shards.values()) {
            if (shard.held && shard.probe == null && !shard.isEmpty() && shard.nextProbeNanos <= nowNanos) {
                probe(shard, nowNanos);
            }
        }
    }

    private void probe(Shard shard, long nowNanos) {
        Delivery delivery = shard.unsent.isEmpty()
                ? shard.refused.poll()
                : lanes.takeUp(shard.unsent.remove(), nowNanos).orElse(null);
        if (delivery != null) {
            delivery.probe = true;
            delivery.mostTogether = 1;
            delivery.dueNanos = nowNanos;
            shard.probe = delivery;
            lanes.putOff(delivery);
        }
    }

    /** When the next entry goes out to see, on the ticker; empty if none is to. */
    OptionalLong nextProbeNanos() {
        return shards.values().stream()
                .filter(shard -> shard.held && shard.probe == null && !shard.isEmpty())
                .mapToLong(shard -> shard.nextProbeNanos)
                .min();
    }

    /** There is another key, and another backoff: nothing that was seen says anything any more. */
    void forget(Backoff next) {
        backoff = next;
        forgotAt = mark++;
        Iterator<Shard> all = shards.values().iterator();
        while (all.hasNext()) {
            Shard shard = all.next();
            release(shard);
            all.remove();
        }
    }

    /** How many shards are held, for people. */
    long heldShards() {
        return shards.values().stream().filter(shard -> shard.held).count();
    }
}
