// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.control.LocalServer;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.agent.heartbeat.HeartbeatConfig;
import dev.flk.agent.metrics.MetricsServer;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.ClientTls;
import dev.flk.agent.send.SenderConfig;
import dev.flk.agent.send.Signing;
import dev.flk.agent.source.SpoolIntake;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import dev.flk.program.logging.LogOutput.LogConfig;
import dev.flk.signing.Signer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The agent's configuration, composed of the configurations of its features. All values are checked before any part of
 * the agent starts. All problems are reported together, including missing settings that a command needs.
 *
 * @param sending the configuration of the sender; contains a signer only if {@link Need#SIGNING} was requested
 * @param signing the signing key and its algorithm; present only if {@link Need#SIGNING} was requested
 * @param shardId the shard that {@code certify} writes into certificates
 * @param deadLetters the file of the dead letters
 * @param spoolDirectory the directory whose files are added to the outbox while the agent runs
 * @param sourcesFile the file that lists the CSV files to certify while the agent runs
 * @param local the addresses for operators and programs on the same machine
 * @param metricsPort the port for metrics; 0 for any free port; empty if metrics are not served
 * @param heartbeat the settings of the heartbeat; contains a key only if {@link Need#SIGNING} was requested
 * @param warnings sentences about settings without effect and about suspicious secrets; no sentence quotes a secret
 */
public record AgentConfig(
        SenderConfig sending,
        Optional<Signing> signing,
        Optional<String> shardId,
        OutboxOptions outbox,
        Path deadLetters,
        Optional<Path> spoolDirectory,
        Optional<Path> sourcesFile,
        LocalServer.Addresses local,
        Optional<Integer> metricsPort,
        HeartbeatConfig heartbeat,
        LogConfig log,
        List<String> warnings) {
    /** The keys of all settings, in the order of the documentation. */
    public static final List<Key<?>> KEYS = Stream.of(
                    List.of(SenderConfig.ENDPOINT),
                    ClientTls.KEYS,
                    Signing.KEYS,
                    List.of(Certifier.SHARD_ID),
                    OutboxOptions.KEYS,
                    List.of(DeadLetterFile.PATH, SpoolIntake.DIRECTORY, SourcesFile.FILE),
                    LocalServer.Addresses.KEYS,
                    SenderConfig.OPTIONS,
                    HeartbeatConfig.KEYS,
                    List.of(MetricsServer.PORT, LogConfig.LEVEL, LogConfig.FORMAT))
            .<Key<?>>flatMap(List::stream)
            .toList();

    /** The settings without which a command cannot run. */
    public enum Need {
        ENDPOINT,
        SIGNING
    }

    /**
     * Reads the environment and the properties file.
     *
     * @param file a Java properties file whose keys are the names of the environment variables; null to read only the
     *     environment
     * @throws InvalidConfig if the configuration is invalid; lists all problems
     */
    public static AgentConfig load(Map<String, String> environment, @Nullable Path file, Set<Need> needs) {
        return read(new Settings(KEYS, environment, file), needs);
    }

    /**
     * Reads the configuration of an application that embeds the agent. The keys of the map are the names in {@code
     * docs/configuration.md}, such as {@code ENDPOINT}. The endpoint and the signing settings are required.
     *
     * @throws InvalidConfig if the configuration is invalid; lists all problems
     */
    public static AgentConfig of(Map<String, String> settings) {
        return load(settings, null, EnumSet.allOf(Need.class));
    }

    /**
     * Reads the configuration as {@link #load} does with all of {@link Need} required, but returns the problems instead
     * of throwing an exception.
     */
    public static Diagnosed<AgentConfig> diagnose(Map<String, String> environment, @Nullable Path file) {
        return Diagnosed.read(
                new Settings(KEYS, environment, file), settings -> read(settings, EnumSet.allOf(Need.class)));
    }

    private static AgentConfig read(Settings settings, Set<Need> needs) {
        OutboxOptions outbox = OutboxOptions.read(settings);
        settings.require(
                !needs.contains(Need.ENDPOINT) || settings.isGiven(SenderConfig.ENDPOINT),
                "ENDPOINT: not set; set it to the backend's base URL such as http://localhost:8080");
        Optional<Signing> signing =
                needs.contains(Need.SIGNING) ? Optional.of(Signing.read(settings)) : Optional.empty();
        AgentConfig config = new AgentConfig(
                SenderConfig.read(settings, signing.flatMap(Signing::signer).map(Signer.class::cast)),
                signing,
                settings.find(Certifier.SHARD_ID),
                outbox,
                settings.get(DeadLetterFile.PATH),
                settings.find(SpoolIntake.DIRECTORY),
                settings.find(SourcesFile.FILE),
                LocalServer.Addresses.read(settings, outbox.directory()),
                settings.find(MetricsServer.PORT),
                HeartbeatConfig.read(settings, signing.flatMap(Signing::signer)),
                LogConfig.read(settings),
                settings.warnings());
        config.requireDifferentPaths(settings);
        config.requireNotSpooled(settings);
        settings.require(
                !isInside(config.deadLetters(), outbox.directory()),
                "DLQ_PATH: " + config.deadLetters() + " is inside OUTBOX_PATH, whose files belong to the outbox;"
                        + " name a file in another directory");
        settings.check();
        return config;
    }

    /**
     * Returns whether a path is inside a directory, at any depth. Returns false for the directory itself. Links in the
     * existing parts of both paths are followed.
     */
    private static boolean isInside(Path file, Path directory) {
        Path realDirectory = real(directory.toAbsolutePath());
        Path realFile = real(file.toAbsolutePath());
        return realFile.startsWith(realDirectory) && !realFile.equals(realDirectory);
    }

    private static Path real(Path absolute) {
        Path parent = absolute.getParent();
        try {
            return absolute.toRealPath();
        } catch (IOException e) {
            return parent == null
                    ? absolute
                    : real(parent).resolve(absolute.getFileName()).normalize();
        }
    }

    /**
     * Requires that no two settings name the same path; otherwise one feature would replace or delete the files of
     * another.
     */
    private void requireDifferentPaths(Settings settings) {
        Map<Path, String> owners = new HashMap<>();
        Map<String, Path> paths = new LinkedHashMap<>();
        paths.put("OUTBOX_PATH", outbox.directory());
        spoolDirectory.ifPresent(path -> paths.put("SPOOL_DIR", path));
        paths.putAll(createdFiles());
        paths.forEach((setting, path) -> {
            String owner = owners.putIfAbsent(path.toAbsolutePath().normalize(), setting);
            settings.require(
                    owner == null, setting + ": " + path + " is also the path of " + owner + "; name another path");
        });
    }

    /**
     * Requires that no file that the agent creates is in the spool directory under a name by which it would be
     * submitted.
     */
    private void requireNotSpooled(Settings settings) {
        spoolDirectory.ifPresent(spool -> createdFiles()
                .forEach((setting, path) -> settings.require(
                        !SpoolIntake.takes(real(spool.toAbsolutePath()), real(path.toAbsolutePath())),
                        setting + ": " + path + " is in SPOOL_DIR, whose .ndjson and .json files are submitted;"
                                + " name a file in another directory")));
    }

    /**
     * Returns the paths of the files and sockets that the agent creates, keyed by the name of the setting that contains
     * the path.
     */
    private Map<String, Path> createdFiles() {
        Map<String, Path> files = new LinkedHashMap<>();
        files.put("DLQ_PATH", deadLetters);
        files.put("CONTROL_SOCKET", local.control());
        local.intake().ifPresent(path -> files.put("INTAKE_SOCKET", path));
        return files;
    }

    /** Throws an {@link InvalidConfig} if SPOOL_DIR is set to a path that is not an existing directory. */
    public void requireSpoolDirectory() {
        Optional<String> objection = spoolDirectory.flatMap(SpoolIntake::objection);
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    /**
     * Compares the settings that take effect only after a restart, and returns the names of those that have other
     * values in {@code other}. A text may name several settings; then at least one of these has another value.
     */
    public List<String> neededRestart(AgentConfig other) {
        List<String> changed = new ArrayList<>();
        addIf(!outbox.equals(other.outbox), "OUTBOX_PATH, OUTBOX_MAX_BYTES or OUTBOX_MIN_FREE_BYTES", changed);
        addIf(!deadLetters.equals(other.deadLetters), "DLQ_PATH", changed);
        addIf(!spoolDirectory.equals(other.spoolDirectory), "SPOOL_DIR", changed);
        addIf(!sourcesFile.equals(other.sourcesFile), "SOURCES_FILE", changed);
        addIf(!local.equals(other.local), "CONTROL_SOCKET, INTAKE_SOCKET or INTAKE_PORT", changed);
        addIf(!metricsPort.equals(other.metricsPort), "METRICS_PORT", changed);
        return changed;
    }

    private static void addIf(boolean isChanged, String settings, List<String> changed) {
        if (isChanged) {
            changed.add(settings);
        }
    }
}
