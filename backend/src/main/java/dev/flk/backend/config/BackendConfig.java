// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Secret;
import dev.flk.program.diagnostics.Scrubber;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.verification.Policy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * The complete, valid configuration of a backend.
 *
 * @param ops the port for operators; empty if the port of {@code http} serves them
 * @param tls the files for TLS; empty for plain HTTP
 * @param state the settings of the state; empty if it is off
 * @param maxClockSkew the largest time by which {@code sent_at} may be in the future
 * @param auditDir the directory of the audit log
 * @param shardMetrics the number of shards that have their own metrics
 * @param settings the values in force by name, defaults included; for secrets only whether they are set, and the key ids
 */
public record BackendConfig(
        HttpConfig http,
        Optional<OpsConfig> ops,
        Optional<TlsFiles> tls,
        Limits.Sizes limit,
        StorageConfig storage,
        Optional<StateConfig> state,
        SigningConfig signing,
        Policy policy,
        Duration maxClockSkew,
        LogConfig log,
        Path auditDir,
        int shardMetrics,
        Map<String, String> settings) {
    public BackendConfig {
        settings = Map.copyOf(settings);
    }

    /**
     * Reads the configuration: the environment wins over the file, the file over the defaults.
     *
     * @param file Java properties with the same names as the environment; null for none
     * @throws InvalidConfig with all problems at once
     */
    public static BackendConfig load(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).all();
    }

    /**
     * Reads the configuration if anything is configured.
     *
     * @return the configuration; empty if no file is named and the environment contains no setting
     * @throws InvalidConfig as {@link #load}
     */
    public static Optional<BackendConfig> loadIfAny(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        return reader.isEmpty() ? Optional.empty() : Optional.of(reader.all());
    }

    /**
     * Renders the values in force and their sources, one line per key in 80 columns, with secrets masked.
     *
     * @throws InvalidConfig as {@link #load}
     */
    public static String describe(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        BackendConfig config = reader.all();
        Map<String, String> derived = new TreeMap<>();
        derived.put("TOKEN_BURST", Long.toString(config.limit.burstTokens()));
        derived.put(
                "ADDRESS_FAILURE_RATE",
                config.limit.failuresPerSecond().stripTrailingZeros().toPlainString() + "/s");
        derived.put("ADDRESS_FAILURE_BURST", Long.toString(config.limit.failureBurst()));
        derived.put("MAX_CONNECTIONS_PER_ADDRESS", Integer.toString(config.limit.connectionsPerAddress()));
        derived.put("AUDIT_DIR", config.auditDir.toString());
        config.state.ifPresent(state ->
                derived.put("STATE_MIN_FREE_BYTES", Long.toString(state.engine().minFreeBytes())));
        config.ops.ifPresent(ops -> derived.put("OPS_BIND_ADDR", ops.bindAddress()));
        return reader.settings.table(derived);
    }

    /** Reads the configuration as {@link #load} does, but accepts a configuration with problems. */
    public static Diagnosed<BackendConfig> diagnose(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        Diagnosed<BackendConfig> known = Diagnosed.read(reader.settings, settings -> reader.all());
        List<String> secrets = new ArrayList<>(known.secrets());
        reader.settings
                .find(ConfigKeys.METRICS_USER)
                .ifPresent(user -> reader.settings
                        .find(ConfigKeys.METRICS_PASS)
                        .ifPresent(password -> secrets.add(Scrubber.basicLogin(user, password.text()))));
        return new Diagnosed<>(known.text(), secrets, known.config());
    }

    /**
     * The settings that differ in a newer reading of the configuration, each as {@code NAME=now (was before)}.
     *
     * @param taken changes that {@link #withTakenFrom} applies
     * @param needRestart changes that only a restart applies
     */
    public record Changes(List<String> taken, List<String> needRestart) {}

    /** Returns the settings that differ in {@code next}. */
    public Changes changesTo(BackendConfig next) {
        List<String> taken = new ArrayList<>();
        List<String> needRestart = new ArrayList<>();
        Set<String> names = new TreeSet<>(settings.keySet());
        names.addAll(next.settings.keySet());
        for (String name : names) {
            String before = settings.getOrDefault(name, "not set");
            String now = next.settings.getOrDefault(name, "not set");
            if (!now.equals(before)) {
                (ConfigKeys.isReloadable(name) ? taken : needRestart).add(name + "=" + now + " (was " + before + ")");
            }
        }
        return new Changes(taken, needRestart);
    }

    /** Returns this configuration with the reloadable settings of {@code next}. */
    public BackendConfig withTakenFrom(BackendConfig next) {
        Map<String, String> shown = new TreeMap<>(settings);
        shown.keySet().removeIf(ConfigKeys::isReloadable);
        next.settings.forEach((name, value) -> {
            if (ConfigKeys.isReloadable(name)) {
                shown.put(name, value);
            }
        });
        return new BackendConfig(
                http,
                ops,
                tls,
                limit.withRatesOf(next.limit),
                storage,
                state,
                signing,
                policy,
                maxClockSkew,
                new LogConfig(next.log.level(), log.format()),
                auditDir,
                shardMetrics,
                shown);
    }

    /** Returns the directory of the log, ignoring problems of other settings; throws {@link InvalidConfig} if WAL_DIR is invalid. */
    public static Path walDirectory(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).only(ConfigKeys.WAL_DIR);
    }

    /**
     * Returns the operators' login, ignoring problems of other settings; empty if none is configured. Throws {@link
     * InvalidConfig} if the login is invalid.
     */
    public static Optional<Login> operatorsLogin(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).onlyLogin();
    }

    /** Returns the keys file, ignoring problems of other settings; throws {@link InvalidConfig} if it is not set. */
    public static Path keysFile(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        Optional<Path> keys = reader.settings.find(ConfigKeys.KEYS_FILE);
        if (keys.isEmpty() && reader.settings.problems().isEmpty()) {
            reader.settings.problem("KEYS_FILE: not set; set it, or name the file with --file");
        }
        reader.settings.check();
        return keys.orElseThrow();
    }

    /**
     * Returns the settings on which the outcomes of logged certificates depend, ignoring problems of other settings.
     *
     * @param tried replacements for numbers of the policy, such as {@code TOL_D=0.20}
     * @throws InvalidConfig with all problems of these settings
     */
    public static LogRules logRules(Map<String, String> environment, @Nullable Path file, List<String> tried) {
        return new ConfigReader(environment, file).logRules(tried);
    }

    /**
     * Returns the settings on which the answer to a certificate depends, ignoring problems of other settings. Throws
     * {@link InvalidConfig} with all problems of these settings.
     */
    public static AnswerRules answerRules(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).answerRules();
    }

    /** The settings on which the outcomes of logged certificates depend, and the time that a closed, decided segment is kept. */
    public record LogRules(Policy policy, Duration dedupTtl, Duration walRetention) {}

    /**
     * The settings on which the answer to a certificate depends, for callers that explain answers without serving.
     *
     * @param signing how signatures are checked; empty if nothing about signatures is configured
     * @param secrets all configured secrets, in force or not
     * @param publicKeys all configured public keys, in force or not
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
