// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.metrics.AgentMeters;
import dev.flk.agent.metrics.MetricsServer;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.send.Sender;
import dev.flk.agent.send.Surroundings;
import dev.flk.agent.source.Intake;
import dev.flk.agent.source.SpoolDirectory;
import java.io.Closeable;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Owns the outbox and ships what is in it. One thread, that of {@link #run}, takes files in and sends; HTTP and the log have
 * threads of their own behind it. {@link #stop} may be called from any.
 */
public final class Agent implements Closeable {
    private static final Logger LOG = LoggerFactory.getLogger(Agent.class);
    private static final long SPOOL_EVERY_NANOS = Duration.ofSeconds(1).toNanos();
    /** What is under way when it is told to stop gets this long for its answer. */
    private static final long LAST_ANSWERS_NANOS = Duration.ofSeconds(8).toNanos();

    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final Sender sender;
    private final Optional<SpoolDirectory> spool;
    private final @Nullable MetricsServer metrics;
    private final LongSupplier nanoTicker;
    private volatile boolean stopping;

    private Agent(AgentConfig config, Outbox outbox, DeadLetters deadLetters, Surroundings surroundings)
            throws IOException {
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.nanoTicker = surroundings.nanoTicker();
        AgentMeters meters = new AgentMeters();
        sender = new Sender(config.sending(), outbox, deadLetters, meters, surroundings);
        spool = config.spoolDirectory()
                .map(directory -> new SpoolDirectory(directory, new Intake(outbox), surroundings.clock()));
        register(meters, surroundings);
        metrics = config.metricsPort().isPresent()
                ? MetricsServer.start(config.metricsPort().getAsInt(), meters)
                : null;
    }

    /**
     * Opens the outbox and all the rest; sends nothing yet.
     *
     * @throws dev.flk.wal.LogLockedException naming the process that owns the outbox
     */
    public static Agent open(AgentConfig config, Surroundings surroundings) throws IOException {
        Outbox outbox = Outbox.open(config.outbox(), surroundings.clock());
        DeadLetters deadLetters = null;
        try {
            deadLetters = DeadLetters.open(config.deadLetters(), outbox);
            return new Agent(config, outbox, deadLetters, surroundings);
        } catch (IOException | RuntimeException e) {
            if (deadLetters != null) {
                deadLetters.close();
            }
            outbox.close();
            throw e;
        }
    }

    private void register(AgentMeters meters, Surroundings surroundings) {
        meters.lost(outbox.lostRecords());
        meters.gauge("flk_agent_outbox_pending", "Certificates that wait in the outbox.", outbox::pendingEntries);
        meters.gauge(
                "flk_agent_oldest_pending_seconds",
                "How long the oldest of them has waited.",
                () -> outbox.oldest()
                        .map(entry -> (surroundings.clock().millis() - entry.addedMillis()) / 1000.0)
                        .orElse(0.0));
        meters.gauge("flk_agent_dlq_entries", "Dead letters in the file.", deadLetters::count);
        meters.gauge(
                "flk_agent_breaker_open",
                "1 while sending waits for an endpoint that does not answer.",
                () -> sender.breakerOpen() ? 1 : 0);
    }

    /** Sends until {@link #stop} is called. */
    public void run() throws InterruptedException {
        loop(false);
    }

    /** Sends until nothing is pending any more, or {@link #stop} is called. */
    public void runUntilEmpty() throws InterruptedException {
        loop(true);
    }

    private void loop(boolean untilEmpty) throws InterruptedException {
        LOG.info(
                "{} certificates wait in the outbox, {} dead letters{}",
                outbox.pendingEntries(),
                deadLetters.count(),
                metrics == null ? "" : ", metrics on port " + metrics.port());
        outbox.losses().forEach(loss -> LOG.error("outbox: {}; the certificates among them are gone", loss));
        long nextSpoolNanos = nanoTicker.getAsLong();
        boolean moreFiles = false;
        while (!stopping) {
            long now = nanoTicker.getAsLong();
            if (moreFiles || now >= nextSpoolNanos) {
                moreFiles = takeFilesIn();
                nextSpoolNanos = now + SPOOL_EVERY_NANOS;
            }
            long waitNanos = sender.step();
            if (untilEmpty && outbox.pendingEntries() == 0) {
                // what came since, or had no room before
                moreFiles = takeFilesIn();
                if (!moreFiles && outbox.pendingEntries() == 0) {
                    break;
                }
            }
            sender.await(moreFiles ? 0 : waitNanos);
        }
        takeLastAnswers();
        LOG.info("stopped, {} certificates wait in the outbox", outbox.pendingEntries());
    }

    /** Some of them; returns whether there are more. */
    private boolean takeFilesIn() {
        return !stopping && spool.isPresent() && spool.get().step();
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

    /** Makes {@link #run} return as soon as what is under way has been answered, within some seconds. */
    public void stop() {
        stopping = true;
        sender.stop();
    }

    /** The port of the metrics; empty if there are none. */
    public Optional<Integer> metricsPort() {
        return Optional.ofNullable(metrics).map(MetricsServer::port);
    }

    @Override
    public void close() throws IOException {
        if (metrics != null) {
            metrics.close();
        }
        try {
            deadLetters.close();
        } finally {
            outbox.close();
        }
    }
}
