// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.access.limit.Limits;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.LowWater;
import dev.flk.backend.ingest.InFlightIds.InFlight;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Decided;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Outcome.Relation;
import dev.flk.backend.ingest.Ingest.Submission.Candidate;
import dev.flk.backend.ingest.RefusedSubmissions.RejectReason;
import dev.flk.verification.Verdict;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The last steps for an id in flight. To settle an id means to answer all submissions that wait for the id, and to
 * count the outcome. Safe for any thread; never throws.
 */
final class Completion {
    private final InFlightIds inFlightIds;
    private final LowWater lowWater;
    private final Evidence evidence;
    private final Limits limits;
    private final IngestMetrics metrics;
    private final OutcomeLog log;

    Completion(
            InFlightIds inFlightIds,
            LowWater lowWater,
            Evidence evidence,
            Limits limits,
            IngestMetrics metrics,
            OutcomeLog log) {
        this.inFlightIds = inFlightIds;
        this.lowWater = lowWater;
        this.evidence = evidence;
        this.limits = limits;
        this.metrics = metrics;
        this.log = log;
    }

    /** Returns whether this entry is still in flight; false also if its id is in flight again, but in another entry. */
    boolean isUnderWay(InFlight inFlight) {
        return inFlightIds.isUnderWay(inFlight);
    }

    /** Reports that the store has another outcome of an id; does nothing if the id was not answered before. */
    void lost(InFlight inFlight, StoredOutcome winner) {
        boolean wasCounted = inFlightIds.stopCounting(inFlight);
        if (wasCounted && !inFlight.outcome().isAnsweredAs(winner)) {
            metrics.lostOutcomes.increment();
            log.lost(inFlight.outcome(), winner);
        }
    }

    /** Returns the number of ids that are answered and not yet recorded. */
    int answered() {
        return inFlightIds.answered();
    }

    /** Settles an id that already had an outcome; its submission was not logged. */
    void known(InFlight inFlight, StoredOutcome existing) {
        inFlightIds.end(inFlight).forEach(candidate -> answerKnown(candidate, existing));
    }

    /**
     * Answers the submission that put an id in flight, whose decision is the first outcome of the id and is in the log.
     * Does nothing if too many of these outcomes are not recorded yet; the submission then waits for its record.
     */
    void answerFirst(InFlight inFlight) {
        Decided outcome = Decided.of(inFlight.outcome(), Relation.FIRST);
        Optional<Candidate> first = inFlightIds.answer(inFlight);
        if (first.isPresent()) {
            try {
                count(inFlight.decision());
            } catch (RuntimeException | VirtualMachineError e) {
                log.broken(e); // the submission must be answered
            }
            answer(first.get(), outcome);
        }
    }

    /** Settles an id whose decision was recorded as the outcome, or expired before it could be recorded. */
    void recorded(InFlight inFlight) {
        Decision decision = inFlight.decision();
        boolean isAnswered = inFlight.isAnswered();
        try {
            if (!isAnswered) {
                count(decision);
            }
            log.decided(decision);
        } catch (RuntimeException | VirtualMachineError e) {
            log.broken(e); // the submissions must be answered even if there is no memory for the log line
        }
        List<Candidate> candidates = inFlightIds.end(inFlight);
        finished(inFlight);
        StoredOutcome existing = decision.recorded();
        if (isAnswered) {
            candidates.forEach(candidate -> answerKnown(candidate, existing));
        } else if (candidates.isEmpty()) {
            metrics.decidedLate.increment();
        } else {
            answer(candidates.get(0), Decided.of(existing, Relation.FIRST));
            candidates.subList(1, candidates.size()).forEach(candidate -> answerKnown(candidate, existing));
        }
    }

    /**
     * Settles an id for which another outcome was recorded first; an overruled record in the log contains that outcome.
     */
    void overruled(InFlight inFlight, StoredOutcome existing) {
        metrics.overruled.increment();
        StoredOutcome ours = inFlight.outcome();
        if (!ours.digest().equals(existing.digest())) {
            evidence.known(ours.id(), ours.digest(), ours.expiresAtMillis());
        }
        List<Candidate> candidates = inFlightIds.end(inFlight);
        finished(inFlight);
        candidates.forEach(candidate -> answerKnown(candidate, existing));
    }

    /**
     * Settles an id whose submission did not reach the log, and frees the id. Does nothing if this entry is no longer
     * in flight.
     */
    void failed(InFlight inFlight, Outcome error) {
        inFlightIds.end(inFlight).forEach(candidate -> answerError(candidate, error));
    }

    /**
     * Settles an id whose submission exceeded the rate limit of its key or shard. Nothing was logged; the refusal was
     * counted when the limit was checked.
     */
    void limited(InFlight inFlight, Throttled throttled) {
        inFlightIds.end(inFlight).forEach(candidate -> answer(candidate, new Outcome.RateLimited(throttled)));
    }

    /**
     * Answers the submissions of an id with {@code error}, unless the id was answered with its outcome. One of these
     * submissions is in the log, and the id stays in flight until it is settled.
     */
    void leftWaiting(InFlight inFlight, Outcome error) {
        inFlightIds.leaveWaiting(inFlight).forEach(candidate -> answerWaiting(candidate, inFlight, error));
    }

    /**
     * Answers a submission whose id still waits for the store: with the outcome if the id was answered with it, else with
     * {@code error}. If the submission's content differs from the content in flight, the submission is first logged as
     * evidence.
     */
    void answerWaiting(Candidate candidate, InFlight inFlight, Outcome error) {
        if (inFlight.isAnswered()) {
            answerKnown(candidate, inFlight.outcome());
        } else if (candidate.digest().equals(inFlight.outcome().digest())) {
            answerError(candidate, error);
        } else {
            evidence.keep(candidate, problem -> answerError(candidate, problem == null ? error : problem));
        }
    }

    private void answerKnown(Candidate candidate, StoredOutcome existing) {
        if (candidate.digest().equals(existing.digest())) {
            metrics.dedupHits.increment();
            log.duplicate(candidate.id());
            answer(candidate, Decided.of(existing, Relation.DUPLICATE));
        } else {
            evidence.keep(candidate, problem -> answerConflict(candidate, existing, problem));
        }
    }

    private void answerConflict(Candidate candidate, StoredOutcome existing, @Nullable Outcome problem) {
        if (problem != null) {
            answerError(candidate, problem);
            return;
        }
        metrics.dedupHits.increment();
        metrics.conflicts.increment();
        log.conflict(candidate.decision().recorded(), existing, candidate.keyId(), candidate.sender());
        answer(candidate, Decided.of(existing, Relation.CONFLICT));
    }

    /** Answers one submission with an error and counts the error. */
    void answerError(Candidate candidate, Outcome error) {
        if (error instanceof Refused refused) {
            switch (refused.why()) {
                case BROKEN -> metrics.refused.internalErrors.increment();
                case LOG_FAILED, DISK_FULL -> metrics.walErrors.increment();
                case STORE_DOWN, OVERLOADED, STARTING, UNDECIDED ->
                    metrics.refused.unavailable.increment(refused.error());
                case MALFORMED, BAD_SIGNATURE, KEYS_OUTDATED -> {} // counted where they are detected
            }
        } else {
            limits.evidenceThrottled();
        }
        answer(candidate, error);
    }

    private void answer(Candidate candidate, Outcome outcome) {
        try {
            candidate.answer().accept(outcome);
        } catch (RuntimeException | VirtualMachineError e) {
            log.broken(e); // a callback must not throw; if one does, the other submissions are still answered
        }
    }

    /**
     * Notes the submission as finished, which may advance the low-water mark. Called after the id was removed from the
     * ids in flight, so that a logged submission whose id is in flight always counts as pending. The submissions are
     * answered after this call.
     */
    private void finished(InFlight inFlight) {
        LowWater.Group group = inFlight.group();
        if (group != null) {
            lowWater.finished(group);
        }
    }

    private void count(Decision decision) {
        Verdict verdict = decision.verdict();
        (verdict.kind() == Verdict.Kind.ACCEPTED ? metrics.accepted : metrics.escalated).increment();
        if (verdict.kind() == Verdict.Kind.REJECTED) {
            metrics.refused.rejected.increment(RejectReason.VERIFICATION);
        }
        Verdict.Recomputed recomputed = verdict.recomputed();
        metrics.shards.decided(decision.shardId(), verdict.kind(), recomputed == null ? Double.NaN : recomputed.dHat());
    }
}
