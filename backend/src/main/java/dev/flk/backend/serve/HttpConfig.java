// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import static dev.flk.program.config.Quantities.bytes;
import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.matching;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

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
        Operators operators) {
    private static final int MANY = 1_000_000;
    private static final Function<String, String> ADDRESS =
            matching(Pattern.compile("[A-Za-z0-9._:%-]+"), "not an address or host name");

    private static final Pattern HOST_NAME = Pattern.compile("[A-Za-z0-9._-]+");

    private static final Key<Integer> PORT = Key.of(
                    "PORT", Quantities::port, "The port for certificates; 0: any free port.")
            .or("8080");
    private static final Key<String> BIND_ADDR =
            Key.of("BIND_ADDR", ADDRESS, "The address to listen on.").or("0.0.0.0");
    private static final Key<Integer> OPS_PORT = Key.of(
            "OPS_PORT",
            Quantities::port,
            "A separate port for metrics, probes and the record; `PORT` then no longer serves them.");
    private static final Key<String> OPS_BIND_ADDR =
            Key.of("OPS_BIND_ADDR", ADDRESS, "The address for `OPS_PORT`.").derived("127.0.0.1");
    private static final Key<Boolean> DEBUG = Key.of(
                    "DEBUG",
                    Quantities::onOrOff,
                    "`on`: `OPS_PORT` serves threads, memory and recordings of the JVM. Needs `METRICS_USER` and"
                            + " `METRICS_PASS`.")
            .or("off");
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
                    "The largest number of open connections; further ones are closed.")
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
    private static final Key<String> METRICS_USER = Key.of(
            "METRICS_USER",
            matching(Pattern.compile("[^:]+"), "not a user name for Basic authentication: it contains a colon"),
            "The user who may read the metrics, with `METRICS_PASS`. Not set: everyone, under the names in `UI_HOSTS`.");
    private static final Key<Secret> METRICS_PASS =
            Key.of("METRICS_PASS", Secret::new, "The password for the metrics.").secret();

    private static final Key<Boolean> UI = Key.of(
                    "UI",
                    Quantities::onOrOff,
                    "`on`: the page for operators is at `/ui`, on the same port as `/metrics`; on another address"
                            + " than loopback it needs `METRICS_USER`.")
            .or("on");

    private static final Key<Set<String>> UI_HOSTS = Key.of(
            "UI_HOSTS",
            HttpConfig::hosts,
            "Host names, separated by commas, under which `/metrics`, the record and the page are served without"
                    + " `METRICS_USER`, besides `localhost` and IP addresses.");

    /** The settings of the server, in the order of the docs. */
    public static final List<Key<?>> KEYS = List.of(
            PORT,
            BIND_ADDR,
            OPS_PORT,
            OPS_BIND_ADDR,
            DEBUG,
            MAX_BODY_BYTES,
            MAX_BATCH,
            MAX_BATCH_BYTES,
            MAX_CONNECTIONS,
            MAX_REQUESTS,
            HEADER_TIMEOUT,
            BODY_TIMEOUT,
            IDLE_TIMEOUT,
            METRICS_USER,
            METRICS_PASS,
            UI,
            UI_HOSTS);

    /** Reads the settings of the port for certificates. */
    public static HttpConfig read(Settings settings) {
        settings.unused("METRICS_USER is set", settings.isGiven(METRICS_USER) ? List.of(UI_HOSTS) : List.of());
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
                new Operators(
                        Login.read(settings).orElse(null),
                        settings.find(UI_HOSTS).orElse(Set.of()),
                        settings.get(UI)));
    }

    private static Set<String> hosts(String text) {
        Set<String> hosts = new HashSet<>();
        for (String host : Quantities.commaSeparated(text)) {
            if (!HOST_NAME.matcher(host).matches()) {
                throw new IllegalArgumentException(
                        "not a list of host names without ports, such as backend,backend.example");
            }
            hosts.add(host.toLowerCase(Locale.ROOT));
        }
        return Set.copyOf(hosts);
    }

    /**
     * The rules of the paths for operators.
     *
     * @param login the login that these paths need; null for none
     * @param hosts the host names, in lower case, under which these paths are served without a login, besides loopback
     *     names and IP addresses
     * @param ui whether the page is served
     */
    public record Operators(@Nullable Login login, Set<String> hosts, boolean ui) {}

    /** A user with a password. */
    public record Login(String user, Secret password) {
        /** Reads the login; returns empty if no login is configured. */
        public static Optional<Login> read(Settings settings) {
            Optional<String> user = settings.find(METRICS_USER);
            Optional<Secret> password = settings.find(METRICS_PASS);
            settings.require(
                    settings.isGiven(METRICS_USER) == settings.isGiven(METRICS_PASS),
                    "METRICS_USER, METRICS_PASS: only one of the two is set; set both or neither");
            return user.flatMap(name -> password.map(secret -> new Login(name, secret)));
        }
    }

    /**
     * A separate port for metrics, probes and the record.
     *
     * @param port the port to listen on; 0 for any free port
     * @param bindAddress the address to listen on, or a host name with this address
     * @param debug whether the port also serves threads, memory and flight recordings of the JVM
     */
    public record OpsConfig(int port, String bindAddress, boolean debug) {
        /**
         * The default address. It is the loopback address, because METRICS_PASS does not protect all pages of this
         * port.
         */
        private static final String USUAL_BIND_ADDRESS = "127.0.0.1";

        /** Reads the settings of the separate port; returns empty if no such port is set. */
        public static Optional<OpsConfig> read(Settings settings) {
            Optional<Integer> port = settings.find(OPS_PORT);
            Optional<String> address = settings.find(OPS_BIND_ADDR);
            boolean isPortGiven = settings.isGiven(OPS_PORT);
            settings.require(
                    address.isEmpty() || isPortGiven,
                    "OPS_BIND_ADDR: has no effect without OPS_PORT; set OPS_PORT too, or remove OPS_BIND_ADDR");
            boolean isDebug = settings.get(DEBUG);
            settings.require(
                    !isDebug || (isPortGiven && settings.isGiven(METRICS_USER)),
                    "DEBUG: needs OPS_PORT, METRICS_USER and METRICS_PASS, because /debug asks for this login");
            return port.map(each -> new OpsConfig(each, address.orElse(USUAL_BIND_ADDRESS), isDebug));
        }
    }
}
