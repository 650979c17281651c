// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static dev.flk.program.config.Quantities.bytes;
import static dev.flk.program.config.Quantities.count;

import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.serve.guard.TrustedProxies;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.time.Duration;
import java.util.List;

/**
 * The settings of the HTTP server.
 *
 * @param port the port to listen on; 0 for any free port
 * @param bindAddress the address to listen on, or a host name with this address
 * @param maxBodyBytes the largest size of a certificate
 * @param maxBatchLines the largest number of certificates in a batch
 * @param maxBatchBytes the largest size of a batch
 * @param maxConnections the largest number of open connections
 * @param maxRequests the largest number of submissions (a batch is one) and look-ups in flight
 * @param headerTimeout the time limit from the first byte of a request to the end of its header
 * @param bodyTimeout the time limit from the end of a header to the last byte of the body
 * @param idleTimeout the time for which a connection may be idle between requests, or while the client does not read an
 *     answer
 * @param proxies the trusted proxies
 * @param operators the rules of the paths for operators
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
        TrustedProxies proxies,
        OperatorConfig operators) {
    private static final int MANY = 1_000_000;
    /** The open files that are kept for all but connections: twice the 512 files that a store may keep open. */
    private static final long MOST_RESERVED_FILES = 1_024;

    /** The open files of a backend without data and without connections, twice. */
    private static final long LEAST_RESERVED_FILES = 128;

    private static final Key<Integer> PORT = Key.of(
                    "PORT", Quantities::port, "The port for certificates; 0: any free port.")
            .or("8080");
    private static final Key<String> BIND_ADDR =
            Key.of("BIND_ADDR", OpsConfig.ADDRESS, "The address to listen on.").or("0.0.0.0");
    public static final Key<Integer> MAX_BODY_BYTES = Key.of(
                    "MAX_BODY_BYTES", bytes(1, 64 << 20), "The largest size of a certificate.")
            .or("1MiB");
    private static final Key<Integer> MAX_BATCH = Key.of(
                    "MAX_BATCH", count(1, 100_000), "The largest number of certificates in a batch.")
            .or("1000");
    private static final Key<Integer> MAX_BATCH_BYTES = Key.of(
                    "MAX_BATCH_BYTES", bytes(1, 256 << 20), "The largest size of a batch.")
            .or("8MiB");
    private static final Key<Integer> MAX_CONNECTIONS = Key.of(
                    "MAX_CONNECTIONS",
                    count(1, MANY),
                    "The largest number of open connections, fewer if few files may be open; further ones are closed.")
            .or("20000");
    private static final Key<Integer> MAX_REQUESTS = Key.of(
                    "MAX_REQUESTS",
                    count(1, MANY),
                    "The largest number of submissions (a batch is one) and look-ups in flight; further ones get 503"
                            + " overloaded.")
            .or("10000");
    private static final Key<Duration> HEADER_TIMEOUT = Key.of(
                    "HEADER_TIMEOUT",
                    Quantities::positive,
                    "The time limit from the first byte of a request to the end of its header.")
            .or("10s");
    private static final Key<Duration> BODY_TIMEOUT = Key.of(
                    "BODY_TIMEOUT",
                    Quantities::positive,
                    "The time limit from the end of a header to the last byte of the body.")
            .or("30s");
    private static final Key<Duration> IDLE_TIMEOUT = Key.of(
                    "IDLE_TIMEOUT",
                    Quantities::positive,
                    "How long a connection may be idle between requests, or while the client does not read an answer.")
            .or("75s");
    private static final Key<TrustedProxies> TRUSTED_PROXIES = Key.of(
            "TRUSTED_PROXIES",
            TrustedProxies::parse,
            "Addresses or networks of proxies, separated by commas, whose PROXY header names the client.");
    /** The settings of the server, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            PORT,
            BIND_ADDR,
            OpsConfig.OPS_PORT,
            OpsConfig.OPS_BIND_ADDR,
            OpsConfig.DEBUG,
            MAX_BODY_BYTES,
            MAX_BATCH,
            MAX_BATCH_BYTES,
            MAX_CONNECTIONS,
            MAX_REQUESTS,
            HEADER_TIMEOUT,
            BODY_TIMEOUT,
            IDLE_TIMEOUT,
            TRUSTED_PROXIES);

    /** Reads the settings of the port for certificates. */
    public static HttpConfig read(Settings settings) {
        return new HttpConfig(
                settings.get(PORT),
                settings.get(BIND_ADDR),
                settings.get(MAX_BODY_BYTES),
                settings.get(MAX_BATCH),
                settings.get(MAX_BATCH_BYTES),
                settings.get(MAX_CONNECTIONS),
                settings.get(MAX_REQUESTS),
                settings.get(HEADER_TIMEOUT),
                settings.get(BODY_TIMEOUT),
                settings.get(IDLE_TIMEOUT),
                settings.find(TRUSTED_PROXIES).orElse(TrustedProxies.NONE),
                OperatorConfig.read(settings));
    }

    /**
     * Returns these settings with at most as many connections as fit into the limit of open files, next to the log, the
     * stores, the other ports and the JVM, which need 60 to 1,024 files.
     *
     * @param files the limit of open files of this process
     */
    public HttpConfig fitting(long files) {
        long reserved = Math.min(MOST_RESERVED_FILES, Math.max(LEAST_RESERVED_FILES, files / 2));
        return maxConnections <= files - reserved ? this : withMaxConnections((int) Math.max(1, files - reserved));
    }

    private HttpConfig withMaxConnections(int most) {
        return new HttpConfig(
                port,
                bindAddress,
                maxBodyBytes,
                maxBatchLines,
                maxBatchBytes,
                most,
                maxRequests,
                headerTimeout,
                bodyTimeout,
                idleTimeout,
                proxies,
                operators);
    }
}
