// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.signing.SignatureCheck;
import dev.flk.wal.FileOps;
import dev.flk.wal.Log;
import dev.flk.wal.LogOptions;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The ingest of a running backend: the pipeline with its log, its recorder's thread and its backlog's timer. The log is opened and
 * read before the first submission is taken; {@link #close} finishes what is under way and leaves the store complete.
 */
public final class IngestService implements Ingest, AutoCloseable {
    private static final int MAX_FLIGHTS = 200_000;
    private static final int MAX_EVIDENCE = 100_000;
    private static final long BACKLOG_MILLIS = 250;

    private final Log log;
    private final DedupStore store;
    private final IngestPipeline pipeline;
    private final LowWater lowWater;
    private final Backlog backlog;
    private final ForcedGroups groups;
    private final Thread recorderThread;
    private final ScheduledExecutorService backlogTimer;
    private final InstantSource clock;

    /**
     * What ingest works with; the store stays its owner's.
     *
     * @param maxClockSkew how far {@code sent_at} may be ahead; zero switches the check off
     */
    public record Parts(
            RateLimit limit,
            SignatureCheck signatures,
            Rules rules,
            Duration maxClockSkew,
            InstantSource clock,
            FileOps files,
            DedupStore store,
            Meters meters) {}

    private IngestService(
            Log log,
            Parts parts,
            LowWater lowWater,
            ForcedGroups groups,
            OutcomeLog lines,
            Inbox inbox,
            Evidence evidence) {
        Failures failures = new Failures();
        Flights flights = new Flights(MAX_FLIGHTS);
        Endings endings = new Endings(flights, lowWater, evidence, failures, parts.meters(), lines);
        this.backlog = new Backlog();
        Recorder recorder =
                new Recorder(parts.store(), inbox, endings, backlog, failures, lines, parts.clock(), groups);
        this.log = log;
        this.store = parts.store();
        this.lowWater = lowWater;
        this.groups = groups;
        this.clock = parts.clock();
        this.pipeline = new IngestPipeline(
                parts.limit(),
                parts.signatures(),
                parts.rules(),
                parts.maxClockSkew(),
                parts.clock(),
                flights,
                parts.store(),
                inbox,
                endings,
                failures,
                parts.meters(),
                lines);
        this.recorderThread = new Thread(recorder::run, "ingest-recorder");
        this.backlogTimer = Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "ingest-backlog"));
    }

    /**
     * Opens the log, brings the store to its end, and starts.
     *
     * @param options of the inbox log; its context is that of {@code parts.rules()}
     * @throws IOException if the log is in use, damaged or can't be read or written
     * @throws dev.flk.backend.dedup.StoreUnavailableException if the store fails
     */
    public static IngestService start(LogOptions options, Parts parts) throws IOException {
        ForcedGroups groups = new ForcedGroups();
        OutcomeLog lines = new OutcomeLog();
        Log log = Log.start(parts.files(), options, new LogEvents(groups, parts.meters(), lines));
        try {
            LowWater lowWater = new LowWater(log.forcedEnd() - 1);
            Inbox inbox = new Inbox(log, lowWater, groups);
            Evidence evidence = new Evidence(inbox, new Failures(), parts.clock(), MAX_EVIDENCE);
            new Replay(log, parts.store(), parts.clock()).run(evidence::known);
            IngestService service = new IngestService(log, parts, lowWater, groups, lines, inbox, evidence);
            service.recorderThread.start();
            Future<?> unused = service.backlogTimer.scheduleWithFixedDelay(
                    () -> service.backlog.step(groups::again), BACKLOG_MILLIS, BACKLOG_MILLIS, TimeUnit.MILLISECONDS);
            return service;
        } catch (IOException | RuntimeException e) {
            log.close();
            throw e;
        }
    }

    @Override
    public void submit(List<Submission> turn) {
        pipeline.submit(turn);
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        pipeline.lookUp(id, answer);
    }

    /** Certificates in the log that are not decided and recorded. */
    public long pending() {
        return lowWater.pending();
    }

    /** The age of the oldest of them in seconds; 0 if there is none. */
    public double oldestPendingSeconds() {
        OptionalLong arrival = lowWater.oldestArrivalMillis();
        return arrival.isEmpty() ? 0 : Math.max(0, clock.millis() - arrival.getAsLong()) / 1000.0;
    }

    /** Finishes what is queued, records it, and closes the log. What arrives later is refused. */
    @Override
    public void close() throws IOException {
        backlogTimer.shutdown();
        try {
            log.close();
        } finally {
            groups.end();
            joinRecorder();
            store.putIfAbsent(List.of(), lowWater.mark());
        }
    }

    private void joinRecorder() {
        boolean interrupted = false;
        while (recorderThread.isAlive()) {
            try {
                recorderThread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
