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
 * The agent's configuration. All values are checked here, before anything starts; a missing value that a command needs is
 * reported with all other problems.
 *
 * @param endpoints base URLs of backends on one dedup store, the preferred one first
 * @param tls the trusted authorities and the client certificate; empty for the JDK's defaults
 * @param signing the key; empty unless {@link Need#SIGNING} was requested
 * @param shardId the shard for {@code certify}
 * @param spoolDirectory the directory whose files are added to the outbox while the agent runs
 * @param controlSocket the socket for operators' commands to the running agent
 * @param intakeSocket the socket on which programs of its group submit certificates
 * @param intakePort the loopback port for the same; 0 takes a free one; empty for none
 * @param metricsPort the port for metrics; 0 takes a free one; empty for none
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

    /** The settings that a command requires in addition to valid values. */
    public enum Need {
        ENDPOINT,
        SIGNING
    }

    /**
     * Reads the environment and the properties file.
     *
     * @param file a Java properties file with the names of the environment variables; null for none
     * @throws InvalidConfig if the configuration is invalid; lists all problems
     */
    public static AgentConfig load(Map<String, String> environment, @Nullable Path file, Set<Need> needs) {
        return read(new Settings(AgentKeys.ALL, environment, file), needs);
    }

    /**
     * Returns the configuration of an application that sends certificates. The names are those of
     * {@code docs/configuration.md}, such as {@code ENDPOINT}.
     *
     * @throws InvalidConfig if the configuration is invalid; lists all problems
     */
    public static AgentConfig of(Map<String, String> settings) {
        return load(settings, null, EnumSet.allOf(Need.class));
    }

    /**
     * A configuration for diagnostics, valid or not.
     *
     * @param text the settings and their problems, safe to show to others; for secrets and PEM data it only says whether they are set
     * @param secrets the values of all secrets that are set
     * @param config the configuration; empty if it is invalid
     */
    public record Diagnosed(String text, List<String> secrets, Optional<AgentConfig> config) {
        public Diagnosed {
            secrets = List.copyOf(secrets);
        }
    }

    /** Reads the configuration as {@link #load} does, with all needs, but reports problems instead of throwing. */
    public static Diagnosed diagnose(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(AgentKeys.ALL, environment, file);
        Optional<AgentConfig> config = Optional.empty();
        try {
            config = Optional.of(read(settings, EnumSet.allOf(Need.class)));
        } catch (InvalidConfig e) {
            // settings.report() lists the problems
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

    /** Requires that no two settings name the same path, because one would replace or delete the files of the other. */
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
            settings.require(
                    owner == null, setting + ": " + path + " is also the path of " + owner + "; name another path");
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
     * Returns the problem of the spool directory; empty if none is set or it exists. The agent does not create the directory, because
     * its producers must be able to write to it, and a mistyped name would go unnoticed.
     */
    public Optional<String> spoolObjection() {
        return spoolDirectory
                .filter(directory -> !Files.isDirectory(directory))
                .map(directory -> "SPOOL_DIR: " + directory
                        + (Files.exists(directory)
                                ? " is a file; name a directory"
                                : " does not exist; create it, writable for the programs that put files there"));
    }

    /** Throws an {@link InvalidConfig} if a spool directory is set and does not exist. */
    public void requireSpoolDirectory() {
        Optional<String> objection = spoolObjection();
        if (objection.isPresent()) {
            throw new InvalidConfig(List.of(objection.get()));
        }
    }

    /** Returns the settings in which another configuration differs and that only a restart can change. */
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

    /** Returns the sender's configuration; requires that this one was read with {@link Need#ENDPOINT}. */
    public SenderConfig sending() {
        return new SenderConfig(endpoints, tls, requestTimeout, signing.flatMap(Signing::signer), send);
    }
}
