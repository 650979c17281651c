// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.Outcome.LogFailed;
import dev.flk.backend.ingest.Outcome.Unavailable;
import dev.flk.backend.ingest.StoreLink.RetryAdvice;
import dev.flk.backend.ingest.Submission.Candidate;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.Limits.Throttled;
import dev.flk.backend.limit.Submitter;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.Meters.RejectReason;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.certificate.PcsId;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A submission from start to end, top to bottom: limits of its address and of all, parse, signature, the other rules of the format, decide,
 * look-up, the limit of its key (else of its shard), append to the inbox log and wait for the disk, put-if-absent, answer. What is pure
 * runs before the append, on the caller's thread; after the force the {@link OutcomeWriter} takes over.
 */
final class IngestPipeline implements Ingest {
    /** What is handed to the log in one go, at the most, unless a single body is longer. */
    private static final long MAX_APPEND_BYTES = 8L << 20;

    /**
     * Look-ups under way, at most. They take no key, and a store whose bounded queue of reads is full counts as down.
     */
    static final int MAX_LOOK_UPS = 256;

    private final IngestService.Parts parts;
    private final Limits limits;
    private final GuardedStore store;
    private final Meters meters;
    private final InFlightIds inFlightIds;
    private final Inbox inbox;
    private final Completion completion;
    private final RetryAdvice advice;
    private final OutcomeLog log;
    private final AtomicInteger lookUps = new AtomicInteger();

    IngestPipeline(
            IngestService.Parts parts,
            InFlightIds inFlightIds,
            Inbox inbox,
            Completion completion,
            RetryAdvice advice,
            OutcomeLog log) {
        this.parts = parts;
        this.limits = parts.limits();
        this.store = parts.store();
        this.meters = parts.meters();
        this.inFlightIds = inFlightIds;
        this.inbox = inbox;
        this.completion = completion;
        this.advice = advice;
        this.log = log;
    }

    @Override
    public void submit(List<Submission> turn) {
        List<Opened> opened = new ArrayList<>(turn.size());
        for (Submission submission : turn) {
            if (isAdmitted(submission)) {
                check(submission).flatMap(this::join).ifPresent(opened::add);
            }
        }
        if (!opened.isEmpty()) {
            lookUpThenLog(opened);
        }
    }

    /** The limits of its address and of all; if not, it was answered. */
    private boolean isAdmitted(Submission submission) {
        Optional<Throttled> throttled = limits.admit(submission.sender());
        if (throttled.isPresent()) {
            submission.answer().accept(new Outcome.RateLimited(throttled.get()));
            return false;
        }
        meters.ingest.increment();
        return true;
    }

    /** All that is pure; empty if it was refused, and answered. */
    private Optional<Candidate> check(Submission submission) {
        try {
            return Optional.of(checked(submission));
        } catch (Refused refused) {
            limits.failed(submission.sender(), submission.bodyBytes());
            submission.answer().accept(refused.outcome);
        } catch (RuntimeException e) {
            log.broken(e);
            meters.internalError();
            submission.answer().accept(new Outcome.Broken());
        } catch (OutOfMemoryError e) {
            // a long body that is all keys takes many times its length; what was read of it is garbage by now
            log.noMemory(submission.bodyBytes());
            meters.unavailable(Outcome.Cause.OVERLOADED.error());
            submission.answer().accept(Unavailable.OVERLOADED);
        }
        return Optional.empty();
    }

    /** Parse, signature, the other rules, and what would be decided. */
    private Candidate checked(Submission submission) throws Refused {
        ParsedCertificate parsed = parsed(submission);
        String keyId = parts.signatures().verify(parsed).orElseThrow(() -> badSignature(parsed, submission.sender()));
        Certificate certificate = checked(parsed, submission.sender());
        long arrivalMillis = parts.clock().millis();
        return new Candidate(submission, keyId, arrivalMillis, parts.rules().decide(certificate, arrivalMillis));
    }

    private ParsedCertificate parsed(Submission submission) throws Refused {
        try {
            return CertificateReader.parse(submission.body());
        } catch (MalformedCertificate e) {
            throw malformed(e, submission.sender(), null);
        }
    }

    private Certificate checked(ParsedCertificate parsed, Submitter sender) throws Refused {
        try {
            return parsed.check(parts.wallClock().instant(), parts.maxClockSkew());
        } catch (MalformedCertificate e) {
            throw malformed(e, sender, parsed.signed().shardId());
        }
    }

    private Refused badSignature(ParsedCertificate parsed, Submitter sender) {
        meters.signatureErrors.increment();
        meters.rejected(RejectReason.SIGNATURE);
        String claimedId = parsed.signed().pcsId(); // of the rest nothing is kept
        parts.signatures().examine(parsed, (reason, keyId) -> {
            meters.signatureRefused(reason);
            log.badSignature(claimedId, reason, keyId, sender);
        });
        return new Refused(new Outcome.BadSignature());
    }

    /** @param shardId of a certificate whose signature is good; null: what it says of itself may not be true */
    private Refused malformed(MalformedCertificate cause, Submitter sender, @Nullable String shardId) {
        String error = String.valueOf(cause.getMessage());
        RejectReason reason = error.startsWith("timestamp in future") ? RejectReason.CLOCK : RejectReason.MALFORMED;
        meters.rejected(reason);
        log.malformed(reason, error, sender, shardId);
        return new Refused(new Outcome.Malformed(error));
    }

    /** Registers the id; empty if it is in flight already, or there is no room for it. */
    private Optional<Opened> join(Candidate candidate) {
        if (inFlightIds.has(candidate.id())) {
            limits.known(candidate.sender());
        }
        InFlightIds.Join join = inFlightIds.join(candidate);
        switch (join.joined()) {
            case OPENED -> {
                return join.inFlight().map(inFlight -> new Opened(candidate, inFlight));
            }
            case SHARES -> {}
            case LEFT_WAITING ->
                join.inFlight()
                        .ifPresent(inFlight -> completion.answerWaiting(candidate, inFlight, advice.storeDown()));
            case FULL -> completion.answerError(candidate, Unavailable.OVERLOADED);
        }
        return Optional.empty();
    }

    /** Decided before? */
    private void lookUpThenLog(List<Opened> opened) {
        store.get(opened.stream().map(each -> each.inFlight().id()).toList())
                .whenComplete((existing, failure) -> logUnknown(opened, existing));
    }

    /** If the store can't say, the submissions are logged all the same: a failed read is never a miss, nor a hit. */
    private void logUnknown(List<Opened> opened, @Nullable List<Optional<StoredOutcome>> existing) {
        try {
            List<InFlight> unknown = new ArrayList<>(opened.size());
            for (int i = 0; i < opened.size(); i++) {
                Candidate candidate = opened.get(i).candidate();
                InFlight inFlight = opened.get(i).inFlight();
                Optional<StoredOutcome> recorded = existing == null ? Optional.empty() : existing.get(i);
                if (recorded.isPresent()) {
                    limits.known(candidate.sender());
                    completion.known(inFlight, recorded.get());
                    continue;
                }
                Optional<Throttled> throttled = takeNew(candidate);
                throttled.ifPresentOrElse(limit -> completion.limited(inFlight, limit), () -> unknown.add(inFlight));
            }
            append(unknown);
        } catch (RuntimeException | VirtualMachineError e) { // a stage would swallow it
            log.broken(e);
            opened.forEach(each -> completion.failed(each.inFlight(), new Outcome.Broken()));
        }
    }

    /** The limits of its key and its shard. */
    private Optional<Throttled> takeNew(Candidate candidate) {
        String keyId = candidate.keyId();
        return limits.takeNew(
                candidate.sender(),
                candidate.shardId(),
                keyId,
                parts.signatures().rateOf(keyId));
    }

    /** Into the log, in parts that can share a force; once on disk, they are with the recorder. */
    private void append(List<InFlight> unknown) {
        List<InFlight> part = new ArrayList<>();
        long bytes = 0;
        for (InFlight inFlight : unknown) {
            if (bytes + inFlight.bodyBytes() > MAX_APPEND_BYTES && !part.isEmpty()) {
                appendPart(part, bytes);
                part = new ArrayList<>();
                bytes = 0;
            }
            part.add(inFlight);
            bytes += inFlight.bodyBytes();
        }
        if (!part.isEmpty()) {
            appendPart(part, bytes);
        }
    }

    private void appendPart(List<InFlight> part, long bytes) {
        if (inbox.isDiskLow(bytes)) {
            part.forEach(inFlight -> completion.failed(inFlight, Unavailable.DISK_FULL));
            return;
        }
        boolean room = store.hasRoomFor(inbox.lowWater().pending() + part.size());
        if (!room || !inbox.append(part, this::appendFailed)) {
            part.forEach(inFlight -> completion.failed(inFlight, Unavailable.OVERLOADED));
        }
    }

    private void appendFailed(List<InFlight> part, IOException cause) {
        Outcome error = LogFailed.of(cause);
        part.forEach(inFlight -> completion.failed(inFlight, error));
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        if (lookUps.incrementAndGet() > MAX_LOOK_UPS) {
            lookUps.decrementAndGet();
            answer.accept(LookUp.Unavailable.of(Unavailable.OVERLOADED));
            return;
        }
        boolean inFlight = inFlightIds.has(id);
        store.get(List.of(id)).whenComplete((existing, failure) -> {
            lookUps.decrementAndGet();
            answer.accept(lookUpAnswer(existing, inFlight));
        });
    }

    private LookUp lookUpAnswer(@Nullable List<Optional<StoredOutcome>> existing, boolean inFlight) {
        if (existing == null) {
            return LookUp.Unavailable.of(advice.storeDown());
        }
        return existing.get(0)
                .<LookUp>map(recorded -> new LookUp.Found(recorded.status(), recorded.body()))
                .orElseGet(() -> inFlight ? new LookUp.Unavailable(Outcome.Cause.UNDECIDED, 1) : new LookUp.Unknown());
    }

    /** A candidate with the id that it has put in flight. */
    private record Opened(Candidate candidate, InFlight inFlight) {}

    /** Ends the checks of a submission; a stranger can cause it at will, so it has no stack trace. */
    private static final class Refused extends Exception {
        private static final long serialVersionUID = 1;

        private final transient Outcome outcome;

        Refused(Outcome outcome) {
            super(null, null, false, false);
            this.outcome = outcome;
        }
    }
}
