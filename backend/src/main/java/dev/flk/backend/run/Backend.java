// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.agents.Agents;
import dev.flk.backend.config.BackendConfig;
import dev.flk.backend.copy.CopiedLog;
import dev.flk.backend.copy.CopyOpening;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.ingest.ForcedQueue;
import dev.flk.backend.ingest.IngestPipeline;
import dev.flk.backend.logs.Clocks;
import dev.flk.backend.logs.LogRegistry;
import dev.flk.backend.outcomes.StoreConfig;
import dev.flk.backend.outcomes.embedded.OutcomesBackup;
import dev.flk.backend.serve.Features;
import dev.flk.backend.serve.HttpConfig;
import dev.flk.backend.serve.SubmissionHeaders;
import dev.flk.backend.serve.WarmUp;
import dev.flk.backend.serve.guard.Readiness.Component;
import dev.flk.backend.stores.postgres.CheckedServer;
import dev.flk.backend.stores.postgres.PostgresCheck;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.files.OpenFiles;
import dev.flk.program.logging.Audit;
import dev.flk.program.parts.OpenedParts;
import dev.flk.program.time.SteadyClock;
import dev.flk.wal.files.DiskFiles;
import dev.flk.wal.files.LockLostException;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletionStage;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The running backend. Its parts are opened in the order of their dependencies and closed in reverse order, except
 * {@link Servers}.
 */
public final class Backend implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend");

    /**
     * The time for which the backend still answers probes after it has lost the lock of its log, so that operators can
     * see why it ends.
     */
    private static final Duration LOSS_SHOWN = Duration.ofSeconds(5);

    private final OpenedParts parts;
    private final Servers servers;
    private final Optional<WarmUp> warmUp;
    private final IngestPipeline ingest;
    private final Optional<CopiedLog> copied;
    private final Optional<Follower> feed;
    private final Clocks clocks;
    private final CompletionStage<LockLostException> lockLost;

    /**
     * Starts all parts; submissions are not accepted before {@link #serve}. The caller registers a shutdown hook
     * between this call and {@code serve}, so that a backend that accepts submissions always finishes them when it
     * stops.
     *
     * @param again a function that reads the configuration again, called on each SIGHUP; throws {@link InvalidConfig}
     *     if the configuration has a mistake
     * @throws dev.flk.program.config.InvalidConfig if a setting does not fit into the heap
     * @throws dev.flk.backend.copy.SupersededException if another backend owns the log
     * @throws IOException if a port or the log is in use, if the log is damaged or can't be read or written, or if
     *     another configured file can't be used
     * @throws dev.flk.backend.stores.StoreUnavailableException if the store can't be opened or fails
     */
    public static Backend start(BackendConfig config, String version, Supplier<BackendConfig> again)
            throws IOException {
        OpenedParts parts = new OpenedParts();
        try {
            return new Backend(config, version, again, parts);
        } catch (IOException | RuntimeException e) {
            parts.close();
            throw e;
        }
    }

    private Backend(BackendConfig config, String version, Supplier<BackendConfig> again, OpenedParts parts)
            throws IOException {
        this.parts = parts;
        HeapBounds.of(config, Runtime.getRuntime().maxMemory()).check();
        InstantSource clock = InstantSource.system();
        BackendMetrics metrics = new BackendMetrics(version, config.policy(), config.shardMetrics());
        metrics.all.watchJvm();
        HttpConfig http = fitting(config);
        Limits limits = new Limits(
                config.limit().withConnections(config.http().maxConnections(), http.maxConnections()),
                System::nanoTime,
                metrics.all);
        config.warnings().forEach(LOG::warn);
        Reloads reloads = new Reloads(config, again, limits);
        SecureRandom random = new SecureRandom();
        String instance = HexFormat.of().toHexDigits(random.nextLong());
        this.servers = new Servers(
                config,
                http,
                metrics,
                parts,
                reloads,
                limits,
                clock,
                new SubmissionHeaders(instance, random.nextLong()));

        SteadyClock steady = steady(config, clock);
        DecisionRules rules = new DecisionRules(config.policy(), config.inbox().dedupTtl());
        this.warmUp = servers.warmUp(rules);
        warmUp.ifPresent(parts::opened);
        ForcedQueue forced = new ForcedQueue(metrics.ingest);
        this.lockLost = forced.lockLost();
        ConfiguredStore store = new ConfiguredStore(config, metrics, parts);
        LogRegistry registry = parts.opened(store.registry());
        CopyOpening.Check newLog = () -> RegistryParts.requireNoLostLog(config, store, registry);
        Optional<CopyOpening> copy = config.copy().isEmpty()
                ? Optional.empty()
                : Optional.of(CopyParts.prepare(
                        config, config.copy().get(), newLog, instance, clock, metrics, servers, parts));
        if (copy.isEmpty() && Inbox.isAbsent(new DiskFiles(), config.inbox().walDir())) {
            newLog.run();
        }
        Inbox inbox = CertificateParts.openLog(config, rules, steady, store, forced, parts);
        this.copied = copy.isEmpty()
                ? Optional.empty()
                : Optional.of(parts.opened(copy.get().follow(inbox, metrics.copy)));
        Audit audit = openAudit(config, version, metrics);
        Common common = new Common(instance, config, metrics, parts, reloads, clock, steady, audit);
        // closed after the pipeline and its log
        RegistryParts others = new RegistryParts(
                common,
                registry,
                inbox,
                () -> inbox.isClosed() && !lockLost.toCompletableFuture().isDone(),
                version,
                servers::figures);
        if (config.isRateShared()) {
            limits.share(others.logs()::backends);
        }
        CertificateParts certificates =
                CertificateParts.open(common, inbox, copied, rules, store, forced, limits, others.logs());
        Optional<RecordParts> record = RecordParts.open(common, store, certificates);
        this.feed = config.feed().map(topic -> FeedParts.start(common, topic, certificates, copied, record));
        others.start(certificates);
        certificates.care().start(); // after the record, which it waits for
        config.inPostgres()
                .ifPresent(used -> parts.opened(
                        CheckedServer.start(new PostgresCheck(used.server(), used.pools(), clock), metrics.postgres)));
        this.ingest = certificates.ingest();
        servers.name(certificates.signatures());
        Agents agents = AgentParts.open(common, certificates.signatures());
        this.clocks = new Clocks(others.logs(), agents.check()::times, clock, System::nanoTime);
        metrics.logs.watch(clocks);
        servers.use(new Features(
                true,
                record.map(RecordParts::outcomes),
                record.map(RecordParts::reviews),
                record.map(RecordParts::bodies),
                backup(common, store, certificates, record),
                Optional.of(agents),
                Optional.of(others.logs())));
    }

    /** Returns the settings with at most as many connections as fit into the limit of open files. */
    private static HttpConfig fitting(BackendConfig config) {
        HttpConfig configured = config.http();
        long files = OpenFiles.limit();
        HttpConfig fitting = configured.fitting(files);
        if (fitting.maxConnections() < configured.maxConnections()) {
            LOG.warn(
                    "MAX_CONNECTIONS is {}, but this process may have only {} open files; at most {} connections are"
                            + " accepted. Raise the limit (ulimit -n, LimitNOFILE), or set MAX_CONNECTIONS to this"
                            + " number",
                    configured.maxConnections(),
                    files,
                    fitting.maxConnections());
        }
        return fitting;
    }

    /** Returns the backup of the outcomes in DEDUP_DIR; empty if it has neither the ids nor the record. */
    private static Optional<OutcomesBackup> backup(
            Common common, ConfiguredStore store, CertificateParts certificates, Optional<RecordParts> record) {
        LongSupplier ids = common.config().store() instanceof StoreConfig.Embedded
                ? certificates.ingest()::recordedUpTo
                : () -> Long.MAX_VALUE;
        Optional<RecordParts> rows = common.config().record().isEmbedded() ? record : Optional.empty();
        return store.view()
                .map(view -> new OutcomesBackup(
                        view,
                        directory -> {
                            if (rows.isPresent()) {
                                rows.get().outcomes().rows().copyTo(directory);
                            }
                        },
                        certificates.inbox().logId(),
                        () -> rows.stream()
                                .mapToLong(each -> each.follower().position())
                                .reduce(ids.getAsLong(), Math::min),
                        () -> rows.flatMap(each -> each.outcomes().incompleteBefore()),
                        common.clock(),
                        common.audit()));
    }

    private static SteadyClock steady(BackendConfig config, InstantSource clock) {
        Duration dedupTtl = config.inbox().dedupTtl();
        return new SteadyClock(clock, System::nanoTime, SteadyClock.maxStep(dedupTtl), dedupTtl);
    }

    private Audit openAudit(BackendConfig config, String version, BackendMetrics metrics) {
        Audit audit =
                parts.opened(Audit.open(config.auditDir(), InstantSource.system(), System::nanoTime, metrics.audit));
        Map<String, String> begun = new TreeMap<>(config.settings());
        begun.put("version", version);
        audit.operation("started", begun);
        metrics.operatorRefusals.writeTo(audit);
        if (servers.tls() != null) {
            servers.tls().start(audit);
        }
        return audit;
    }

    /**
     * Starts to accept submissions. {@code /readyz} and a log line report that the backend is ready once the store is
     * complete as well, which may be long after this method returns. Must be called once, by the thread that started
     * the backend.
     */
    public void serve() {
        warmUp.ifPresent(WarmUp::await);
        servers.accept(ingest, this::components);
        if (ingest.storeProblem().isPresent()) {
            LOG.info("the dedup store is not ready yet; submissions are written to the inbox and decided once the"
                    + " store is complete");
        }
        ingest.whenReady(() -> LOG.info("ready: submissions are accepted"));
    }

    private List<Component> components() {
        List<Component> components = new ArrayList<>(List.of(component("log", ingest.problem(), "up"), dedup()));
        copied.map(CopyParts::component).ifPresent(components::add);
        feed.map(FeedParts::component).ifPresent(components::add);
        // isNeeded is false, because the backend accepts certificates with any clock
        ingest.clockProblem()
                .or(clocks::problem)
                .ifPresent(text -> components.add(new Component("clock", false, text, false)));
        return components;
    }

    private Component dedup() {
        return component("dedup", ingest.storeProblem(), ingest.recording());
    }

    private static Component component(String name, Optional<String> problem, String detail) {
        return new Component(name, problem.isEmpty(), problem.orElse(detail));
    }

    /**
     * Blocks until this process no longer owns its log, and then for a few more seconds, in which probes can still read
     * why the process ends.
     *
     * @return the reason why the process must end
     */
    public LockLostException awaitLoss() throws InterruptedException {
        LockLostException cause = lockLost.toCompletableFuture().join();
        Thread.sleep(LOSS_SHOWN.toMillis());
        return cause;
    }

    /** Returns the port on which the backend listens. */
    public int port() {
        return servers.port();
    }

    /** Returns the port for metrics and probes; 0 if metrics and probes are served on {@link #port}. */
    public int opsPort() {
        return servers.opsPort();
    }

    /**
     * Stops accepting submissions, finishes the submissions in flight and closes all parts in reverse order. If closing
     * a part fails, logs the failure and closes the remaining parts.
     */
    @Override
    public void close() {
        servers.stopping();
        parts.close();
    }
}
