// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.decide.LoggedOutcomes.ReplayedRules;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.decide.RecordKind.Overruled;
import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.certificate.PcsId;
import dev.flk.program.time.SteadyClock;
import dev.flk.signing.SignatureCheck.KeyId;
import dev.flk.view.LogFollower;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The catch-up of a store that was just connected. It decides again all submissions after the store's position, up to
 * the last record that the log had when the store was connected. Each submission is decided by the rules with which it
 * was logged. The outcomes are put into the store (<i>asserted</i>), oldest first. An overruled submission must not be
 * asserted, but its overruled record comes later in the log. Therefore, a first pass reads all overruled records and
 * asserts the outcomes in them. The steps run on the recorder's thread, interleaved with live traffic.
 */
final class CatchUp {
    private static final int BATCH = 512;
    private static final int RECORDS_A_STEP = 4_096;

    /** The number of notes of evidence after which a batch ends, because a store's queue of calls is bounded. */
    private static final int MOST_NOTES = 64;

    private final Inbox inbox;
    private final ForcedQueue queue;
    private final GuardedStore store;
    private final InFlightIds inFlightIds;
    private final Evidence evidence;
    private final SteadyClock clock;
    private final InstantSource expiry;
    private final IngestMetrics metrics;
    private final OutcomeLog log;

    /** The sequences of submissions for which {@link #reportLost} ran but whose overruled record is not yet on disk. */
    private final Set<Long> reportedLost = new HashSet<>();

    private enum Phase {
        OVERRULED,
        WINNERS,
        SUBMISSIONS
    }

    private record Submitted(long sequence, StoredOutcome outcome) {}

    CatchUp(
            Inbox inbox,
            ForcedQueue queue,
            GuardedStore store,
            InFlightIds inFlightIds,
            Evidence evidence,
            SteadyClock clock,
            IngestMetrics metrics,
            OutcomeLog log) {
        this.inbox = inbox;
        this.queue = queue;
        this.store = store;
        this.inFlightIds = inFlightIds;
        this.evidence = evidence;
        this.clock = clock;
        this.expiry = clock.expiry();
        this.metrics = metrics;
        this.log = log;
    }

    /**
     * Counts a submission for whose id the store has another outcome. The submission counts as overruled if both
     * outcomes give the same answer. Otherwise, its outcome counts as lost, and this is logged. Does nothing if the
     * submission was counted before.
     */
    private void reportLost(Submitted ours, StoredOutcome winner) {
        if (!reportedLost.add(ours.sequence())) {
            return; // the submission was counted before, but its overruled record could not be logged at that time
        }
        if (ours.outcome().isAnsweredAs(winner)) {
            metrics.overruled.increment();
        } else {
            metrics.lostOutcomes.increment(); // the sender may have received the outcome that the store has lost
            log.lost(ours.outcome(), winner);
        }
    }

    /** One catch-up, for one connection of the store. Owned by the recorder's thread. */
    final class Run {
        private final long from;
        private final long last;
        private final Consumer<@Nullable Throwable> then;
        private final ReplayedRules rules = new ReplayedRules();

        /**
         * The sequences of overruled submissions. An overruled submission is never asserted, even if the outcome that
         * overruled it has expired.
         */
        private final Set<Long> overruled = new HashSet<>();

        private final Map<PcsId, StoredOutcome> winners = new LinkedHashMap<>();
        private final LogFollower records = new LogFollower(inbox.toAssert(expiry));
        private Phase phase = Phase.OVERRULED;

        /** A submission that has been read but belongs to the next batch. */
        private @Nullable Submitted ahead;

        private long readUpTo;
        private long asserted;
        private boolean ended;

        /**
         * Creates a run over the records {@code from} to {@code last}, both inclusive. These records are on disk, and
         * the store may lack their outcomes.
         *
         * @param then called with null after the last record, or with the cause if the run fails; not called after
         *     {@link #end} or if the store is lost
         */
        Run(long from, long last, Consumer<@Nullable Throwable> then) {
            this.from = from;
            this.last = last;
            this.then = then;
            this.readUpTo = from - 1;
        }

        /** Returns the number of records of the run, whether or not they have been read. */
        long records() {
            return inbox.records(from, last);
        }

        /** Returns the number of submissions whose outcomes were asserted so far. */
        long asserted() {
            return asserted;
        }

        /**
         * Processes one batch. The next batch is queued after the work that the recorder has received in the meantime.
         */
        void step() {
            if (ended) {
                return;
            }
            try {
                switch (phase) {
                    case OVERRULED -> readOverruled();
                    case WINNERS -> assertWinners();
                    case SUBMISSIONS -> assertSubmissions();
                }
            } catch (IOException | RuntimeException | VirtualMachineError e) {
                then.accept(e);
            }
        }

        private void next() {
            queue.execute(this::step);
        }

        /** Returns the next record, or null after the last one. */
        private @Nullable LogRecord read() throws IOException {
            LogRecord record = records.next(readUpTo, last);
            readUpTo = record == null ? last : record.sequence();
            return record;
        }

        private void readOverruled() throws IOException {
            for (int i = 0; i < RECORDS_A_STEP && readUpTo < last; i++) {
                LogRecord record = read();
                Overruled lost = record == null ? null : Overruled.in(record).orElse(null);
                if (lost != null) {
                    overruled.add(lost.sequence());
                    if (!lost.existing().isExpired(expiry.millis())) {
                        winners.putIfAbsent(lost.existing().id(), lost.existing());
                    }
                }
            }
            if (readUpTo >= last) {
                readUpTo = from - 1; // the follower begins a new walk
                phase = Phase.WINNERS;
            }
            next();
        }

        private void assertWinners() {
            List<StoredOutcome> batch = winners.values().stream().limit(BATCH).toList();
            batch.forEach(winner -> winners.remove(winner.id()));
            if (winners.isEmpty()) {
                phase = Phase.SUBMISSIONS;
            }
            put(batch, existing -> next());
        }

        private void assertSubmissions() throws IOException {
            List<Submitted> batch = new ArrayList<>();
            List<CompletableFuture<?>> notes = new ArrayList<>();
            Set<PcsId> ids = new HashSet<>();
            long complete = readUpTo;
            if (ahead != null) {
                batch.add(ahead);
                ids.add(ahead.outcome().id());
                ahead = null;
            }
            for (int i = 0;
                    i < RECORDS_A_STEP && batch.size() < BATCH && notes.size() < MOST_NOTES && readUpTo < last;
                    i++) {
                LogRecord record = read();
                if (record != null && record.kind() == RecordKind.SUBMISSION) {
                    StoredOutcome outcome = rules.decide(record).recorded();
                    if (!outcome.isExpired(expiry.millis()) && !overruled.contains(record.sequence())) {
                        if (!ids.add(outcome.id())) {
                            ahead = new Submitted(record.sequence(), outcome); // no batch contains an id twice
                            break;
                        }
                        batch.add(new Submitted(record.sequence(), outcome));
                    }
                } else if (record != null) {
                    noteEvidence(record, notes);
                }
                complete = readUpTo;
            }
            long completeThen = complete;
            put(
                    batch.stream().map(Submitted::outcome).toList(),
                    existing -> whenNoted(
                            notes, () -> keepLosers(batch, existing, () -> settled(batch.size(), completeThen))));
        }

        private void settled(int outcomes, long complete) {
            asserted += outcomes;
            metrics.reasserted.add(outcomes);
            inbox.lowWater().assertedUpTo(complete);
            if (readUpTo >= last && ahead == null) {
                then.accept(null);
            } else {
                next();
            }
        }

        private void put(List<StoredOutcome> outcomes, Consumer<List<StoredOutcome>> afterwards) {
            queue.whenDone(store.assertAgain(outcomes, inbox.lowWater().mark()), (existing, failure) -> {
                if (existing != null) { // otherwise, the connection was lost, and StoreLink is notified separately
                    unlessEnded(() -> afterwards.accept(existing));
                }
            });
        }

        /**
         * Runs a continuation, unless the run has ended. If the continuation throws, passes the exception to {@code
         * then}, so that the run does not stop silently.
         */
        private void unlessEnded(Runnable continuation) {
            if (ended) {
                return;
            }
            try {
                continuation.run();
            } catch (RuntimeException | VirtualMachineError e) {
                then.accept(e);
            }
        }

        private void noteEvidence(LogRecord record, List<CompletableFuture<?>> notes) throws IOException {
            switch (record.kind()) {
                case RecordKind.EVIDENCE -> {
                    StoredOutcome undecided = rules.decide(record).recorded();
                    evidence.known(undecided.id(), undecided.digest(), undecided.expiresAtMillis());
                    notes.add(store.noteAgain(undecided.id(), undecided.digest(), undecided.expiresAtMillis())
                            .toCompletableFuture());
                }
                case RecordKind.OVERRULED, RecordKind.REVIEW -> {}
                default ->
                    throw new IOException("record " + record.sequence() + " of segment "
                            + record.position().segment() + " has a kind that this version does not know: "
                            + record.kind());
            }
        }

        /**
         * Runs {@code afterwards} once all notes of evidence are stored. If storing a note fails, the connection to the
         * store is lost, and {@code afterwards} is not run.
         */
        private void whenNoted(List<CompletableFuture<?>> notes, Runnable afterwards) {
            queue.whenDone(CompletableFuture.allOf(notes.toArray(CompletableFuture<?>[]::new)), (done, failure) -> {
                if (failure == null) {
                    unlessEnded(afterwards);
                }
            });
        }

        /**
         * Logs an overruled record for each submission of the batch whose id has another outcome in the store. Once
         * these records are on disk, runs {@code afterwards}, which moves the position past the batch. Skips
         * submissions that are in flight, because {@link OutcomeWriter} handles them.
         */
        private void keepLosers(List<Submitted> batch, List<StoredOutcome> existing, Runnable afterwards) {
            List<Overruled> losers = new ArrayList<>();
            for (int i = 0; i < batch.size(); i++) {
                Submitted ours = batch.get(i);
                StoredOutcome winner = existing.get(i);
                if (!winner.equals(ours.outcome()) && !inFlightIds.isInFlight(ours.outcome())) {
                    reportLost(ours, winner);
                    losers.add(new Overruled(ours.sequence(), winner));
                }
            }
            if (losers.isEmpty()) {
                afterwards.run();
                return;
            }
            int[] missing = {losers.size()};
            for (Overruled loser : losers) {
                keep(loser, () -> {
                    reportedLost.remove(loser.sequence());
                    if (--missing[0] == 0 && !ended) {
                        afterwards.run();
                    }
                });
            }
        }

        private void keep(Overruled loser, Runnable afterwards) {
            boolean taken = inbox.append(
                    new Entry(RecordKind.OVERRULED, KeyId.NONE.text(), clock.millis(), loser.encode()),
                    queue.later(finish -> {
                        finish.run();
                        afterwards.run();
                    }),
                    queue.later(cause -> notKept(loser, cause)));
            if (!taken) {
                notKept(loser, new IOException("the log does not accept records at the moment"));
            }
        }

        private void notKept(Overruled loser, IOException cause) {
            if (!ended) {
                then.accept(new IOException(
                        "the outcome that overruled record " + loser.sequence() + " could not be logged: "
                                + cause.getMessage(),
                        cause));
            }
        }

        /** Ends the run. Idempotent. */
        void end() {
            ended = true;
            try {
                records.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
