// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import java.time.Duration;

/**
 * Sizes and times of a server.
 *
 * @param threads the name of its event loops
 * @param loops how many there are
 * @param maxConnections how many may be open at once
 * @param maxRequests how many requests may be under way at once, those not counted that an endpoint answers at once
 * @param maxSkippedBytes the longest body that is read and thrown away
 * @param bodyBytes what all bodies together may take
 * @param answerBytes what all answers together may take
 * @param headerTimeout from the first byte of a request to the end of its header
 * @param bodyTimeout from the end of a header to the last byte of its body
 * @param idleTimeout how long a connection may stand still between requests, or with an answer that nobody reads
 * @param stopWithin how long {@link HttpServer#close} lets requests finish
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

    /** How often slow connections are looked for: time-outs are late by up to a quarter, and half a second at the most. */
    Duration tick() {
        Duration tick = Duration.ofMillis(500);
        for (Duration timeout : new Duration[] {headerTimeout, bodyTimeout, idleTimeout}) {
            Duration part = timeout.dividedBy(4).plusMillis(1);
            tick = part.compareTo(tick) < 0 ? part : tick;
        }
        return tick;
    }
}
