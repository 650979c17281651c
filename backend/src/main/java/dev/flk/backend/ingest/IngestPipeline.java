// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.limit.HeldBack;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.Sender;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.RejectReason;
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
 * The whole way of a submission, top to bottom: rate limit, parse, signature, the other rules of the format, decided before?, the limits of
 * who signed what is new, append to the inbox log and wait for the disk, decide, put-if-absent, answer. What is pure runs before the disk is asked, on
 * the caller's thread; from the force on, the {@link Recorder} has it.
 */
final class IngestPipeline implements Ingest {
    /** What is handed to the log in one go, at the most, unless a single body is longer. */
    private static final long MAX_APPEND_BYTES = 8L << 20;

    /**
     * Look-ups that the store may have been asked and not answered yet. Anybody may cause them, without a key; a store has a queue of
     * bounded length for reads, and counts as down when that is full.
     */
    static final int MAX_LOOK_UPS = 256;

    private final IngestService.Parts parts;
    private final Limits limits;
    private final GuardedStore store;
    private final Meters meters;
    private final Flights flights;
    private final Inbox inbox;
    private final Endings endings;
    private final Failures failures;
    private final OutcomeLog log;
    private final AtomicInteger lookUps = new AtomicInteger();

    IngestPipeline(
            IngestService.Parts parts,
            Flights flights,
            Inbox inbox,
            Endings endings,
            Failures failures,
            OutcomeLog log) {
        this.parts = parts;
        this.limits = parts.limits();
        this.store = parts.store();
        this.meters = parts.meters();
        this.flights = flights;
        this.inbox = inbox;
        this.endings = endings;
        this.failures = failures;
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
        Optional<HeldBack> heldBack = limits.admit(submission.sender());
        if (heldBack.isPresent()) {
            submission.answer().accept(new Outcome.RateLimited(heldBack.get().waitSeconds()));
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
            submission.answer().accept(failures.overloaded());
        }
        return Optional.empty();
    }

    /** Parse, signature, the other rules, and what would be decided. */
    private Candidate checked(Submission submission) throws Refused {
        try {
            ParsedCertificate parsed = CertificateReader.parse(submission.body());
            String keyId =
                    parts.signatures().verify(parsed).orElseThrow(() -> badSignature(parsed, submission.sender()));
            Certificate certificate = parsed.check(parts.clock().instant(), parts.maxClockSkew());
            long arrivalMillis = parts.clock().millis();
            return new Candidate(
                    submission,
                    parsed.signed().shardId(),
                    keyId,
                    arrivalMillis,
                    parts.rules().decide(certificate, arrivalMillis));
        } catch (MalformedCertificate e) {
            throw malformed(String.valueOf(e.getMessage()));
        }
    }

    private Refused badSignature(ParsedCertificate parsed, Sender sender) {
        meters.signatureErrors.increment();
        meters.rejected(RejectReason.SIGNATURE);
        String claimedId = parsed.signed().pcsId(); // of the rest nothing is kept
        parts.signatures().examine(parsed, (reason, keyId) -> {
            meters.signatureRefused(reason);
            log.badSignature(claimedId, reason, keyId, sender);
        });
        return new Refused(new Outcome.BadSignature());
    }

    private Refused malformed(String error) {
        meters.rejected(error.startsWith("timestamp in future") ? RejectReason.CLOCK : RejectReason.MALFORMED);
        return new Refused(new Outcome.Malformed(error));
    }

    /** Registers the id; empty if it is in flight already, or there is no room for it. */
    private Optional<Opened> join(Candidate candidate) {
        if (flights.has(candidate.id())) {
            limits.known(candidate.sender());
        }
        Flights.Join join = flights.join(candidate);
        switch (join.joined()) {
            case OPENED -> {
                return join.flight().map(flight -> new Opened(candidate, flight));
            }
            case SHARES -> {}
            case LEFT_WAITING ->
                join.flight().ifPresent(flight -> endings.answerWaiting(candidate, flight, failures.storeDown()));
            case FULL -> endings.answerError(candidate, failures.overloaded());
        }
        return Optional.empty();
    }

    /** Decided before? */
    private void lookUpThenLog(List<Opened> opened) {
        store.get(opened.stream().map(each -> each.flight().id()).toList())
                .whenComplete((standing, failure) -> logUnknown(opened, standing));
    }

    /** If the store can't say, the submissions are logged all the same: a failed read is never a miss, nor a hit. */
    private void logUnknown(List<Opened> opened, @Nullable List<Optional<Recorded>> standing) {
        try {
            List<Flight> unknown = new ArrayList<>(opened.size());
            for (int i = 0; i < opened.size(); i++) {
                Candidate candidate = opened.get(i).candidate();
                Flight flight = opened.get(i).flight();
                Optional<Recorded> recorded = standing == null ? Optional.empty() : standing.get(i);
                if (recorded.isPresent()) {
                    limits.known(candidate.sender());
                    endings.known(flight, recorded.get());
                    continue;
                }
                Optional<HeldBack> heldBack = takeNew(candidate);
                heldBack.ifPresentOrElse(held -> endings.limited(flight, held), () -> unknown.add(flight));
            }
            append(unknown);
        } catch (RuntimeException | VirtualMachineError e) { // a stage would swallow it
            log.broken(e);
            opened.forEach(each -> endings.failed(each.flight(), new Outcome.Broken()));
        }
    }

    /** The limits of its key and its shard. */
    private Optional<HeldBack> takeNew(Candidate candidate) {
        String keyId = candidate.keyId();
        return limits.takeNew(
                candidate.sender(),
                candidate.shardId(),
                keyId,
                parts.signatures().rateOf(keyId));
    }

    /** Into the log, in parts that can share a force; once on disk, the flights are with the recorder. */
    private void append(List<Flight> unknown) {
        List<Flight> part = new ArrayList<>();
        long bytes = 0;
        for (Flight flight : unknown) {
            if (bytes + flight.bodyBytes() > MAX_APPEND_BYTES && !part.isEmpty()) {
                appendPart(part, bytes);
                part = new ArrayList<>();
                bytes = 0;
            }
            part.add(flight);
            bytes += flight.bodyBytes();
        }
        if (!part.isEmpty()) {
            appendPart(part, bytes);
        }
    }

    private void appendPart(List<Flight> part, long bytes) {
        if (inbox.isDiskLow(bytes)) {
            part.forEach(flight -> endings.failed(flight, failures.diskFull()));
            return;
        }
        boolean room = store.hasRoomFor(inbox.lowWater().pending() + part.size());
        if (!room || !inbox.append(part, this::appendFailed)) {
            part.forEach(flight -> endings.failed(flight, failures.overloaded()));
        }
    }

    private void appendFailed(List<Flight> part, IOException cause) {
        Outcome error = failures.ofLog(cause);
        part.forEach(flight -> endings.failed(flight, error));
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        if (lookUps.incrementAndGet() > MAX_LOOK_UPS) {
            lookUps.decrementAndGet();
            answer.accept(failures.overloadedForLookUp());
            return;
        }
        boolean inFlight = flights.has(id);
        store.get(List.of(id)).whenComplete((standing, failure) -> {
            lookUps.decrementAndGet();
            answer.accept(lookUpAnswer(standing, inFlight));
        });
    }

    private LookUp lookUpAnswer(@Nullable List<Optional<Recorded>> standing, boolean inFlight) {
        if (standing == null) {
            return failures.storeDownForLookUp();
        }
        return standing.get(0)
                .<LookUp>map(recorded -> new LookUp.Found(recorded.status(), recorded.body()))
                .orElseGet(() -> inFlight ? failures.undecided() : new LookUp.Unknown());
    }

    /** A candidate with the flight that it has opened. */
    private record Opened(Candidate candidate, Flight flight) {}

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
