// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.run;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.control.LocalServer.Operations;
import dev.flk.agent.control.StatusReport;
import dev.flk.agent.control.StatusReport.Sending;
import dev.flk.agent.control.StatusReport.Waiting;
import dev.flk.agent.follow.SourceState;
import dev.flk.agent.outbox.DeadLetter.DeadLetterFilter;
import dev.flk.agent.outbox.DeadLetters;
import dev.flk.agent.outbox.Outbox;
import dev.flk.agent.outbox.OutboxCompaction;
import dev.flk.agent.outbox.Requeue;
import dev.flk.agent.send.Sender;
import dev.flk.agent.send.Sender.SendingState;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The operations that operators request from a running agent. The local server calls these operations on its thread for
 * operators' requests; the heartbeat calls {@link #status} on its own thread.
 */
final class AgentOperations implements Operations {
    private static final Logger LOG = LoggerFactory.getLogger(AgentOperations.class);

    private final AgentConfig config;
    private final Outbox outbox;
    private final DeadLetters deadLetters;
    private final Sender sender;
    private final Supplier<@Nullable List<SourceState>> sources;
    private final InstantSource clock;

    AgentOperations(
            AgentConfig config,
            Outbox outbox,
            DeadLetters deadLetters,
            Sender sender,
            Supplier<@Nullable List<SourceState>> sources,
            InstantSource clock) {
        this.config = config;
        this.outbox = outbox;
        this.deadLetters = deadLetters;
        this.sender = sender;
        this.sources = sources;
        this.clock = clock;
    }

    @Override
    public StatusReport status() throws IOException {
        SendingState sending = sender.state();
        Outbox.Space space = outbox.space();
        long pending = outbox.pendingEntries();
        double rate = sending.settledASecond();
        return new StatusReport(
                ProcessHandle.current().pid(),
                outbox.name(),
                Waiting.of(
                        pending,
                        outbox.pendingBytes(),
                        outbox.oldest().map(entry -> Instant.ofEpochMilli(entry.addedMillis())),
                        clock.instant()),
                new Sending(
                        sending.inFlight(),
                        Math.round(rate * 10) / 10.0,
                        drainSeconds(pending, sending),
                        sending.backends().stream()
                                .map(AgentOperations::reported)
                                .toList(),
                        sending.heldShards(),
                        sending.heldSignatures() == 0
                                ? null
                                : new StatusReport.HeldSignatures(sending.heldSignatures(), sending.laggingBackends()),
                        sending.heldCertificates() == 0
                                ? null
                                : new StatusReport.Held(sending.heldCertificates(), sending.lastHeldBecause())),
                config.deadLetters().toString(),
                deadLetters.countInFile(),
                outbox.lostRecords(),
                new StatusReport.Disk(
                        space.usedBytes(),
                        outbox.maxBytes(),
                        space.freeBytes(),
                        config.outbox().minFreeBytes()),
                sources.get());
    }

    /** Estimates the time until nothing waits; the rate is an average, so an outage does not show in it at once. */
    private static @Nullable Long drainSeconds(long pending, SendingState sending) {
        if (pending == 0) {
            return 0L;
        }
        boolean isAnswered = sending.backends().stream().anyMatch(SendingState.Backend::answering);
        return isAnswered && sending.settledASecond() > 0 ? (long) Math.ceil(pending / sending.settledASecond()) : null;
    }

    private static StatusReport.Backend reported(SendingState.Backend backend) {
        return new StatusReport.Backend(
                backend.url(),
                backend.answering(),
                backend.lastAnswerAt().map(Instant::toString).orElse(null),
                backend.pausedSeconds(),
                backend.window(),
                backend.clockAheadMillis(),
                backend.lastErrorAt().map(Instant::toString).orElse(null),
                backend.lastError().orElse(null));
    }

    @Override
    public OutboxCompaction.Report compact(Duration horizon, OutboxCompaction.Mode mode) throws IOException {
        OutboxCompaction.Report report = outbox.compact(horizon, mode);
        if (mode == OutboxCompaction.Mode.RUN) {
            LOG.info(
                    "the outbox was compacted: {} segments removed, {} compressed, {} entries moved, {} bytes freed",
                    report.removedSegments(),
                    report.compressedSegments(),
                    report.movedEntries(),
                    report.freedBytes());
        }
        return report;
    }

    @Override
    public int requeue(DeadLetterFilter which) throws IOException {
        int requeued = deadLetters.requeue(which);
        LOG.info("{} dead letters were requeued", requeued);
        return requeued;
    }

    @Override
    public Requeue.Counts requeue(Requeue.Selection which) throws IOException {
        Requeue.Counts counts = outbox.requeue(which);
        LOG.info("{} settled certificates wait again", counts.certificates());
        return counts;
    }

    @Override
    public int purge(DeadLetterFilter which) throws IOException {
        int purged = deadLetters.purge(which);
        LOG.info("{} dead letters were purged", purged);
        return purged;
    }
}
