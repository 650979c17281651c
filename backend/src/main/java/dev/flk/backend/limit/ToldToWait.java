// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.limit;

import java.util.concurrent.atomic.AtomicLongArray;

/**
 * Until when addresses were told to wait. Two may share a place: then one may count as impatient that is not, which only means that it
 * gets its share and no more. Safe for any thread.
 */
final class ToldToWait {
    private final long startNanos;
    private final NetworkHash hash;
    /** Since the start. */
    private final AtomicLongArray untilNanos = new AtomicLongArray(NetworkHash.PLACES);

    ToldToWait(long nowNanos, long secret) {
        this.startNanos = nowNanos;
        this.hash = new NetworkHash(secret);
    }

    void tell(long network, long untilNanos) {
        this.untilNanos.setOpaque(hash.place(network), untilNanos - startNanos);
    }

    /** Whether it was told to wait for longer than until now. */
    boolean isTold(long network, long nowNanos) {
        return nowNanos - startNanos < untilNanos.getOpaque(hash.place(network));
    }
}
