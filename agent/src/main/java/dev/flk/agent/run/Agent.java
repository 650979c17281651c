// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.LocalServer;
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
import dev.flk.agent.source.SpoolIntake;
import dev.flk.program.cli.ErrorMessages;
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
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Owns the outbox and ships what is in it. One thread sends: that of {@link #run}, or one of its own for an application that has
 * called {@link #open(AgentConfig)}; the spool directory, HTTP, the local doors and the log have threads of their own. All methods but
 * {@code run} may be called from any thread.
 */
public final class Agent implements Closeable {
    private static final long LOOK_AT_LOCK_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);
    /** A badly damaged outbox has thousands of gaps. */
    private static final int MOST_LOSSES_TOLD = 20;

    /** How long {@link #stop} waits for answers to what is in flight. */
    private static final long LAST_ANSWERS_NANOS = Duration.ofSeconds(8).toNanos();
    /** With the last answers; longer only if the disk hangs. */
    private static final Duration LONGEST_CLOSE = Duration.ofSeconds(12);

    private static final long STATE_WITHIN_SECONDS = 5;

    private final Deque<Closeable> parts = new ArrayDeque<>();
    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final Sender sender;
    private final @Nullable MetricsServer metrics;
    private final LocalServer doors;
    private final InstantSource clock;
    private final LongSupplier nanoTicker;
    private final AgentConfig config;
    /** Held by the thread that sends. */
    private final ReentrantLock sending = new ReentrantLock();

    private @Nullable Thread own;
    private volatile boolean stopping;
    private volatile List<String> leftBehind = List.of();

    /**
     * Opens the outbox and sends what is in it until {@link #close}, on a daemon thread of its own. For an application, which may
     * {@link #submit} meanwhile; log lines go to its SLF4J, and nowhere if it has none.
     *
     * @throws dev.flk.agent.outbox.Outbox.OutboxLocked naming the process that owns the outbox
     */
    public static Agent open(AgentConfig config) throws IOException {
        Agent agent = new Agent(config, Surroundings.real());
        agent.own = new Thread(agent::runAlone, "flk-agent");
        agent.own.setDaemon(true);
        agent.own.start();
        return agent;
    }

    /**
     * Opens the outbox and all the rest; sends nothing before {@link #run}.
     *
     * @throws dev.flk.agent.outbox.Outbox.OutboxLocked naming the process that owns the outbox
     */
    public static Agent open(AgentConfig config, Surroundings surroundings) throws IOException {
        return new Agent(config, surroundings);
    }

    private Agent(AgentConfig config, Surroundings surroundings) throws IOException {
        this.config = config;
        this.clock = surroundings.clock();
        this.nanoTicker = surroundings.nanoTicker();
        try {
            outbox = opened(Outbox.open(config.outbox(), surroundings.clock()));
            deadLetters = opened(DeadLetters.open(config.deadLetters(), outbox));
            AgentMeters meters = new AgentMeters();
            sender = new Sender(config.sending(), outbox, deadLetters, meters, surroundings);
            register(meters, surroundings);
            metrics = config.metricsPort().isPresent()
                    ? opened(MetricsServer.start(config.metricsPort().getAsInt(), meters))
                    : null;
            doors = opened(LocalServer.start(
                    new LocalServer.Doors(config.controlSocket(), config.intakeSocket(), config.intakePort()),
                    outbox,
                    new AgentOperations(config, outbox, deadLetters, sender, surroundings.clock())));
        } catch (IOException | RuntimeException e) {
            closeParts();
            throw e;
        }
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
                "How long the oldest of them has waited.",
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
                "Until when certificates of TLS are valid, in seconds since 1970; 0 while there is none.",
                "certificate",
                Map.of(
                        "client", () -> seconds(sender.certificateEnds().client()),
                        "endpoint", () -> seconds(sender.certificateEnds().endpoint())));
        meters.gauge("flk_agent_in_flight", "Certificates that wait for an answer.", sender::inFlight);
        meters.gauge(
                "flk_agent_outbox_bytes",
                "What the files of the outbox take.",
                () -> outbox.lastSpace().usedBytes());
        meters.gauge("flk_agent_outbox_max_bytes", "What they may take.", outbox::maxBytes);
        meters.gauge(
                "flk_agent_disk_free_bytes",
                "What is left of their file system.",
                () -> outbox.lastSpace().freeBytes());
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

    /** Applies another configuration, as far as possible without a restart; logs what needs one. */
    public void reload(AgentConfig next) {
        config.neededRestart(next).forEach(setting -> LOG.warn("{} was changed; that needs a restart", setting));
        sender.reconfigure(next.sending());
        LOG.info("configuration was read again; what waits goes out with it");
    }

    /**
     * Takes a certificate to be sent, as JSON; it is on disk when this returns.
     *
     * @return completes with what became of it, once that is known, on a thread of the common pool; with an {@link IOException} if the
     *     agent was closed before: the certificate then waits in the outbox, and is sent when the outbox is opened again
     * @throws IllegalArgumentException saying what is wrong with the certificate; it was not taken
     * @throws dev.flk.agent.outbox.CertificateSink.OutboxFull if there is no room; it was not taken
     * @throws IOException if the disk refused, or the agent is closed; it does not count as taken
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

    /** Why certificates may not be settled at present, for people; empty if nothing is known to be wrong. */
    public Optional<String> problem() {
        if (lockLost().isPresent()) {
            return lockLost().map(IOException::getMessage);
        }
        SendingState state;
        try {
            state = sender.state().get(STATE_WITHIN_SECONDS, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.of("interrupted");
        } catch (ExecutionException | TimeoutException e) {
            return Optional.of(stopping ? "the agent is closed" : "sending does not go on; its disk may hang");
        }
        if (state.heldShards() > 0) {
            return Optional.of(
                    "the backend refuses the signatures of " + ErrorMessages.count(state.heldShards(), "shard")
                            + ": it does not know this key, or not for that shard; check PCS_SIGN_ALG and the key");
        }
        return state.backends().stream().anyMatch(SendingState.Backend::answering)
                ? Optional.empty()
                : state.backends().stream()
                        .flatMap(backend -> backend.lastError().map(error -> backend.url() + ": " + error).stream())
                        .findFirst();
    }

    /** Why this agent does not own its outbox any more, and has stopped sending; empty while it does. */
    public Optional<IOException> lockLost() {
        return outbox.lockLost();
    }

    /** How many certificates wait in the outbox. */
    public int pendingEntries() {
        return outbox.pendingEntries();
    }

    private void runAlone() {
        try {
            loop(false);
        } catch (InterruptedException | RuntimeException e) {
            LOG.error("sending has failed; what waits stays in the outbox", e);
            abandon("sending has failed: " + e);
        }
    }

    private void abandon(String why) {
        sender.awaited().abandon(new IOException(why + "; the certificate waits in the outbox " + outbox.name()));
    }

    /** Sends until {@link #stop} or {@link #close} is called. */
    public void run() throws InterruptedException {
        loop(false);
    }

    /** Sends until nothing is pending any more, or {@link #stop} or {@link #close} is called. */
    public void runUntilEmpty() throws InterruptedException {
        loop(true);
    }

    /** Why files were left in the spool directory that should have been taken in; for whoever has called {@link #runUntilEmpty}. */
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
                "{} certificates wait in the outbox, {} dead letters{}{}",
                outbox.pendingEntries(),
                deadLetters.count(),
                metrics == null ? "" : ", metrics on port " + metrics.port(),
                doors.port() == 0 ? "" : ", certificates are taken on loopback port " + doors.port());
        tellLosses(outbox.losses());
        Optional<SpoolIntake> spool = config.spoolDirectory()
                .map(directory -> SpoolIntake.start(directory, outbox, clock, LineLimit.ofOutages(nanoTicker)));
        try {
            sendUntil(untilEmpty, spool);
        } finally {
            spool.ifPresent(SpoolIntake::stop);
        }
        takeLastAnswers();
        spool.ifPresent(SpoolIntake::close);
        leftBehind = spool.map(SpoolIntake::leftBehind).orElse(List.of());
        LOG.info("stopped, {} certificates wait in the outbox", outbox.pendingEntries());
    }

    private void sendUntil(boolean untilEmpty, Optional<SpoolIntake> spool) throws InterruptedException {
        CompletableFuture<Boolean> lastFiles = null;
        while (!stopping && outbox.lockLost().isEmpty()) {
            spool.ifPresent(SpoolIntake::requireNoFailure);
            long waitNanos = sender.step();
            if (untilEmpty && outbox.pendingEntries() == 0) {
                if (lastFiles != null && lastFiles.isDone() && !lastFiles.join()) {
                    break;
                }
                if (lastFiles == null || lastFiles.isDone()) {
                    // what came since, or had no room before
                    lastFiles = spool.map(SpoolIntake::pass).orElse(CompletableFuture.completedFuture(false));
                    var unused = lastFiles.thenRun(sender::wake);
                }
            }
            sender.await(Math.min(waitNanos, LOOK_AT_LOCK_NANOS));
        }
        outbox.lockLost().ifPresent(cause -> LOG.error("nothing more is sent: {}", cause.getMessage()));
    }

    private static void tellLosses(List<String> losses) {
        losses.stream()
                .limit(MOST_LOSSES_TOLD)
                .forEach(loss -> LOG.error("outbox: {}; the certificates that stood there are gone", loss));
        if (losses.size() > MOST_LOSSES_TOLD) {
            LOG.error(
                    "outbox: {} more such stretches are gone; flk-agent fsck --dry-run names them all",
                    losses.size() - MOST_LOSSES_TOLD);
        }
    }

    private void takeLastAnswers() throws InterruptedException {
        sender.stop();
        long deadline = nanoTicker.getAsLong() + LAST_ANSWERS_NANOS;
        while (sender.inFlight() > 0 && nanoTicker.getAsLong() < deadline) {
            sender.step();
            sender.await(Duration.ofMillis(50).toNanos());
        }
        sender.step();
    }

    /** Makes {@link #run} return as soon as what is in flight was answered, within some seconds. */
    public void stop() {
        stopping = true;
        sender.stop();
    }

    /** The port of the metrics; empty if there are none. */
    public Optional<Integer> metricsPort() {
        return Optional.ofNullable(metrics).map(MetricsServer::port);
    }

    /** The loopback port that takes certificates; empty if there is none. */
    public Optional<Integer> intakePort() {
        return Optional.of(doors.port()).filter(port -> port > 0);
    }

    /**
     * Ends {@link #run}, takes the answers to what is in flight, and closes the outbox: within twelve seconds, whatever hangs.
     *
     * @throws IOException if something could not be closed, or its disk does not answer; what waits is on disk all the same
     */
    @Override
    public void close() throws IOException {
        stop();
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
                    "the agent was not closed within " + LONGEST_CLOSE.toSeconds() + " s: the disk of " + outbox.name()
                            + " does not answer",
                    e);
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        } finally {
            abandon("the agent was closed before an answer came");
        }
    }

    private void closeParts() throws IOException {
        IOException failure = null;
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (IOException e) {
                failure = failure == null ? e : failure;
            }
        }
        if (failure != null) {
            throw failure;
        }
    }
}
