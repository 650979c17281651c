// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.run;

import dev.flk.backend.access.keys.ReloadedKeys;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.keys.SigningConfig;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.tls.ReloadedTls;
import dev.flk.backend.access.tokens.Tokens;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.backend.sessions.redis.RedisSessions;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.stores.postgres.CheckedServer;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck;
import dev.flk.program.cli.ReloadSignal;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.Audit;
import dev.flk.program.parts.OpenedParts;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.program.time.SteadyClock;
import dev.flk.state.Operation;
import dev.flk.state.server.config.ServerConfig;
import dev.flk.state.server.serve.StateHttp;
import java.io.IOException;
import java.math.BigDecimal;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The running program. Its parts are opened in the order of their dependencies and closed in reverse order. */
public final class StateServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.state");

    /**
     * The time for which a session's history is kept after its lifetime. This time must exceed the hour in which
     * nothing expires after a jump of the clock; otherwise, the history of a session that still exists could be
     * removed.
     */
    private static final Duration KEPT_LONGER = Duration.ofHours(2);

    /** The failures of an address each second that are still answered, and the largest burst of them. */
    private static final Limits.Sizes LIMITS =
            new Limits.Sizes(BigDecimal.valueOf(100), 200, null, BigDecimal.TEN, 100, StateHttp.MAX_CONNECTIONS / 2);

    private final OpenedParts parts;
    private final StateHttp http;
    private final Optional<StateHttp> ops;
    private final Optional<ServedState> state;
    private volatile String starting = "starting";

    /**
     * Starts all parts.
     *
     * @param again applies the reloadable settings of the configuration, on each SIGHUP; throws {@link InvalidConfig}
     *     if the configuration has a mistake
     * @throws InvalidConfig if a setting turns out not to be usable
     * @throws IOException if a port is in use, or a configured file can't be used
     */
    public static StateServer start(ServerConfig config, String version, Runnable again) throws IOException {
        OpenedParts parts = new OpenedParts();
        try {
            return new StateServer(config, version, again, parts);
        } catch (IOException | RuntimeException e) {
            parts.close();
            throw e;
        }
    }

    private StateServer(ServerConfig config, String version, Runnable again, OpenedParts parts) throws IOException {
        this.parts = parts;
        InstantSource clock = InstantSource.system();
        ServerMetrics metrics = new ServerMetrics(version);
        metrics.all.watchJvm();
        config.warnings().forEach(LOG::warn);
        ReloadSignal signal = ReloadSignal.listen();
        signal.add(() -> reload(again));
        Limits limits = new Limits(LIMITS, System::nanoTime, metrics.all);
        ReloadedTls tls = config.tls().isEmpty() ? null : openTls(config, clock, metrics, signal);
        StateHttp.Parts used = new StateHttp.Parts(
                config,
                limits,
                this::components,
                new StateHttp.ServerMetrics(metrics.all, metrics.http, metrics.sessions, metrics.operatorRefusals),
                clock);
        // started first, so that it answers while the state opens
        this.ops = config.ops().isEmpty()
                ? Optional.empty()
                : Optional.of(
                        parts.opened(StateHttp.forOperations(used, config.ops().get())));
        this.http = parts.opened(StateHttp.forSessions(used, tls));
        SteadyClock steady =
                new SteadyClock(clock, System::nanoTime, SteadyClock.maxStep(Operation.MAX_TTL), Operation.MAX_TTL);
        Audit audit = openAudit(config, version, metrics);
        if (tls != null) {
            tls.start(audit);
        }
        Signatures signatures = signatures(config, steady, metrics, signal, audit);
        this.state = config.state().isEmpty()
                ? Optional.empty()
                : Optional.of(parts.opened(ServedState.open(
                        config.state().get(), steady, steady.expiry(), tls, audit, metrics.state, metrics.pool)));
        state.ifPresent(served -> signal.add(served::onReloadSignal));
        Optional<Sessions> sessions = Optional.empty();
        if (config.sessions().isPresent()) {
            sessions = Optional.of(openSessions(config.sessions().get(), steady, metrics, signal, signatures, audit));
        }
        config.inPostgres().forEach((pool, server) -> {
            if (pool == Pool.STATE) { // that of sessions may be down without harm
                parts.opened(CheckedServer.start(new PostgresCheck(server, Set.of(pool), clock), metrics.postgres));
            }
        });
        ops.ifPresent(server -> server.use(state.map(ServedState::engine), Optional.empty()));
        http.use(state.map(ServedState::engine), sessions);
        ops.ifPresent(parts::closeFirst);
        parts.closeFirst(http);
        this.starting = "";
        LOG.info("ready: the state and sessions are served");
    }

    private ReloadedTls openTls(ServerConfig config, InstantSource clock, ServerMetrics metrics, ReloadSignal signal)
            throws IOException {
        try {
            ReloadedTls opened = parts.opened(new ReloadedTls(config.tls().orElseThrow(), clock, metrics.tls));
            addFiles(signal, opened::onReloadSignal);
            LOG.info("TLS is on with this certificate: {}", opened);
            return opened;
        } catch (InvalidFileException e) {
            throw new IOException("can't use TLS: " + e.getMessage(), e);
        }
    }

    private static void addFiles(ReloadSignal signal, Runnable read) {
        signal.problem().ifPresent(problem -> LOG.warn("{}; changed files are detected without the signal", problem));
        signal.add(read);
    }

    private static void reload(Runnable again) {
        try {
            again.run();
            LOG.info("SIGHUP: the log level is applied; other settings need a restart");
        } catch (InvalidConfig e) {
            e.problems().forEach(problem -> LOG.error("SIGHUP: {}; all settings stay as they were", problem));
        }
    }

    private Audit openAudit(ServerConfig config, String version, ServerMetrics metrics) {
        Audit audit =
                parts.opened(Audit.open(config.auditDir(), InstantSource.system(), System::nanoTime, metrics.audit));
        Map<String, String> begun = new TreeMap<>(config.settings());
        begun.put("version", version);
        audit.operation("started", begun);
        metrics.operatorRefusals.writeTo(audit);
        return audit;
    }

    private Signatures signatures(
            ServerConfig config, SteadyClock steady, ServerMetrics metrics, ReloadSignal signal, Audit audit)
            throws IOException {
        if (config.signing() instanceof SigningConfig.Registered registered) {
            try {
                ReloadedKeys keys = parts.opened(new ReloadedKeys(
                        registered.file(),
                        registered.only(),
                        steady,
                        steady::isInDoubt,
                        System::nanoTime,
                        metrics.keys));
                addFiles(signal, keys::onReloadSignal);
                return keys.start(audit, version -> {});
            } catch (InvalidFileException e) {
                throw new IOException("can't use " + registered.file() + ": " + e.getMessage(), e);
            }
        }
        return Signatures.anyOf(steady.millis(), ((SigningConfig.Simple) config.signing()).check());
    }

    private Sessions openSessions(
            SessionConfig config,
            SteadyClock steady,
            ServerMetrics metrics,
            ReloadSignal signal,
            Signatures signatures,
            Audit audit) {
        SessionAccess.Tokens tokens = state.<SessionAccess.Tokens>map(served -> served::allows)
                .orElseGet(() -> tokens(config, signal, audit));
        SessionStorage storage;
        if (config.redis().isPresent()) {
            storage = parts.opened(RedisSessions.start(
                    config.redis().get(), config, metrics.sessions, metrics.pool.of(Pool.SESSIONS)));
        } else {
            ServedState served = state.orElseThrow();
            served.keepFor(StateSessions.NAMESPACE, config.ttl().plus(KEPT_LONGER));
            storage = new StateSessions(served.engine(), config.ttl(), steady);
        }
        return parts.opened(
                Sessions.start(storage, new SessionAccess(signatures, tokens, steady), config, metrics.sessions));
    }

    /** Returns the rights of the operators' tokens if no state has read them; without a tokens file, none is valid. */
    private SessionAccess.Tokens tokens(SessionConfig config, ReloadSignal signal, Audit audit) {
        if (config.tokensFile().isEmpty()) {
            return (token, namespace, prefix, writes) -> Optional.empty();
        }
        Tokens tokens = parts.opened(Tokens.open(config.tokensFile().get(), audit));
        signal.add(tokens::onReloadSignal);
        return tokens::allows;
    }

    private List<Component> components() {
        List<Component> components = new ArrayList<>();
        @Nullable String why = starting;
        if (!why.isEmpty()) {
            return List.of(new Component("state", false, why));
        }
        state.ifPresent(
                served -> components.add(new Component("state", served.problem().isEmpty(), served.detail())));
        if (state.isEmpty()) {
            components.add(new Component("sessions", true, "up"));
        }
        return components;
    }

    /** Returns the port of sessions. */
    public int port() {
        return http.port();
    }

    /** Returns the port of the state; 0 if it is off. */
    public int statePort() {
        return state.map(ServedState::port).orElse(0);
    }

    /** Stops accepting, lets calls in flight finish, and closes all parts in reverse order. */
    @Override
    public void close() {
        starting = "stopping";
        parts.close();
    }
}
