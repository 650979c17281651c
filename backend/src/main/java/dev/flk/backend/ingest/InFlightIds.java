// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.DecidedSubmission;
import dev.flk.backend.decide.DecisionRules.Decision;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox.Loggable;
import dev.flk.backend.inbox.LowWater;
import dev.flk.backend.ingest.Ingest.Submission.Candidate;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.segment.Entry;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The ids in flight: ids that are being looked up, logged or recorded, or that wait for the store. An id is registered
 * here before it is looked up in the store, so that two submissions of one id are never processed separately. Bounded;
 * safe for any thread.
 */
final class InFlightIds {
    private final int maxIds;
    private final InstantSource expiry;
    private final ConcurrentHashMap<PcsId, InFlight> ids = new ConcurrentHashMap<>();

    /** The result of {@link #join} for a submission. */
    enum Joined {
        /** The id was not in flight before. It is in flight now, and the caller processes the submission. */
        OPENED,
        /** The submission is answered together with the submission in flight. */
        SHARES,
        /**
         * The waiting list of the id is closed: the submission in flight is in the log, but the id could not be
         * settled yet. The caller answers the new submission with an error.
         */
        LEFT_WAITING,
        /** There is no room for another id. */
        FULL
    }

    /**
     * The result of {@link #join}; {@code inFlight} is the entry of the id, or empty if there was no room for the id.
     */
    record Join(Joined joined, Optional<InFlight> inFlight) {}

    /** @param expiry the clock that decides whether an outcome has expired */
    InFlightIds(int maxIds, InstantSource expiry) {
        this.maxIds = maxIds;
        this.expiry = expiry;
    }

    Join join(Candidate candidate) {
        Join[] result = new Join[1];
        ids.compute(candidate.id(), (id, inFlight) -> {
            if (inFlight != null && !inFlight.isOver(expiry.millis())) {
                Joined joined = inFlight.join(candidate) ? Joined.SHARES : Joined.LEFT_WAITING;
                result[0] = new Join(joined, Optional.of(inFlight));
                return inFlight;
            }
            InFlight opened = ids.size() < maxIds ? new InFlight(candidate) : null;
            result[0] = new Join(opened == null ? Joined.FULL : Joined.OPENED, Optional.ofNullable(opened));
            return opened;
        });
        return result[0];
    }

    /**
     * Ends an entry: its id is no longer in flight. Returns the submissions to answer; an empty list if the entry was
     * ended before.
     */
    List<Candidate> end(InFlight inFlight) {
        return dismiss(inFlight, null);
    }

    /**
     * Closes the waiting list of an id, and returns the submissions to answer now. The id stays in flight until its
     * outcome is recorded.
     */
    List<Candidate> leaveWaiting(InFlight inFlight) {
        return dismiss(inFlight, inFlight);
    }

    private List<Candidate> dismiss(InFlight inFlight, @Nullable InFlight successor) {
        List<Candidate> candidates = new ArrayList<>();
        ids.computeIfPresent(inFlight.id(), (id, present) -> {
            if (present != inFlight) {
                return present; // this entry was ended before; the id is in flight again, in another entry
            }
            candidates.addAll(inFlight.dismiss());
            return successor;
        });
        return candidates;
    }

    /** Returns the number of ids in flight. */
    int size() {
        return ids.size();
    }

    boolean has(PcsId id) {
        return ids.containsKey(id);
    }

    /** Returns whether this entry is still in flight. */
    boolean isUnderWay(InFlight inFlight) {
        return ids.get(inFlight.id()) == inFlight;
    }

    /** Returns whether the outcome's id is in flight, in an entry that has exactly this outcome. */
    boolean isInFlight(StoredOutcome outcome) {
        InFlight inFlight = ids.get(outcome.id());
        return inFlight != null && inFlight.outcome().equals(outcome);
    }

    /**
     * One id in flight, from its look-up until its outcome is recorded or its submissions are refused. Further
     * submissions of the same id join its waiting list until the list is closed; {@link InFlightIds} guards the list.
     * Only one step at a time uses the other fields. Once {@link #takeEntry} was called and the waiting list is closed,
     * only the decision is kept, not the body.
     */
    static final class InFlight implements Loggable {
        private final Decision decision;
        private final String keyId;
        private final long arrivalMillis;

        /** The certificate and its bytes; null once the id waits for the store, because many ids may wait for long. */
        private @Nullable Certificate certificate;

        private byte @Nullable [] body;

        /**
         * The submission that put the id in flight; null after {@link #takeEntry}, which passes its body to the log.
         */
        private @Nullable Candidate opener;

        private LowWater.@Nullable Group group;
        private long sequence;

        /** The submissions to answer; null once the list is closed, after which no submission can join. */
        private @Nullable List<Candidate> waiting;

        InFlight(Candidate opener) {
            this.decision = opener.decision();
            this.keyId = opener.keyId();
            this.arrivalMillis = opener.arrivalMillis();
            this.body = opener.body();
            this.certificate = opener.certificate();
            this.opener = opener;
            this.waiting = new ArrayList<>(List.of(opener));
        }

        PcsId id() {
            return decision.recorded().id();
        }

        Decision decision() {
            return decision;
        }

        StoredOutcome outcome() {
            return decision.recorded();
        }

        String keyId() {
            return keyId;
        }

        /** Returns the submission that put the id in flight; may be called only before {@link #takeEntry}. */
        Candidate opener() {
            return Objects.requireNonNull(opener, "an id in flight is logged once");
        }

        @Override
        public Entry takeEntry() {
            Entry taken = opener().entry(RecordKind.SUBMISSION);
            opener = null;
            return taken;
        }

        @Override
        public void logged(long atSequence, LowWater.Group inGroup) {
            sequence = atSequence;
            group = inGroup;
        }

        /** Returns the decided submission; empty if the id has waited for the store. */
        Optional<DecidedSubmission> decided() {
            return certificate == null || body == null
                    ? Optional.empty()
                    : Optional.of(new DecidedSubmission(
                            sequence, arrivalMillis, keyId, body, certificate, decision.verdict(), outcome()));
        }

        long sequence() {
            return sequence;
        }

        LowWater.@Nullable Group group() {
            return group;
        }

        /**
         * Adds a candidate to the waiting list; returns false if the list is closed. Called only by
         * {@link InFlightIds}.
         */
        boolean join(Candidate candidate) {
            return waiting != null && waiting.add(candidate);
        }

        /**
         * Returns whether this entry can be dropped: no submission can join it any more, and its outcome has expired.
         * Called only by {@link InFlightIds}.
         */
        boolean isOver(long nowMillis) {
            return waiting == null && outcome().isExpired(nowMillis);
        }

        /**
         * Closes the waiting list and returns the submissions to answer, in order of arrival. Called only by
         * {@link InFlightIds}.
         */
        List<Candidate> dismiss() {
            List<Candidate> dismissed = waiting == null ? List.of() : waiting;
            waiting = null;
            certificate = null;
            body = null;
            return dismissed;
        }
    }
}
