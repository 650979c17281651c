// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.config;

import dev.flk.backend.tls.TlsFiles;
import dev.flk.verification.Policy;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Everything that can be set, valid as a whole. Printing it prints no secret.
 *
 * @param ops where metrics and probes are served; empty: on the port of {@code http}
 * @param tls of the port of {@code http}; empty: it speaks plain HTTP
 * @param maxClockSkew how far {@code sent_at} may be ahead; 0 switches the check off
 */
public record BackendConfig(
        HttpConfig http,
        Optional<OpsConfig> ops,
        Optional<TlsFiles> tls,
        LimitConfig limit,
        StorageConfig storage,
        SigningConfig signing,
        Policy policy,
        Duration maxClockSkew,
        LogConfig log,
        AuditConfig audit) {

    /** Throws {@link InvalidConfig} for a skew that is negative or beyond all sense. */
    public BackendConfig {
        new Rules().notNegative(Key.MAX_CLOCK_SKEW, maxClockSkew).check();
    }

    /**
     * Reads the configuration: the environment wins over the file, the file over the defaults.
     *
     * @param file Java properties with the names of the environment; null: none
     * @throws InvalidConfig with all problems at once
     */
    public static BackendConfig load(Map<String, String> environment, @Nullable Path file) {
        List<String> problems = new ArrayList<>();
        Settings settings = settings(environment, file, problems);
        BackendConfig config = new ConfigReader(new Values(settings, problems)).read();
        if (config == null || !problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        return config;
    }

    /**
     * What is in force and who set it: a line per key, 80 columns, secrets masked.
     *
     * @throws InvalidConfig as {@link #load}
     */
    public static String describe(Map<String, String> environment, @Nullable Path file) {
        BackendConfig config = load(environment, file);
        return ConfigTable.of(settings(environment, file, new ArrayList<>()), config);
    }

    /**
     * The directory of the log, for those who only look at it: whatever else is set, or missing, does not matter to them.
     *
     * @throws InvalidConfig if it can't be told, or the file has names that are none
     */
    public static Path walDirectory(Map<String, String> environment, @Nullable Path file) {
        List<String> problems = new ArrayList<>();
        Settings settings = settings(environment, file, EnumSet.of(Key.WAL_DIR), problems);
        Path directory = new Values(settings, problems).of(Key.WAL_DIR, Notation::path);
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        return directory;
    }

    /**
     * The keys file, for those who only look after it: whatever else is set, or missing, does not matter to them.
     *
     * @throws InvalidConfig if none is set, or the configuration file has names that are none
     */
    public static Path keysFile(Map<String, String> environment, @Nullable Path file) {
        List<String> problems = new ArrayList<>();
        Settings settings = settings(environment, file, EnumSet.of(Key.KEYS_FILE), problems);
        Optional<Path> keys = new Values(settings, problems).find(Key.KEYS_FILE, Notation::path);
        if (keys.isEmpty() && problems.isEmpty()) {
            problems.add("KEYS_FILE: not set; set it, or name the file with --file");
        }
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        return keys.orElseThrow();
    }

    /**
     * What the outcomes of logged certificates depend on, for those who decide them again or look after the log of a stopped backend:
     * whatever else is set, or missing, does not matter to them.
     *
     * @throws InvalidConfig with all that is wrong with it
     */
    public static LogRules logRules(Map<String, String> environment, @Nullable Path file) {
        return logRules(environment, file, List.of());
    }

    /**
     * The same with other numbers in the policy.
     *
     * @param tried like {@code TOL_D=0.20}, whatever else is set for it
     */
    public static LogRules logRules(Map<String, String> environment, @Nullable Path file, List<String> tried) {
        List<String> problems = new ArrayList<>();
        Settings settings = settings(environment, file, LogRules.KEYS, problems);
        TriedNumbers.read(tried, problems).forEach(settings::override);
        Values values = new Values(settings, problems);
        LogRules rules = new LogRules(
                new ConfigReader(values).policy(),
                values.of(Key.DEDUP_TTL, Notation::duration),
                values.of(Key.WAL_RETENTION, Notation::duration));
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        return rules;
    }

    /**
     * What the answer to a certificate depends on: whatever else is set, or missing, does not matter.
     *
     * @throws InvalidConfig with all that is wrong with it
     */
    public static AnswerRules answerRules(Map<String, String> environment, @Nullable Path file) {
        List<String> problems = new ArrayList<>();
        Values values = new Values(settings(environment, file, AnswerRules.KEYS, problems), problems);
        AnswerRules rules = new ConfigReader(values).answerRules();
        if (!problems.isEmpty()) {
            throw new InvalidConfig(problems);
        }
        return rules;
    }

    static Settings settings(Map<String, String> environment, @Nullable Path file, List<String> problems) {
        return settings(environment, file, EnumSet.allOf(Key.class), problems);
    }

    private static Settings settings(
            Map<String, String> environment, @Nullable Path file, Set<Key> keys, List<String> problems) {
        Map<String, String> inFile = file == null ? Map.of() : PropertiesFile.read(file, problems);
        return new Settings(environment, inFile, keys, problems);
    }
}
