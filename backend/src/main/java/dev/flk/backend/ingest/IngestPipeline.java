// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.access.limit.Submitter;
import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.DecisionRules;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.inbox.Inbox.Loggable;
import dev.flk.backend.inbox.LowWater;
import dev.flk.backend.inbox.SafeEnd;
import dev.flk.backend.ingest.Evidence.EvidenceBudget;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Refusal;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.Ingest.Submission;
import dev.flk.backend.ingest.Ingest.Submission.Candidate;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.CertificateReader.ParsedCertificate;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.program.cli.ErrorMessages;
import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.logging.Audit;
import dev.flk.program.time.SteadyClock;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.wal.files.LockLostException;
import dev.flk.wal.segment.Entry;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The path of a submission, in this order:
 *
 * <ol>
 *   <li>limits: check the limit of the sender's address and the common limit of all senders
 *   <li>parse: the body is JSON with all signed fields
 *   <li>signature: the signature verifies with a key that may sign for the shard; a probe ends here
 *   <li>format: the fields keep all other rules
 *   <li>decide: compute the outcome
 *   <li>look-up: an id with a recorded outcome is answered with that outcome
 *   <li>limit: check the limit of the key, or the limit of the shard if the key has no limit
 *   <li>append: write to the inbox log and force it to disk
 *   <li>record: put-if-absent into the dedup store
 *   <li>answer
 * </ol>
 *
 * <p>The steps before the look-up run on the caller's thread. After the force, {@link OutcomeWriter} records and
 * answers on its own thread. If only this process writes into the store, a submission whose id was not found there is
 * answered before it is recorded: nobody can record another outcome, and after a crash a start decides the same one
 * from the log. The log is read before the first submission is accepted; {@link #close} finishes the work in flight and
 * saves the store's position.
 */
public final class IngestPipeline implements Ingest, AutoCloseable {
    public static final Key<Duration> MAX_CLOCK_SKEW = Key.of(
                    "MAX_CLOCK_SKEW", Quantities::duration, "How far `sent_at` may be in the future.")
            .or("5m");

    /** The maximum number of body bytes in one append, unless a single body is longer. */
    private static final long MAX_APPEND_BYTES = 8L << 20;

    /**
     * The maximum number of concurrent calls of {@link #lookUp}. They need no key, so without this limit anyone could
     * fill the store's bounded queue of reads, and a store whose queue is full counts as down.
     */
    static final int MAX_LOOK_UPS = 256;

    /** The maximum number of concurrent look-ups of operators, which are not among {@link #MAX_LOOK_UPS}. */
    static final int MAX_OPERATOR_LOOK_UPS = 64;

    /**
     * The number of answered and unrecorded ids from which on they are reported. Under load, some hundreds are usual.
     */
    private static final int NOTABLY_BEHIND = InFlightIds.MAX_ANSWERED / 10;

    /**
     * The {@code pcs_id} of a probe, with which {@code flk-agent doctor} and {@code health} find out whether the key may
     * sign for a shard. It is not a valid id and is signed, so a certificate can't be mistaken for a probe.
     */
    static final String PROBE_ID = "doctor";

    private static final int MAX_IDS_IN_FLIGHT = 200_000;
    private static final int MAX_EVIDENCE = 100_000;

    private static final Refused UNDECIDED = new Refused(Refusal.UNDECIDED, 1);

    private final Inbox inbox;
    private final ForcedQueue queue;
    private final GuardedStore store;
    private final Limits limits;
    private final Checks checks;
    private final SteadyClock clock;
    private final IngestMetrics metrics;
    private final OutcomeLog log;
    private final InFlightIds inFlightIds;
    private final RetryAdvice advice;
    private final Completion completion;
    private final StoreLink link;
    private final SafeEnd safe;
    private final OutcomeWriter writer;
    private final AtomicInteger lookUps = new AtomicInteger();
    private final AtomicInteger operatorLookUps = new AtomicInteger();
    private final AtomicReference<@Nullable Runnable> whenReady = new AtomicReference<>();

    /** The moment from which submissions are accepted. */
    public enum Ready {
        /**
         * The moment when the store contains the outcomes of the entire log; for a store that does not persist
         * anything.
         */
        WHEN_STORE_IS_COMPLETE,
        /**
         * The moment when the store has caught up with the log, from the store's saved position on; for an embedded
         * store. If the store fails or must be rebuilt, submissions are accepted at once, as in any other outage of the
         * store.
         */
        WHEN_STORE_HAS_CAUGHT_UP,
        /** The moment when the log has been read. The store is connected later, as after an outage. */
        WHEN_LOG_WAS_READ
    }

    /**
     * The checks that a submission must pass before it is logged.
     *
     * @param maxClockSkew how far {@code sent_at} may lie in the future; zero switches the check off
     * @param otherKeys finds out whether another backend has other keys
     */
    public record Checks(
            Limits limits, Signatures signatures, DecisionRules rules, Duration maxClockSkew, OtherKeys otherKeys) {}

    /** Finds out whether another backend has other keys, which may accept a signature that these keys refuse. */
    @FunctionalInterface
    public interface OtherKeys {
        /** The answer if there are no other backends. */
        OtherKeys NONE = then -> then.accept(false);

        /**
         * Asks; called for each signature that is refused. Must not block.
         *
         * @param then called once, on any thread; must not block
         */
        void ask(Consumer<Boolean> then);
    }

    /**
     * The collaborators of a pipeline.
     *
     * @param inbox the inbox, opened but not started; owned by the pipeline
     * @param queue the listener of the inbox's log
     * @param store owned by the caller
     * @param clock the clock of arrivals, of expiry and of retention
     * @param nanoTicker monotonic time
     * @param safe how far the log is safe; everything that it has at the start must be safe
     * @param isForgotten whether the log with an id was given up, so that no log has the bodies of its outcomes; must not
     *     block
     * @param whenRecorded gets each group of submissions whose outcomes were recorded, on the recorder's thread
     */
    public record Wiring(
            Inbox inbox,
            ForcedQueue queue,
            GuardedStore store,
            Checks checks,
            SteadyClock clock,
            LongSupplier nanoTicker,
            IngestMetrics metrics,
            Audit audit,
            SafeEnd safe,
            Predicate<String> isForgotten,
            Consumer<List<DecidedSubmission>> whenRecorded) {}

    /** Creates the pipeline around a log and a store; {@link #open} must follow. */
    public IngestPipeline(Wiring wiring) {
        this.inbox = wiring.inbox();
        this.queue = wiring.queue();
        this.store = wiring.store();
        this.checks = wiring.checks();
        this.limits = checks.limits();
        this.clock = wiring.clock();
        this.metrics = wiring.metrics();
        this.log = new OutcomeLog(wiring.audit());
        this.inFlightIds = new InFlightIds(MAX_IDS_IN_FLIGHT, clock.expiry());
        this.advice = new RetryAdvice(store, inbox.lowWater());
        EvidenceBudget budget = new EvidenceBudget(wiring.nanoTicker());
        Evidence evidence = new Evidence(inbox, queue, store, clock.expiry(), budget, log, MAX_EVIDENCE);
        this.completion = new Completion(inFlightIds, inbox.lowWater(), evidence, limits, metrics, log);
        CatchUp catchUp = new CatchUp(inbox, queue, store, inFlightIds, evidence, clock, metrics, log);
        this.link = new StoreLink(wiring, catchUp, advice);
        this.writer = new OutcomeWriter(wiring, link, completion, advice, log);
        this.safe = wiring.safe();
        queue.setForcedUpTo(() -> {
            long last = inbox.last();
            safe.forced(last);
            return last;
        });
        queue.whenVanished(this::keepWhatVanished);
        metrics.clockBehindSeconds.watch(() -> clock.behindMillis() / 1_000.0);
        metrics.idsInFlight.watch(inFlightIds::size);
        metrics.answeredUnrecorded.watch(inFlightIds::answered);
        metrics.walQueueBytes.watch(inbox.log()::queuedBytes);
        metrics.walQueueAppends.watch(inbox.log()::queuedAppends);
        metrics.recorderQueueGroups.watch(queue::urgent);
        metrics.evidenceEntries.watch(evidence::size);
    }

    /** Makes durable what may only be in a segment that was moved away. Called on the thread of the log's writer. */
    private void keepWhatVanished() throws IOException {
        writer.recordForced();
        store.sync();
        inbox.keepMark();
    }

    /**
     * Connects the store and catches it up with the log, if {@code ready} requires that. Starts no thread; afterwards
     * either {@link #start} is called, or a simulation takes the steps.
     *
     * @throws IOException if the log can't be read or written, or records are missing
     * @throws dev.flk.backend.stores.StoreUnavailableException if a required store fails
     */
    public IngestPipeline open(Ready ready) throws IOException {
        if (ready != Ready.WHEN_LOG_WAS_READ) {
            writer.completeStore(ready == Ready.WHEN_STORE_HAS_CAUGHT_UP);
        }
        return this;
    }

    /** Starts the threads. */
    public IngestPipeline start() {
        metrics.dedupUp.watch(() -> storeProblem().isEmpty() ? 1 : 0);
        inbox.log().start();
        writer.start(this::reportReady);
        metrics.pending.watch(this::pending);
        metrics.oldestPendingSeconds.watch(this::oldestPendingSeconds);
        return this;
    }

    @Override
    public void submit(List<Submission> turn) {
        List<InFlight> opened = new ArrayList<>(turn.size());
        for (Submission submission : turn) {
            if (isAdmitted(submission)) {
                check(submission).flatMap(this::join).ifPresent(opened::add);
            }
        }
        if (!opened.isEmpty()) {
            lookUpThenLog(opened);
        }
    }

    /**
     * Checks the limit of the sender's address and the common limit of all senders. If a limit is exceeded, answers the
     * submission and returns false.
     */
    private boolean isAdmitted(Submission submission) {
        Optional<Throttled> throttled = limits.admit(submission.sender());
        if (throttled.isPresent()) {
            submission.answer().accept(new Outcome.RateLimited(throttled.get()));
            return false;
        }
        metrics.ingest.increment();
        return true;
    }

    /**
     * Runs the steps parse, signature, format and decide. If a step refuses the submission, answers the submission and
     * returns empty.
     */
    private Optional<Candidate> check(Submission submission) {
        try {
            return Optional.of(checked(submission));
        } catch (Objection objection) {
            limits.failed(submission.sender(), submission.bodyBytes());
            if (objection.answer.why() == Refusal.BAD_SIGNATURE) {
                checks.otherKeys().ask(haveOthers -> refuseSignature(submission, haveOthers, objection.isProbe));
            } else {
                submission.answer().accept(objection.answer);
            }
        } catch (RuntimeException e) {
            log.broken(e);
            metrics.refused.internalErrors.increment();
            submission.answer().accept(Refused.BROKEN);
        } catch (OutOfMemoryError e) {
            // parsing a long body that consists only of JSON keys takes many times the memory of the body; this memory
            // is free again by now
            log.noMemory(submission.bodyBytes());
            metrics.refused.unavailable.increment(Refused.OVERLOADED.error());
            submission.answer().accept(Refused.OVERLOADED);
        }
        return Optional.empty();
    }

    private Candidate checked(Submission submission) throws Objection {
        Submitter sender = submission.sender();
        byte[] body = submission.body().get();
        ParsedCertificate parsed = parsed(body, sender);
        Optional<String> signer = checks.signatures().verify(parsed);
        if (parsed.signed().pcsId().equals(PROBE_ID)) {
            throw probed(parsed, signer.isPresent(), sender);
        }
        String keyId = signer.orElseThrow(() -> badSignature(parsed, sender));
        long arrivalMillis = clock.millis();
        Certificate certificate = checked(parsed, sender, arrivalMillis);
        return new Candidate(
                body,
                sender,
                submission.answer(),
                keyId,
                arrivalMillis,
                certificate,
                checks.rules().decide(certificate, arrivalMillis));
    }

    private ParsedCertificate parsed(byte[] body, Submitter sender) throws Objection {
        try {
            return CertificateReader.parse(body);
        } catch (MalformedCertificate e) {
            throw malformed(e, sender, null);
        }
    }

    /**
     * Checks the rules that parsing does not check. {@code sent_at} counts as too far in the future only if it is too
     * far ahead of both the wall clock and the steady clock. The two clocks differ after a jump of the wall clock, and
     * a sender may agree with either: with the wall clock if it follows the backend's {@code Date} header, or with the
     * steady clock if it follows its own clock.
     */
    private Certificate checked(ParsedCertificate parsed, Submitter sender, long arrivalMillis) throws Objection {
        Instant wall = clock.wall().instant();
        Instant steady = Instant.ofEpochMilli(arrivalMillis);
        try {
            return parsed.check(steady.isAfter(wall) ? steady : wall, checks.maxClockSkew());
        } catch (MalformedCertificate e) {
            throw malformed(e, sender, parsed.signed().shardId());
        }
    }

    private Objection badSignature(ParsedCertificate parsed, Submitter sender) {
        metrics.signatureErrors.increment();
        // the callback below must not keep the entire certificate in memory
        String claimedId = parsed.signed().pcsId();
        String claimedShard = parsed.signed().shardId();
        checks.signatures().examine(parsed, (reason, keyId) -> {
            metrics.signatureRefused.increment(reason);
            refused("signature: " + reason.label(), keyId, sender, claimedShard, claimedId);
            log.badSignature(claimedId, reason, keyId, sender);
        });
        return new Objection(Refused.BAD_SIGNATURE);
    }

    /**
     * Counts a probe, and returns its answer: as for a malformed certificate if the signature is good. A refused probe
     * is audited and takes from the limit of its address as any refused submission, but is not counted as one.
     */
    private Objection probed(ParsedCertificate probe, boolean isSigned, Submitter sender) {
        if (isSigned) {
            metrics.probes.increment(IngestMetrics.PROBE_ACCEPTED);
            return new Objection(
                    Refused.malformed("probe: the key may sign for this shard; nothing was recorded"), true);
        }
        checks.signatures().examine(probe, (reason, keyId) -> {
            metrics.probes.increment(reason.label());
            log.refusedProbe(reason, keyId, sender);
        });
        return new Objection(Refused.BAD_SIGNATURE, true);
    }

    /**
     * Answers a submission whose signature these keys refuse. What was counted and logged before does not depend on
     * other backends, so a stranger gains nothing while keys are rolled out.
     */
    private void refuseSignature(Submission submission, boolean haveOthers, boolean isProbe) {
        if (!isProbe && haveOthers) {
            metrics.signatureDeferred.increment();
        } else if (!isProbe) {
            metrics.refused.rejected.increment(RejectReason.SIGNATURE);
        }
        submission.answer().accept(haveOthers ? Refused.KEYS_OUTDATED : Refused.BAD_SIGNATURE);
    }

    /** @param shardId the shard; null if no valid signature confirms it */
    private Objection malformed(MalformedCertificate cause, Submitter sender, @Nullable String shardId) {
        String error = String.valueOf(cause.getMessage());
        RejectReason reason = error.startsWith("timestamp in future") ? RejectReason.CLOCK : RejectReason.MALFORMED;
        metrics.refused.rejected.increment(reason);
        refused(reason.label(), null, sender, shardId == null ? "" : shardId, error);
        log.malformed(reason, error, sender, shardId);
        return new Objection(Refused.malformed(error));
    }

    private void refused(String reason, @Nullable String keyId, Submitter sender, String shard, String detail) {
        metrics.refused.recent.add(
                reason, keyId, sender.address(), shard, detail, Instant.ofEpochMilli(clock.millis()));
    }

    /**
     * Registers the id of a candidate as in flight, and returns its new entry. Returns empty if the caller has nothing
     * more to do: the id was already in flight and the candidate shares its outcome, or the candidate was answered with
     * an error here.
     */
    private Optional<InFlight> join(Candidate candidate) {
        if (inFlightIds.has(candidate.id())) {
            limits.known(candidate.sender());
        }
        InFlightIds.Join join = inFlightIds.join(candidate);
        switch (join.joined()) {
            case OPENED -> {
                return join.inFlight();
            }
            case SHARES -> {}
            case ANSWERED, LEFT_WAITING ->
                join.inFlight()
                        .ifPresent(inFlight -> completion.answerWaiting(candidate, inFlight, advice.storeDown()));
            case FULL -> completion.answerError(candidate, Refused.OVERLOADED);
        }
        return Optional.empty();
    }

    /** Looks up the ids, and logs the submissions that were not decided before. */
    private void lookUpThenLog(List<InFlight> opened) {
        long connection = store.openConnection();
        store.get(opened.stream().map(InFlight::id).toList())
                .whenComplete((existing, failure) -> logUnknown(opened, existing, connection));
    }

    /**
     * Answers the submissions that have a stored outcome or exceed the limit of their key or shard, and logs the
     * others. If the look-up failed ({@code existing} is null), no stored outcome is known here; the put that follows
     * the append then finds the outcomes that already exist.
     */
    private void logUnknown(List<InFlight> opened, @Nullable List<Optional<StoredOutcome>> existing, long connection) {
        try {
            List<InFlight> unknown = new ArrayList<>(opened.size());
            for (int i = 0; i < opened.size(); i++) {
                InFlight inFlight = opened.get(i);
                Optional<StoredOutcome> recorded = existing == null ? Optional.empty() : existing.get(i);
                if (recorded.isPresent() && !writer.needsBody(recorded.get(), inFlight.outcome())) {
                    limits.known(inFlight.opener().sender());
                    completion.known(inFlight, recorded.get());
                    continue;
                }
                if (existing != null && recorded.isEmpty()) {
                    inFlight.absentOn(connection);
                }
                takeNew(inFlight)
                        .ifPresentOrElse(
                                throttled -> completion.limited(inFlight, throttled), () -> unknown.add(inFlight));
            }
            append(unknown);
        } catch (RuntimeException | VirtualMachineError e) { // otherwise the completion stage would hide the exception
            log.broken(e);
            opened.forEach(inFlight -> completion.failed(inFlight, Refused.BROKEN));
        }
    }

    /**
     * Takes a token from the limit of the key, or from the limit of the shard if the key has no limit. Returns empty on
     * success.
     */
    private Optional<Throttled> takeNew(InFlight inFlight) {
        String keyId = inFlight.keyId();
        return limits.takeNew(
                inFlight.opener().sender(),
                inFlight.decision().shardId(),
                keyId,
                checks.signatures().rateOf(keyId));
    }

    /**
     * Appends submissions to the log, in parts that fit into one fsync. The recorder receives the submissions once they
     * are on disk.
     */
    private void append(List<InFlight> unknown) {
        List<InFlight> part = new ArrayList<>();
        long bytes = 0;
        for (InFlight inFlight : unknown) {
            int bodyBytes = inFlight.opener().body().length;
            if (bytes + bodyBytes > MAX_APPEND_BYTES && !part.isEmpty()) {
                appendPart(part, bytes);
                part = new ArrayList<>();
                bytes = 0;
            }
            part.add(inFlight);
            bytes += bodyBytes;
        }
        if (!part.isEmpty()) {
            appendPart(part, bytes);
        }
    }

    private void appendPart(List<InFlight> part, long bytes) {
        if (inbox.isDiskLow(bytes)) {
            fail(part, Refused.DISK_FULL);
            return;
        }
        boolean room = store.hasRoomFor(inbox.lowWater().pending() + part.size());
        if (!room
                || !inbox.append(
                        part,
                        () -> queue.forced(part),
                        queue.later(cause -> fail(part, Refused.appendFailed(cause))))) {
            fail(part, Refused.OVERLOADED);
        }
    }

    /**
     * Logs reviews in one append, with the time of arrivals, as every record has it. Does not block.
     *
     * @param bodies encoded by {@link dev.flk.backend.decide.LoggedReview}
     * @return the sequence of the last one, once all are safe; a {@link RejectedExecutionException} if none was logged;
     *     an {@link IOException} if the append failed, after which the records may still be in the log
     */
    public CompletableFuture<Long> logReviews(List<byte[]> bodies) {
        CompletableFuture<Long> logged = new CompletableFuture<>();
        List<LowWater.Group> groups = new ArrayList<>();
        long[] last = {0};
        List<Loggable> loggable = bodies.stream()
                .<Loggable>map(body -> new Loggable() {
                    @Override
                    public Entry takeEntry() {
                        return new Entry(RecordKind.REVIEW, KeyId.NONE.text(), clock.millis(), body);
                    }

                    @Override
                    public void logged(long sequence, LowWater.Group group) {
                        groups.add(group);
                        last[0] = sequence;
                    }
                })
                .toList();
        Consumer<Long> safelyLogged = queue.later(sequence -> {
            groups.forEach(inbox.lowWater()::finished);
            logged.complete(sequence);
        });
        boolean taken =
                inbox.append(loggable, () -> safelyLogged.accept(last[0]), queue.later(logged::completeExceptionally));
        if (!taken) {
            logged.completeExceptionally(
                    new RejectedExecutionException("the log does not accept records at the moment"));
        }
        return logged;
    }

    /** Returns why {@link #logReviews} would fail, or last long; empty if it would not. */
    public Optional<String> whyNotLogged() {
        return problem().or(safe::problem).or(this::storeProblem);
    }

    private void fail(List<InFlight> part, Refused error) {
        part.forEach(inFlight -> completion.failed(inFlight, error));
    }

    @Override
    public void lookUp(PcsId id, boolean isOperator, Consumer<Optional<Outcome>> answer) {
        AtomicInteger underWay = isOperator ? operatorLookUps : lookUps;
        if (underWay.incrementAndGet() > (isOperator ? MAX_OPERATOR_LOOK_UPS : MAX_LOOK_UPS)) {
            underWay.decrementAndGet();
            answer.accept(Optional.of(Refused.OVERLOADED));
            return;
        }
        Optional<StoredOutcome> answered = inFlightIds.answeredOutcome(id);
        if (answered.isPresent()) {
            underWay.decrementAndGet();
            answer.accept(answered.map(outcome -> Decided.of(outcome, Relation.DUPLICATE)));
            return;
        }
        boolean inFlight = inFlightIds.has(id);
        store.get(List.of(id)).whenComplete((existing, failure) -> {
            underWay.decrementAndGet();
            answer.accept(lookUpAnswer(existing, inFlight));
        });
    }

    private Optional<Outcome> lookUpAnswer(@Nullable List<Optional<StoredOutcome>> existing, boolean inFlight) {
        if (existing == null) {
            return Optional.of(advice.storeDown());
        }
        return existing.get(0)
                .<Outcome>map(stored -> Decided.of(stored, Relation.DUPLICATE))
                .or(() -> inFlight ? Optional.of(UNDECIDED) : Optional.empty());
    }

    /** Takes one step of the log's writer, for a simulation; returns false if there was nothing to do. */
    boolean stepWriter() {
        return inbox.log().step();
    }

    /**
     * Checks, for a simulation, whether the active segment was moved away; if it was, the next step of the writer opens
     * another segment.
     */
    void stepWatch() {
        inbox.log().watchStep();
    }

    /** Takes one step of the recorder, for a simulation; returns false if there was nothing to do. */
    boolean stepOutcomeWriter() {
        return writer.step();
    }

    /** Does what a tick of the timer does, for a simulation. */
    void tick() {
        writer.tick();
    }

    /** Returns whether the store is in use, so that new outcomes are recorded; for a simulation. */
    boolean isUp() {
        return link.isUp();
    }

    /**
     * Returns the sequence in the log up to which the store has confirmed that it contains every outcome. Any thread.
     */
    public long recordedUpTo() {
        return link.recordedUpTo();
    }

    /**
     * Returns the number of unfinished records in the log, most of them submissions that are not yet decided and
     * recorded.
     */
    long pending() {
        return inbox.lowWater().pending();
    }

    /** Returns the age of the oldest unfinished record in seconds; 0 if none exists. */
    private double oldestPendingSeconds() {
        OptionalLong arrival = inbox.lowWater().oldestArrivalMillis();
        return arrival.isEmpty() ? 0 : Math.max(0, clock.millis() - arrival.getAsLong()) / 1000.0;
    }

    /**
     * Runs {@code callback} one time, on any thread, as soon as new submissions can be logged and their outcomes
     * recorded.
     */
    public void whenReady(Runnable callback) {
        whenReady.set(callback);
        reportReady();
    }

    private void reportReady() {
        if (whenReady.get() != null && storeProblem().isEmpty() && problem().isEmpty()) {
            Runnable callback = whenReady.getAndSet(null);
            if (callback != null) {
                callback.run();
            }
        }
    }

    /** Returns why submissions can't be logged; empty while they can be logged. */
    public Optional<String> problem() {
        if (!inbox.log().isWriting()) {
            return Optional.of("the thread that writes the log has ended");
        }
        if (!writer.isRunning()) {
            return Optional.of("the thread that records outcomes has ended");
        }
        return inbox.isDiskLow(0)
                ? Optional.of("disk full: " + inbox.diskSpace() + " are free on the disk of WAL_DIR; free space on it")
                : inbox.log()
                        .problem()
                        .map(cause ->
                                (cause instanceof LockLostException ? "" : "append failed: ") + cause.getMessage());
    }

    /** Returns why new outcomes can't be recorded at the moment; empty while they can be recorded. */
    public Optional<String> storeProblem() {
        return link.problem();
    }

    /** Returns {@code up}, or for an operator the number of outcomes that are answered and not recorded yet. */
    public String recording() {
        int behind = inFlightIds.answered();
        return behind < NOTABLY_BEHIND
                ? "up"
                : "up, but " + behind + " answered outcomes are not recorded yet; at " + InFlightIds.MAX_ANSWERED
                        + ", answers begin to wait";
    }

    /** Returns how late the clock is, compared with the time that the backend once trusted; empty if it is not late. */
    public Optional<String> clockProblem() {
        long behind = clock.behindMillis();
        return behind == 0
                ? Optional.empty()
                : Optional.of("the clock is " + ErrorMessages.duration(Duration.ofMillis(behind))
                        + " behind the time at which the backend trusted it before its start");
    }

    /** Finishes and records the queued work, and closes the log. Later submissions are rejected. */
    @Override
    public void close() throws IOException {
        try {
            writer.finish();
            inbox.keepMark();
        } finally {
            try {
                safe.ended();
            } finally {
                inbox.close();
            }
        }
    }

    /** The rejection of a submission. Any sender can cause it at will, so it has no stack trace. */
    private static final class Objection extends Exception {
        private static final long serialVersionUID = 1;

        private final transient Refused answer;
        private final boolean isProbe;

        Objection(Refused answer) {
            this(answer, false);
        }

        Objection(Refused answer, boolean isProbe) {
            super(null, null, false, false);
            this.answer = answer;
            this.isProbe = isProbe;
        }
    }
}
