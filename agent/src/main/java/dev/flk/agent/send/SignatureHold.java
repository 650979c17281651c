// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import java.util.HashMap;
import java.util.Map;

/**
 * Tells a wrong certificate from a wrong key. After a 401 an entry is held: the backend may not know the key yet, or not for
 * this shard. Only if another entry of the same shard was accepted after that, and this one is refused again, is it the
 * entry's own fault. (The key is one and the same while the process runs.) Owned by the sender's thread.
 */
final class SignatureHold {
    /** For the shards that were ever refused, the mark of their last acceptance; -1 while there is none. */
    private final Map<String, Long> lastAccepted = new HashMap<>();

    private long mark;

    /** An entry of this shard had a good signature. */
    void accepted(String shardId) {
        lastAccepted.computeIfPresent(shardId, (shard, before) -> mark++);
    }

    /** This entry was refused; true if the key is known to be good and the entry is beyond hope. */
    boolean refused(Delivery delivery, String shardId) {
        lastAccepted.putIfAbsent(shardId, -1L);
        boolean hopeless = delivery.refusedAt >= 0 && lastAccepted.getOrDefault(shardId, -1L) > delivery.refusedAt;
        delivery.refusedAt = mark++;
        return hopeless;
    }
}
