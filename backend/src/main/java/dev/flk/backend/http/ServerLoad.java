// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.metrics.Meters;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What all connections together hold, and how much they may.
 *
 * @param connections that are open
 * @param requests submissions and look-ups that have come and are not answered
 * @param bodyBytes of bodies that are being read or wait for their answers, with what working on them takes
 * @param answerBytes of answers that the network has not taken yet, and of those that are sure to come
 */
record ServerLoad(Bound connections, Bound requests, Bound bodyBytes, Bound answerBytes) {
    private static final int BODIES_OF_HEAP = 4;
    private static final int ANSWERS_OF_HEAP = 8;

    /** A quarter of the heap for bodies, an eighth for answers; the rest as configured. */
    static ServerLoad of(HttpConfig config, long heapBytes) {
        return new ServerLoad(
                new Bound(config.maxConnections()),
                new Bound(config.maxRequests()),
                new Bound(heapBytes / BODIES_OF_HEAP),
                new Bound(heapBytes / ANSWERS_OF_HEAP));
    }

    void watch(Meters meters) {
        meters.httpConnections.watch(connections::held);
        meters.httpRequests.watch(requests::held);
        meters.httpBodyBytes.watch(bodyBytes::held);
        meters.httpAnswerBytes.watch(answerBytes::held);
    }

    /** Whether a request with a body of this length would be refused just now. */
    boolean isFullFor(long declaredBytes) {
        return !requests.hasRoomFor(1) || !bodyBytes.hasRoomFor(Math.max(declaredBytes, 0));
    }

    /** How much of something all connections together may hold: requests, or bytes. Safe for any thread. */
    static final class Bound {
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
}
