// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import java.util.concurrent.atomic.AtomicLong;

/**
 * What all connections together hold, and how much they may.
 *
 * @param connections that are open
 * @param requests that have come, take a place, and are not answered
 * @param bodyBytes of bodies that are being read or wait for their answers, with what working on them takes
 * @param answerBytes of answers that the network has not taken yet, and of those that are sure to come
 */
public record ServerLoad(Bound connections, Bound requests, Bound bodyBytes, Bound answerBytes) {
    static ServerLoad of(HttpOptions options) {
        return new ServerLoad(
                new Bound(options.maxConnections()),
                new Bound(options.maxRequests()),
                new Bound(options.bodyBytes()),
                new Bound(options.answerBytes()));
    }

    /** Whether a request with a body of this length would be refused just now. */
    boolean isFullFor(long declaredBytes) {
        return !requests.hasRoomFor(1) || !bodyBytes.hasRoomFor(Math.max(declaredBytes, 0));
    }

    /** How much of something all connections together may hold: requests, or bytes. Safe for any thread. */
    public static final class Bound {
        private final long most;
        private final AtomicLong held = new AtomicLong();

        /** Nothing is held yet. */
        public Bound(long most) {
            this.most = most;
        }

        /** Takes {@code amount} if as much is left. */
        public boolean take(long amount) {
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

        /** Gives back what was taken. */
        public void giveBack(long amount) {
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

        /** How much is held just now. */
        public long held() {
            return held.get();
        }
    }
}
