// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.config.BackendConfig.AnswerRules;
import dev.flk.backend.config.BackendConfig.LogRules;
import dev.flk.backend.config.ConfigKeys.Algorithm;
import dev.flk.backend.config.ConfigKeys.StateKind;
import dev.flk.backend.config.ConfigKeys.Switch;
import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.backend.keys.KeyEntry;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.postgres.PostgresConfig;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.state.TokensFile;
import dev.flk.backend.state.TokensFile.InvalidTokensException;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.backend.tls.TlsFiles.InvalidTlsException;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.signing.KeyId;
import dev.flk.signing.SigningAlgorithm;
import dev.flk.state.StateEngine;
import dev.flk.verification.Policy;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** A reader that combines the values of the keys and checks the rules that involve several keys. */
final class ConfigReader {
    private static final String POSTGRES_KNOWN = "postgres.known";
    private static final long STAGED_PART_OF_HEAP = 8;
    private static final long MOST_BURST = 20_000_000;
    private static final long MOST_FAILURE_BURST = 200_000_000;

    final Settings settings;
    private final boolean hasFile;

    ConfigReader(Map<String, String> environment, @Nullable Path file) {
        hasFile = file != null;
        settings = new Settings(ConfigKeys.ALL, environment, file);
    }

    <T> T only(Key<T> key) {
        T value = settings.get(key);
        settings.check();
        return value;
    }

    /** Returns whether no file is named and no key is set. */
    boolean isEmpty() {
        return !hasFile
                && settings.problems().isEmpty()
                && ConfigKeys.ALL.stream().noneMatch(settings::isGiven);
    }

    Optional<Login> onlyLogin() {
        Optional<Login> login = Optional.ofNullable(login());
        settings.check();
        return login;
    }

    BackendConfig all() {
        HttpConfig http = http();
        Optional<OpsConfig> ops = ops();
        Optional<TlsFiles> tls = tls();
        Limits.Sizes limit = limit(http.maxConnections());
        Optional<SigningConfig> signing = signing();
        StorageConfig storage = storage();
        Optional<StateConfig> state = state(http.bindAddress(), storage);
        Policy policy = policy();
        Duration maxClockSkew = settings.get(ConfigKeys.MAX_CLOCK_SKEW);
        LogConfig log = LogConfig.read(settings);
        int shardMetrics = settings.get(ConfigKeys.SHARD_METRICS);
        Path auditDir = settings.find(ConfigKeys.AUDIT_DIR)
                .orElseGet(() -> storage.walDir().resolve("audit"));
        settings.check();
        Map<String, String> shown = new LinkedHashMap<>(settings.shown());
        if (signing.orElseThrow() instanceof SigningConfig.Simple simple) {
            shown.put("keys", simple.check().keyIds().stream().map(KeyId::text).collect(Collectors.joining(", ")));
        }
        return new BackendConfig(
                http,
                ops,
                tls,
                limit,
                storage,
                state,
                signing.get(),
                policy,
                maxClockSkew,
                log,
                auditDir,
                shardMetrics,
                shown);
    }

    private HttpConfig http() {
        return new HttpConfig(
                settings.get(ConfigKeys.PORT),
                settings.get(ConfigKeys.BIND_ADDR),
                settings.get(ConfigKeys.MAX_BODY_BYTES),
                settings.get(ConfigKeys.MAX_BATCH),
                settings.get(ConfigKeys.MAX_BATCH_BYTES),
                settings.get(ConfigKeys.MAX_CONNECTIONS),
                settings.get(ConfigKeys.MAX_REQUESTS),
                settings.get(ConfigKeys.HEADER_TIMEOUT),
                settings.get(ConfigKeys.BODY_TIMEOUT),
                settings.get(ConfigKeys.IDLE_TIMEOUT),
                login());
    }

    private @Nullable Login login() {
        Optional<String> user = settings.find(ConfigKeys.METRICS_USER);
        Optional<Secret> password = settings.find(ConfigKeys.METRICS_PASS);
        settings.require(
                settings.isGiven(ConfigKeys.METRICS_USER) == settings.isGiven(ConfigKeys.METRICS_PASS),
                "METRICS_USER, METRICS_PASS: only one of the two is set; set both or neither");
        return user.isPresent() && password.isPresent() ? new Login(user.get(), password.get()) : null;
    }

    private Optional<OpsConfig> ops() {
        Optional<Integer> port = settings.find(ConfigKeys.OPS_PORT);
        Optional<String> address = settings.find(ConfigKeys.OPS_BIND_ADDR);
        boolean isPortGiven = settings.isGiven(ConfigKeys.OPS_PORT);
        settings.require(
                address.isEmpty() || isPortGiven, "OPS_BIND_ADDR: is set without OPS_PORT; set both or neither");
        boolean isDebug = settings.get(ConfigKeys.DEBUG) == Switch.ON;
        settings.require(
                !isDebug || (isPortGiven && settings.isGiven(ConfigKeys.METRICS_USER)),
                "DEBUG: needs OPS_PORT, METRICS_USER and METRICS_PASS, whose login /debug asks for");
        return port.map(each -> new OpsConfig(each, address.orElse(OpsConfig.USUAL_BIND_ADDRESS), isDebug));
    }

    private Optional<TlsFiles> tls() {
        Optional<Path> certificate = settings.find(ConfigKeys.TLS_CERT);
        Optional<Path> key = settings.find(ConfigKeys.TLS_KEY);
        Optional<Path> authorities = settings.find(ConfigKeys.TLS_CLIENT_CA);
        boolean isCertificateGiven = settings.isGiven(ConfigKeys.TLS_CERT);
        if (isCertificateGiven != settings.isGiven(ConfigKeys.TLS_KEY)) {
            settings.problem("TLS_CERT, TLS_KEY: only one of the two is set; set both or neither");
        } else {
            settings.require(
                    authorities.isEmpty() || isCertificateGiven,
                    "TLS_CLIENT_CA: is set without TLS_CERT and TLS_KEY, so that no client would be asked for a"
                            + " certificate; set all three or none");
        }
        if (certificate.isEmpty() || key.isEmpty()) {
            return Optional.empty();
        }
        TlsFiles files = new TlsFiles(certificate.get(), key.get(), authorities);
        try {
            files.check();
        } catch (InvalidTlsException e) {
            e.problems().forEach(settings::problem);
        }
        return Optional.of(files);
    }

    private Limits.Sizes limit(int maxConnections) {
        BigDecimal rate = settings.get(ConfigKeys.TOKEN_RATE);
        BigDecimal failures = settings.find(ConfigKeys.ADDRESS_FAILURE_RATE)
                .orElseGet(() -> rate.movePointLeft(1)
                        .setScale(RateLimit.RATE_DECIMALS, RoundingMode.CEILING)
                        .max(BigDecimal.TEN));
        return new Limits.Sizes(
                rate,
                settings.find(ConfigKeys.TOKEN_BURST).orElseGet(() -> tokensIn(2, rate, MOST_BURST)),
                settings.find(ConfigKeys.SHARD_RATE).orElse(null),
                failures,
                settings.find(ConfigKeys.ADDRESS_FAILURE_BURST)
                        .orElseGet(() -> tokensIn(10, failures, MOST_FAILURE_BURST)),
                settings.find(ConfigKeys.MAX_CONNECTIONS_PER_ADDRESS).orElse(Math.max(1, maxConnections / 2)));
    }

    private static long tokensIn(int seconds, BigDecimal perSecond, long most) {
        return perSecond
                .multiply(BigDecimal.valueOf(seconds))
                .setScale(0, RoundingMode.CEILING)
                .max(BigDecimal.ONE)
                .min(BigDecimal.valueOf(most))
                .longValueExact();
    }

    /** Returns how signatures are checked; empty after adding a problem. */
    private Optional<SigningConfig> signing() {
        List<Secret> secrets = secrets();
        List<String> publicKeys = settings.find(ConfigKeys.PCS_ED25519_PUB_B64).orElse(List.of());
        Optional<Algorithm> algorithm = settings.find(ConfigKeys.PCS_SIGN_ALG);
        if (settings.isGiven(ConfigKeys.KEYS_FILE)) {
            return registered(algorithm);
        }
        settings.require(
                settings.isGiven(ConfigKeys.PCS_SIGN_ALG),
                "PCS_SIGN_ALG: not set; set it to hmac or ed25519, or to none to accept unsigned certificates");
        return algorithm.flatMap(each -> switch (each) {
            case HMAC -> hmac(secrets);
            case ED25519 -> ed25519(publicKeys);
            case NONE -> Optional.of(new SigningConfig.Off());
        });
    }

    private Optional<SigningConfig> ed25519(List<String> publicKeys) {
        settings.require(
                settings.isBroken(ConfigKeys.PCS_ED25519_PUB_B64) || !publicKeys.isEmpty(),
                "PCS_SIGN_ALG: ed25519 needs PCS_ED25519_PUB_B64");
        boolean areKeys = !publicKeys.isEmpty();
        for (int i = 0; i < publicKeys.size(); i++) {
            boolean isKey = KeyEntry.isPublicKey(publicKeys.get(i));
            areKeys &= isKey;
            settings.require(
                    isKey,
                    "PCS_ED25519_PUB_B64: key %d of %d is not an Ed25519 public key, 32 bytes in padded base64"
                            .formatted(i + 1, publicKeys.size()));
        }
        return areKeys ? Optional.of(new SigningConfig.Ed25519(publicKeys)) : Optional.empty();
    }

    private List<Secret> secrets() {
        return Stream.concat(
                        settings.find(ConfigKeys.PCS_HMAC_KEY).stream(),
                        settings.find(ConfigKeys.PCS_HMAC_KEYS).stream().flatMap(List::stream))
                .toList();
    }

    private Optional<SigningConfig> hmac(List<Secret> secrets) {
        boolean isBroken = settings.isBroken(ConfigKeys.PCS_HMAC_KEY) || settings.isBroken(ConfigKeys.PCS_HMAC_KEYS);
        settings.require(
                isBroken || !secrets.isEmpty(),
                "PCS_SIGN_ALG: hmac needs PCS_HMAC_KEY or PCS_HMAC_KEYS (or PCS_HMAC_KEY_FILE)");
        boolean hasBlank = secrets.stream().anyMatch(secret -> secret.text().isBlank());
        settings.require(!hasBlank, "PCS_HMAC_KEY, PCS_HMAC_KEYS: a key is blank; look for an extra comma");
        return secrets.isEmpty() || hasBlank ? Optional.empty() : Optional.of(new SigningConfig.Hmac(secrets));
    }

    private Optional<SigningConfig> registered(Optional<Algorithm> algorithm) {
        settings.require(
                Stream.of(ConfigKeys.PCS_HMAC_KEY, ConfigKeys.PCS_HMAC_KEYS, ConfigKeys.PCS_ED25519_PUB_B64)
                        .noneMatch(settings::isGiven),
                "KEYS_FILE: PCS_HMAC_KEY, PCS_HMAC_KEYS or PCS_ED25519_PUB_B64 is set too, whose keys would sign"
                        + " for every shard; put them into the keys file, or leave that out");
        if (algorithm.filter(Algorithm.NONE::equals).isPresent()) {
            settings.problem("PCS_SIGN_ALG: none takes unsigned certificates, so KEYS_FILE has no use; remove one of"
                    + " the two");
            return Optional.empty();
        }
        SigningAlgorithm only = algorithm
                .map(each -> each == Algorithm.HMAC ? SigningAlgorithm.HMAC : SigningAlgorithm.ED25519)
                .orElse(null);
        try {
            return settings.find(ConfigKeys.KEYS_FILE).map(path -> new SigningConfig.Registered(path, only));
        } catch (InvalidConfig e) {
            e.problems().forEach(settings::problem);
            return Optional.empty();
        }
    }

    AnswerRules answerRules() {
        boolean signs = Stream.of(
                        ConfigKeys.PCS_SIGN_ALG,
                        ConfigKeys.PCS_HMAC_KEY,
                        ConfigKeys.PCS_HMAC_KEYS,
                        ConfigKeys.PCS_ED25519_PUB_B64,
                        ConfigKeys.KEYS_FILE)
                .anyMatch(settings::isGiven);
        AnswerRules rules = new AnswerRules(
                policy(),
                settings.get(ConfigKeys.MAX_CLOCK_SKEW),
                settings.get(ConfigKeys.MAX_BODY_BYTES),
                signs ? signing() : Optional.empty(),
                secrets(),
                settings.find(ConfigKeys.PCS_ED25519_PUB_B64).orElse(List.of()));
        settings.check();
        return rules;
    }

    LogRules logRules(List<String> tried) {
        override(tried);
        LogRules rules =
                new LogRules(policy(), settings.get(ConfigKeys.DEDUP_TTL), settings.get(ConfigKeys.WAL_RETENTION));
        settings.check();
        return rules;
    }

    private Policy policy() {
        List<Double> numbers = ConfigKeys.POLICY.stream().map(settings::get).toList();
        return new Policy(
                numbers.get(0),
                numbers.get(1),
                numbers.get(2),
                numbers.get(3),
                numbers.get(4),
                numbers.get(5),
                numbers.get(6),
                numbers.get(7));
    }

    /** Replaces numbers of the policy, each given as {@code NAME=VALUE}. */
    private void override(List<String> tried) {
        Set<String> seen = new HashSet<>();
        for (String one : tried) {
            int end = one.indexOf('=');
            String name = end < 0 ? one : one.substring(0, end);
            Optional<Key<Double>> key = ConfigKeys.POLICY.stream()
                    .filter(each -> each.name().equals(name))
                    .findFirst();
            if (key.isEmpty()) {
                settings.problem("--set %s: the policy has no such number; did you mean %s? It has %s"
                        .formatted(
                                one,
                                Settings.nearest(
                                        name, ConfigKeys.POLICY.stream().map(Key::name)),
                                ConfigKeys.POLICY.stream().map(Key::name).collect(Collectors.joining(", "))));
            } else if (end < 0) {
                settings.problem("--set %s: has no value; write it like %s=%s"
                        .formatted(one, name, key.get().defaultText()));
            } else if (!seen.add(name)) {
                settings.problem("--set %s: %s is given twice; give it once".formatted(one, name));
            } else {
                settings.override(key.get(), one.substring(end + 1), "--set");
            }
        }
    }

    private StorageConfig storage() {
        Path walDir = settings.get(ConfigKeys.WAL_DIR);
        Duration retention = settings.get(ConfigKeys.WAL_RETENTION);
        Duration ttl = settings.get(ConfigKeys.DEDUP_TTL);
        boolean areSound = !settings.isBroken(ConfigKeys.WAL_RETENTION) && !settings.isBroken(ConfigKeys.DEDUP_TTL);
        settings.require(
                !areSound || retention.compareTo(ttl) >= 0,
                "WAL_RETENTION: shorter than DEDUP_TTL; the log could not rebuild the store, set it to at least that");
        return new StorageConfig(walDir, retention, settings.get(ConfigKeys.WAL_MIN_FREE_BYTES), ttl, store(walDir));
    }

    /** Reads the keys of every store, so that a mistake in one shows before that store is used. */
    private StorageConfig.Store store(Path walDir) {
        var embedded = new StorageConfig.Embedded(settings.get(ConfigKeys.DEDUP_DIR));
        var memory = new StorageConfig.Memory(settings.get(ConfigKeys.MEMORY_MAX_ENTRIES));
        Duration timeout = settings.get(ConfigKeys.DEDUP_TIMEOUT);
        Optional<String> uri = settings.find(ConfigKeys.REDIS_URI);
        Optional<String> address = settings.find(ConfigKeys.REDIS_ADDR);
        PostgresConfig postgres = postgres(timeout);
        return switch (settings.get(ConfigKeys.DEDUP_BACKEND)) {
            case EMBEDDED -> {
                settings.require(
                        !absolute(embedded.dir()).startsWith(absolute(walDir)),
                        "DEDUP_DIR: is WAL_DIR or inside it; choose another directory");
                yield embedded;
            }
            case MEMORY -> memory;
            case REDIS -> {
                boolean isUriGiven = settings.isGiven(ConfigKeys.REDIS_URI);
                boolean isAddressGiven = settings.isGiven(ConfigKeys.REDIS_ADDR);
                settings.require(
                        isUriGiven != isAddressGiven,
                        "REDIS_URI, REDIS_ADDR: %s set, and DEDUP_BACKEND=redis needs one; set exactly one of the two"
                                .formatted(isUriGiven ? "both are" : "none is"));
                yield new StorageConfig.Redis(
                        new Secret(uri.or(() -> address.map(hostAndPort -> "redis://" + hostAndPort))
                                .orElse("")),
                        timeout);
            }
            case POSTGRES -> {
                requirePostgres("DEDUP_BACKEND");
                yield new StorageConfig.Postgres(postgres);
            }
        };
    }

    private void requirePostgres(String key) {
        settings.require(
                settings.isGiven(ConfigKeys.POSTGRES_CONN),
                "POSTGRES_CONN: not set; " + key
                        + "=postgres needs it, like postgresql://user:password@host:5432/database");
    }

    private PostgresConfig postgres(Duration timeout) {
        PostgresUri server = settings.find(ConfigKeys.POSTGRES_CONN).orElse(new PostgresUri("", "", new Secret("")));
        int poolSize = settings.get(ConfigKeys.POSTGRES_POOL_SIZE);
        return new PostgresConfig(server.jdbcUrl(), server.user(), server.password(), poolSize, timeout);
    }

    private Optional<StateConfig> state(String bindAddress, StorageConfig storage) {
        Path directory = settings.get(ConfigKeys.STATE_DIR);
        StateKind kind = settings.get(ConfigKeys.STATE_ENGINE);
        boolean hasDirectory = kind == StateKind.EMBEDDED;
        boolean usesDirectory = kind != StateKind.MEMORY;
        boolean isApart = Stream.concat(
                        Stream.of(storage.walDir()),
                        storage.store() instanceof StorageConfig.Embedded embedded
                                ? Stream.of(embedded.dir())
                                : Stream.empty())
                .map(ConfigReader::absolute)
                .noneMatch(other -> absolute(directory).startsWith(other) || other.startsWith(absolute(directory)));
        Optional<Integer> port = settings.get(ConfigKeys.STATE_PORT);
        settings.require(
                isApart || !usesDirectory || port.isEmpty(),
                "STATE_DIR: is WAL_DIR or DEDUP_DIR, inside one of them or around it; choose another directory");
        Optional<Long> minFreeBytes = settings.find(ConfigKeys.STATE_MIN_FREE_BYTES);
        settings.require(
                minFreeBytes.isEmpty() || minFreeBytes.get() >= storage.walMinFreeBytes(),
                "STATE_MIN_FREE_BYTES: less than WAL_MIN_FREE_BYTES; state would fill the disk until no"
                        + " certificate is accepted, set it to at least that");
        Optional<Path> tokens = settings.find(ConfigKeys.STATE_TOKENS_FILE);
        boolean isForAll = settings.find(ConfigKeys.STATE_AUTH).isPresent();
        settings.require(
                !isForAll || !settings.isGiven(ConfigKeys.STATE_TOKENS_FILE),
                "STATE_AUTH: none admits everyone, so STATE_TOKENS_FILE has no use; remove one of the two");
        tokens.ifPresent(file -> {
            try {
                TokensFile.read(file);
            } catch (InvalidTokensException e) {
                e.problems().forEach(problem -> settings.problem("STATE_TOKENS_FILE: " + file + ": " + problem));
            }
        });
        StateEngine.Settings usual = StateEngine.Settings.defaults();
        StateEngine.Settings engine = new StateEngine.Settings(
                settings.get(ConfigKeys.STATE_MAX_VALUE_BYTES),
                settings.get(ConfigKeys.STATE_TX_TIMEOUT),
                settings.get(ConfigKeys.STATE_MAX_OPEN_TX),
                Math.min(usual.maxStagedBytes(), Runtime.getRuntime().maxMemory() / STAGED_PART_OF_HEAP),
                minFreeBytes.orElse(Math.max(usual.minFreeBytes(), storage.walMinFreeBytes())));
        int cacheBytes = settings.get(ConfigKeys.STATE_CACHE_BYTES);
        Optional<Duration> history = settings.find(ConfigKeys.STATE_HISTORY);
        boolean keepsRecord = settings.get(ConfigKeys.RECORD) == Switch.ON;
        Duration recordHistory = settings.get(ConfigKeys.RECORD_HISTORY);
        boolean isInPostgres = kind == StateKind.POSTGRES && port.isPresent();
        if (isInPostgres) {
            requirePostgres("STATE_ENGINE");
        }
        Optional<PostgresConfig> postgres =
                isInPostgres ? Optional.of(postgres(StateConfig.POSTGRES_TIMEOUT)) : Optional.empty();
        return port.map(each -> new StateConfig(
                each,
                isForAll || tokens.isPresent() ? bindAddress : StateConfig.LOOPBACK,
                tokens,
                engine,
                cacheBytes,
                hasDirectory ? Optional.of(directory) : Optional.empty(),
                postgres,
                isInPostgres ? Optional.of(absolute(directory).resolve(POSTGRES_KNOWN)) : Optional.empty(),
                history,
                keepsRecord,
                recordHistory));
    }

    private static Path absolute(Path directory) {
        return directory.toAbsolutePath().normalize();
    }
}
