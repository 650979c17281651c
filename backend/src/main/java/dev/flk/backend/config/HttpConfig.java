// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.program.config.Secret;
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
 * @param idleTimeout how long a connection may be idle between requests, or with an answer that the client does not read
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

    /** A user with a password. */
    public record Login(String user, Secret password) {}

    /**
     * A port for metrics and probes, apart from the one for certificates.
     *
     * @param port to listen on; 0 takes any free one
     * @param bindAddress address or name of the interface to listen on
     * @param debug whether it also shows threads, memory and flight recordings of the JVM
     */
    public record OpsConfig(int port, String bindAddress, boolean debug) {
        /** What METRICS_PASS does not protect is for this machine only by default. */
        static final String USUAL_BIND_ADDRESS = "127.0.0.1";
    }
}
