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
import dev.flk.wal.FileOps;
import dev.flk.wal.LockLostException;
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
 * The ingest of a running backend: the pipeline with its inbox, its recorder's thread and its backlog's timer. The log is read
 * before the first submission is taken; {@link #close} finishes what is under way and leaves the store complete.
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
     * What ingest works with; the store stays its owner's.
     *
     * @param wallClock the system's clock, against which only {@code sent_at} is checked
     * @param clock the time of arrivals, of expiry and of retention
     * @param nanoTicker monotonic time
     * @param maxClockSkew how far {@code sent_at} may be ahead; zero switches the check off
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

    /** When submissions are taken. */
    public enum Ready {
        /** When the store has all that the log says; for a store that keeps nothing. */
        WHEN_STORE_IS_COMPLETE,
        /**
         * When the store has what came behind its position; for one that is part of this process. One that fails, or must be rebuilt, is
         * an outage like any other.
         */
        WHEN_STORE_HAS_CAUGHT_UP,
        /** When the log was read; a store that can't be reached is an outage like any other. */
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
     * Connects the store, and brings it to the end of the log if that is to be waited for. Nothing runs yet: {@link #start} does
     * that, or a simulation takes the steps.
     *
     * @param inbox opened, not started; owned from now on
     * @throws IOException if the log can't be read or written, or something is missing in it
     * @throws dev.flk.backend.dedup.StoreUnavailableException if a store that is waited for fails
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
                return; // its timer goes on with it
            }
            Throwable failure = link.lastFailure();
            if (link.isLost() && failure instanceof IOException cause) {
                throw cause;
            } else if (link.isLost()) {
                throw new StoreUnavailableException(
                        "the dedup store failed at the start: "
                                + (failure == null ? "no answer" : failure.getMessage()),
                        failure == null ? new IllegalStateException("no answer") : failure);
            }
            boolean recorded = recorder.step();
            if (!inbox.log().step() && !recorded && !link.isLost() && !link.isUp()) {
                throw new IllegalStateException("a store that is part of this process answers at once");
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

    /** One step of the log's writer, for a simulation; false if there was nothing to do. */
    boolean stepWriter() {
        return inbox.log().step();
    }

    /** Checks, for a simulation, that the active segment was not moved away; if it was, the writer's next step opens another. */
    void stepWatch() {
        inbox.log().watchStep();
    }

    /** One step of the recorder, for a simulation; false if there was nothing to do. */
    boolean stepRecorder() {
        return recorder.step();
    }

    /** A tick of the recorder's, for a simulation. */
    void tick() {
        recorder.tick();
    }

    /** Whether outcomes are recorded, for a simulation. */
    boolean isUp() {
        return link.isUp();
    }

    /**
     * Starts to look after the log: closed segments are compressed after a day and removed after {@code keep}. The caller closes it
     * before this.
     */
    public LogCare startLogCare(FileOps files, Duration keep) {
        LogCare care = logCare(files, keep);
        care.start();
        return care;
    }

    /** Completes when this process does not own the log any more; it has answered nothing since. */
    public CompletionStage<LockLostException> lockLost() {
        return inbox.groups().lockLost();
    }

    /** The log, for who reads what was decided. */
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

    /** Records in the log that are not finished: submissions that are not decided and recorded, mostly. */
    public long pending() {
        return inbox.lowWater().pending();
    }

    /** The age of the oldest of them in seconds; 0 if there is none. */
    public double oldestPendingSeconds() {
        OptionalLong arrival = inbox.lowWater().oldestArrivalMillis();
        return arrival.isEmpty() ? 0 : Math.max(0, parts.clock().millis() - arrival.getAsLong()) / 1000.0;
    }

    /** Runs {@code told}, once, as soon as the next submission will be decided. On any thread. */
    public void whenReady(Runnable told) {
        whenReady.set(told);
        tellIfReady();
    }

    private void tellIfReady() {
        if (whenReady.get() != null && storeTrouble().isEmpty() && problem().isEmpty()) {
            Runnable told = whenReady.getAndSet(null);
            if (told != null) {
                told.run();
            }
        }
    }

    /** Why submissions can't be logged; empty while they can. */
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

    /** Why nothing is recorded just now; empty while it is. */
    public Optional<String> storeTrouble() {
        return link.problem();
    }

    /** Finishes what is queued, records it, and closes the log. What arrives later is refused. */
    @Override
    public void close() throws IOException {
        ticks.shutdown();
        inbox.log().finish();
        try {
            recorder.end();
            joinRecorder(FINISH_MILLIS);
            if (recorderThread.isAlive()) { // the store does not answer: what is under way is decided by the next start
                parts.store().giveUp(new StoreUnavailableException("the backend stops"));
                joinRecorder(0);
            }
            inbox.keepMark();
        } finally {
            inbox.close();
        }
    }

    /** @param millis how long at the most; 0 for as long as it takes */
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
