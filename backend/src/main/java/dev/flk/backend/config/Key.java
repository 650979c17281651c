// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import java.util.Arrays;
import java.util.Map;
import java.util.Optional;

/** Every configuration key; the constant is the name in the environment and in the properties file. */
enum Key {
    PORT("8080"),
    BIND_ADDR("0.0.0.0"),
    /** PEM: the backend's certificate and those that lead to an authority; not set: plain HTTP. */
    TLS_CERT(Shown.AS_FILE),
    /** PEM: the key of that certificate. */
    TLS_KEY(Shown.AS_FILE),
    /** PEM: authorities; set: clients must show a certificate of one of them. */
    TLS_CLIENT_CA(Shown.AS_FILE),
    /** For metrics and probes, which then are no longer on {@link #PORT}. */
    OPS_PORT,
    /** Default: 127.0.0.1. */
    OPS_BIND_ADDR,
    /** Whether OPS_PORT shows threads, memory and flight recordings of the JVM, to who has the login of the metrics. */
    DEBUG("off"),
    MAX_BODY_BYTES("1MiB"),
    MAX_BATCH("1000"),
    MAX_BATCH_BYTES("8MiB"),
    /** Open at once; what comes beyond is closed. */
    MAX_CONNECTIONS("20000"),
    /** Submissions (a batch is one) and look-ups under way at once; beyond it is 503 overloaded. */
    MAX_REQUESTS("10000"),
    /** From the first byte of a request to the end of its header. */
    HEADER_TIMEOUT("10s"),
    /** From the end of a header to the last byte of the body. */
    BODY_TIMEOUT("30s"),
    /** How long a connection may stand still between requests, or with an answer that nobody reads. */
    IDLE_TIMEOUT("75s"),
    TOKEN_RATE("100/s"),
    /** Default: twice the rate. */
    TOKEN_BURST,
    /** Of each shard whose key has no rate of its own. Default: no limit. */
    SHARD_RATE,
    /** What an address may have refused for which no key is needed; 0 switches that off. Default: a tenth of the rate of all, at least 10/s. */
    ADDRESS_FAILURE_RATE,
    /** Default: 10 times that rate. */
    ADDRESS_FAILURE_BURST,
    /** Open at once from one address. Default: half of MAX_CONNECTIONS. */
    MAX_CONNECTIONS_PER_ADDRESS,
    MAX_CLOCK_SKEW("5m"),
    PCS_SIGN_ALG,
    PCS_HMAC_KEY(Shown.MASKED),
    PCS_HMAC_KEYS(Shown.MASKED),
    PCS_ED25519_PUB_B64,
    /** Instead of the three before: keys with the shards that they may sign for. */
    KEYS_FILE,
    TOL_D("0.15"),
    TOL_COH("0.05"),
    TOL_BUDGET("0.01"),
    BUDGET_BASE("0.10"),
    BUDGET_ALPHA("0.30"),
    BUDGET_BETA("0.50"),
    BUDGET_GAMMA("0.20"),
    BUDGET_D0("2.2"),
    WAL_DIR("data/wal"),
    WAL_RETENTION("14d"),
    WAL_MIN_FREE_BYTES("256MiB"),
    /** Default: {@code audit} in WAL_DIR. */
    AUDIT_DIR,
    DEDUP_BACKEND("embedded"),
    DEDUP_DIR("data/dedup"),
    DEDUP_TTL("14d"),
    /** How long a call to a store in another process may take. */
    DEDUP_TIMEOUT("1s"),
    MEMORY_MAX_ENTRIES("1000000"),
    /** May hold a password, as may {@link #POSTGRES_CONN}. */
    REDIS_URI(Shown.MASKED),
    REDIS_ADDR,
    POSTGRES_CONN(Shown.MASKED),
    POSTGRES_POOL_SIZE("4"),
    METRICS_USER,
    METRICS_PASS(Shown.MASKED),
    LOG_LEVEL("INFO"),
    LOG_FORMAT("text");

    /** Settings of earlier versions, with what to do instead. */
    static final Map<String, String> GONE = Map.of(
            "FAIR_SHARES", "shares are gone; SHARD_RATE limits each shard",
            "DEBUG_PORT", "is gone; set DEBUG=on, and ask /debug/threads, /debug/heap and /debug/jfr on OPS_PORT");

    private enum Shown {
        PLAIN,
        MASKED,
        /** The name of a file, which may also be given by the name with {@code _FILE}, as in the agent's settings. */
        AS_FILE
    }

    private final String defaultText;
    private final Shown shown;

    Key() {
        this("", Shown.PLAIN);
    }

    Key(String defaultText) {
        this(defaultText, Shown.PLAIN);
    }

    Key(Shown shown) {
        this("", shown);
    }

    Key(String defaultText, Shown shown) {
        this.defaultText = defaultText;
        this.shown = shown;
    }

    /** What stands when nothing is set, as one would write it. */
    Optional<String> defaultText() {
        return defaultText.isEmpty() ? Optional.empty() : Optional.of(defaultText);
    }

    /** Whether the value is never to be printed. */
    boolean isSecret() {
        return shown == Shown.MASKED;
    }

    /** Whether the value is the name of a file that is looked at again and again, and is not read as configuration. */
    boolean namesFile() {
        return shown == Shown.AS_FILE;
    }

    /** The name of the key that says in which file the value stands. */
    String inFile() {
        return name() + "_FILE";
    }

    static Optional<Key> of(String name) {
        return Arrays.stream(values()).filter(key -> key.name().equals(name)).findFirst();
    }
}
