// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import static dev.flk.backend.config.Notation.oneOf;

import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.tls.InvalidTlsException;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.signing.KeyId;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.verification.Policy;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Puts the values of the keys into the records; rules stand in the records, not here. */
final class ConfigReader {
    private final Values values;

    ConfigReader(Values values) {
        this.values = values;
    }

    /** Null if a section could not be constructed; every problem is then among those of the values. */
    @Nullable
    BackendConfig read() {
        HttpConfig http = http();
        LimitConfig limit = limit(http == null ? 1 : http.maxConnections());
        SigningConfig signing = signing();
        StorageConfig storage = storage();
        Policy policy = policy();
        LogConfig log = new LogConfig(
                values.of(Key.LOG_LEVEL, oneOf(LogConfig.Level.class)),
                values.of(Key.LOG_FORMAT, oneOf(LogConfig.Format.class)));
        Duration maxClockSkew = values.of(Key.MAX_CLOCK_SKEW, Notation::duration);
        Optional<OpsConfig> ops = ops();
        Optional<TlsFiles> tls = tls();
        if (http == null || limit == null || signing == null || storage == null) {
            return null;
        }
        return values.section(() -> new BackendConfig(
                http, ops, tls, limit, storage, signing, policy, maxClockSkew, log, audit(signing, storage.walDir())));
    }

    private AuditConfig audit(SigningConfig signing, Path walDir) {
        Map<String, String> settings = values.shown();
        if (signing instanceof SigningConfig.Simple simple) {
            settings.put(
                    "keys", simple.check().keyIds().stream().map(KeyId::text).collect(Collectors.joining(", ")));
        }
        return new AuditConfig(auditDirectory(walDir), settings);
    }

    /** Where the audit log is, for a log in {@code walDir}. */
    Path auditDirectory(Path walDir) {
        return values.find(Key.AUDIT_DIR, Notation::path).orElseGet(() -> walDir.resolve(AuditConfig.USUAL_DIRECTORY));
    }

    private @Nullable HttpConfig http() {
        int port = values.of(Key.PORT, Notation::smallNumber);
        String bindAddress = values.of(Key.BIND_ADDR, text -> text);
        int maxBodyBytes = values.of(Key.MAX_BODY_BYTES, Notation::smallSize);
        int maxBatchLines = values.of(Key.MAX_BATCH, Notation::smallNumber);
        int maxBatchBytes = values.of(Key.MAX_BATCH_BYTES, Notation::smallSize);
        int maxConnections = values.of(Key.MAX_CONNECTIONS, Notation::smallNumber);
        int maxRequests = values.of(Key.MAX_REQUESTS, Notation::smallNumber);
        Duration headerTimeout = values.of(Key.HEADER_TIMEOUT, Notation::duration);
        Duration bodyTimeout = values.of(Key.BODY_TIMEOUT, Notation::duration);
        Duration idleTimeout = values.of(Key.IDLE_TIMEOUT, Notation::duration);
        Login login = login();
        return values.section(() -> new HttpConfig(
                port,
                bindAddress,
                maxBodyBytes,
                maxBatchLines,
                maxBatchBytes,
                maxConnections,
                maxRequests,
                headerTimeout,
                bodyTimeout,
                idleTimeout,
                login));
    }

    private Optional<OpsConfig> ops() {
        Optional<Integer> port = values.find(Key.OPS_PORT, Notation::smallNumber);
        Optional<String> address = values.find(Key.OPS_BIND_ADDR, text -> text);
        if (address.isPresent() && !values.isSet(Key.OPS_PORT)) {
            values.problem("OPS_BIND_ADDR: is set without OPS_PORT; set both, or none");
        }
        boolean isDebug = values.of(Key.DEBUG, oneOf(Switch.class)) == Switch.ON;
        if (isDebug && !(values.isSet(Key.OPS_PORT) && values.isGiven(Key.METRICS_USER))) {
            values.problem("DEBUG: needs OPS_PORT, METRICS_USER and METRICS_PASS, whose login /debug asks for");
        }
        return port.map(each ->
                values.section(() -> new OpsConfig(each, address.orElse(OpsConfig.USUAL_BIND_ADDRESS), isDebug)));
    }

    private Optional<TlsFiles> tls() {
        Optional<Path> certificate = values.find(Key.TLS_CERT, Notation::path);
        Optional<Path> key = values.find(Key.TLS_KEY, Notation::path);
        Optional<Path> authorities = values.find(Key.TLS_CLIENT_CA, Notation::path);
        if (values.isSet(Key.TLS_CERT) != values.isSet(Key.TLS_KEY)) {
            values.problem("TLS_CERT, TLS_KEY: only one of the two is set; set both, or none");
        } else if (values.isSet(Key.TLS_CLIENT_CA) && !values.isSet(Key.TLS_CERT)) {
            values.problem("TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY, so that nobody would be asked for a"
                    + " certificate; set all three, or none");
        }
        if (certificate.isEmpty() || key.isEmpty()) {
            return Optional.empty();
        }
        TlsFiles files = new TlsFiles(certificate.get(), key.get(), authorities);
        try {
            files.check();
        } catch (InvalidTlsException e) {
            e.problems().forEach(values::problem);
        }
        return Optional.of(files);
    }

    private @Nullable Login login() {
        Optional<String> user = values.find(Key.METRICS_USER, text -> text);
        Optional<String> password = values.find(Key.METRICS_PASS, text -> text);
        if (values.isGiven(Key.METRICS_USER) != values.isGiven(Key.METRICS_PASS)) {
            values.problem("METRICS_USER, METRICS_PASS: only one of the two is set; set both, or none");
        }
        return user.isPresent() && password.isPresent()
                ? values.section(() -> new Login(user.get(), new Secret(password.get())))
                : null;
    }

    private @Nullable LimitConfig limit(int maxConnections) {
        BigDecimal rate = values.of(Key.TOKEN_RATE, Notation::perSecond);
        long burst = values.find(Key.TOKEN_BURST, Notation::wholeNumber).orElseGet(() -> LimitConfig.usualBurst(rate));
        @Nullable
        BigDecimal shardRate = values.find(Key.SHARD_RATE, Notation::perSecond).orElse(null);
        BigDecimal failures = values.find(Key.ADDRESS_FAILURE_RATE, Notation::perSecond)
                .orElseGet(() -> LimitConfig.usualFailures(rate));
        long failureBurst = values.find(Key.ADDRESS_FAILURE_BURST, Notation::wholeNumber)
                .orElseGet(() -> LimitConfig.usualFailureBurst(failures));
        int connections = values.find(Key.MAX_CONNECTIONS_PER_ADDRESS, Notation::smallNumber)
                .orElseGet(() -> LimitConfig.usualConnections(maxConnections));
        return values.section(() -> new LimitConfig(rate, burst, shardRate, failures, failureBurst, connections));
    }

    private @Nullable SigningConfig signing() {
        List<Secret> secrets = secrets();
        List<String> publicKeys = publicKeys();
        if (values.isGiven(Key.KEYS_FILE)) {
            return registered();
        }
        if (!values.isGiven(Key.PCS_SIGN_ALG)) {
            values.problem(
                    "PCS_SIGN_ALG: not set; set it to hmac or ed25519, or to none to take unsigned certificates");
        }
        return values.find(Key.PCS_SIGN_ALG, oneOf(Algorithm.class))
                .filter(algorithm -> !isKeyBroken(algorithm))
                .map(algorithm -> values.<SigningConfig>section(() -> switch (algorithm) {
                    case HMAC -> new SigningConfig.Hmac(secrets);
                    case ED25519 -> new SigningConfig.Ed25519(publicKeys);
                    case NONE -> new SigningConfig.Off();
                }))
                .orElse(null);
    }

    /** Whether a key of this algorithm is given and can't be had: then it does not lack one. */
    private boolean isKeyBroken(Algorithm algorithm) {
        return switch (algorithm) {
            case HMAC -> values.isBroken(Key.PCS_HMAC_KEY) || values.isBroken(Key.PCS_HMAC_KEYS);
            case ED25519 -> values.isBroken(Key.PCS_ED25519_PUB_B64);
            case NONE -> false;
        };
    }

    private @Nullable SigningConfig registered() {
        boolean areOthersSet = Stream.of(Key.PCS_HMAC_KEY, Key.PCS_HMAC_KEYS, Key.PCS_ED25519_PUB_B64)
                .anyMatch(values::isSet);
        if (areOthersSet) {
            values.problem("KEYS_FILE: PCS_HMAC_KEY, PCS_HMAC_KEYS or PCS_ED25519_PUB_B64 is set too, whose keys would"
                    + " sign for every shard; put them into the keys file, or leave that out");
        }
        Optional<Algorithm> algorithm = values.find(Key.PCS_SIGN_ALG, oneOf(Algorithm.class));
        if (algorithm.filter(Algorithm.NONE::equals).isPresent()) {
            values.problem(
                    "PCS_SIGN_ALG: none takes unsigned certificates, so KEYS_FILE has no use; remove one of the two");
            return null;
        }
        SigningAlgorithm only = algorithm
                .map(each -> each == Algorithm.HMAC ? SigningAlgorithm.HMAC : SigningAlgorithm.ED25519)
                .orElse(null);
        return values.find(Key.KEYS_FILE, Notation::path)
                .map(file -> values.<SigningConfig>section(() -> new SigningConfig.Registered(file, only)))
                .orElse(null);
    }

    private List<Secret> secrets() {
        return Stream.concat(
                        values.find(Key.PCS_HMAC_KEY, text -> text).stream(),
                        values.find(Key.PCS_HMAC_KEYS, Notation::commaSeparated).stream()
                                .flatMap(List::stream))
                .map(Secret::new)
                .toList();
    }

    private List<String> publicKeys() {
        return values.find(Key.PCS_ED25519_PUB_B64, Notation::commaSeparated).orElse(List.of()).stream()
                .map(String::strip)
                .toList();
    }

    /** Without keys and algorithm, signatures are nobody's business here. */
    AnswerRules answerRules() {
        boolean signs = Stream.of(
                        Key.PCS_SIGN_ALG, Key.PCS_HMAC_KEY, Key.PCS_HMAC_KEYS, Key.PCS_ED25519_PUB_B64, Key.KEYS_FILE)
                .anyMatch(values::isSet);
        return new AnswerRules(
                policy(),
                values.of(Key.MAX_CLOCK_SKEW, Notation::duration),
                values.of(Key.MAX_BODY_BYTES, Notation::smallSize),
                signs ? Optional.ofNullable(signing()) : Optional.empty(),
                secrets(),
                publicKeys());
    }

    Policy policy() {
        return new Policy(
                values.of(Key.TOL_D, Notation::tolerance),
                values.of(Key.TOL_COH, Notation::tolerance),
                values.of(Key.TOL_BUDGET, Notation::tolerance),
                values.of(Key.BUDGET_BASE, Notation::real),
                values.of(Key.BUDGET_ALPHA, Notation::real),
                values.of(Key.BUDGET_BETA, Notation::real),
                values.of(Key.BUDGET_GAMMA, Notation::real),
                values.of(Key.BUDGET_D0, Notation::real));
    }

    private @Nullable StorageConfig storage() {
        var redisUri = values.find(Key.REDIS_URI, Notation::redisUri);
        var redisAddress = values.find(Key.REDIS_ADDR, Notation::hostAndPort);
        Duration timeout = values.of(Key.DEDUP_TIMEOUT, Notation::duration);
        var embedded = new StorageConfig.Embedded(values.of(Key.DEDUP_DIR, Notation::path));
        long maxEntries = values.of(Key.MEMORY_MAX_ENTRIES, Notation::wholeNumber);
        var memory = values.section(() -> new StorageConfig.Memory(maxEntries));
        StoreKind kind = values.of(Key.DEDUP_BACKEND, oneOf(StoreKind.class));
        var postgres = postgres(kind, timeout);
        StorageConfig.Store store = switch (kind) {
            case EMBEDDED -> embedded;
            case MEMORY -> memory;
            case REDIS -> redis(redisUri, redisAddress, timeout);
            case POSTGRES -> postgres;
        };
        var walRetention = values.of(Key.WAL_RETENTION, Notation::duration);
        var dedupTtl = values.of(Key.DEDUP_TTL, Notation::duration);
        // where one of the two is broken, what stands in for it must fit the other
        boolean fits = walRetention.isZero() || walRetention.compareTo(dedupTtl) >= 0;
        if (!fits && values.isBroken(Key.WAL_RETENTION)) {
            walRetention = dedupTtl;
        }
        if (!fits && values.isBroken(Key.DEDUP_TTL)) {
            dedupTtl = walRetention;
        }
        return storage(walRetention, dedupTtl, store, embedded);
    }

    private @Nullable StorageConfig storage(
            Duration walRetention,
            Duration dedupTtl,
            StorageConfig.@Nullable Store store,
            StorageConfig.Embedded embedded) {
        var walDir = values.of(Key.WAL_DIR, Notation::path);
        long walMinFreeBytes = values.of(Key.WAL_MIN_FREE_BYTES, Notation::bytes);
        // a store that can't be had must not hide what else is wrong here
        var checked = values.section(() ->
                new StorageConfig(walDir, walRetention, walMinFreeBytes, dedupTtl, store == null ? embedded : store));
        return store == null ? null : checked;
    }

    private StorageConfig.@Nullable Redis redis(Optional<String> uri, Optional<String> address, Duration timeout) {
        boolean isOneSet = values.isGiven(Key.REDIS_URI) || values.isGiven(Key.REDIS_ADDR);
        boolean areBothSet = values.isSet(Key.REDIS_URI) && values.isSet(Key.REDIS_ADDR);
        if (!isOneSet || areBothSet) {
            values.problem(
                    "REDIS_URI, REDIS_ADDR: %s set, and DEDUP_BACKEND=redis needs one; set exactly one of the two"
                            .formatted(areBothSet ? "both are" : "none is"));
        }
        Optional<String> server = uri.or(() -> address.map(hostAndPort -> "redis://" + hostAndPort));
        // what is wrong with the time-out is told also where no server is
        var checked = values.section(() -> new StorageConfig.Redis(new Secret(server.orElse("")), timeout));
        return server.isEmpty() ? null : checked;
    }

    /** Null if it is not the one to be used, or can't be. */
    private StorageConfig.@Nullable Postgres postgres(StoreKind kind, Duration timeout) {
        Optional<PostgresUri> uri = values.find(Key.POSTGRES_CONN, PostgresUri::parse);
        int poolSize = values.of(Key.POSTGRES_POOL_SIZE, Notation::smallNumber);
        if (kind != StoreKind.POSTGRES) {
            return null;
        }
        if (!values.isGiven(Key.POSTGRES_CONN)) {
            values.problem("POSTGRES_CONN: not set; DEDUP_BACKEND=postgres needs it, "
                    + "like postgresql://user:password@host:5432/database");
        }
        return uri.map(where -> values.<StorageConfig.@Nullable Postgres>section(() ->
                        new StorageConfig.Postgres(where.jdbcUrl(), where.user(), where.password(), poolSize, timeout)))
                .orElse(null);
    }

    private enum Algorithm {
        HMAC,
        ED25519,
        NONE
    }

    private enum Switch {
        ON,
        OFF
    }

    private enum StoreKind {
        EMBEDDED,
        MEMORY,
        REDIS,
        POSTGRES
    }
}
