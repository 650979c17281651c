// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.LoggedOutcomes.ReplayedRules;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.signing.KeyId;
import dev.flk.wal.segment.Entry;
import dev.flk.wal.segment.LogReader;
import dev.flk.wal.segment.LogRecord;
import dev.flk.wal.segment.Vanished;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.NoSuchFileException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Asserts the log to a store that was just connected: decides every record after the store's position again, by the
 * rules that the record was logged with, and asserts the outcomes, oldest first, up to the end that the log had at the
 * connection. Overruled records are read first, because a submission that lost must not be asserted before the outcome
 * that won. The steps run on the recorder's thread, interleaved with live traffic.
 */
final class CatchUp {
    private static final int BATCH = 512;
    private static final int RECORDS_A_STEP = 4_096;

    private final Inbox inbox;
    private final GuardedStore store;
    private final AssertionContext context;
    private final StoreLink link;
    private final long from;
    private final long last;
    private final ReplayedRules rules = new ReplayedRules();

    /** The sequences of submissions that lost. They are never asserted, even after the winning outcome has expired. */
    private final Set<Long> overruled = new HashSet<>();

    private final Map<PcsId, StoredOutcome> winners = new LinkedHashMap<>();
    private @Nullable LogReader reader;
    private Phase phase = Phase.OVERRULED;

    /** A submission that has been read but belongs to the next batch. */
    private @Nullable Submitted ahead;

    private long readUpTo;
    private long asserted;
    private boolean ended;

    private enum Phase {
        OVERRULED,
        WINNERS,
        SUBMISSIONS
    }

    private record Submitted(long sequence, StoredOutcome outcome) {}

    /**
     * Creates a catch-up over the records {@code from} to {@code last}, which are on disk and whose outcomes the store
     * may lack.
     */
    CatchUp(Inbox inbox, GuardedStore store, AssertionContext context, StoreLink link, long from, long last) {
        this.inbox = inbox;
        this.store = store;
        this.context = context;
        this.link = link;
        this.from = from;
        this.last = last;
        this.readUpTo = from - 1;
    }

    /** Returns the number of records to read. */
    long records() {
        return last - from + 1;
    }

    /** Returns the number of outcomes asserted so far. */
    long asserted() {
        return asserted;
    }

    /** Processes one batch and queues the next step after the work that the recorder has received in the meantime. */
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
            link.giveUp(e);
        }
    }

    private void next() {
        inbox.groups().tell(this::step);
    }

    private LogReader reader() throws IOException {
        if (reader == null) {
            reader = inbox.readToAssert(
                    Math.max(from, readUpTo + 1), context.expiry().millis());
        }
        return reader;
    }

    /** Returns the next record, or null after the last one. */
    private @Nullable LogRecord read() throws IOException {
        if (readUpTo == from - 1) {
            inbox.requireBeginning(reader().beginning(), from, context.expiry().millis());
        }
        LogRecord record = Vanished.retry(() -> Optional.ofNullable(readNext())).orElse(null);
        long sequence = record == null ? last + 1 : record.sequence();
        readUpTo = Math.min(sequence, last);
        return sequence > last ? null : record;
    }

    /**
     * Reads the next record. If a segment was renamed or compressed since it was listed, the retry lists the directory
     * again.
     */
    private @Nullable LogRecord readNext() throws IOException {
        try {
            return reader().next();
        } catch (NoSuchFileException | FileNotFoundException e) {
            closeReader();
            throw e;
        }
    }

    private void closeReader() throws IOException {
        if (reader != null) {
            reader.close();
            reader = null;
        }
    }

    private void rewind() throws IOException {
        closeReader();
        readUpTo = from - 1;
    }

    private void readOverruled() throws IOException {
        for (int i = 0; i < RECORDS_A_STEP && readUpTo < last; i++) {
            LogRecord record = read();
            if (record != null && record.kind() == RecordKind.OVERRULED) {
                Overruled lost = Overruled.decode(record.body());
                overruled.add(lost.sequence());
                if (!lost.existing().isExpired(context.expiry().millis())) {
                    winners.putIfAbsent(lost.existing().id(), lost.existing());
                }
            }
        }
        if (readUpTo >= last) {
            rewind();
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
        for (int i = 0; i < RECORDS_A_STEP && batch.size() < BATCH && readUpTo < last; i++) {
            LogRecord record = read();
            if (record != null && record.kind() == RecordKind.SUBMISSION) {
                StoredOutcome outcome = rules.decide(record).recorded();
                if (!outcome.isExpired(context.expiry().millis()) && !overruled.contains(record.sequence())) {
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
                existing ->
                        whenNoted(notes, () -> keepLosers(batch, existing, () -> settled(batch.size(), completeThen))));
    }

    private void settled(int outcomes, long complete) {
        asserted += outcomes;
        context.meters().reasserted(outcomes);
        inbox.lowWater().assertedUpTo(complete);
        if (readUpTo >= last && ahead == null) {
            link.asserted(this);
        } else {
            next();
        }
    }

    private void put(List<StoredOutcome> outcomes, Consumer<List<StoredOutcome>> then) {
        link.onRecorder(store.assertAgain(outcomes, inbox.lowWater().mark()), (existing, failure) -> {
            if (existing != null && !ended) { // otherwise the store was lost, and the link is notified separately
                orGiveUp(() -> then.accept(existing));
            }
        });
    }

    /** Runs a continuation; an exception makes the link give up, so that the catch-up never stops half way. */
    private void orGiveUp(Runnable then) {
        try {
            then.run();
        } catch (RuntimeException | VirtualMachineError e) {
            link.giveUp(e);
        }
    }

    private void noteEvidence(LogRecord record, List<CompletableFuture<?>> notes) throws IOException {
        switch (record.kind()) {
            case RecordKind.EVIDENCE -> {
                StoredOutcome undecided = rules.decide(record).recorded();
                context.evidence().known(undecided.id(), undecided.digest(), undecided.expiresAtMillis());
                notes.add(store.noteAgain(undecided.id(), undecided.digest(), undecided.expiresAtMillis())
                        .toCompletableFuture());
            }
            case RecordKind.OVERRULED -> {}
            default ->
                throw new IOException("record " + record.sequence() + " of segment "
                        + record.position().segment() + " has a kind that this version does not know: "
                        + record.kind());
        }
    }

    /**
     * Runs {@code then} once all notes are stored. A failed note means that the store was lost, which the link notices
     * itself.
     */
    private void whenNoted(List<CompletableFuture<?>> notes, Runnable then) {
        link.onRecorder(CompletableFuture.allOf(notes.toArray(CompletableFuture<?>[]::new)), (done, failure) -> {
            if (failure == null && !ended) {
                orGiveUp(then);
            }
        });
    }

    /**
     * Logs the outcomes that won over ours before the position passes them. Skips outcomes that are still in flight.
     */
    private void keepLosers(List<Submitted> batch, List<StoredOutcome> existing, Runnable then) {
        List<Overruled> losers = new ArrayList<>();
        for (int i = 0; i < batch.size(); i++) {
            Submitted ours = batch.get(i);
            StoredOutcome winner = existing.get(i);
            if (!winner.equals(ours.outcome()) && !context.inFlightIds().isInFlight(ours.outcome())) {
                context.lost(ours.sequence(), ours.outcome(), winner);
                losers.add(new Overruled(ours.sequence(), winner));
            }
        }
        if (losers.isEmpty()) {
            then.run();
            return;
        }
        int[] missing = {losers.size()};
        for (Overruled loser : losers) {
            keep(loser, () -> {
                context.reportedLost().remove(loser.sequence());
                if (--missing[0] == 0 && !ended) {
                    then.run();
                }
            });
        }
    }

    private void keep(Overruled loser, Runnable then) {
        boolean taken = inbox.append(
                new Entry(
                        RecordKind.OVERRULED, KeyId.NONE.text(), context.clock().millis(), loser.encode()),
                finish -> {
                    finish.run();
                    then.run();
                },
                cause -> notKept(loser, cause));
        if (!taken) {
            notKept(loser, new IOException("the log does not accept records at the moment"));
        }
    }

    private void notKept(Overruled loser, IOException cause) {
        if (!ended) {
            link.giveUp(new IOException(
                    "the outcome that overruled record " + loser.sequence() + " could not be logged: "
                            + cause.getMessage(),
                    cause));
        }
    }

    /** Stops asserting. Idempotent. */
    void end() {
        ended = true;
        if (reader != null) {
            try {
                reader.close();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            reader = null;
        }
    }

    /**
     * The collaborators of the catch-up.
     *
     * @param reportedLost the sequences of submissions that have been reported as lost but are not yet known to be overruled;
     *     used by the recorder's thread only
     */
    record AssertionContext(
            InstantSource clock,
            InstantSource expiry,
            InFlightIds inFlightIds,
            Evidence evidence,
            Meters meters,
            OutcomeLog log,
            Set<Long> reportedLost) {

        /**
         * Reports that a different outcome exists for a submission that the store lacked, that is not in flight and
         * that was not known to be overruled. Its sender may have been answered with our outcome.
         */
        void lost(long sequence, StoredOutcome ours, StoredOutcome existing) {
            if (!reportedLost.add(sequence)) {
                return; // reported before; the record that overrules it could not be logged at that time
            }
            if (ours.isAnsweredAs(existing)) {
                meters.overruled();
            } else {
                meters.lostOutcome();
                log.lost(ours, existing);
            }
        }
    }
}
