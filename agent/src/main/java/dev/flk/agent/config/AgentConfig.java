// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import dev.flk.agent.outbox.OutboxOptions;
import dev.flk.agent.send.ClientTls;
import dev.flk.agent.send.SendOptions;
import dev.flk.agent.send.SendingSetup;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.slf4j.event.Level;

/**
 * Everything the agent is told. Values are checked here, all of them, before anything starts; what a command needs and is
 * not given is a problem like any other.
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
        Level logLevel,
        LogFormat logFormat) {

    private static final String CONTROL_SOCKET = "control.sock";
    private static final int MANY = 1_000_000_000;

    /** What a command can't do without. */
    public enum Need {
        ENDPOINT,
        SIGNING
    }

    /**
     * Reads the environment and the properties file.
     *
     * @throws InvalidConfig with everything that is wrong
     */
    public static AgentConfig load(Map<String, String> environment, @Nullable Path file, Set<Need> needs)
            throws InvalidConfig {
        Settings settings = new Settings(environment, file);
        OutboxOptions outbox = new OutboxOptions(
                settings.value(Setting.OUTBOX_PATH, "data/outbox.wal", AgentConfig::path),
                settings.value(Setting.OUTBOX_MAX_BYTES, "1GiB", AgentConfig::outboxBytes),
                settings.value(Setting.OUTBOX_MIN_FREE_BYTES, "64MiB", Quantities::bytes));
        AgentConfig config = new AgentConfig(
                endpoints(settings, needs),
                Tls.read(settings),
                needs.contains(Need.SIGNING) ? Optional.of(Signing.read(settings)) : Optional.empty(),
                settings.text(Setting.SHARD_ID),
                outbox,
                settings.value(Setting.DLQ_PATH, "data/dlq.jsonl", AgentConfig::path),
                settings.optional(Setting.SPOOL_DIR, AgentConfig::path),
                settings.optional(Setting.CONTROL_SOCKET, AgentConfig::path)
                        .orElseGet(() -> outbox.directory().resolve(CONTROL_SOCKET)),
                settings.optional(Setting.INTAKE_SOCKET, AgentConfig::path),
                port(settings, Setting.INTAKE_PORT),
                send(settings),
                settings.value(Setting.REQUEST_TIMEOUT, "10s", AgentConfig::positive),
                port(settings, Setting.METRICS_PORT),
                settings.value(Setting.LOG_LEVEL, "INFO", AgentConfig::level),
                settings.value(Setting.LOG_FORMAT, "text", AgentConfig::logFormat));
        if (!settings.problems().isEmpty()) {
            throw new InvalidConfig(settings.problems());
        }
        return config;
    }

    private static OptionalInt port(Settings settings, Setting setting) {
        return settings.optional(setting, port -> Quantities.count(port, 0, 65_535))
                .map(OptionalInt::of)
                .orElse(OptionalInt.empty());
    }

    private static SendOptions send(Settings settings) {
        Duration baseDelay = settings.value(Setting.BASE_DELAY, "1s", AgentConfig::positive);
        Duration maxDelay = settings.value(Setting.MAX_DELAY, "60s", AgentConfig::positive);
        boolean sound = settings.isSound(Setting.BASE_DELAY) && settings.isSound(Setting.MAX_DELAY);
        if (sound && maxDelay.compareTo(baseDelay) < 0) {
            settings.problem(Setting.MAX_DELAY, "is shorter than BASE_DELAY; make it at least as long");
        }
        return new SendOptions(
                baseDelay,
                maxDelay,
                settings.value(Setting.MAX_ATTEMPTS, "0", text -> Quantities.count(text, 0, MANY)),
                settings.value(Setting.MAX_AGE, "13d", AgentConfig::positive),
                settings.value(Setting.MAX_IN_FLIGHT, "256", text -> Quantities.count(text, 1, 100_000)),
                settings.value(Setting.BATCH_SIZE, "100", text -> Quantities.count(text, 1, 1_000)));
    }

    /**
     * What is wrong with the spool directory, if one is set. It is not made by the agent: those who leave files there must be able to
     * write to it, and a mistyped name would go unseen.
     */
    public Optional<String> spoolObjection() {
        return spoolDirectory
                .filter(directory -> !Files.isDirectory(directory))
                .map(directory -> Setting.SPOOL_DIR
                        + " " + directory
                        + (Files.exists(directory)
                                ? " is a file; name a directory"
                                : " does not exist; create it, for those who leave files there to write to"));
    }

    /** Throws unless the spool directory is there, where one is set. */
    public void requireSpoolDirectory() throws InvalidConfig {
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
    public SendingSetup sending() {
        return new SendingSetup(endpoints, tls, requestTimeout, signing.flatMap(Signing::signer), send);
    }

    private static List<URI> endpoints(Settings settings, Set<Need> needs) {
        List<URI> endpoints =
                settings.optional(Setting.ENDPOINT, AgentConfig::baseUrls).orElse(List.of());
        if (needs.contains(Need.ENDPOINT) && !settings.isGiven(Setting.ENDPOINT)) {
            settings.problem(
                    Setting.ENDPOINT, "is not set; write the backend's base URL such as http://localhost:8080");
        }
        return endpoints;
    }

    /** Separated by commas. */
    private static List<URI> baseUrls(String text) {
        boolean mayHoldPassword = text.indexOf('@') >= 0;
        List<URI> urls = Arrays.stream(text.split(",", -1))
                .map(String::strip)
                .map(url -> baseUrl(url, mayHoldPassword ? "is no base URL, or has a user" : "is \"" + url + "\""))
                .toList();
        if (Set.copyOf(urls).size() < urls.size()) {
            throw new IllegalArgumentException("names a URL twice; each backend once");
        }
        return urls;
    }

    private static URI baseUrl(String text, String mistake) {
        String advice = "; write a base URL such as http://localhost:8080";
        String form = mistake + advice;
        try {
            URI uri = new URI(text);
            boolean web = "http".equalsIgnoreCase(uri.getScheme()) || "https".equalsIgnoreCase(uri.getScheme());
            if (!web || uri.getHost() == null || uri.getPort() == 0 || uri.getPort() > 65_535) {
                throw new IllegalArgumentException(form);
            }
            if (uri.getRawUserInfo() != null || uri.getRawQuery() != null || uri.getRawFragment() != null) {
                throw new IllegalArgumentException("has a user, a query or a fragment" + advice);
            }
            return uri;
        } catch (URISyntaxException e) {
            throw new IllegalArgumentException(form, e);
        }
    }

    private static Path path(String text) {
        try {
            return Path.of(text);
        } catch (InvalidPathException e) {
            throw new IllegalArgumentException("is no path: " + e.getReason(), e);
        }
    }

    private static long outboxBytes(String text) {
        long bytes = Quantities.bytes(text);
        if (bytes < 1) {
            throw new IllegalArgumentException("is \"" + text + "\"; an outbox needs room, write a size such as 1GiB");
        }
        return bytes;
    }

    private static Duration positive(String text) {
        Duration duration = Quantities.duration(text);
        if (duration.isZero()) {
            throw new IllegalArgumentException("is \"" + text + "\"; it must be longer than nothing");
        }
        return duration;
    }

    private static Level level(String text) {
        try {
            return Level.valueOf(text.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("is \"" + text + "\"; write ERROR, WARN, INFO, DEBUG or TRACE", e);
        }
    }

    private static LogFormat logFormat(String text) {
        return switch (text) {
            case "text" -> LogFormat.TEXT;
            case "json" -> LogFormat.JSON;
            default -> throw new IllegalArgumentException("is \"" + text + "\"; write text or json");
        };
    }
}
