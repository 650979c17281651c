// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.config.HttpConfig.Login;
import dev.flk.backend.config.HttpConfig.OpsConfig;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.tls.TlsFiles;
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
 * The whole configuration of a backend, valid.
 *
 * @param ops the port for operators; empty: there is none but that of {@code http}
 * @param tls empty: plain HTTP
 * @param state empty: it is off
 * @param maxClockSkew how far {@code sent_at} may be in the future
 * @param auditDir directory of the audit log
 * @param shardMetrics shards that have metrics of their own
 * @param settings what is set, by name, defaults included; of secrets only whether, and the ids of the keys
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
     * @param file Java properties with the names of the environment; null: none
     * @throws InvalidConfig with all problems at once
     */
    public static BackendConfig load(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).all();
    }

    /**
     * Reads the configuration, if there is one.
     *
     * @return empty if no file is named, and no setting is in the environment
     * @throws InvalidConfig as {@link #load}
     */
    public static Optional<BackendConfig> loadIfAny(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        return reader.isEmpty() ? Optional.empty() : Optional.of(reader.all());
    }

    /**
     * What is in force and who set it: a line per key, 80 columns, secrets masked.
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

    /**
     * A configuration for a diagnostics archive, valid or not.
     *
     * @param text what is set, and what is wrong with it; of secrets only whether they are set
     * @param secrets all that are set
     * @param config empty if something is wrong with it
     */
    public record Diagnosed(String text, List<String> secrets, Optional<BackendConfig> config) {
        public Diagnosed {
            secrets = List.copyOf(secrets);
        }
    }

    /** As {@link #load}, but accepts any mistake. */
    public static Diagnosed diagnose(Map<String, String> environment, @Nullable Path file) {
        ConfigReader reader = new ConfigReader(environment, file);
        Optional<BackendConfig> config = Optional.empty();
        try {
            config = Optional.of(reader.all());
        } catch (InvalidConfig e) {
            // its problems are in the report
        }
        List<String> secrets = new ArrayList<>(reader.settings.secrets());
        reader.settings
                .find(ConfigKeys.METRICS_USER)
                .ifPresent(user -> reader.settings
                        .find(ConfigKeys.METRICS_PASS)
                        .ifPresent(password -> secrets.add(Scrubber.basicLogin(user, password.text()))));
        return new Diagnosed(reader.settings.report(), secrets, config);
    }

    /**
     * What another reading of the configuration has otherwise, each as {@code NAME=now (was before)}.
     *
     * @param taken what {@link #withTakenFrom} takes
     * @param needRestart what only a restart takes
     */
    public record Changes(List<String> taken, List<String> needRestart) {}

    /** What {@code next} has otherwise. */
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

    /** This, with what of {@code next} is taken while it runs. */
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

    /** The directory of the log, whatever else is set or wrong; throws {@link InvalidConfig} if that is. */
    public static Path walDirectory(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).only(ConfigKeys.WAL_DIR);
    }

    /** The operators' login, whatever else is set or wrong; throws {@link InvalidConfig} if that is. Empty: there is none. */
    public static Optional<Login> operatorsLogin(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).onlyLogin();
    }

    /** The keys file, whatever else is set or wrong; throws {@link InvalidConfig} if it is not set. */
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
     * What the outcomes of logged certificates depend on, whatever else is set or wrong.
     *
     * @param tried other numbers of the policy, like {@code TOL_D=0.20}
     * @throws InvalidConfig with all that is wrong with it
     */
    public static LogRules logRules(Map<String, String> environment, @Nullable Path file, List<String> tried) {
        return new ConfigReader(environment, file).logRules(tried);
    }

    /** What the answer to a certificate depends on, whatever else is set or wrong; throws {@link InvalidConfig} with all that is wrong. */
    public static AnswerRules answerRules(Map<String, String> environment, @Nullable Path file) {
        return new ConfigReader(environment, file).answerRules();
    }

    /** What the outcomes of logged certificates depend on, and how long a closed, decided segment is kept. */
    public record LogRules(Policy policy, Duration dedupTtl, Duration walRetention) {}

    /**
     * What the answer to a certificate depends on, for those who only want to know it.
     *
     * @param signing empty if nothing about signatures is configured
     * @param secrets all that are configured, in force or not
     * @param publicKeys likewise
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
