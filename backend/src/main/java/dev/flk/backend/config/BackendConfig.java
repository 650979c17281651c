// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.agents.AgentConfig;
import dev.flk.backend.copy.CopyConfig;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.feed.FeedConfig;
import dev.flk.backend.inbox.InboxConfig;
import dev.flk.backend.ingest.IngestMetrics;
import dev.flk.backend.ingest.IngestPipeline;
import dev.flk.backend.logs.LogName;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.record.RecordConfig;
import dev.flk.backend.serve.HttpConfig;
import dev.flk.backend.serve.WarmUp;
import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import dev.flk.program.diagnostics.Scrubber;
import dev.flk.program.logging.Audit;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.verification.Policy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The complete, valid configuration of a backend.
 *
 * @param ops the separate port for operators; empty if the port in {@code http} also serves operators
 * @param tls the files for TLS; empty for plain HTTP
 * @param isRateShared whether the backends of the store share the rate limits
 * @param record the settings of the record of outcomes
 * @param agents the settings of agents' reports
 * @param maxClockSkew the largest time by which {@code sent_at} may be in the future
 * @param auditDir the directory of the audit log
 * @param warmUp whether a start decides certificates of its own, so that the first real ones are answered faster
 * @param shardMetrics the maximum number of shards that have their own metrics
 * @param settings the values in force by name, including defaults; for a secret, only whether it is set. Without a keys
 *     file, the entry {@code keys} lists the ids of the keys
 * @param secrets the values by name that {@code settings} does not show completely
 * @param warnings messages about settings that are allowed but probably a mistake; they contain no secrets
 */
public record BackendConfig(
        HttpConfig http,
        Optional<OpsConfig> ops,
        Optional<TlsFiles> tls,
        Limits.Sizes limit,
        boolean isRateShared,
        InboxConfig inbox,
        String logName,
        Optional<CopyConfig> copy,
        Optional<FeedConfig> feed,
        StoreConfig store,
        RecordConfig record,
        AgentConfig agents,
        SigningConfig signing,
        Policy policy,
        Duration maxClockSkew,
        LogConfig log,
        Path auditDir,
        boolean warmUp,
        int shardMetrics,
        Map<String, String> settings,
        Map<String, Secret> secrets,
        List<String> warnings) {
    public BackendConfig {
        settings = Map.copyOf(settings);
        secrets = Map.copyOf(secrets);
        warnings = List.copyOf(warnings);
    }

    /** The names of settings that flk-state has. */
    private static final Pattern OF_STATE = Pattern.compile("(STATE|SESSION)_[A-Z_]+");

    private static final String ADDRESS_FAILURE_RATE = "ADDRESS_FAILURE_RATE";

    /** All settings in the order of the docs. */
    public static final List<Key<?>> KEYS = Stream.<List<? extends Key<?>>>of(
                    HttpConfig.KEYS,
                    OperatorConfig.KEYS,
                    TlsFiles.KEYS,
                    Limits.Sizes.KEYS,
                    List.of(IngestPipeline.MAX_CLOCK_SKEW),
                    SigningConfig.KEYS,
                    DecisionRules.KEYS,
                    InboxConfig.KEYS,
                    List.of(LogName.LOG_NAME),
                    CopyConfig.KEYS,
                    FeedConfig.KEYS,
                    List.of(Audit.DIRECTORY),
                    StoreConfig.KEYS,
                    PostgresConfig.KEYS,
                    RecordConfig.KEYS,
                    AgentConfig.KEYS,
                    List.of(WarmUp.WARM_UP, IngestMetrics.SHARD_METRICS, LogConfig.LEVEL, LogConfig.FORMAT))
            .<Key<?>>flatMap(List::stream)
            .toList();

    /**
     * Reads the configuration. The environment overrides the file, which overrides the defaults.
     *
     * @param file a file of Java properties with the same names as the environment; null for no file
     * @throws InvalidConfig with all problems at once
     */
    public static BackendConfig load(Map<String, String> environment, @Nullable Path file) {
        return read(settings(environment, file));
    }

    private static Settings settings(Map<String, String> environment, @Nullable Path file) {
        return new Settings(KEYS, environment, file, OF_STATE);
    }

    /** Lets each feature read its settings. */
    private static BackendConfig read(Settings settings) {
        HttpConfig http = HttpConfig.read(settings);
        Optional<OpsConfig> ops = OpsConfig.read(settings);
        Optional<TlsFiles> tls = TlsFiles.read(settings);
        Limits.Sizes limit = Limits.Sizes.read(settings, http.maxConnections());
        Optional<SigningConfig> signing = SigningConfig.read(settings);
        InboxConfig inbox = InboxConfig.read(settings);
        String logName = LogName.read(settings, http.port());
        Optional<CopyConfig> copy = CopyConfig.read(settings, logName, settings.isGiven(LogName.LOG_NAME));
        Optional<FeedConfig> feed = FeedConfig.read(settings, copy.isPresent());
        StoreConfig store = StoreConfig.read(settings);
        boolean isRateShared = settings.get(Limits.Sizes.RATE_SHARED);
        settings.require(
                !isRateShared || store.isShared(),
                "RATE_SHARED: on, but no other backend can use the store in DEDUP_BACKEND; set DEDUP_BACKEND to redis or"
                        + " postgres, or RATE_SHARED=off");
        RecordConfig record = RecordConfig.read(settings, store, wasStateInPostgres(settings.ofOther()));
        AgentConfig agents = AgentConfig.read(settings);
        StoreConfig.checkUse(settings, store, record.isEmbedded(), inbox.walDir());
        if (!(store instanceof StoreConfig.Postgres) && record.postgres().isEmpty()) {
            settings.unused(
                    "neither DEDUP_BACKEND nor RECORD_STORE is postgres; flk-state has the state now",
                    PostgresConfig.KEYS);
        }
        Policy policy = DecisionRules.policy(settings);
        Duration maxClockSkew = settings.get(IngestPipeline.MAX_CLOCK_SKEW);
        LogConfig log = LogConfig.read(settings);
        boolean warmUp = settings.get(WarmUp.WARM_UP);
        int shardMetrics = settings.get(IngestMetrics.SHARD_METRICS);
        Path auditDir =
                settings.find(Audit.DIRECTORY).orElseGet(() -> inbox.walDir().resolve("audit"));
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
                isRateShared,
                inbox,
                logName,
                copy,
                feed,
                store,
                record,
                agents,
                signing.get(),
                policy,
                maxClockSkew,
                log,
                auditDir,
                warmUp,
                shardMetrics,
                shown,
                settings.secretValues(),
                warnings(settings));
    }

    private static boolean wasStateInPostgres(Map<String, String> ofState) {
        return ofState.getOrDefault("STATE_ENGINE", "").equalsIgnoreCase("postgres")
                && !ofState.getOrDefault("STATE_PORT", "").equalsIgnoreCase("off");
    }

    /** Returns the warnings, which name the settings that another program has now. */
    private static List<String> warnings(Settings settings) {
        List<String> warnings = new ArrayList<>(settings.warnings());
        Map<String, String> ofState = settings.ofOther();
        if (!ofState.isEmpty()) {
            warnings.add(String.join(", ", new TreeSet<>(ofState.keySet()))
                    + ": the program flk-state has the state and the sessions of agents now, and these settings; see"
                    + " docs/upgrading.md");
        }
        if (wasStateInPostgres(ofState) && !RecordConfig.isStoreGiven(settings)) {
            warnings.add(
                    "RECORD_STORE: not set, so the record stays in Postgres, where STATE_ENGINE=postgres has put it;"
                            + " this version only: write RECORD_STORE=postgres");
        }
        return warnings;
    }

    /**
     * Reads the configuration if anything is configured.
     *
     * @return the configuration; empty if no file is named and the environment contains no setting
     * @throws InvalidConfig as {@link #load}
     */
    public static Optional<BackendConfig> loadIfAny(Map<String, String> environment, @Nullable Path file) {
        Settings settings = settings(environment, file);
        boolean isNone =
                file == null && settings.problems().isEmpty() && KEYS.stream().noneMatch(settings::isGiven);
        return isNone ? Optional.empty() : Optional.of(read(settings));
    }

    /**
     * Renders each setting with its value in force and its origin, in 80 columns and with secrets masked, followed by
     * the warnings.
     *
     * @throws InvalidConfig as {@link #load}
     */
    public static String describe(Map<String, String> environment, @Nullable Path file) {
        Settings settings = settings(environment, file);
        BackendConfig config = read(settings);
        Map<String, String> derived = new TreeMap<>();
        derived.put("TOKEN_BURST", Long.toString(config.limit.burstTokens()));
        derived.put(ADDRESS_FAILURE_RATE, config.failureRate());
        derived.put("ADDRESS_FAILURE_BURST", Long.toString(config.limit.failureBurst()));
        derived.put("MAX_CONNECTIONS_PER_ADDRESS", Integer.toString(config.limit.connectionsPerAddress()));
        derived.put("LOG_NAME", config.logName());
        derived.put("AUDIT_DIR", config.auditDir.toString());
        derived.put("RECORD_STORE", config.record.storeName());
        if (config.store instanceof StoreConfig.Memory memory) {
            derived.put("MEMORY_MAX_ENTRIES", Long.toString(memory.maxEntries()));
        }
        config.ops.ifPresent(ops -> derived.put("OPS_BIND_ADDR", ops.bindAddress()));
        StringBuilder text = new StringBuilder(settings.table(derived));
        config.warnings.forEach(
                warning -> text.append(System.lineSeparator()).append(Paragraph.wrapped("WARNING " + warning)));
        return text.toString();
    }

    private String failureRate() {
        return limit.failuresPerSecond().stripTrailingZeros().toPlainString() + "/s";
    }

    /** Returns the parts of the backend that use the server in {@code POSTGRES_CONN}; empty if no part does. */
    public Optional<InPostgres> inPostgres() {
        Optional<PostgresConfig> dedup =
                store instanceof StoreConfig.Postgres postgres ? Optional.of(postgres.server()) : Optional.empty();
        Set<Pool> pools = EnumSet.noneOf(Pool.class);
        dedup.ifPresent(used -> pools.add(Pool.DEDUP));
        record.postgres().ifPresent(used -> pools.add(Pool.RECORD));
        return dedup.or(record::postgres).map(server -> new InPostgres(server, pools));
    }

    /** Returns the Postgres server of each pool that is used. */
    public Map<Pool, PostgresConfig> poolsInPostgres() {
        Map<Pool, PostgresConfig> servers = new EnumMap<>(Pool.class);
        inPostgres().ifPresent(used -> used.pools().forEach(pool -> servers.put(pool, used.server())));
        return servers;
    }

    /**
     * The parts of the backend that use Postgres.
     *
     * @param server the server of all pools
     * @param pools the connection pools that these parts use, at least one
     */
    public record InPostgres(PostgresConfig server, Set<Pool> pools) {}

    /**
     * Reads the configuration as {@link #load} does, but returns the problems of an invalid configuration instead of
     * throwing.
     */
    public static Diagnosed<BackendConfig> diagnose(Map<String, String> environment, @Nullable Path file) {
        Settings settings = settings(environment, file);
        Diagnosed<BackendConfig> known = Diagnosed.read(settings, BackendConfig::read);
        List<String> secrets = new ArrayList<>(known.secrets());
        Login.read(settings)
                .ifPresent(login -> secrets.add(
                        Scrubber.basicLogin(login.user(), login.password().text())));
        return new Diagnosed<>(known.text(), secrets, known.config());
    }

    /**
     * The settings that differ in a newer reading of the configuration, each as {@code NAME=now (was before)}, or as
     * {@code NAME (secret)} if only secret parts differ.
     *
     * @param taken changes that {@link #withTakenFrom} applies
     * @param needRestart changes that only a restart applies
     */
    public record Changes(List<String> taken, List<String> needRestart) {}

    /** Returns the settings whose values differ between this configuration and {@code next}. */
    public Changes changesTo(BackendConfig next) {
        List<String> taken = new ArrayList<>();
        List<String> needRestart = new ArrayList<>();
        Set<String> names = new TreeSet<>(settings.keySet());
        names.addAll(next.settings.keySet());
        for (String name : names) {
            String before = settings.getOrDefault(name, "not set");
            String now = next.settings.getOrDefault(name, "not set");
            if (!now.equals(before)) {
                (isReloadable(name) ? taken : needRestart).add(name + "=" + now + " (was " + before + ")");
            } else if (!Objects.equals(secrets.get(name), next.secrets.get(name))) {
                needRestart.add(name + " (secret)");
            }
        }
        if (!names.contains(ADDRESS_FAILURE_RATE) && !failureRate().equals(next.failureRate())) {
            needRestart.add(ADDRESS_FAILURE_RATE + "=" + next.failureRate() + " (was " + failureRate()
                    + "; follows TOKEN_RATE)");
        }
        return new Changes(taken, needRestart);
    }

    private static boolean isReloadable(String name) {
        return KEYS.stream().anyMatch(key -> key.isReloadable() && key.name().equals(name));
    }

    /** Returns this configuration with the reloadable settings of {@code next}. */
    public BackendConfig withTakenFrom(BackendConfig next) {
        Map<String, String> shown = new TreeMap<>(settings);
        shown.keySet().removeIf(BackendConfig::isReloadable);
        next.settings.forEach((name, value) -> {
            if (isReloadable(name)) {
                shown.put(name, value);
            }
        });
        return with(
                copy,
                limit.withRatesOf(next.limit),
                new LogConfig(next.log.level(), log.format()),
                shown,
                next.warnings);
    }

    /** Returns this configuration for a start that claims the copied log even if its owner may be alive. */
    public BackendConfig takingOver() {
        return with(copy.map(CopyConfig::takingOver), limit, log, settings, warnings);
    }

    private BackendConfig with(
            Optional<CopyConfig> copy,
            Limits.Sizes limit,
            LogConfig log,
            Map<String, String> settings,
            List<String> warnings) {
        return new BackendConfig(
                http,
                ops,
                tls,
                limit,
                isRateShared,
                inbox,
                logName,
                copy,
                feed,
                store,
                record,
                agents,
                signing,
                policy,
                maxClockSkew,
                log,
                auditDir,
                warmUp,
                shardMetrics,
                settings,
                secrets,
                warnings);
    }

    /**
     * Returns the directory of the log, ignoring invalid values of other settings.
     *
     * @throws InvalidConfig if {@code WAL_DIR} is invalid, or the configuration file can't be used
     */
    public static Path walDirectory(Map<String, String> environment, @Nullable Path file) {
        return part(environment, file, settings -> settings.get(InboxConfig.WAL_DIR));
    }

    /**
     * Returns where the log is copied, ignoring invalid values of other settings; empty if it is not copied.
     *
     * @throws InvalidConfig if a setting of the copy is invalid, or the configuration file can't be used
     */
    public static Optional<CopyConfig> logCopy(Map<String, String> environment, @Nullable Path file) {
        return part(environment, file, settings -> {
            // without a configured name, there is a problem already
            String name = settings.find(LogName.LOG_NAME).orElse("");
            return CopyConfig.read(settings, name, settings.isGiven(LogName.LOG_NAME));
        });
    }

    /**
     * Returns a feed to a topic, ignoring invalid values of other settings.
     *
     * @throws InvalidConfig if a setting of Kafka is invalid, the topic belongs to the feed, or the configuration
     *     file can't be used
     */
    public static FeedConfig feedTo(Map<String, String> environment, @Nullable Path file, String topic) {
        return part(environment, file, settings -> FeedConfig.to(settings, topic));
    }

    /**
     * Returns the operators' login, ignoring invalid values of other settings; empty if no login is configured.
     *
     * @throws InvalidConfig if the login is invalid, or the configuration file can't be used
     */
    public static Optional<Login> operatorsLogin(Map<String, String> environment, @Nullable Path file) {
        return part(environment, file, Login::read);
    }

    /**
     * Returns the keys file, ignoring invalid values of other settings.
     *
     * @throws InvalidConfig if {@code KEYS_FILE} is missing or invalid, or the configuration file can't be used
     */
    public static Path keysFile(Map<String, String> environment, @Nullable Path file) {
        return part(environment, file, settings -> {
                    Optional<Path> keys = settings.find(SigningConfig.KEYS_FILE);
                    settings.require(
                            keys.isPresent() || !settings.problems().isEmpty(),
                            "KEYS_FILE: not set; set it, or name the file with --file");
                    return keys;
                })
                .orElseThrow();
    }

    /**
     * Returns a part of the configuration, ignoring invalid values of other settings.
     *
     * @throws InvalidConfig if a setting of this part is invalid, or the file can't be read or has unknown or repeated
     *     names
     */
    private static <T> T part(Map<String, String> environment, @Nullable Path file, Function<Settings, T> reader) {
        Settings settings = settings(environment, file);
        T part = reader.apply(settings);
        settings.check();
        return part;
    }

    /**
     * Returns the settings that determine the outcomes of logged certificates, and {@code WAL_RETENTION}, ignoring
     * invalid values of other settings.
     *
     * @param tried replacements for numbers of the policy, such as {@code TOL_D=0.20}
     * @throws InvalidConfig with all problems of these settings, or if the file can't be used
     */
    public static LogRules logRules(Map<String, String> environment, @Nullable Path file, List<String> tried) {
        return part(environment, file, settings -> {
            DecisionRules.override(settings, tried);
            return new LogRules(
                    DecisionRules.policy(settings),
                    settings.get(InboxConfig.DEDUP_TTL),
                    settings.get(InboxConfig.WAL_RETENTION));
        });
    }

    /**
     * Returns the settings on which the answer to a certificate depends, ignoring invalid values of other settings.
     *
     * @throws InvalidConfig with all problems of these settings, or if the file can't be used
     */
    public static AnswerRules answerRules(Map<String, String> environment, @Nullable Path file) {
        return part(
                environment,
                file,
                settings -> new AnswerRules(
                        DecisionRules.policy(settings),
                        settings.get(IngestPipeline.MAX_CLOCK_SKEW),
                        settings.get(HttpConfig.MAX_BODY_BYTES),
                        SigningConfig.KEYS.stream().anyMatch(settings::isGiven)
                                ? SigningConfig.read(settings)
                                : Optional.empty(),
                        SigningConfig.secrets(settings),
                        SigningConfig.publicKeys(settings)));
    }

    /**
     * The settings on which the outcomes of logged certificates depend, and the time that a closed, decided segment is
     * kept.
     */
    public record LogRules(Policy policy, Duration dedupTtl, Duration walRetention) {}

    /**
     * The settings on which the answer to a certificate depends, for callers that explain answers without serving.
     *
     * @param signing the settings for checking signatures; empty if nothing about signatures is configured
     * @param secrets all configured secrets, whether or not signatures are checked with them
     * @param publicKeys all configured public keys, whether or not signatures are checked with them
     */
    public record AnswerRules(
            Policy policy,
            Duration maxClockSkew,
            int maxBodyBytes,
            Optional<SigningConfig> signing,
            List<Secret> secrets,
            List<String> publicKeys) {
        public AnswerRules {
            secrets = List.copyOf(secrets);
            publicKeys = List.copyOf(publicKeys);
        }
    }
}
