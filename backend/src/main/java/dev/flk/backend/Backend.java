// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend;

import dev.flk.backend.audit.Audit;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.MemoryStore;
import dev.flk.backend.dedup.SteadyClock;
import dev.flk.backend.dedup.StoreConfig;
import dev.flk.backend.dedup.Sweeper;
import dev.flk.backend.dedup.embedded.EmbeddedStore;
import dev.flk.backend.dedup.postgres.PostgresStore;
import dev.flk.backend.dedup.redis.RedisStore;
import dev.flk.backend.files.ConfiguredFile.InvalidFileException;
import dev.flk.backend.http.BackendServer;
import dev.flk.backend.http.BackendServer.Readiness;
import dev.flk.backend.http.BackendServer.Readiness.Component;
import dev.flk.backend.http.HttpConfig.OpsConfig;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.inbox.DecisionRules;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.LogCare;
import dev.flk.backend.inbox.LoggedBodies;
import dev.flk.backend.ingest.ForcedQueue;
import dev.flk.backend.ingest.Ingest;
import dev.flk.backend.ingest.IngestPipeline;
import dev.flk.backend.ingest.IngestPipeline.Ready;
import dev.flk.backend.keys.ReloadedKeys;
import dev.flk.backend.keys.Signatures;
import dev.flk.backend.keys.SigningConfig;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.DiskSpace;
import dev.flk.backend.postgres.CheckedServer;
import dev.flk.backend.postgres.PoolMetrics.Pool;
import dev.flk.backend.postgres.PostgresCheck;
import dev.flk.backend.record.RecordFollower;
import dev.flk.backend.record.RecordIndex;
import dev.flk.backend.record.RecordedOutcomes;
import dev.flk.backend.review.Reviews;
import dev.flk.backend.sessions.SessionAccess;
import dev.flk.backend.sessions.SessionConfig;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.Sessions;
import dev.flk.backend.sessions.StateSessions;
import dev.flk.backend.sessions.redis.RedisSessions;
import dev.flk.backend.state.ServedState;
import dev.flk.backend.state.Tokens;
import dev.flk.backend.tls.ReloadedTls;
import dev.flk.backend.tls.TlsFiles;
import dev.flk.program.cli.ReloadSignal;
import dev.flk.program.config.InvalidConfig;
import dev.flk.state.Operation;
import dev.flk.wal.LogOptions;
import dev.flk.wal.LogOptions.LogSizes;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LockLostException;
import java.io.IOException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The running backend. Its parts are created in the order of their dependencies and closed in reverse order. The HTTP
 * servers are an exception: they are created first, so that they can answer {@code starting} while the log is read, and
 * they are also closed first.
 */
public final class Backend implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");
    private static final Duration FINISH_WITHIN = Duration.ofSeconds(5);

    /**
     * The time for which the backend still answers probes after it has lost the lock of its log, so that operators can
     * see why it ends.
     */
    private static final Duration LOSS_SHOWN = Duration.ofSeconds(5);

    /**
     * The time for which a session's history is kept after its lifetime. This time must exceed the hour in which
     * nothing expires after a jump of the clock; otherwise, the history of a session that still exists could be
     * removed.
     */
    private static final Duration SESSIONS_KEPT_LONGER = Duration.ofHours(2);

    private final Deque<AutoCloseable> parts = new ArrayDeque<>();
    private final InstantSource clock = InstantSource.system();
    private final BackendMetrics metrics;
    private final Ingest.Gate gate;
    private final String version;
    private int port;
    private int opsPort;
    private @Nullable BackendConfig inForce;
    private @Nullable IngestPipeline started;
    private @Nullable CompletionStage<LockLostException> lockLost;
    private @Nullable EmbeddedStore embedded;
    private @Nullable ReloadedTls tls;
    private volatile @Nullable ServedState state;
    private volatile @Nullable RecordedOutcomes record;
    private volatile @Nullable Reviews reviews;
    private volatile @Nullable LoggedBodies bodies;
    private volatile @Nullable Sessions sessions;
    private volatile Readiness readiness =
            () -> List.of(new Component("log", false, "starting"), new Component("dedup", false, "starting"));

    private Backend(String version, int shardMetrics) {
        this.version = version;
        this.metrics = new BackendMetrics(version, shardMetrics);
        metrics.all.watchJvm();
        this.gate = new Ingest.Gate(metrics.refused);
    }

    /**
     * Starts all parts; submissions are not accepted before {@link #serve}. The caller registers a shutdown hook
     * between this call and {@code serve}, so that a backend that accepts submissions always finishes them when it
     * stops.
     *
     * @param again a function that reads the configuration again, called on each SIGHUP; throws {@link InvalidConfig}
     *     if the configuration has a mistake
     * @throws IOException if a port or the log is in use, if the log is damaged or can't be read or written, or if
     *     another configured file can't be used
     * @throws dev.flk.backend.dedup.DedupStore.StoreUnavailableException if the store can't be opened or fails
     */
    public static Backend start(BackendConfig config, String version, Supplier<BackendConfig> again)
            throws IOException {
        Backend backend = new Backend(version, config.shardMetrics());
        try {
            backend.startParts(config, again);
            return backend;
        } catch (IOException | RuntimeException e) {
            backend.close();
            throw e;
        }
    }

    private void startParts(BackendConfig config, Supplier<BackendConfig> again) throws IOException {
        DecisionRules rules = new DecisionRules(config.policy(), config.inbox().dedupTtl());
        Limits limits = new Limits(config.limit(), System::nanoTime, metrics.all);
        ReloadSignal reloadSignal = ReloadSignal.listen();
        inForce = config;
        config.warnings().forEach(LOG::warn);
        reloadSignal.add(() -> takeAgain(again, limits));
        Optional<BackendServer> ops = config.ops().isEmpty()
                ? Optional.empty()
                : Optional.of(startOps(config, config.ops().get()));
        BackendServer http = startHttp(config, limits, reloadSignal);
        Path walDir = config.inbox().walDir();
        Duration dedupTtl = config.inbox().dedupTtl();
        SteadyClock steady = new SteadyClock(
                clock, System::nanoTime, SteadyClock.maxStep(dedupTtl), longer(dedupTtl, Operation.MAX_TTL));
        ForcedQueue forced = new ForcedQueue(metrics.ingest);
        lockLost = forced.lockLost();
        Inbox inbox = opened(Inbox.open(
                LogOptions.of(walDir, Inbox.SEGMENT_PREFIX, rules.context())
                        .with(LogSizes.usual().withKeepFree(config.inbox().walMinFreeBytes())),
                config.inbox().walMinFreeBytes(),
                new DiskFiles(),
                steady,
                System::nanoTime,
                new SecureRandom(),
                () -> embedded(config).flatMap(EmbeddedStore::logId),
                forced));
        Audit audit = opened(Audit.open(config.auditDir(), clock, System::nanoTime, metrics.audit));
        Map<String, String> begun = new TreeMap<>(config.settings());
        begun.put("version", version);
        audit.operation("started", begun);
        metrics.operatorRefusals.writeTo(audit);
        if (tls != null) {
            tls.start(audit);
        }
        GuardedStore store = openStore(config, inbox.logId(), steady.expiry());
        Signatures signatures = signatures(config.signing(), steady, audit, reloadSignal);
        IngestPipeline ingest = opened(new IngestPipeline(
                        inbox,
                        forced,
                        store,
                        limits,
                        signatures,
                        rules,
                        config.maxClockSkew(),
                        steady,
                        System::nanoTime,
                        metrics.ingest,
                        audit)
                .open(ready(config.store())));
        ingest.start();
        LogCare care = opened(new LogCare(
                        inbox,
                        store,
                        ingest::recordedUpTo,
                        new DiskFiles(),
                        config.inbox().walRetention(),
                        steady))
                .start();
        metrics.ingest.watch(opened(DiskSpace.watch(walDir)));
        if (config.state().isPresent()) {
            ServedState served = opened(ServedState.open(
                    config.state().get(), steady, steady.expiry(), tls, audit, metrics.state, metrics.pool));
            state = served;
            reloadSignal.add(served::onReloadSignal);
            config.sessions().filter(settings -> settings.redis().isEmpty()).ifPresent(settings -> {
                served.keepFor(StateSessions.NAMESPACE, settings.ttl().plus(SESSIONS_KEPT_LONGER));
                SessionStorage storage = new StateSessions(served.engine(), settings.ttl(), steady);
                openSessions(settings, storage, served::allows, signatures, steady);
            });
            if (config.state().get().keepsRecord()) {
                RecordIndex index = opened(new RecordIndex(
                        served.engine(), config.state().get().recordIndex().orElse(null)));
                RecordFollower follower = opened(new RecordFollower(
                        new DecidedLog(inbox, new DiskFiles()),
                        served.engine(),
                        index,
                        metrics.ingest::admitted,
                        metrics.record,
                        System::nanoTime));
                care.waitFor(follower::position);
                RecordedOutcomes outcomes = new RecordedOutcomes(
                        served.engine(),
                        index,
                        config.state().get().postgres().isPresent() || !isShared(config.store()));
                served.keepFor(Reviews.NAMESPACE, config.state().get().recordHistory());
                reviews = opened(new Reviews(
                                outcomes, served.engine(), config.state().get().reviewAfter(), clock, metrics.review))
                        .start();
                bodies = new LoggedBodies(new DecidedLog(inbox, new DiskFiles()));
                record = outcomes;
                follower.start();
            }
        }
        config.sessions()
                .ifPresent(settings -> settings.redis()
                        .ifPresent(server -> openSessions(
                                settings,
                                opened(RedisSessions.start(
                                        server, settings, metrics.sessions, metrics.pool.of(Pool.SESSIONS))),
                                tokens(settings, audit, reloadSignal),
                                signatures,
                                steady)));
        config.inPostgres()
                .ifPresent(used -> opened(CheckedServer.start(
                        new PostgresCheck(used.server(), used.pools(), PostgresCheck.Limits.standard(), clock),
                        metrics.postgres)));
        // the servers are closed first, because requests use parts that were created after the servers
        ops.ifPresent(this::closeBeforeOthers);
        closeBeforeOthers(http);
        started = ingest;
    }

    /**
     * Reads the configuration again and applies its reloadable settings. If the configuration has a mistake, nothing
     * changes.
     */
    private synchronized void takeAgain(Supplier<BackendConfig> again, Limits limits) {
        BackendConfig before = Objects.requireNonNull(inForce);
        try {
            BackendConfig next = again.get();
            BackendConfig.Changes changes = before.changesTo(next);
            limits.change(next.limit());
            inForce = before.withTakenFrom(next);
            LOG.info(
                    "SIGHUP: {}",
                    changes.taken().isEmpty()
                            ? "no reloadable setting has changed"
                            : "applied: " + String.join(", ", changes.taken()));
            if (!changes.needRestart().isEmpty()) {
                LOG.warn("SIGHUP: these changes need a restart: {}", String.join(", ", changes.needRestart()));
            }
        } catch (InvalidConfig e) {
            e.problems().forEach(problem -> LOG.error("SIGHUP: {}; all settings stay as they were", problem));
        }
    }

    /**
     * Starts to accept submissions. {@code /readyz} and a log line report that the backend is ready once the store is
     * complete as well, which may be long after this method returns. Must be called once, by the thread that started
     * the backend.
     */
    public void serve() {
        IngestPipeline ready = Objects.requireNonNull(started, "did not start");
        ServedState served = state;
        readiness = () -> {
            List<Component> components = new ArrayList<>(
                    List.of(component("log", ready.problem()), component("dedup", ready.storeProblem())));
            if (served != null) {
                // isNeeded is false, because the backend still accepts certificates during an outage of the state
                components.add(new Component("state", served.problem().isEmpty(), served.detail(), false));
            }
            // isNeeded is false, because the backend accepts certificates with any clock
            ready.clockProblem().ifPresent(text -> components.add(new Component("clock", false, text, false)));
            return components;
        };
        gate.open(ready);
        if (ready.storeProblem().isPresent()) {
            LOG.info("the dedup store is not ready yet; submissions are written to the inbox and decided once the"
                    + " store is complete");
        }
        ready.whenReady(() -> LOG.info("ready: submissions are accepted"));
    }

    /**
     * Blocks until this process no longer owns its log, and then for a few more seconds, in which probes can still read
     * why the process ends.
     *
     * @return the reason why the process must end
     */
    public LockLostException awaitLoss() throws InterruptedException {
        LockLostException cause = Objects.requireNonNull(lockLost, "did not start")
                .toCompletableFuture()
                .join();
        Thread.sleep(LOSS_SHOWN.toMillis());
        return cause;
    }

    /**
     * Starts the server for operators. It is started before the public server and closed after it, so that operators
     * get answers while the public server starts, stops or is flooded.
     */
    private BackendServer startOps(BackendConfig config, OpsConfig ops) throws IOException {
        BackendServer server = BackendServer.forOperations(parts(config), ops);
        opsPort = server.start();
        LOG.info("serving metrics and probes on {} port {}", ops.bindAddress(), opsPort);
        logPage(server, config, ops.bindAddress(), opsPort, "http");
        return opened(server);
    }

    private BackendServer startHttp(BackendConfig config, Limits limits, ReloadSignal reloadSignal) throws IOException {
        tls = config.tls().isEmpty() ? null : openTls(config.tls().get(), reloadSignal);
        BackendServer server = new BackendServer(
                parts(config),
                config.ops().isPresent(),
                tls,
                limits,
                Runtime.getRuntime().maxMemory());
        port = server.start();
        LOG.info("listening on {} port {}", config.http().bindAddress(), port);
        if (config.ops().isEmpty()) {
            logPage(server, config, config.http().bindAddress(), port, tls == null ? "http" : "https");
        }
        return opened(server);
    }

    private static void logPage(BackendServer server, BackendConfig config, String address, int port, String scheme) {
        if (server.hasPage()) {
            LOG.info(
                    "the page for operators is at {}://{}:{}/ui",
                    scheme,
                    address.indexOf(':') < 0 ? address : "[" + address + "]",
                    port);
        } else if (config.http().operators().ui()) {
            LOG.info(
                    "the page for operators is not served on {} without a login; set METRICS_USER and METRICS_PASS",
                    address);
        }
    }

    private BackendServer.Parts parts(BackendConfig config) {
        return new BackendServer.Parts(
                config.http(),
                gate,
                () -> readiness.components(),
                () -> Optional.ofNullable(record),
                () -> Optional.ofNullable(reviews),
                () -> Optional.ofNullable(bodies),
                () -> Optional.ofNullable(state).map(ServedState::engine),
                () -> Optional.ofNullable(sessions),
                metrics.sessions,
                metrics.all,
                metrics.http,
                metrics.operatorRefusals,
                config.policy(),
                clock,
                System::nanoTime,
                FINISH_WITHIN);
    }

    private void openSessions(
            SessionConfig config,
            SessionStorage storage,
            SessionAccess.Tokens tokens,
            Signatures signatures,
            SteadyClock steady) {
        sessions = opened(
                Sessions.start(storage, new SessionAccess(signatures, tokens, steady), config, metrics.sessions));
    }

    /**
     * Returns the rights of the operators' tokens. If the state is on, uses the tokens that the state has read;
     * otherwise, reads the tokens file, if one is configured.
     */
    private SessionAccess.Tokens tokens(SessionConfig config, Audit audit, ReloadSignal reloadSignal) {
        ServedState served = state;
        if (served != null) {
            return served::allows;
        }
        if (config.tokensFile().isEmpty()) {
            return (token, namespace, prefix, writes) -> Optional.empty();
        }
        Tokens opened = opened(Tokens.open(config.tokensFile().get(), audit));
        reloadSignal.add(opened::onReloadSignal);
        return opened::allows;
    }

    private static void readAgain(ReloadSignal reloadSignal, Runnable action) {
        reloadSignal
                .problem()
                .ifPresent(problem -> LOG.warn("{}; changed files are detected without the signal", problem));
        reloadSignal.add(action);
    }

    private ReloadedTls openTls(TlsFiles files, ReloadSignal reloadSignal) throws IOException {
        try {
            ReloadedTls opened = opened(new ReloadedTls(files, clock, metrics.tls));
            readAgain(reloadSignal, opened::onReloadSignal);
            LOG.info("TLS is on with this certificate: {}", opened);
            return opened;
        } catch (InvalidFileException e) {
            throw new IOException("can't use TLS: " + e.getMessage(), e);
        }
    }

    private void closeBeforeOthers(BackendServer server) {
        parts.remove(server);
        parts.push(server);
    }

    private Signatures signatures(SigningConfig signing, SteadyClock steady, Audit audit, ReloadSignal reloadSignal)
            throws IOException {
        if (signing instanceof SigningConfig.Simple simple) {
            return Signatures.anyOf(simple.check());
        }
        if (signing instanceof SigningConfig.Registered registered) {
            try {
                ReloadedKeys keys = opened(new ReloadedKeys(
                        registered.file(),
                        registered.only(),
                        steady,
                        steady::isInDoubt,
                        System::nanoTime,
                        metrics.keys));
                readAgain(reloadSignal, keys::onReloadSignal);
                return keys.start(audit);
            } catch (InvalidFileException e) {
                throw new IOException("can't use " + registered.file() + ": " + e.getMessage(), e);
            }
        }
        throw new IllegalStateException("unknown signing configuration: " + signing);
    }

    private static Duration longer(Duration one, Duration other) {
        return one.compareTo(other) > 0 ? one : other;
    }

    /** Returns whether several backends may share a store of this kind. */
    private static boolean isShared(StoreConfig store) {
        return store instanceof StoreConfig.Redis || store instanceof StoreConfig.Postgres;
    }

    private static Ready ready(StoreConfig store) {
        return store instanceof StoreConfig.Memory
                ? Ready.WHEN_STORE_IS_COMPLETE
                : store instanceof StoreConfig.Embedded ? Ready.WHEN_STORE_HAS_CAUGHT_UP : Ready.WHEN_LOG_WAS_READ;
    }

    /**
     * Returns the embedded store; the first call opens it. Returns empty if another kind of store is configured. The
     * first call may come while the log is being opened: if the file with the id of the log is missing or damaged, the
     * id is read from the store.
     */
    private Optional<EmbeddedStore> embedded(BackendConfig config) {
        if (embedded == null && config.store() instanceof StoreConfig.Embedded configured) {
            EmbeddedStore opened = opened(EmbeddedStore.open(
                    configured.dir(),
                    config.inbox().walMinFreeBytes(),
                    System::nanoTime,
                    metrics.store.setAside::increment));
            embedded = opened;
        }
        return Optional.ofNullable(embedded);
    }

    private GuardedStore openStore(BackendConfig config, String logId, InstantSource expiry) {
        if (config.store() instanceof StoreConfig.Memory memory) {
            LOG.warn("DEDUP_BACKEND=memory is for trials: every start reads the whole log");
            return guarded("the memory store", new MemoryStore(memory.maxEntries(), expiry));
        }
        if (config.store() instanceof StoreConfig.Embedded) {
            EmbeddedStore store = embedded(config).orElseThrow();
            store.belongsTo(logId, expiry);
            GuardedStore guarded = guarded("the embedded store", store);
            parts.push(Sweeper.start(store::sweepStretch));
            return guarded;
        }
        if (config.store() instanceof StoreConfig.Redis redis) {
            return guarded("Redis", RedisStore.open(redis, logId, expiry));
        }
        if (config.store() instanceof StoreConfig.Postgres postgres) {
            PostgresStore store = PostgresStore.open(
                    postgres.server(),
                    metrics.pool.of(Pool.DEDUP),
                    logId,
                    expiry,
                    System::nanoTime,
                    new SecureRandom());
            GuardedStore guarded = guarded("Postgres", store);
            parts.push(Sweeper.start(store::removeStretch));
            metrics.pool.watch(Pool.DEDUP, store);
            return guarded;
        }
        throw new IllegalStateException("unknown store: " + config.store());
    }

    private GuardedStore guarded(String name, DedupStore store) {
        return opened(new GuardedStore(name, store, System::nanoTime, new SecureRandom(), metrics.store));
    }

    private <T extends AutoCloseable> T opened(T part) {
        parts.push(part);
        return part;
    }

    /** Returns the port on which the backend listens. */
    public int port() {
        return port;
    }

    /** Returns the port for metrics and probes; 0 if metrics and probes are served on {@link #port}. */
    public int opsPort() {
        return opsPort;
    }

    private static Component component(String name, Optional<String> problem) {
        return new Component(name, problem.isEmpty(), problem.orElse("up"));
    }

    /**
     * Stops accepting submissions, finishes the submissions in flight and closes all parts in reverse order. If closing
     * a part fails, logs the failure and closes the remaining parts.
     */
    @Override
    public void close() {
        readiness = () -> List.of(new Component("log", false, "stopping"), new Component("dedup", false, "stopping"));
        while (!parts.isEmpty()) {
            AutoCloseable part = parts.pop();
            try {
                part.close();
            } catch (Exception e) {
                LOG.error("closing {} failed", part.getClass().getSimpleName(), e);
            }
        }
    }
}
