// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.LocalServer;
import dev.flk.agent.follow.Source;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.follow.SourcesFile;
import dev.flk.agent.heartbeat.Heartbeat;
import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.metrics.AgentMeters.ShardWaiting;
import dev.flk.agent.metrics.MetricsServer;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.Sender;
import dev.flk.agent.send.Sender.SendingState;
import dev.flk.agent.send.Sender.Surroundings;
import dev.flk.agent.send.Settlement;
import dev.flk.agent.source.Intake;
import dev.flk.agent.source.SourcesIntake;
import dev.flk.agent.source.SpoolIntake;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.InvalidConfig;
import dev.flk.program.logging.LineLimit;
import java.io.Closeable;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The agent, which owns the outbox and sends its certificates. One thread sends: the thread that calls {@link #run} or,
 * if an application has called {@link #open(AgentConfig)}, the agent's own thread. The spool directory, requests to
 * backends, the local servers and the log have threads of their own. Any thread may call the methods. A call of {@link
 * #run} waits until no other thread is in {@link #run}; if the agent has its own sending thread, the call throws an
 * {@link IllegalStateException}.
 */
public final class Agent implements Closeable {
    private static final long CHECK_LOCK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);
    /** The maximum number of losses that are logged one by one; a badly damaged outbox may have thousands of gaps. */
    private static final int MOST_LOSSES_LOGGED = 20;

    /** The maximum time for which {@link #run} waits, after {@link #stop}, for answers to certificates in flight. */
    private static final long LAST_ANSWERS_NANOS = Duration.ofSeconds(8).toNanos();
    /** The maximum duration of {@link #close}, including the wait for the last answers. */
    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(12);

    private final Deque<Closeable> parts = new ArrayDeque<>();
    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final Sender sender;
    private final @Nullable MetricsServer metrics;
    private final LocalServer local;
    private final Heartbeat heartbeat;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final AgentConfig config;
    /** The lock that the sending thread holds while it sends; {@link #close} waits until the lock is free. */
    private final ReentrantLock sending = new ReentrantLock();

    private final List<Source> firstSources;
    private @Nullable Thread own;
    /** The intake of the sources while the agent sends; null without a file of sources. */
    private volatile @Nullable SourcesIntake sources;

    private volatile boolean stopping;
    private volatile List<String> leftBehind = List.of();

    /**
     * Opens the outbox, starts a daemon thread that sends the certificates in the outbox until {@link #close} is
     * called, and returns the agent. This method is for applications, which can then {@link #submit} certificates. Log
     * lines go to the application's SLF4J provider; without a provider, they are discarded.
     *
     * @throws dev.flk.agent.outbox.Outbox.OutboxLocked if another process owns the outbox; the message names that
     *     process
     */
    public static Agent open(AgentConfig config) throws IOException {
        Agent agent = new Agent(config, Surroundings.real());
        agent.own = new Thread(agent::runAlone, "flk-agent");
        agent.own.setDaemon(true);
        agent.own.start();
        return agent;
    }

    /**
     * Opens the outbox and all other parts of the agent. The agent sends nothing until {@link #run} or {@link
     * #runUntilEmpty} is called.
     *
     * @throws dev.flk.agent.outbox.Outbox.OutboxLocked if another process owns the outbox; the message names that
     *     process
     */
    public static Agent open(AgentConfig config, Surroundings surroundings) throws IOException {
        return new Agent(config, surroundings);
    }

    private Agent(AgentConfig config, Surroundings surroundings) throws IOException {
        this.config = config;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        config.warnings().forEach(LOG::warn);
        firstSources = sources(config);
        try {
            outbox = opened(Outbox.open(config.outbox(), surroundings.clock()));
            deadLetters = opened(DeadLetters.open(config.deadLetters(), outbox));
            AgentMeters meters = new AgentMeters();
            sender = opened(new Sender(config.sending(), outbox, deadLetters, meters, surroundings));
            register(meters, surroundings);
            metrics = config.metricsPort().isPresent()
                    ? opened(MetricsServer.start(config.metricsPort().get(), meters))
                    : null;
            AgentOperations operations =
                    new AgentOperations(config, outbox, deadLetters, sender, this::sourceStates, surroundings.clock());
            local = opened(LocalServer.start(config.local(), outbox, operations));
            heartbeat = opened(Heartbeat.start(
                    config.heartbeat(),
                    config.sending(),
                    version(),
                    operations::status,
                    () -> shards(outbox),
                    meters,
                    clock));
        } catch (IOException | RuntimeException e) {
            closeParts();
            throw e;
        }
    }

    private static List<Source> sources(AgentConfig config) {
        if (config.sourcesFile().isEmpty()) {
            return List.of();
        }
        try {
            return SourcesFile.read(config.sourcesFile().get());
        } catch (IOException e) {
            throw new InvalidConfig(
                    List.of("SOURCES_FILE: can't read " + config.sourcesFile().get() + ": " + e));
        }
    }

    /** Returns the states of the sources; null without a file of sources. */
    private @Nullable List<SourceState> sourceStates() {
        SourcesIntake intake = sources;
        return intake == null ? null : intake.states();
    }

    private static String version() {
        String version = Agent.class.getPackage().getImplementationVersion();
        return version == null ? "unknown" : version;
    }

    private static List<String> shards(Outbox outbox) {
        return outbox.byShard().entrySet().stream()
                .filter(shard ->
                        shard.getValue().entries() > 0 || !shard.getKey().startsWith("("))
                .map(Map.Entry::getKey)
                .toList();
    }

    private <T extends Closeable> T opened(T part) {
        parts.push(part);
        return part;
    }

    private void register(AgentMeters meters, Surroundings surroundings) {
        meters.lost(outbox.lostRecords());
        meters.gauge("flk_agent_outbox_pending", "Certificates that wait in the outbox.", outbox::pendingEntries);
        meters.gauge(
                "flk_agent_oldest_pending_seconds",
                "How long the oldest certificate in the outbox has waited.",
                () -> outbox.oldest()
                        .map(entry -> secondsSince(entry.addedMillis(), surroundings.clock()))
                        .orElse(0.0));
        meters.shards(() -> waitingByShard(surroundings.clock()));
        meters.gauge("flk_agent_dlq_entries", "Dead letters in the file.", deadLetters::count);
        meters.gauge(
                "flk_agent_breaker_open",
                "1 while sending waits for endpoints that do not answer.",
                () -> sender.breakerOpen() ? 1 : 0);
        meters.gauge(
                "flk_agent_tls_not_after_seconds",
                "The time at which TLS certificates expire, in seconds since 1970; 0 without one.",
                "certificate",
                Map.of(
                        "client", () -> seconds(sender.certificateEnds().client()),
                        "endpoint", () -> seconds(sender.certificateEnds().endpoint())));
        meters.gauge(
                "flk_agent_held_certificates",
                "Certificates that were refused by an answer that is not provably the backend's.",
                sender::heldCertificates);
        meters.gauge(
                "flk_agent_held_signatures",
                "Certificates that wait because their signature, or another one of their shard, was refused.",
                sender::heldSignatures);
        meters.gauge("flk_agent_in_flight", "Certificates that wait for an answer.", sender::inFlight);
        meters.gauge(
                "flk_agent_outbox_bytes",
                "The size of the outbox's files.",
                () -> outbox.lastSpace().usedBytes());
        meters.gauge("flk_agent_outbox_max_bytes", "The largest size of the outbox's files.", outbox::maxBytes);
        meters.gauge(
                "flk_agent_disk_free_bytes",
                "The free space of the outbox's file system.",
                () -> outbox.lastSpace().freeBytes());
        if (config.sourcesFile().isPresent()) {
            sourceGauge(meters, "files", "Files of a source that are read or wait.", SourceState::files);
            sourceGauge(meters, "shards", "Shards of a source with rows in memory.", SourceState::shards);
            sourceGauge(meters, "rows", "Rows of a source that were read.", SourceState::rows);
            sourceGauge(meters, "open_rows", "Rows of a source in incomplete windows.", SourceState::openRows);
            sourceGauge(meters, "windows", "Windows of a source that were certified.", SourceState::windows);
            sourceGauge(meters, "bad_lines", "Lines of a source that were left out.", SourceState::badLines);
            sourceGauge(
                    meters,
                    "problem",
                    "1 if a source, or some of its files, are not read.",
                    state -> state.problem() == null ? 0 : 1);
        }
    }

    private void sourceGauge(AgentMeters meters, String name, String help, ToLongFunction<SourceState> value) {
        meters.gauge("flk_agent_source_" + name, help, "source", () -> {
            Map<String, DoubleSupplier> values = new LinkedHashMap<>();
            for (SourceState state : Objects.requireNonNullElse(sourceStates(), List.<SourceState>of())) {
                values.put(state.name(), () -> value.applyAsLong(state));
            }
            return values;
        });
    }

    private Map<String, ShardWaiting> waitingByShard(InstantSource clock) {
        Map<String, ShardWaiting> waiting = new LinkedHashMap<>();
        outbox.byShard().forEach((shard, backlog) -> {
            double seconds = backlog.entries() == 0 ? 0 : secondsSince(backlog.oldestAddedMillis(), clock);
            waiting.put(shard, new ShardWaiting(backlog.entries(), seconds));
        });
        return waiting;
    }

    private static double secondsSince(long millis, InstantSource clock) {
        return Math.max(0, clock.millis() - millis) / 1000.0;
    }

    private static double seconds(Optional<Instant> end) {
        return end.map(Instant::getEpochSecond).orElse(0L);
    }

    /**
     * Applies the settings of another configuration, except settings that need a restart, and the file of sources. Logs
     * the names of changed settings that need a restart.
     *
     * @throws InvalidConfig if the file of sources is invalid; nothing was applied
     */
    public void reload(AgentConfig next) {
        List<Source> nextSources = sources(config);
        config.neededRestart(next)
                .forEach(setting -> LOG.warn("{} was changed; restart the agent to apply it", setting));
        sender.reconfigure(next.sending());
        heartbeat.reconfigure(next.heartbeat(), next.sending());
        SourcesIntake intake = sources;
        if (intake != null) {
            intake.use(nextSources);
        }
        LOG.info("the configuration was read again; settings that need no restart now apply, also to waiting"
                + " certificates");
    }

    /**
     * Adds a certificate (JSON in UTF-8) to the outbox, from which the agent sends it. The certificate is on disk when
     * this method returns.
     *
     * @return a future that completes with the settlement of the certificate, on a thread of the common pool. If the
     *     agent is closed, loses its outbox, or stops sending because of an unexpected error before the certificate is
     *     settled, the future fails with an {@link IOException}; the certificate then remains in the outbox, and is
     *     sent after the outbox is opened again
     * @throws IllegalArgumentException if the certificate is invalid; the certificate was not added, and the message
     *     says what is wrong with it
     * @throws dev.flk.agent.outbox.certificate.CertificateSink.OutboxFull if the outbox accepts no certificate now, because it is
     *     full, its disk can't keep up, or it is closing; the certificate was not added
     * @throws IOException if the disk failed, or if the agent is closed; treat the certificate as not added. After a
     *     disk failure, the next start may nevertheless find the certificate in the outbox and send it
     */
    public CompletionStage<Settlement> submit(byte[] certificate) throws IOException {
        Optional<String> objection = new Intake(outbox).objection(certificate);
        if (objection.isPresent()) {
            throw new IllegalArgumentException("not a certificate: " + objection.get());
        }
        CompletableFuture<Settlement> stage = new CompletableFuture<>();
        outbox.append(List.of(certificate), sequence -> sender.awaited().add(sequence, stage));
        return stage;
    }

    /**
     * Returns the description of a problem that may prevent the agent from settling certificates now; empty if no such
     * problem is known.
     */
    public Optional<String> problem() {
        if (lockLost().isPresent()) {
            return lockLost().map(IOException::getMessage);
        }
        SendingState state;
        try {
            state = sender.state();
        } catch (IOException e) {
            return Optional.of(stopping ? "the agent is closed" : String.valueOf(e.getMessage()));
        }
        if (state.heldShards() > 0) {
            return Optional.of(
                    "the backend refuses the signatures of " + ErrorMessages.count(state.heldShards(), "shard")
                            + ": it does not know this key, or does not accept it for that shard; check PCS_SIGN_ALG"
                            + " and the key");
        }
        return state.backends().stream().anyMatch(SendingState.Backend::answering)
                ? Optional.empty()
                : state.backends().stream()
                        .flatMap(backend -> backend.lastError().map(error -> backend.url() + ": " + error).stream())
                        .findFirst();
    }

    /**
     * Returns why this agent no longer owns its outbox and has stopped sending; empty while the agent owns the outbox.
     */
    public Optional<IOException> lockLost() {
        return outbox.lockLost();
    }

    /** Returns the number of certificates that wait in the outbox. */
    public int pendingEntries() {
        return outbox.pendingEntries();
    }

    private void runAlone() {
        try {
            loop(false);
            lockLost().ifPresent(cause -> abandon("sending has stopped: " + cause.getMessage()));
        } catch (InterruptedException | RuntimeException | Error e) {
            LOG.error("sending has ended; nothing is sent until the agent is opened again, and certificates wait", e);
            abandon("sending has ended: " + e);
        }
    }

    private void abandon(String why) {
        sender.awaited().abandon(new IOException(why + "; the certificate waits in the outbox " + outbox.name()));
    }

    /** Sends until {@link #stop} or {@link #close} is called, or until this agent no longer owns the outbox. */
    public void run() throws InterruptedException {
        loop(false);
    }

    /**
     * Sends until the outbox, the spool directory and the files of the sources have no more certificates to send. Returns earlier if {@link
     * #stop} or {@link #close} is called, or if this agent no longer owns the outbox.
     */
    public void runUntilEmpty() throws InterruptedException {
        loop(true);
    }

    /**
     * Returns a sentence for each problem that keeps files in the spool directory, and for each source with a problem. The
     * result is valid after {@link
     * #run} or {@link #runUntilEmpty} has returned.
     */
    public List<String> leftBehind() {
        return leftBehind;
    }

    private void loop(boolean untilEmpty) throws InterruptedException {
        if (own != null && own != Thread.currentThread()) {
            throw new IllegalStateException("this agent sends on a thread of its own");
        }
        sending.lockInterruptibly();
        try {
            send(untilEmpty);
        } finally {
            sending.unlock();
        }
    }

    private void send(boolean untilEmpty) throws InterruptedException {
        LOG.info(
                "{} certificates wait in the outbox, and {} are dead letters{}{}",
                outbox.pendingEntries(),
                deadLetters.count(),
                metrics == null ? "" : "; metrics are on port " + metrics.port(),
                local.port() == 0 ? "" : "; certificates are accepted on loopback port " + local.port());
        logLosses(outbox.losses());
        Optional<SpoolIntake> spool = config.spoolDirectory()
                .map(directory -> SpoolIntake.start(directory, outbox, clock, LineLimit.ofOutages(nanoTicker)));
        Optional<SourcesIntake> followed = config.sourcesFile()
                .map(file -> SourcesIntake.start(
                        config.outbox().directory().resolve("sources"), firstSources, outbox, clock, nanoTicker));
        sources = followed.orElse(null);
        try {
            sendUntil(untilEmpty, spool, followed);
        } finally {
            spool.ifPresent(SpoolIntake::stop);
            followed.ifPresent(SourcesIntake::stop);
        }
        awaitLastAnswers();
        spool.ifPresent(SpoolIntake::close);
        followed.ifPresent(SourcesIntake::close);
        leftBehind = Stream.concat(
                        spool.map(SpoolIntake::leftBehind).orElse(List.of()).stream(),
                        followed.map(SourcesIntake::states).orElse(List.of()).stream()
                                .filter(state -> state.problem() != null)
                                .map(state -> "source " + state.name() + ": " + state.problem()))
                .toList();
        LOG.info("stopped; {} certificates wait in the outbox", outbox.pendingEntries());
    }

    private void sendUntil(boolean untilEmpty, Optional<SpoolIntake> spool, Optional<SourcesIntake> followed)
            throws InterruptedException {
        CompletableFuture<Boolean> lastFiles = null;
        while (!stopping && outbox.lockLost().isEmpty()) {
            spool.ifPresent(SpoolIntake::requireNoFailure);
            followed.ifPresent(SourcesIntake::requireNoFailure);
            long waitNanos = sender.step();
            boolean isRead = followed.map(SourcesIntake::isIdle).orElse(true);
            if (untilEmpty && isRead && outbox.pendingEntries() == 0) {
                if (lastFiles != null && lastFiles.isDone() && !lastFiles.join()) {
                    break;
                }
                if (lastFiles == null || lastFiles.isDone()) {
                    // requests one more pass over the spool directory, for files that arrived after the last pass or
                    // did not fit into the outbox during the last pass
                    lastFiles = spool.map(SpoolIntake::pass).orElse(CompletableFuture.completedFuture(false));
                    lastFiles.thenRun(sender::wake);
                }
            }
            sender.await(Math.min(waitNanos, CHECK_LOCK_NANOS));
        }
        outbox.lockLost().ifPresent(cause -> LOG.error("sending has stopped: {}", cause.getMessage()));
    }

    private static void logLosses(List<String> losses) {
        losses.stream()
                .limit(MOST_LOSSES_LOGGED)
                .forEach(loss -> LOG.error("outbox: {}; unsettled certificates in this part are lost", loss));
        if (losses.size() > MOST_LOSSES_LOGGED) {
            LOG.error(
                    "outbox: {} further parts are missing or damaged; 'flk-agent fsck --dry-run' lists all of them",
                    losses.size() - MOST_LOSSES_LOGGED);
        }
    }

    private void awaitLastAnswers() throws InterruptedException {
        sender.stop();
        long deadline = nanoTicker.getAsLong() + LAST_ANSWERS_NANOS;
        while (sender.inFlight() > 0 && nanoTicker.getAsLong() < deadline) {
            sender.step();
            sender.await(Duration.ofMillis(50).toNanos());
        }
        sender.step();
    }

    /**
     * Makes {@link #run} stop sending and return. Before {@link #run} returns, it waits at most eight seconds for
     * answers to certificates in flight, and then at most one second each for the intakes of the spool directory and of the sources. This method
     * does not block.
     */
    public void stop() {
        stopping = true;
        sender.stop();
    }

    /** Returns the port on which metrics are served; empty if metrics are not served. */
    public Optional<Integer> metricsPort() {
        return Optional.ofNullable(metrics).map(MetricsServer::port);
    }

    /** Returns the loopback port that accepts certificates; empty if no such port is open. */
    public Optional<Integer> intakePort() {
        return Optional.of(local.port()).filter(port -> port > 0);
    }

    /**
     * Makes {@link #run} return, and then closes all parts of the agent. Before {@link #run} returns, it may wait for
     * answers to certificates in flight. This method returns or throws within twelve seconds, even if the disk or a
     * backend hangs.
     *
     * @throws IOException if a part of the agent could not be closed, or if closing took too long; in either case,
     *     pending certificates remain on disk
     */
    @Override
    public void close() throws IOException {
        stop();
        heartbeat.stop();
        FutureTask<Void> closing = new FutureTask<>(() -> {
            if (own != null) {
                own.join();
            }
            sending.lockInterruptibly();
            try {
                closeParts();
                return null;
            } finally {
                sending.unlock();
            }
        });
        Thread thread = new Thread(closing, "flk-agent-close");
        thread.setDaemon(true);
        thread.start();
        try {
            thread.join(LONGEST_CLOSE.toMillis());
            closing.get(0, TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted while the agent was closing");
        } catch (TimeoutException e) {
            throw new IOException(
                    "the agent was not closed within " + LONGEST_CLOSE.toSeconds() + " s, perhaps because the disk of "
                            + outbox.name() + " hangs",
                    e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        } finally {
            abandon("the agent was closed before an answer arrived");
        }
    }

    private void closeParts() throws IOException {
        IOException failure = null;
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            } catch (RuntimeException e) {
                failure = failure == null ? new IOException("closing the agent has failed: " + e, e) : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
