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
import java.util.EnumSet;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * The ids in flight: ids that are being looked up, logged or recorded, or that wait for the store. An id is registered
 * here before it is looked up in the store, so that two submissions of one id are never processed separately. Bounded;
 * safe for any thread.
 */
final class InFlightIds {
    /** The maximum number of ids that are answered and not yet recorded, and of bytes of their certificates. */
    static final int MAX_ANSWERED = 20_000;

    private static final long MAX_ANSWERED_BYTES = 32L << 20;

    private final int maxIds;
    private final InstantSource expiry;
    private final ConcurrentHashMap<PcsId, InFlight> ids = new ConcurrentHashMap<>();
    private final AtomicInteger answered = new AtomicInteger();
    private final AtomicLong answeredBytes = new AtomicLong();

    /** The result of {@link #join} for a submission. */
    enum Joined {
        /** The id was not in flight before. It is in flight now, and the caller processes the submission. */
        OPENED,
        /** The submission is answered together with the submission in flight. */
        SHARES,
        /** The submission in flight was answered with its outcome. The caller answers the new one with that outcome. */
        ANSWERED,
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
                result[0] = new Join(inFlight.join(candidate), Optional.of(inFlight));
                return inFlight;
            }
            InFlight opened = ids.size() < maxIds ? new InFlight(candidate) : null;
            result[0] = new Join(opened == null ? Joined.FULL : Joined.OPENED, Optional.ofNullable(opened));
            return opened;
        });
        return result[0];
    }

    /**
     * Notes that the submission that put an id in flight is answered with its outcome, before the outcome is recorded.
     * The caller answers later submissions of the id with that outcome. Submissions that have joined before are
     * answered when the entry ends or is left waiting.
     *
     * @return the submission to answer; empty if the entry was answered before, or too many are not recorded yet
     */
    Optional<Candidate> answer(InFlight inFlight) {
        if (answered.get() >= MAX_ANSWERED || answeredBytes.get() >= MAX_ANSWERED_BYTES) {
            return Optional.empty();
        }
        Candidate[] first = new Candidate[1];
        ids.computeIfPresent(inFlight.id(), (id, present) -> {
            first[0] = present == inFlight ? inFlight.answer() : null;
            return present;
        });
        if (first[0] != null) {
            answered.incrementAndGet();
            answeredBytes.addAndGet(inFlight.bytes());
        }
        return Optional.ofNullable(first[0]);
    }

    /**
     * Stops counting an id as answered and unrecorded, because the store has an outcome of the id. Returns false if the
     * id was not counted.
     */
    boolean stopCounting(InFlight inFlight) {
        boolean wasCounted = inFlight.stopCounting();
        if (wasCounted) {
            answered.decrementAndGet();
            answeredBytes.addAndGet(-inFlight.bytes());
        }
        return wasCounted;
    }

    /** Returns the number of ids that are answered and not yet recorded. */
    int answered() {
        return answered.get();
    }

    /** Returns the outcome with which an id in flight was answered; empty if it was not, or the outcome has expired. */
    Optional<StoredOutcome> answeredOutcome(PcsId id) {
        StoredOutcome[] outcome = new StoredOutcome[1];
        ids.computeIfPresent(id, (key, present) -> {
            outcome[0] = present.isAnswered() ? present.outcome() : null;
            return present;
        });
        return Optional.ofNullable(outcome[0]).filter(found -> !found.isExpired(expiry.millis()));
    }

    /**
     * Ends an entry: its id is no longer in flight. Returns the submissions to answer; an empty list if the entry was
     * ended before.
     */
    List<Candidate> end(InFlight inFlight) {
        boolean unused = stopCounting(inFlight);
        return dismiss(inFlight, false);
    }

    /**
     * Closes the waiting list of an id, and returns the submissions to answer now. The id stays in flight until its
     * outcome is recorded.
     */
    List<Candidate> leaveWaiting(InFlight inFlight) {
        return dismiss(inFlight, true);
    }

    private List<Candidate> dismiss(InFlight inFlight, boolean staysInFlight) {
        List<Candidate> candidates = new ArrayList<>();
        ids.computeIfPresent(inFlight.id(), (id, present) -> {
            if (present != inFlight) {
                return present; // this entry was ended before; the id is in flight again, in another entry
            }
            candidates.addAll(inFlight.dismiss(staysInFlight));
            return staysInFlight ? inFlight : null;
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

    /** The states of an id in flight. Each state lists the states that may follow. */
    private enum State {
        /** The store is asked for the id. Submissions of the same id join. */
        LOOKING_UP,
        /** The submission is in the log, or on its way there. Submissions of the same id join. */
        LOGGED,
        /** The first submission was answered with its outcome; those that joined before wait for the record. */
        ANSWERED_OTHERS_WAIT,
        /**
         * All submissions were answered with the outcome, which may not be recorded yet. An answered id stays answered
         * when it ends, for a submission that has joined and is about to be answered.
         */
        ANSWERED,
        /** All submissions were answered with an error. The outcome is recorded once the store is back. */
        LEFT_WAITING,
        /** The id is settled, or its submissions were refused, and it was not answered before. */
        OVER;

        private Set<State> next() {
            return switch (this) {
                case LOOKING_UP -> EnumSet.of(LOGGED, OVER);
                case LOGGED -> EnumSet.of(ANSWERED_OTHERS_WAIT, ANSWERED, LEFT_WAITING, OVER);
                case ANSWERED_OTHERS_WAIT, ANSWERED -> EnumSet.of(ANSWERED);
                case LEFT_WAITING -> EnumSet.of(LEFT_WAITING, OVER);
                case OVER -> EnumSet.noneOf(State.class);
            };
        }
    }

    /**
     * One id in flight, from its look-up until its outcome is recorded or its submissions are refused. Further
     * submissions of the same id join its waiting list while the {@link State} allows that; {@link InFlightIds} guards
     * the list, and every change of the state but the first. Only one step at a time uses the other fields. Once no
     * submission can join any more, only the decision is kept, not the body.
     */
    static final class InFlight implements Loggable {
        private final Decision decision;
        private final String keyId;
        private final long arrivalMillis;

        /** The certificate and its bytes; null once the id waits for the store, because many ids may wait for long. */
        private @Nullable Certificate certificate;

        private byte @Nullable [] body;
        private final int bytes;

        /** The submission that put the id in flight; null once its body was passed to the log. */
        private @Nullable Candidate opener;

        private LowWater.@Nullable Group group;
        private long sequence;

        /** The submissions that are not answered yet. */
        private final List<Candidate> waiting = new ArrayList<>();

        /** The number of the store's connection on which the id was looked up and not found; 0 for none. */
        private long absentOn;

        private volatile State state = State.LOOKING_UP;

        private final AtomicBoolean isCounted = new AtomicBoolean();

        InFlight(Candidate opener) {
            this.decision = opener.decision();
            this.keyId = opener.keyId();
            this.arrivalMillis = opener.arrivalMillis();
            this.body = opener.body();
            this.bytes = opener.body().length;
            this.certificate = opener.certificate();
            this.opener = opener;
            waiting.add(opener);
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
            become(State.LOGGED);
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

        int bytes() {
            return bytes;
        }

        /** Notes that a look-up on this connection of the store has not found the id. */
        void absentOn(long connection) {
            absentOn = connection;
        }

        /** Returns whether this is the first outcome of its id, if the store is open on this connection. */
        boolean isFirstOn(long connection) {
            return connection != 0 && absentOn == connection;
        }

        /** Returns whether {@link InFlightIds#answer} returned the submission that put the id in flight. */
        boolean isAnswered() {
            return state == State.ANSWERED || state == State.ANSWERED_OTHERS_WAIT;
        }

        /** Returns whether the entry is answered, and no submission waits until it is recorded. */
        boolean nobodyWaits() {
            return state == State.ANSWERED;
        }

        private void become(State next) {
            assert state.next().contains(next) : state + " can't become " + next;
            state = next;
        }

        private boolean stopCounting() {
            return isCounted.compareAndSet(true, false);
        }

        /**
         * Removes and returns the first submission; null if no submission can be answered before the record. Called only
         * by {@link InFlightIds}.
         */
        @Nullable
        Candidate answer() {
            if (state != State.LOGGED) {
                return null;
            }
            Candidate first = waiting.remove(0);
            isCounted.set(true);
            become(waiting.isEmpty() ? State.ANSWERED : State.ANSWERED_OTHERS_WAIT);
            return first;
        }

        LowWater.@Nullable Group group() {
            return group;
        }

        /** Adds a candidate to the waiting list if it is open. Called only by {@link InFlightIds}. */
        Joined join(Candidate candidate) {
            if (isAnswered()) {
                return Joined.ANSWERED;
            }
            return waits(candidate) ? Joined.SHARES : Joined.LEFT_WAITING;
        }

        private boolean waits(Candidate candidate) {
            return state != State.LEFT_WAITING && waiting.add(candidate);
        }

        /**
         * Returns whether this entry can be dropped: no submission waits or can join, and its outcome has expired.
         * Called only by {@link InFlightIds}.
         */
        boolean isOver(long nowMillis) {
            return (state == State.LEFT_WAITING || nobodyWaits()) && outcome().isExpired(nowMillis);
        }

        /**
         * Returns the submissions to answer, in order of arrival, after which no submission can join. Called only by
         * {@link InFlightIds}.
         */
        List<Candidate> dismiss(boolean staysInFlight) {
            become(isAnswered() ? State.ANSWERED : staysInFlight ? State.LEFT_WAITING : State.OVER);
            List<Candidate> dismissed = List.copyOf(waiting);
            waiting.clear();
            certificate = null;
            body = null;
            return dismissed;
        }
    }
}
