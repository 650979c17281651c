// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.program.config.Secret;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * The settings of the HTTP server.
 *
 * @param port the port to listen on; 0 for any free port
 * @param bindAddress the address or name of the interface to listen on
 * @param maxBodyBytes the largest size of a certificate
 * @param maxBatchLines the largest number of certificates in a batch
 * @param maxBatchBytes the largest size of a batch
 * @param maxConnections the largest number of open connections
 * @param maxRequests the largest number of submissions (a batch is one) and look-ups in flight
 * @param headerTimeout the time limit from the first byte of a request to the end of its header
 * @param bodyTimeout the time limit from the end of a header to the last byte of its body
 * @param idleTimeout the time that a connection may be idle between requests, or while the client does not read an answer
 * @param metricsLogin the login for the metrics; null if everyone may read them
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
     * A separate port for metrics and probes.
     *
     * @param port the port to listen on; 0 for any free port
     * @param bindAddress the address or name of the interface to listen on
     * @param debug whether the port also serves threads, memory and flight recordings of the JVM
     */
    public record OpsConfig(int port, String bindAddress, boolean debug) {
        /** The default address, loopback, because METRICS_PASS does not protect all pages of this port. */
        static final String USUAL_BIND_ADDRESS = "127.0.0.1";
    }
}
