// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static dev.flk.program.config.Quantities.bytes;
import static dev.flk.program.config.Quantities.count;
import static dev.flk.program.config.Quantities.matching;
import static dev.flk.program.config.Quantities.oneOf;

import dev.flk.backend.limit.RateLimit;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.math.BigDecimal;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Every setting of the backend. */
public final class ConfigKeys {
    private static final Pattern REDIS_URI_FORM = Pattern.compile(
            "(rediss?|redis\\+(ssl|tls)|redis[-+]socket)://[^\\s#]+|rediss?-sentinel://[^\\s#]+(#[^\\s#]+|[?&]sentinelMasterId=\\S+)");
    private static final int MANY = 1_000_000;
    private static final BigDecimal LEAST_RATE = BigDecimal.ONE.movePointLeft(RateLimit.RATE_DECIMALS);
    private static final BigDecimal MOST_RATE = BigDecimal.valueOf(10_000_000);
    private static final Function<String, String> ADDRESS =
            matching(Pattern.compile("[A-Za-z0-9._:%-]+"), "not an address or host name");

    static final Key<Integer> PORT = Key.of("PORT", Quantities::port, "The port for certificates; 0 takes a free one.")
            .or("8080");
    static final Key<String> BIND_ADDR =
            Key.of("BIND_ADDR", ADDRESS, "The address to listen on.").or("0.0.0.0");
    static final Key<Path> TLS_CERT = Key.of(
                    "TLS_CERT",
                    Quantities::path,
                    "PEM file of the certificate and its intermediates. Not set: plain HTTP.")
            .fileName();
    static final Key<Path> TLS_KEY = Key.of("TLS_KEY", Quantities::path, "PEM file of the private key of `TLS_CERT`.")
            .fileName();
    static final Key<Path> TLS_CLIENT_CA = Key.of(
                    "TLS_CLIENT_CA",
                    Quantities::path,
                    "PEM file of authorities; clients must present a certificate signed by one of them.")
            .fileName();
    static final Key<Integer> OPS_PORT = Key.of(
            "OPS_PORT",
            Quantities::port,
            "A separate port for metrics, probes and the record; `PORT` then no longer serves them.");
    static final Key<String> OPS_BIND_ADDR =
            Key.of("OPS_BIND_ADDR", ADDRESS, "The address for `OPS_PORT`.").derived("127.0.0.1");
    static final Key<Switch> DEBUG = Key.of(
                    "DEBUG",
                    oneOf(Switch.class),
                    "`on`: `OPS_PORT` serves threads, memory and recordings of the JVM. Needs `METRICS_USER` and `METRICS_PASS`.")
            .or("off");
    static final Key<Integer> MAX_BODY_BYTES = Key.of(
                    "MAX_BODY_BYTES", bytes(1, 64 << 20), "The largest size of a certificate.")
            .or("1MiB");
    static final Key<Integer> MAX_BATCH = Key.of(
                    "MAX_BATCH", count(1, 100_000), "The largest number of certificates in a batch.")
            .or("1000");
    static final Key<Integer> MAX_BATCH_BYTES = Key.of(
                    "MAX_BATCH_BYTES", bytes(1, 256 << 20), "The largest size of a batch.")
            .or("8MiB");
    static final Key<Integer> MAX_CONNECTIONS = Key.of(
                    "MAX_CONNECTIONS",
                    count(1, MANY),
                    "The largest number of open connections; further ones are closed.")
            .or("20000");
    static final Key<Integer> MAX_REQUESTS = Key.of(
                    "MAX_REQUESTS",
                    count(1, MANY),
                    "The largest number of submissions (a batch is one) and look-ups in flight; further ones get 503 overloaded.")
            .or("10000");
    static final Key<Duration> HEADER_TIMEOUT = Key.of(
                    "HEADER_TIMEOUT",
                    Quantities::positive,
                    "The time limit from the first byte of a request to the end of its header.")
            .or("10s");
    static final Key<Duration> BODY_TIMEOUT = Key.of(
                    "BODY_TIMEOUT",
                    Quantities::positive,
                    "The time limit from the end of a header to the last byte of the body.")
            .or("30s");
    static final Key<Duration> IDLE_TIMEOUT = Key.of(
                    "IDLE_TIMEOUT",
                    Quantities::positive,
                    "How long a connection may be idle between requests, or while the client does not read an answer.")
            .or("75s");
    static final Key<BigDecimal> TOKEN_RATE = Key.of(
                    "TOKEN_RATE", ConfigKeys::rate, "Certificates per second, in total.")
            .or("100/s")
            .reloadable();
    static final Key<Long> TOKEN_BURST = Key.of(
                    "TOKEN_BURST", count(1L, 20_000_000L), "The largest burst of certificates.")
            .derived("2 x TOKEN_RATE")
            .reloadable();
    static final Key<BigDecimal> SHARD_RATE = Key.of(
                    "SHARD_RATE",
                    ConfigKeys::rate,
                    "Certificates per second of each shard whose key has no rate. Not set: no limit.")
            .reloadable();
    static final Key<BigDecimal> ADDRESS_FAILURE_RATE = Key.of(
                    "ADDRESS_FAILURE_RATE",
                    ConfigKeys::rateOrZero,
                    "Failures per second that one address may cause, by default at least 10: bad signatures, malformed bodies, duplicates. 0: no limit.")
            .derived("TOKEN_RATE / 10");
    static final Key<Long> ADDRESS_FAILURE_BURST = Key.of(
                    "ADDRESS_FAILURE_BURST", count(1L, 200_000_000L), "The largest burst of failures from one address.")
            .derived("10 x its rate");
    static final Key<Integer> MAX_CONNECTIONS_PER_ADDRESS = Key.of(
                    "MAX_CONNECTIONS_PER_ADDRESS",
                    count(1, MANY),
                    "The largest number of open connections from one address.")
            .derived("half of all");
    static final Key<Duration> MAX_CLOCK_SKEW = Key.of(
                    "MAX_CLOCK_SKEW", Quantities::duration, "How far `sent_at` may be in the future.")
            .or("5m");
    static final Key<Algorithm> PCS_SIGN_ALG = Key.of(
            "PCS_SIGN_ALG", oneOf(Algorithm.class), "`hmac`, `ed25519`, or `none` to accept unsigned certificates.");
    static final Key<Secret> PCS_HMAC_KEY = Key.of(
                    "PCS_HMAC_KEY", Secret::new, "The secret that every agent signs with.")
            .secret();
    static final Key<List<Secret>> PCS_HMAC_KEYS = Key.of(
                    "PCS_HMAC_KEYS",
                    text -> Stream.of(text.split(",", -1)).map(Secret::new).toList(),
                    "Further secrets, separated by commas.")
            .secret();
    static final Key<List<String>> PCS_ED25519_PUB_B64 = Key.of(
            "PCS_ED25519_PUB_B64",
            text -> Stream.of(text.split(",", -1)).map(String::strip).toList(),
            "Public keys, 32 bytes in base64, separated by commas.");
    static final Key<Path> KEYS_FILE = Key.of(
            "KEYS_FILE", Quantities::path, "A file of keys and their shards, instead of the three settings above.");
    static final Key<Double> TOL_D = tolerance("TOL_D", "0.15", "Tolerance of `D_hat`.");
    static final Key<Double> TOL_COH = tolerance("TOL_COH", "0.05", "Tolerance of `coh_star`.");
    static final Key<Double> TOL_BUDGET = tolerance("TOL_BUDGET", "0.01", "Tolerance of `budget`.");
    static final Key<Double> BUDGET_BASE = real("BUDGET_BASE", "0.10", "Base of the budget.");
    static final Key<Double> BUDGET_ALPHA = real("BUDGET_ALPHA", "0.30", "Factor of 1 - `r`.");
    static final Key<Double> BUDGET_BETA = real("BUDGET_BETA", "0.50", "Factor of `D_hat` above `BUDGET_D0`.");
    static final Key<Double> BUDGET_GAMMA = real("BUDGET_GAMMA", "0.20", "Factor of `coh_star`.");
    static final Key<Double> BUDGET_D0 = real("BUDGET_D0", "2.2", "The `D_hat` above which the budget grows.");
    static final Key<Path> WAL_DIR =
            Key.of("WAL_DIR", Quantities::path, "Directory of the inbox log.").or("data/wal");
    static final Key<Duration> WAL_RETENTION = Key.of(
                    "WAL_RETENTION",
                    Quantities::positive,
                    "How long a closed, decided segment is kept; at least `DEDUP_TTL`.")
            .or("14d");
    static final Key<Long> WAL_MIN_FREE_BYTES = Key.of(
                    "WAL_MIN_FREE_BYTES", Quantities::bytes, "The free disk space below which nothing new is accepted.")
            .or("256MiB");
    static final Key<Path> AUDIT_DIR =
            Key.of("AUDIT_DIR", Quantities::path, "Directory of the audit log.").derived("in WAL_DIR");
    static final Key<StoreKind> DEDUP_BACKEND = Key.of(
                    "DEDUP_BACKEND", oneOf(StoreKind.class), "`embedded`, `memory`, `redis` or `postgres`.")
            .or("embedded");
    static final Key<Path> DEDUP_DIR = Key.of("DEDUP_DIR", Quantities::path, "Directory of the embedded store.")
            .or("data/dedup");
    static final Key<Duration> DEDUP_TTL = Key.of(
                    "DEDUP_TTL",
                    Quantities::positive,
                    "How long a recorded outcome is kept, from the arrival of its certificate.")
            .or("14d");
    static final Key<Duration> DEDUP_TIMEOUT = Key.of(
                    "DEDUP_TIMEOUT",
                    Quantities.duration(Duration.ofMillis(10), Duration.ofSeconds(60)),
                    "How long a call to Redis or Postgres may take.")
            .or("1s");
    static final Key<Long> MEMORY_MAX_ENTRIES = Key.of(
                    "MEMORY_MAX_ENTRIES",
                    count(1L, 100_000_000L),
                    "The largest number of outcomes in the memory store.")
            .or("1000000");
    static final Key<String> REDIS_URI = Key.of(
                    "REDIS_URI",
                    ConfigKeys::redisUri,
                    "The Redis server or its Sentinels, such as `rediss://:password@host:6379`.")
            .mayHoldPassword();
    static final Key<String> REDIS_ADDR = Key.of(
            "REDIS_ADDR",
            matching(Pattern.compile("[^\\s:/]+:[0-9]{1,5}"), "not host:port"),
            "The Redis server as `host:port` without a password, instead of `REDIS_URI`.");
    static final Key<PostgresUri> POSTGRES_CONN = Key.of(
                    "POSTGRES_CONN",
                    PostgresUri::parse,
                    "The Postgres server, such as `postgresql://user:password@host:5432/database`.")
            .mayHoldPassword();
    static final Key<Integer> POSTGRES_POOL_SIZE = Key.of(
                    "POSTGRES_POOL_SIZE", count(2, 64), "The number of connections to Postgres.")
            .or("4");
    static final Key<Optional<Integer>> STATE_PORT = Key.of(
                    "STATE_PORT",
                    ConfigKeys::portOrOff,
                    "The port for the state of agents, on loopback unless `STATE_TOKENS_FILE` is set; 0 takes a free one; `off` for none.")
            .or("50051");
    static final Key<Path> STATE_TOKENS_FILE = Key.of(
                    "STATE_TOKENS_FILE",
                    Quantities::path,
                    "The file of access tokens for the state; the port is then on `BIND_ADDR`.")
            .fileName();
    static final Key<StateAuth> STATE_AUTH =
            Key.of("STATE_AUTH", oneOf(StateAuth.class), "`none`: the port is on `BIND_ADDR`, open to everyone.");
    static final Key<StateKind> STATE_ENGINE = Key.of(
                    "STATE_ENGINE", oneOf(StateKind.class), "`embedded`, `memory` or `postgres`.")
            .or("embedded");
    static final Key<Path> STATE_DIR = Key.of(
                    "STATE_DIR",
                    Quantities::path,
                    "Directory of the embedded state; with `postgres`, directory of a file that stores its last known revision.")
            .or("data/state");
    static final Key<Integer> STATE_CACHE_BYTES = Key.of(
                    "STATE_CACHE_BYTES",
                    bytes(1 << 20, 1 << 30),
                    "`embedded`: the size of the read cache. `memory`: the largest size of the state.")
            .or("64MiB");
    static final Key<Long> STATE_MIN_FREE_BYTES = Key.of(
                    "STATE_MIN_FREE_BYTES",
                    Quantities::bytes,
                    "The free disk space below which no state is written; at least `WAL_MIN_FREE_BYTES`.")
            .derived("512MiB");
    static final Key<Integer> STATE_MAX_VALUE_BYTES = Key.of(
                    "STATE_MAX_VALUE_BYTES", bytes(1, 2 << 20), "The largest size of a value.")
            .or("1MiB");
    static final Key<Duration> STATE_TX_TIMEOUT = Key.of(
                    "STATE_TX_TIMEOUT",
                    Quantities.duration(Duration.ofSeconds(1), Duration.ofHours(1)),
                    "The time after which an open transaction is ended.")
            .or("30s");
    static final Key<Integer> STATE_MAX_OPEN_TX = Key.of(
                    "STATE_MAX_OPEN_TX", count(1, 100_000), "The largest number of open transactions.")
            .or("1024");
    static final Key<Duration> STATE_HISTORY = Key.of(
            "STATE_HISTORY",
            Quantities.duration(Duration.ofMinutes(1), Duration.ofDays(36_500)),
            "How long overwritten and deleted values can be read and replayed. Not set: forever.");
    static final Key<Switch> RECORD = Key.of(
                    "RECORD", oneOf(Switch.class), "`on`: the state keeps the outcome of every certificate.")
            .or("on");
    static final Key<Duration> RECORD_HISTORY = Key.of(
                    "RECORD_HISTORY",
                    Quantities.duration(Duration.ofDays(1), Duration.ofDays(36_500)),
                    "How long the record keeps an outcome. A shorter `STATE_HISTORY` wins.")
            .or("90d");
    static final Key<String> METRICS_USER = Key.of(
            "METRICS_USER",
            matching(Pattern.compile("[^:]+"), "not a user name for Basic authentication: it contains a colon"),
            "The user who may read the metrics, with `METRICS_PASS`. Not set: everyone.");
    static final Key<Secret> METRICS_PASS =
            Key.of("METRICS_PASS", Secret::new, "The password for the metrics.").secret();
    static final Key<Integer> SHARD_METRICS = Key.of(
                    "SHARD_METRICS",
                    count(0, 10_000),
                    "The number of shards with their own metrics, in order of appearance; all others are `(others)`.")
            .or("256");

    /** All settings in the order of the docs. */
    public static final List<Key<?>> ALL = List.of(
            PORT,
            BIND_ADDR,
            TLS_CERT,
            TLS_KEY,
            TLS_CLIENT_CA,
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
            TOKEN_RATE,
            TOKEN_BURST,
            SHARD_RATE,
            ADDRESS_FAILURE_RATE,
            ADDRESS_FAILURE_BURST,
            MAX_CONNECTIONS_PER_ADDRESS,
            MAX_CLOCK_SKEW,
            PCS_SIGN_ALG,
            PCS_HMAC_KEY,
            PCS_HMAC_KEYS,
            PCS_ED25519_PUB_B64,
            KEYS_FILE,
            TOL_D,
            TOL_COH,
            TOL_BUDGET,
            BUDGET_BASE,
            BUDGET_ALPHA,
            BUDGET_BETA,
            BUDGET_GAMMA,
            BUDGET_D0,
            WAL_DIR,
            WAL_RETENTION,
            WAL_MIN_FREE_BYTES,
            AUDIT_DIR,
            DEDUP_BACKEND,
            DEDUP_DIR,
            DEDUP_TTL,
            DEDUP_TIMEOUT,
            MEMORY_MAX_ENTRIES,
            REDIS_URI,
            REDIS_ADDR,
            POSTGRES_CONN,
            POSTGRES_POOL_SIZE,
            STATE_PORT,
            STATE_TOKENS_FILE,
            STATE_AUTH,
            STATE_ENGINE,
            STATE_DIR,
            STATE_CACHE_BYTES,
            STATE_MIN_FREE_BYTES,
            STATE_MAX_VALUE_BYTES,
            STATE_TX_TIMEOUT,
            STATE_MAX_OPEN_TX,
            STATE_HISTORY,
            RECORD,
            RECORD_HISTORY,
            METRICS_USER,
            METRICS_PASS,
            SHARD_METRICS,
            LogConfig.LEVEL,
            LogConfig.FORMAT);

    /** The numbers of the policy. */
    static final List<Key<Double>> POLICY =
            List.of(TOL_D, TOL_COH, TOL_BUDGET, BUDGET_BASE, BUDGET_ALPHA, BUDGET_BETA, BUDGET_GAMMA, BUDGET_D0);

    /** Returns whether SIGHUP applies a change of this setting. */
    static boolean isReloadable(String name) {
        return ALL.stream().anyMatch(key -> key.isReloadable() && key.name().equals(name));
    }

    enum Switch {
        ON,
        OFF
    }

    enum Algorithm {
        HMAC,
        ED25519,
        NONE
    }

    enum StoreKind {
        EMBEDDED,
        MEMORY,
        REDIS,
        POSTGRES
    }

    enum StateKind {
        EMBEDDED,
        MEMORY,
        POSTGRES
    }

    enum StateAuth {
        NONE
    }

    private ConfigKeys() {}

    private static Optional<Integer> portOrOff(String text) {
        if (text.equalsIgnoreCase("off")) {
            return Optional.empty();
        }
        try {
            return Optional.of(Quantities.port(text));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(e.getMessage() + "; write a port, or off", e);
        }
    }

    private static Key<Double> tolerance(String name, String standard, String sentence) {
        return Key.of(name, Quantities::notNegative, sentence).or(standard);
    }

    private static Key<Double> real(String name, String standard, String sentence) {
        return Key.of(name, Quantities::real, sentence).or(standard);
    }

    private static BigDecimal rate(String text) {
        BigDecimal rate = Quantities.perSecond(text);
        if (rate.compareTo(LEAST_RATE) < 0
                || rate.compareTo(MOST_RATE) > 0
                || rate.stripTrailingZeros().scale() > RateLimit.RATE_DECIMALS) {
            throw new IllegalArgumentException("not from %s to %s with at most %d decimals"
                    .formatted(LEAST_RATE, MOST_RATE, RateLimit.RATE_DECIMALS));
        }
        return rate;
    }

    private static BigDecimal rateOrZero(String text) {
        return Quantities.perSecond(text).signum() == 0 ? BigDecimal.ZERO : rate(text);
    }

    private static String redisUri(String text) {
        String otherwise = "not a Redis URI; write it like redis://host:6379, rediss://:password@host:6379 or "
                + "redis-sentinel://host1:26379,host2:26379#primary, with special characters as in %40 for @";
        try {
            URI unused = new URI(matching(REDIS_URI_FORM, otherwise).apply(text));
            return text;
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(otherwise, e);
        }
    }
}
