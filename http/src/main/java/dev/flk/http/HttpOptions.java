// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import java.time.Duration;

/**
 * The limits and timeouts of a server.
 *
 * @param threads the name of its event loop threads
 * @param loops the number of event loops
 * @param maxConnections the maximum number of open connections
 * @param maxRequests the maximum number of requests in progress, not counting those that an endpoint answers at once
 * @param maxSkippedBytes the longest body that is read and discarded
 * @param bodyBytes the memory for all bodies
 * @param answerBytes the memory for all answers
 * @param headerTimeout the time from the first byte of a request to the end of its header
 * @param bodyTimeout the time from the end of the header to the last byte of the body
 * @param idleTimeout the time for which a connection may be idle between requests, or with an answer that the client
 *     does not read
 * @param stopWithin the time that {@link HttpServer#close} gives requests to finish
 */
public record HttpOptions(
        String threads,
        int loops,
        int maxConnections,
        int maxRequests,
        int maxSkippedBytes,
        long bodyBytes,
        long answerBytes,
        Duration headerTimeout,
        Duration bodyTimeout,
        Duration idleTimeout,
        Duration stopWithin) {

    /**
     * Returns the interval of the checks for slow connections; a timeout takes effect late by at most a quarter of its
     * length, and by at most half a second.
     */
    Duration tick() {
        Duration tick = Duration.ofMillis(500);
        for (Duration timeout : new Duration[] {headerTimeout, bodyTimeout, idleTimeout}) {
            Duration part = timeout.dividedBy(4).plusMillis(1);
            tick = part.compareTo(tick) < 0 ? part : tick;
        }
        return tick;
    }
}
