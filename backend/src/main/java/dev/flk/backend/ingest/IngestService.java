// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.audit.Audit;
import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.SteadyClock;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.backend.ingest.CatchUp.AssertionContext;
import dev.flk.backend.ingest.Evidence.EvidenceBudget;
import dev.flk.backend.ingest.OutcomeWriter.Backlog;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.backend.keys.Signatures;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.wal.files.FileOps;
import dev.flk.wal.files.LockLostException;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The ingest of a running backend: the pipeline with its inbox, the recorder's thread and the timer of the backlog. The
 * log is read before the first submission is accepted; {@link #close} finishes the work in flight and leaves the store
 * complete.
 */
public final class IngestService implements Ingest, AutoCloseable {
    private static final int MAX_IDS_IN_FLIGHT = 200_000;
    private static final int MAX_EVIDENCE = 100_000;
    private static final long TICK_MILLIS = 100;
    private static final long FINISH_MILLIS = 2_000;
    private static final Duration COMPRESS_AFTER = Duration.ofDays(1);

    private final Parts parts;
    private final Inbox inbox;
    private final IngestPipeline pipeline;
    private final StoreLink link;
    private final OutcomeWriter recorder;
    private final Thread recorderThread;
    private final ScheduledExecutorService ticks;
    private final AtomicReference<@Nullable Runnable> whenReady = new AtomicReference<>();

    /**
     * The collaborators of ingest. The caller keeps ownership of the store.
     *
     * @param wallClock the system's clock, used only to check {@code sent_at}
     * @param clock the time of arrivals, of expiry and of retention
     * @param nanoTicker monotonic time
     * @param maxClockSkew how far {@code sent_at} may lie in the future; zero switches the check off
     */
    public record Parts(
            Limits limits,
            Signatures signatures,
            DecisionRules rules,
            Duration maxClockSkew,
            InstantSource wallClock,
            SteadyClock clock,
            LongSupplier nanoTicker,
            GuardedStore store,
            Meters meters,
            Audit audit) {}

    /** The moment from which submissions are accepted. */
    public enum Ready {
        /** When the store contains everything in the log; for a store that does not persist anything. */
        WHEN_STORE_IS_COMPLETE,
        /**
         * When the store contains everything after its position; for an embedded store. A store that fails, or that
         * must be rebuilt, is treated like any other outage.
         */
        WHEN_STORE_HAS_CAUGHT_UP,
        /** When the log has been read; a store that can't be reached is treated like any other outage. */
        WHEN_LOG_WAS_READ
    }

    private IngestService(Inbox inbox, Parts parts) {
        RetryAdvice advice = new RetryAdvice(parts.store(), inbox.lowWater());
        OutcomeLog lines = new OutcomeLog(parts.audit());
        InFlightIds inFlightIds =
                new InFlightIds(MAX_IDS_IN_FLIGHT, parts.clock().expiry());
        Evidence evidence = new Evidence(
                inbox, parts.store(), parts.clock().expiry(), new EvidenceBudget(parts.nanoTicker()), MAX_EVIDENCE);
        Completion completion = new Completion(inFlightIds, inbox.lowWater(), evidence, parts.meters(), lines);
        AssertionContext context = new AssertionContext(
                parts.clock(), parts.clock().expiry(), inFlightIds, evidence, parts.meters(), lines, new HashSet<>());
        showQueueLengths(parts.meters(), inFlightIds, inbox, evidence);
        this.parts = parts;
        this.inbox = inbox;
        inbox.syncWhenVanished(parts.store()::sync);
        this.link = new StoreLink(parts.store(), inbox, context, advice, parts.nanoTicker());
        this.recorder = new OutcomeWriter(
                link,
                inbox,
                completion,
                new Backlog(),
                advice,
                lines,
                parts.clock(),
                parts.clock().expiry());
        this.pipeline = new IngestPipeline(parts, inFlightIds, inbox, completion, advice, lines);
        this.recorderThread = new Thread(recorder::run, "ingest-recorder");
        this.ticks = Executors.newSingleThreadScheduledExecutor(task -> new Thread(task, "ingest-ticks"));
    }

    /**
     * Connects the store, and catches it up with the log if {@code ready} requires that. Starts no thread:
     * {@link #start} does, or a simulation takes the steps.
     *
     * @param inbox the inbox, opened but not started; owned by the service from now on
     * @throws IOException if the log can't be read or written, or records are missing
     * @throws dev.flk.backend.dedup.StoreUnavailableException if a required store fails
     */
    public static IngestService open(Inbox inbox, Parts parts, Ready ready) throws IOException {
        IngestService service = new IngestService(inbox, parts);
        if (ready != Ready.WHEN_LOG_WAS_READ) {
            service.completeStore(ready == Ready.WHEN_STORE_HAS_CAUGHT_UP);
        }
        return service;
    }

    private void completeStore(boolean mayBeLost) throws IOException {
        link.step();
        while (!link.isUp()) {
            if (mayBeLost && (link.isRebuilding() || (link.isLost() && !(link.lastFailure() instanceof IOException)))) {
                return; // the timer continues the catch-up
            }
            Throwable failure = link.lastFailure();
            if (link.isLost() && failure instanceof IOException cause) {
                throw cause;
            } else if (link.isLost()) {
                throw new StoreUnavailableException(
                        "the dedup store failed during startup: "
                                + (failure == null ? "no answer" : failure.getMessage()),
                        failure == null ? new IllegalStateException("no answer") : failure);
            }
            boolean recorded = recorder.step();
            if (!inbox.log().step() && !recorded && !link.isLost() && !link.isUp()) {
                throw new IllegalStateException("an embedded store must answer immediately");
            }
        }
    }

    /** Starts the threads. */
    public void start() {
        inbox.log().start();
        recorderThread.start();
        Future<?> unused = ticks.scheduleWithFixedDelay(
                () -> {
                    recorder.tick();
                    tellIfReady();
                },
                0,
                TICK_MILLIS,
                TimeUnit.MILLISECONDS);
    }

    /** Takes one step of the log's writer, for a simulation; returns false if there was nothing to do. */
    boolean stepWriter() {
        return inbox.log().step();
    }

    /**
     * Checks, for a simulation, that the active segment was not moved away; if it was, the writer's next step opens
     * another.
     */
    void stepWatch() {
        inbox.log().watchStep();
    }

    /** Takes one step of the recorder, for a simulation; returns false if there was nothing to do. */
    boolean stepOutcomeWriter() {
        return recorder.step();
    }

    /** Triggers the timer of the recorder, for a simulation. */
    void tick() {
        recorder.tick();
    }

    /** Returns whether outcomes are recorded, for a simulation. */
    boolean isUp() {
        return link.isUp();
    }

    /**
     * Starts the maintenance of the log: closed segments are compressed after a day and removed after {@code keep}. The
     * caller closes it before it closes this service.
     */
    public LogCare startLogCare(FileOps files, Duration keep) {
        LogCare care = logCare(files, keep);
        care.start();
        return care;
    }

    /** Returns a stage that completes when this process no longer owns the log; nothing has been answered since. */
    public CompletionStage<LockLostException> lockLost() {
        return inbox.groups().lockLost();
    }

    /** Returns the log for readers of decided records. */
    public DecidedLog decidedLog(FileOps files) {
        return new DecidedLog(inbox, files);
    }

    LogCare logCare(FileOps files, Duration keep) {
        return new LogCare(
                inbox,
                parts.store(),
                link,
                inbox.retention(files, COMPRESS_AFTER, keep, parts.clock().expiry()),
                parts.clock());
    }

    @Override
    public void submit(List<Submission> turn) {
        pipeline.submit(turn);
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        pipeline.lookUp(id, answer);
    }

    /**
     * Returns the number of unfinished records in the log, most of them submissions that are not yet decided and
     * recorded.
     */
    public long pending() {
        return inbox.lowWater().pending();
    }

    /** Returns the age of the oldest unfinished record in seconds; 0 if none exists. */
    public double oldestPendingSeconds() {
        OptionalLong arrival = inbox.lowWater().oldestArrivalMillis();
        return arrival.isEmpty() ? 0 : Math.max(0, parts.clock().millis() - arrival.getAsLong()) / 1000.0;
    }

    /** Runs {@code callback} once, on any thread, as soon as the next submission would be decided. */
    public void whenReady(Runnable callback) {
        whenReady.set(callback);
        tellIfReady();
    }

    private void tellIfReady() {
        if (whenReady.get() != null && storeTrouble().isEmpty() && problem().isEmpty()) {
            Runnable callback = whenReady.getAndSet(null);
            if (callback != null) {
                callback.run();
            }
        }
    }

    /** Returns why submissions can't be logged; empty while they can. */
    public Optional<String> problem() {
        if (!inbox.log().isWriting()) {
            return Optional.of("the writer has ended");
        }
        if (!recorderThread.isAlive()) {
            return Optional.of("the recorder has ended");
        }
        return inbox.isDiskLow(0)
                ? Optional.of("disk full")
                : inbox.log()
                        .problem()
                        .map(cause ->
                                (cause instanceof LockLostException ? "" : "append failed: ") + cause.getMessage());
    }

    /** Returns why no outcomes are recorded at the moment; empty while they are. */
    public Optional<String> storeTrouble() {
        return link.problem();
    }

    /** Finishes and records the queued work, and closes the log. Later submissions are rejected. */
    @Override
    public void close() throws IOException {
        ticks.shutdown();
        inbox.log().finish();
        try {
            recorder.end();
            joinRecorder(FINISH_MILLIS);
            if (recorderThread
                    .isAlive()) { // the store does not answer: the next start decides the submissions in flight
                parts.store().giveUp(new StoreUnavailableException("the backend stops"));
                joinRecorder(0);
            }
            inbox.keepMark();
        } finally {
            inbox.close();
        }
    }

    /** @param millis the longest time to wait; 0 waits without a limit */
    private void joinRecorder(long millis) {
        boolean interrupted = false;
        boolean joined = false;
        while (!joined && recorderThread.isAlive()) {
            try {
                recorderThread.join(millis);
                joined = true;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static void showQueueLengths(Meters meters, InFlightIds inFlightIds, Inbox inbox, Evidence evidence) {
        meters.idsInFlight.watch(inFlightIds::size);
        meters.walQueueBytes.watch(inbox.log()::queuedBytes);
        meters.walQueueAppends.watch(inbox.log()::queuedAppends);
        meters.recorderQueueGroups.watch(inbox.groups()::size);
        meters.evidenceEntries.watch(evidence::size);
    }
}
