// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The HTTP side.
 *
 * @param port to listen on; 0 takes any free one
 * @param bindAddress address or name of the interface to listen on
 * @param maxBodyBytes the longest certificate
 * @param maxBatchLines the most certificates of a batch
 * @param maxBatchBytes the longest batch
 * @param maxConnections how many may be open at once
 * @param maxRequests how many submissions (a batch is one) and look-ups may be under way at once
 * @param headerTimeout from the first byte of a request to the end of its header
 * @param bodyTimeout from the end of a header to the last byte of its body
 * @param idleTimeout how long a connection may stand still between requests, or with an answer that nobody reads
 * @param metricsLogin who may read the metrics; null: everyone
 */
public record HttpConfig(
        int port,
        String bindAddress,
        int maxBodyBytes,
        int maxBatchLines,
        int maxBatchBytes,
        int maxConnections,
        int maxRequests,
        Duration headerTimeout,
        Duration bodyTimeout,
        Duration idleTimeout,
        @Nullable Login metricsLogin) {
    static final String ADDRESS = "[0-9A-Za-z.:%_-]+";
    private static final int MOST_BODY_BYTES = 64 << 20;
    private static final int MOST_BATCH_LINES = 100_000;
    private static final int MOST_BATCH_BYTES = 256 << 20;
    private static final int MOST_CONNECTIONS = 1_000_000;
    private static final int MOST_REQUESTS = 1_000_000;

    /** Throws {@link InvalidConfig} with every rule that the values break. */
    public HttpConfig {
        new Rules()
                .range(Key.PORT, port, 0, 65_535)
                .require(
                        bindAddress.matches(ADDRESS),
                        "BIND_ADDR: '%s' is no address or host name".formatted(bindAddress))
                .range(Key.MAX_BODY_BYTES, maxBodyBytes, 1, MOST_BODY_BYTES)
                .range(Key.MAX_BATCH, maxBatchLines, 1, MOST_BATCH_LINES)
                .range(Key.MAX_BATCH_BYTES, maxBatchBytes, 1, MOST_BATCH_BYTES)
                .range(Key.MAX_CONNECTIONS, maxConnections, 1, MOST_CONNECTIONS)
                .range(Key.MAX_REQUESTS, maxRequests, 1, MOST_REQUESTS)
                .positive(Key.HEADER_TIMEOUT, headerTimeout)
                .positive(Key.BODY_TIMEOUT, bodyTimeout)
                .positive(Key.IDLE_TIMEOUT, idleTimeout)
                .check();
    }

    /** The same on another port, with another bound of connections. */
    public HttpConfig at(int otherPort, String otherAddress, int otherMaxConnections) {
        return new HttpConfig(
                otherPort,
                otherAddress,
                maxBodyBytes,
                maxBatchLines,
                maxBatchBytes,
                otherMaxConnections,
                maxRequests,
                headerTimeout,
                bodyTimeout,
                idleTimeout,
                metricsLogin);
    }

    /** A user with a password. */
    public record Login(String user, Secret password) {
        /** Throws {@link InvalidConfig} for a user name that Basic Auth can't carry. */
        public Login {
            new Rules()
                    .require(!user.contains(":"), "METRICS_USER: Basic Auth has no user names with a colon")
                    .check();
        }
    }
}
