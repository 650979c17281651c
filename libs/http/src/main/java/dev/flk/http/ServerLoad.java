// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import dev.flk.http.HttpServer.HttpOptions;
import java.util.concurrent.atomic.AtomicLong;

/**
 * The amounts of resources that all connections of a server use in total, and the limits of these amounts.
 *
 * @param connections the number of open connections
 * @param requests the number of requests in progress, which were passed to an endpoint and are unanswered. Requests to
 *     endpoints whose {@link Routes.Endpoint#takesPlace} is false are not counted
 * @param bodyBytes the bytes of bodies that are being read or whose requests are unanswered, plus the bytes reserved
 *     for processing these bodies
 * @param answerBytes the bytes of answers and event streams that the network has not accepted yet, and reservations for
 *     further answers, except those that count against a {@link Exchange#reserveAnswer(Bound, long) bound of their own}
 */
public record ServerLoad(Bound connections, Bound requests, Bound bodyBytes, Bound answerBytes) {
    static ServerLoad of(HttpOptions options) {
        return new ServerLoad(
                new Bound(options.maxConnections()),
                new Bound(options.maxRequests()),
                new Bound(options.bodyBytes()),
                new Bound(options.answerBytes()));
    }

    /**
     * A limit on a resource that all connections share, such as requests or bytes, and the amount of the resource that
     * is held now. Safe for any thread.
     */
    public static final class Bound {
        private final long most;
        private final AtomicLong held = new AtomicLong();

        /** Creates a bound with the limit {@code most}. Nothing is held yet. */
        public Bound(long most) {
            this.most = most;
        }

        /** Takes {@code amount} if enough is left; returns whether the amount was taken. */
        public boolean take(long amount) {
            if (held.addAndGet(amount) <= most) {
                return true;
            }
            held.addAndGet(-amount);
            return false;
        }

        /** Adds {@code amount}, which may be negative, to the held amount, even beyond the limit. */
        void add(long amount) {
            held.addAndGet(amount);
        }

        /** Gives back {@code amount}. */
        public void giveBack(long amount) {
            held.addAndGet(-amount);
        }

        /** Returns whether {@code amount} could be taken at present. */
        boolean hasRoomFor(long amount) {
            return held.get() + amount <= most;
        }

        /** Returns whether more than half of the limit is held. While this is so, slow clients are disconnected. */
        boolean isShort() {
            return held.get() > most / 2;
        }

        /** Returns the amount that is held at present. */
        public long held() {
            return held.get();
        }
    }
}
