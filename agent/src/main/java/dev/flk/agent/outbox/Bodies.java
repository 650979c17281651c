// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/** Certificates kept at hand, up to a bound; beyond it they are read back from the log when they are sent. */
final class Bodies {
    private final long maxBytes;
    private final Map<Long, byte[]> kept = new HashMap<>();
    private long bytes;

    Bodies(long maxBytes) {
        this.maxBytes = maxBytes;
    }

    /** Keeps a body if there is room. */
    synchronized void offer(long sequence, byte[] body) {
        if (bytes + body.length <= maxBytes && kept.putIfAbsent(sequence, body) == null) {
            bytes += body.length;
        }
    }

    synchronized Optional<byte[]> get(long sequence) {
        return Optional.ofNullable(kept.get(sequence));
    }

    synchronized void remove(long sequence) {
        byte[] body = kept.remove(sequence);
        if (body != null) {
            bytes -= body.length;
        }
    }
}
