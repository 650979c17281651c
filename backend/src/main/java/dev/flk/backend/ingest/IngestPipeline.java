// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.limit.RateLimit;
import dev.flk.backend.metrics.Meters;
import dev.flk.backend.metrics.RejectReason;
import dev.flk.canonical.CanonicalForm;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.ParsedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.signing.KeyId;
import dev.flk.signing.SignatureCheck;
import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The whole way of a submission, top to bottom: rate limit, parse, signature, the other rules of the format, decided before?,
 * append to the inbox log and wait for the disk, decide, put-if-absent, answer. What is pure runs before the disk is asked, on
 * the caller's thread; from the force on, the {@link Recorder} has it.
 */
final class IngestPipeline implements Ingest {
    private final RateLimit limit;
    private final SignatureCheck signatures;
    private final Rules rules;
    private final Duration maxClockSkew;
    private final InstantSource clock;
    private final Flights flights;
    private final DedupStore store;
    private final Inbox inbox;
    private final Endings endings;
    private final Failures failures;
    private final Meters meters;
    private final OutcomeLog log;

    IngestPipeline(
            RateLimit limit,
            SignatureCheck signatures,
            Rules rules,
            Duration maxClockSkew,
            InstantSource clock,
            Flights flights,
            DedupStore store,
            Inbox inbox,
            Endings endings,
            Failures failures,
            Meters meters,
            OutcomeLog log) {
        this.limit = limit;
        this.signatures = signatures;
        this.rules = rules;
        this.maxClockSkew = maxClockSkew;
        this.clock = clock;
        this.flights = flights;
        this.store = store;
        this.inbox = inbox;
        this.endings = endings;
        this.failures = failures;
        this.meters = meters;
        this.log = log;
    }

    @Override
    public void submit(List<Submission> turn) {
        List<Flight> opened = new ArrayList<>(turn.size());
        for (Submission submission : turn) {
            try {
                take(submission).flatMap(this::join).ifPresent(opened::add);
            } catch (RuntimeException e) {
                log.broken(e);
                submission.answer().accept(new Outcome.Broken());
            }
        }
        if (!opened.isEmpty()) {
            lookUpThenLog(opened);
        }
    }

    /** Rate limit, parse, signature, rules, decision; empty if it was refused, and answered. */
    private Optional<Candidate> take(Submission submission) {
        OptionalLong waitNanos = limit.tryTake();
        if (waitNanos.isPresent()) {
            meters.rateLimited(1);
            return refuse(submission, new Outcome.RateLimited(wholeSeconds(waitNanos.getAsLong())));
        }
        meters.ingest.increment();
        ParsedCertificate parsed;
        try {
            parsed = CertificateReader.parse(submission.body());
        } catch (MalformedCertificate e) {
            return refuseMalformed(submission, e);
        }
        Optional<KeyId> key = signatures.verify(CanonicalForm.of(parsed.signed()), parsed.sig());
        if (key.isEmpty()) {
            meters.signatureErrors.increment();
            meters.rejected(RejectReason.SIGNATURE);
            log.badSignature(parsed.signed().pcsId());
            return refuse(submission, new Outcome.BadSignature());
        }
        Certificate certificate;
        try {
            certificate = parsed.check(clock.instant(), maxClockSkew);
        } catch (MalformedCertificate e) {
            return refuseMalformed(submission, e);
        }
        long arrivalMillis = clock.millis();
        return Optional.of(
                new Candidate(submission, key.get().text(), arrivalMillis, rules.decide(certificate, arrivalMillis)));
    }

    /** Registers the id; empty if it is in flight already, or there is no room for it. */
    private Optional<Flight> join(Candidate candidate) {
        Flights.Join join = flights.join(candidate);
        switch (join.joined()) {
            case OPENED -> {
                return join.flight();
            }
            case SHARES -> {}
            case STORE_IS_DOWN ->
                join.flight().ifPresent(flight -> endings.answerWaiting(candidate, flight, failures.storeDown()));
            case FULL -> endings.answerError(candidate, failures.overloaded());
        }
        return Optional.empty();
    }

    /** Decided before? If the store can't say, the submission is logged all the same: a failed read is never a miss, nor a hit. */
    private void lookUpThenLog(List<Flight> opened) {
        store.get(opened.stream().map(Flight::id).toList()).whenComplete((standing, failure) -> {
            if (standing == null) {
                log.storeFailed(failure);
                append(opened);
                return;
            }
            List<Flight> unknown = new ArrayList<>(opened.size());
            for (int i = 0; i < opened.size(); i++) {
                Flight flight = opened.get(i);
                standing.get(i).ifPresentOrElse(recorded -> endings.known(flight, recorded), () -> unknown.add(flight));
            }
            if (!unknown.isEmpty()) {
                append(unknown);
            }
        });
    }

    /** Into the log; once on disk, the flights are with the recorder. */
    private void append(List<Flight> unknown) {
        boolean room = store.hasRoomFor(inbox.lowWater().pending() + unknown.size());
        if (!room || !inbox.append(unknown, this::appendFailed)) {
            unknown.forEach(flight -> endings.failed(flight, failures.overloaded()));
        }
    }

    private void appendFailed(List<Flight> failed, IOException cause) {
        Outcome error = failures.ofLog(cause);
        failed.forEach(flight -> endings.failed(flight, error));
    }

    @Override
    public void lookUp(PcsId id, Consumer<LookUp> answer) {
        boolean inFlight = flights.has(id);
        store.get(List.of(id)).whenComplete((standing, failure) -> answer.accept(lookUpAnswer(standing, inFlight)));
    }

    private static LookUp lookUpAnswer(@Nullable List<Optional<Recorded>> standing, boolean inFlight) {
        if (standing == null) {
            return new LookUp.Unavailable(Outcome.Cause.STORE, 2);
        }
        Optional<Recorded> recorded = standing.get(0);
        if (recorded.isPresent()) {
            return new LookUp.Found(recorded.get().status(), recorded.get().body());
        }
        return inFlight ? new LookUp.Unavailable(Outcome.Cause.UNDECIDED, 1) : new LookUp.Unknown();
    }

    private Optional<Candidate> refuseMalformed(Submission submission, MalformedCertificate e) {
        String error = String.valueOf(e.getMessage());
        meters.rejected(error.startsWith("timestamp in future") ? RejectReason.CLOCK : RejectReason.MALFORMED);
        return refuse(submission, new Outcome.Malformed(error));
    }

    private static Optional<Candidate> refuse(Submission submission, Outcome outcome) {
        submission.answer().accept(outcome);
        return Optional.empty();
    }

    /** Rounded up, but for less than a millisecond, which no client's clock tells apart. */
    private static long wholeSeconds(long nanos) {
        long millis = TimeUnit.NANOSECONDS.toMillis(nanos);
        return Math.max(1, (millis + 999) / 1000);
    }
}
