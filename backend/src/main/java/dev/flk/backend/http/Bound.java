// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import java.util.concurrent.atomic.AtomicLong;

/** How much of something all connections together may hold: requests, or bytes. Safe for any thread. */
final class Bound {
    private final long most;
    private final AtomicLong held = new AtomicLong();

    Bound(long most) {
        this.most = most;
    }

    /** Takes {@code amount} if as much is left. */
    boolean take(long amount) {
        return take(amount, most);
    }

    /** Takes {@code amount} if no more than half is held then: for what must leave room to something else. */
    boolean takeOfHalf(long amount) {
        return take(amount, most / 2);
    }

    private boolean take(long amount, long upTo) {
        if (held.addAndGet(amount) <= upTo) {
            return true;
        }
        held.addAndGet(-amount);
        return false;
    }

    /** Counts what is held already, whether there was room or not. */
    void add(long amount) {
        held.addAndGet(amount);
    }

    void giveBack(long amount) {
        held.addAndGet(-amount);
    }

    /** Whether {@code amount} could be taken just now. */
    boolean hasRoomFor(long amount) {
        return held.get() + amount <= most;
    }

    /** Whether more than half is held: from then on nothing is held for clients who are slow. */
    boolean isShort() {
        return held.get() > most / 2;
    }

    long held() {
        return held.get();
    }
}
