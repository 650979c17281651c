// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.DecisionRules.Decision;
import dev.flk.backend.ingest.Submission.Candidate;
import dev.flk.certificate.PcsId;
import dev.flk.wal.Entry;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The ids in flight: being looked up, logged, recorded, or waiting for the store. An id is registered here before the store is
 * asked, so that two submissions of one id never go their ways separately. Bounded; safe for any thread.
 */
final class InFlightIds {
    private final int maxIds;
    private final InstantSource expiry;
    private final ConcurrentHashMap<PcsId, InFlight> ids = new ConcurrentHashMap<>();

    /** How a submission joined. */
    enum Joined {
        /** The id was not in flight; it is now, and the caller takes it on. */
        OPENED,
        /** It is answered together with the submission that is in flight. */
        SHARES,
        /** The submission in flight is in the log and waits to be recorded; no answer is due for it. */
        LEFT_WAITING,
        /** No room for another id. */
        FULL
    }

    /** What {@link #join} did, and with what is in flight. */
    record Join(Joined joined, Optional<InFlight> inFlight) {}

    /** @param expiry says that an outcome has expired */
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

    /** It is no more in flight: its id is free for a look-up again. Returns the submissions to be answered. Idempotent. */
    List<Candidate> end(InFlight inFlight) {
        return dismiss(inFlight, null);
    }

    /** It stays in flight, waiting to be recorded. Returns the submissions to be answered so; they get nothing later. */
    List<Candidate> leaveWaiting(InFlight inFlight) {
        return dismiss(inFlight, inFlight);
    }

    private List<Candidate> dismiss(InFlight inFlight, @Nullable InFlight successor) {
        List<Candidate> told = new ArrayList<>();
        ids.computeIfPresent(inFlight.id(), (id, present) -> {
            if (present != inFlight) {
                return present; // it ended before; this is another one of the same id
            }
            told.addAll(inFlight.dismiss());
            return successor;
        });
        return told;
    }

    /** How many ids are in flight. */
    int size() {
        return ids.size();
    }

    boolean has(PcsId id) {
        return ids.containsKey(id);
    }

    /** Whether it is still in flight. */
    boolean isUnderWay(InFlight inFlight) {
        return ids.get(inFlight.id()) == inFlight;
    }

    /** Whether this outcome is in flight. */
    boolean isInFlight(StoredOutcome outcome) {
        InFlight inFlight = ids.get(outcome.id());
        return inFlight != null && inFlight.outcome().equals(outcome);
    }

    /**
     * One id in flight, from its look-up to its record. Submissions of the same id that come meanwhile share its end. The list of
     * them belongs to {@link InFlightIds}, under its guard; the rest is handed from step to step. Once on disk it holds a decision
     * and no body.
     */
    static final class InFlight {
        private final Decision decision;
        private final String keyId;
        private final long arrivalMillis;
        private @Nullable Entry entry;
        private LowWater.@Nullable Group group;
        private long sequence;

        /** Null once everyone was answered with an error; it stays in flight without them. */
        private @Nullable List<Candidate> waiting;

        InFlight(Candidate opener) {
            this.decision = opener.decision();
            this.keyId = opener.keyId();
            this.arrivalMillis = opener.arrivalMillis();
            this.entry = opener.entry(RecordKind.SUBMISSION);
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

        long arrivalMillis() {
            return arrivalMillis;
        }

        /** How long the body is that goes into the log. */
        int bodyBytes() {
            return Objects.requireNonNull(entry, "it is not logged yet").body().length;
        }

        /** What goes into the log; handed out once. */
        Entry takeEntry() {
            Entry taken = Objects.requireNonNull(entry, "an id in flight is logged once");
            entry = null;
            return taken;
        }

        /** It is on disk. */
        void logged(long atSequence, LowWater.Group inGroup) {
            sequence = atSequence;
            group = inGroup;
        }

        long sequence() {
            return sequence;
        }

        LowWater.@Nullable Group group() {
            return group;
        }

        /** Lets a candidate wait for the end; false if its waiting list is closed. Called by {@link InFlightIds} alone. */
        boolean join(Candidate candidate) {
            return waiting != null && waiting.add(candidate);
        }

        /** Its waiting list is closed, and its outcome has expired. Called by {@link InFlightIds} alone. */
        boolean isOver(long nowMillis) {
            return waiting == null && outcome().isExpired(nowMillis);
        }

        /** Those to be answered, in order of arrival; closes the waiting list. Called by {@link InFlightIds} alone. */
        List<Candidate> dismiss() {
            List<Candidate> dismissed = waiting == null ? List.of() : waiting;
            waiting = null;
            return dismissed;
        }
    }
}
