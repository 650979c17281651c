// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.SenderConfig;
import dev.flk.agent.send.SenderConfig.ClientTls;
import dev.flk.agent.send.SenderConfig.SendOptions;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Settings;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The agent's configuration. All values are checked here, before anything starts; a missing value that a command needs is a problem
 * like any other.
 *
 * @param endpoints base URLs of backends on one dedup store, the preferred one first
 * @param tls own authorities and client certificate; empty for what the JDK trusts
 * @param signing the key; empty unless it was asked for
 * @param shardId for {@code certify}
 * @param spoolDirectory files of it are taken in while the agent runs
 * @param controlSocket where the running agent is told what to do
 * @param intakeSocket where programs of its group leave certificates too
 * @param intakePort the same on a loopback port, 0 for a free one; empty for none
 * @param metricsPort 0 for a free one; empty for no metrics
 */
public record AgentConfig(
        List<URI> endpoints,
        Optional<ClientTls> tls,
        Optional<Signing> signing,
        Optional<String> shardId,
        OutboxOptions outbox,
        Path deadLetters,
        Optional<Path> spoolDirectory,
        Path controlSocket,
        Optional<Path> intakeSocket,
        OptionalInt intakePort,
        SendOptions send,
        Duration requestTimeout,
        OptionalInt metricsPort,
        LogConfig log) {

    /** What a command needs. */
    public enum Need {
        ENDPOINT,
        SIGNING
    }

    /**
     * Reads the environment and the properties file.
     *
     * @param file Java properties with the names of the environment; null: none
     * @throws InvalidConfig with everything that is wrong
     */
    public static AgentConfig load(Map<String, String> environment, @Nullable Path file, Set<Need> needs) {
        return read(new Settings(AgentKeys.ALL, AgentKeys.GONE, environment, file), needs);
    }

    /**
     * Of an application that sends certificates: the settings of {@code docs/configuration.md} by their names, such as {@code ENDPOINT}.
     *
     * @throws InvalidConfig with everything that is wrong
     */
    public static AgentConfig of(Map<String, String> settings) {
        return load(settings, null, EnumSet.allOf(Need.class));
    }

    /**
     * A configuration to be looked at by others, valid or not.
     *
     * @param text what is set, and what is wrong with it; of secrets, and of what is in PEM, only whether it is set
     * @param secrets all that are set
     * @param config empty if something is wrong with it
     */
    public record Diagnosed(String text, List<String> secrets, Optional<AgentConfig> config) {
        public Diagnosed {
            secrets = List.copyOf(secrets);
        }
    }

    /** As {@link #load} for all commands, but never fails. */
    public static Diagnosed diagnose(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(AgentKeys.ALL, AgentKeys.GONE, environment, file);
        Optional<AgentConfig> config = Optional.empty();
        try {
            config = Optional.of(read(settings, EnumSet.allOf(Need.class)));
        } catch (InvalidConfig e) {
            // its problems are in the report
        }
        return new Diagnosed(settings.report(), settings.secrets(), config);
    }

    private static AgentConfig read(Settings settings, Set<Need> needs) {
        OutboxOptions outbox = new OutboxOptions(
                settings.get(AgentKeys.OUTBOX_PATH),
                settings.get(AgentKeys.OUTBOX_MAX_BYTES),
                settings.get(AgentKeys.OUTBOX_MIN_FREE_BYTES));
        List<URI> endpoints = settings.find(AgentKeys.ENDPOINT).orElse(List.of());
        settings.require(
                !needs.contains(Need.ENDPOINT) || settings.isGiven(AgentKeys.ENDPOINT),
                "ENDPOINT: not set; set it to the backend's base URL such as http://localhost:8080");
        AgentConfig config = new AgentConfig(
                endpoints,
                Tls.read(settings),
                needs.contains(Need.SIGNING) ? Optional.of(Signing.read(settings)) : Optional.empty(),
                settings.find(AgentKeys.SHARD_ID),
                outbox,
                settings.get(AgentKeys.DLQ_PATH),
                settings.find(AgentKeys.SPOOL_DIR),
                settings.find(AgentKeys.CONTROL_SOCKET)
                        .orElseGet(() -> outbox.directory().resolve("control.sock")),
                settings.find(AgentKeys.INTAKE_SOCKET),
                port(settings, AgentKeys.INTAKE_PORT),
                send(settings),
                settings.get(AgentKeys.REQUEST_TIMEOUT),
                port(settings, AgentKeys.METRICS_PORT),
                LogConfig.read(settings));
        config.requireDifferentPaths(settings);
        settings.require(
                !DeadLetterFile.isInside(config.deadLetters(), outbox.directory()),
                "DLQ_PATH: " + config.deadLetters() + " is inside OUTBOX_PATH, whose files belong to the outbox;"
                        + " name a file in another directory");
        settings.check();
        return config;
    }

    /** Requires that no two settings name the same path: one would replace or delete what belongs to the other. */
    private void requireDifferentPaths(Settings settings) {
        Map<Path, String> owners = new HashMap<>();
        Map<String, Path> paths = new LinkedHashMap<>();
        paths.put("OUTBOX_PATH", outbox.directory());
        paths.put("DLQ_PATH", deadLetters);
        spoolDirectory.ifPresent(path -> paths.put("SPOOL_DIR", path));
        paths.put("CONTROL_SOCKET", controlSocket);
        intakeSocket.ifPresent(path -> paths.put("INTAKE_SOCKET", path));
        paths.forEach((setting, path) -> {
            String owner = owners.putIfAbsent(path.toAbsolutePath().normalize(), setting);
            settings.require(owner == null, setting + ": " + path + " is that of " + owner + "; name another path");
        });
    }

    private static OptionalInt port(Settings settings, Key<Integer> key) {
        return settings.find(key).map(OptionalInt::of).orElse(OptionalInt.empty());
    }

    private static SendOptions send(Settings settings) {
        Duration baseDelay = settings.get(AgentKeys.BASE_DELAY);
        Duration maxDelay = settings.get(AgentKeys.MAX_DELAY);
        boolean areSound = !settings.isBroken(AgentKeys.BASE_DELAY) && !settings.isBroken(AgentKeys.MAX_DELAY);
        settings.require(
                !areSound || maxDelay.compareTo(baseDelay) >= 0,
                "MAX_DELAY: shorter than BASE_DELAY; set it to at least that");
        return new SendOptions(
                baseDelay,
                maxDelay,
                settings.get(AgentKeys.MAX_ATTEMPTS),
                settings.get(AgentKeys.MAX_AGE),
                settings.get(AgentKeys.MAX_IN_FLIGHT),
                settings.get(AgentKeys.BATCH_SIZE));
    }

    /**
     * What is wrong with the spool directory, if one is set. It is not made by the agent: those who leave files there must be able to
     * write to it, and a mistyped name would go unseen.
     */
    public Optional<String> spoolObjection() {
        return spoolDirectory
                .filter(directory -> !Files.isDirectory(directory))
                .map(directory -> "SPOOL_DIR: " + directory
                        + (Files.exists(directory)
                                ? " is a file; name a directory"
                                : " does not exist; create it, for those who leave files there to write to"));
    }

    /** Throws if a spool directory is set and is not there. */
    public void requireSpoolDirectory() {
        Optional<String> objection = spoolObjection();
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    /** The settings in which another configuration differs that only a restart can change. */
    public List<String> neededRestart(AgentConfig other) {
        List<String> changed = new ArrayList<>();
        if (!outbox.equals(other.outbox)) {
            changed.add("OUTBOX_PATH, OUTBOX_MAX_BYTES or OUTBOX_MIN_FREE_BYTES");
        }
        if (!deadLetters.equals(other.deadLetters)) {
            changed.add("DLQ_PATH");
        }
        if (!spoolDirectory.equals(other.spoolDirectory)) {
            changed.add("SPOOL_DIR");
        }
        if (!controlSocket.equals(other.controlSocket)
                || !intakeSocket.equals(other.intakeSocket)
                || !intakePort.equals(other.intakePort)) {
            changed.add("CONTROL_SOCKET, INTAKE_SOCKET or INTAKE_PORT");
        }
        if (!metricsPort.equals(other.metricsPort)) {
            changed.add("METRICS_PORT");
        }
        return changed;
    }

    /** How certificates are sent; the endpoint must have been asked for. */
    public SenderConfig sending() {
        return new SenderConfig(endpoints, tls, requestTimeout, signing.flatMap(Signing::signer), send);
    }
}
