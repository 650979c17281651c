// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.metrics.Meters;

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
}
