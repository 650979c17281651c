// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.config;

import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.tls.TlsFiles;
import dev.flk.backend.serve.guard.OperatorConfig;
import dev.flk.backend.serve.guard.OperatorConfig.Login;
import dev.flk.backend.serve.guard.OpsConfig;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.state.StateConfig;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Secret;
import dev.flk.program.config.Settings;
import dev.flk.program.diagnostics.Scrubber;
import dev.flk.program.logging.LogOutput.LogConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The complete, valid configuration of {@code flk-state}.
 *
 * @param port the port of sessions; 0 for any free port
 * @param bindAddress the address to listen on, or a host name with this address
 * @param ops the separate port for operators; empty if {@code port} also serves operators
 * @param tls the files for TLS; empty for plain HTTP and gRPC
 * @param state the settings of the state; empty if the state is off
 * @param sessions the settings of sessions; empty if sessions are off
 * @param signing who may sign for a session
 * @param auditDir the directory of the audit log
 * @param settings the values in force by name, including defaults; for a secret, only whether it is set
 * @param warnings messages about settings that are allowed but probably a mistake; they contain no secrets
 */
public record ServerConfig(
        int port,
        String bindAddress,
        Optional<OpsConfig> ops,
        Optional<TlsFiles> tls,
        OperatorConfig operators,
        Optional<StateConfig> state,
        Optional<SessionConfig> sessions,
        SigningConfig signing,
        LogConfig log,
        Path auditDir,
        Map<String, String> settings,
        List<String> warnings) {
    private static final Key<Integer> PORT = Key.of(
                    "PORT", Quantities::port, "The port for sessions; 0: any free port.")
            .or("8081");
    private static final Key<String> BIND_ADDR =
            Key.of("BIND_ADDR", OpsConfig.ADDRESS, "The address to listen on.").or("0.0.0.0");
    private static final Key<Path> AUDIT_DIR = Key.of("AUDIT_DIR", Quantities::path, "The directory of the audit log.")
            .derived("`audit` beside `STATE_DIR`");

    /** All settings in the order of the docs. */
    public static final List<Key<?>> KEYS = Stream.<List<? extends Key<?>>>of(
                    List.of(PORT, BIND_ADDR, OpsConfig.OPS_PORT, OpsConfig.OPS_BIND_ADDR, OpsConfig.DEBUG),
                    OperatorConfig.KEYS,
                    TlsFiles.KEYS,
                    StateConfig.KEYS,
                    SessionConfig.KEYS,
                    SigningConfig.KEYS,
                    RedisConfig.KEYS,
                    List.of(RedisConfig.DEDUP_TIMEOUT),
                    PostgresConfig.KEYS,
                    List.of(AUDIT_DIR, LogConfig.LEVEL, LogConfig.FORMAT))
            .<Key<?>>flatMap(List::stream)
            .toList();

    public ServerConfig {
        settings = Map.copyOf(settings);
        warnings = List.copyOf(warnings);
    }

    /**
     * Reads the configuration. The environment overrides the file, which overrides the defaults.
     *
     * @param file a file of Java properties with the same names as the environment; null for no file
     * @throws InvalidConfig with all problems at once
     */
    public static ServerConfig load(Map<String, String> environment, @Nullable Path file) {
        return read(new Settings(KEYS, environment, file));
    }

    /** Reads the configuration if anything is configured, as {@link #load} does; returns empty otherwise. */
    public static Optional<ServerConfig> loadIfAny(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(KEYS, environment, file);
        boolean isNone =
                file == null && settings.problems().isEmpty() && KEYS.stream().noneMatch(settings::isGiven);
        return isNone ? Optional.empty() : Optional.of(read(settings));
    }

    private static ServerConfig read(Settings settings) {
        int port = settings.get(PORT);
        String bindAddress = settings.get(BIND_ADDR);
        Optional<OpsConfig> ops = OpsConfig.read(settings);
        Optional<TlsFiles> tls = TlsFiles.read(settings);
        OperatorConfig operators = OperatorConfig.read(settings);
        Optional<StateConfig> state = StateConfig.read(settings, bindAddress);
        Optional<SessionConfig> sessions =
                SessionConfig.read(settings, state.isPresent(), StateConfig.STATE_TOKENS_FILE);
        settings.require(
                state.isPresent() || sessions.isPresent(),
                "STATE_PORT, SESSION_STORE: both are off, so there is nothing to serve");
        boolean isSigned = SigningConfig.KEYS.stream().anyMatch(settings::isGiven);
        Optional<SigningConfig> signing =
                isSigned ? SigningConfig.read(settings) : Optional.of(new SigningConfig.Off());
        boolean hasRedis = sessions.flatMap(SessionConfig::redis).isPresent();
        settings.unused("SESSION_STORE is not redis", hasRedis ? List.of() : RedisConfig.KEYS);
        if (state.flatMap(StateConfig::postgres).isEmpty()) {
            settings.unused("STATE_ENGINE is not postgres", PostgresConfig.KEYS);
        }
        LogConfig log = LogConfig.read(settings);
        Path auditDir = settings.find(AUDIT_DIR)
                .orElseGet(() -> StateConfig.directory(settings).resolveSibling("audit"));
        settings.check();
        List<String> warnings = new ArrayList<>(settings.warnings());
        if (!isSigned && sessions.isPresent()) {
            warnings.add("KEYS_FILE, PCS_SIGN_ALG: not set, so agents can't sign for their sessions; only tokens can");
        }
        return new ServerConfig(
                port,
                bindAddress,
                ops,
                tls,
                operators,
                state,
                sessions,
                signing.orElseThrow(),
                log,
                auditDir,
                settings.shown(),
                warnings);
    }

    /** Renders each setting with its value in force and its origin, in 80 columns, followed by the warnings. */
    public static String describe(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(KEYS, environment, file);
        ServerConfig config = read(settings);
        Map<String, String> derived = new TreeMap<>();
        derived.put("AUDIT_DIR", config.auditDir.toString());
        config.state.ifPresent(state -> {
            derived.put("STATE_MIN_FREE_BYTES", Long.toString(state.engine().minFreeBytes()));
            derived.put("STATE_CACHE_BYTES", Integer.toString(state.cacheBytes()));
        });
        config.ops.ifPresent(ops -> derived.put("OPS_BIND_ADDR", ops.bindAddress()));
        StringBuilder text = new StringBuilder(settings.table(derived));
        config.warnings.forEach(
                warning -> text.append(System.lineSeparator()).append(Paragraph.wrapped("WARNING " + warning)));
        return text.toString();
    }

    /** Reads the configuration, but returns the problems of an invalid one instead of throwing. */
    public static Diagnosed<ServerConfig> diagnose(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(KEYS, environment, file);
        Diagnosed<ServerConfig> known = Diagnosed.read(settings, ServerConfig::read);
        List<String> secrets = new ArrayList<>(known.secrets());
        Login.read(settings)
                .ifPresent(login -> secrets.add(
                        Scrubber.basicLogin(login.user(), login.password().text())));
        return new Diagnosed<>(known.text(), secrets, known.config());
    }

    /**
     * Returns the operators' login, ignoring invalid values of other settings; empty if no login is configured.
     *
     * @throws InvalidConfig if the login is invalid, or the configuration file can't be used
     */
    public static Optional<Login> operatorsLogin(Map<String, String> environment, @Nullable Path file) {
        Settings settings = new Settings(KEYS, environment, file);
        Optional<Login> login = Login.read(settings);
        settings.check();
        return login;
    }

    /** Returns the Postgres server of each pool that is used. */
    public Map<Pool, PostgresConfig> inPostgres() {
        Map<Pool, PostgresConfig> servers = new EnumMap<>(Pool.class);
        state.flatMap(StateConfig::postgres).ifPresent(server -> servers.put(Pool.STATE, server));
        sessions.flatMap(SessionConfig::database).ifPresent(server -> servers.put(Pool.SESSIONS, server));
        return servers;
    }

    /** Returns the login for Basic authentication; null if none is configured. */
    public Optional<Login> login() {
        return Optional.ofNullable(operators.login());
    }

    /** Returns a secret for requests to this program's own ports. */
    public static Secret basic(Login login) {
        return new Secret(Scrubber.basicLogin(login.user(), login.password().text()));
    }
}
