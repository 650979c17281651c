// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.GuardedStore;
import dev.flk.backend.dedup.StoredOutcome;
import dev.flk.backend.ingest.LoggedOutcomes.ReplayedRules;
import dev.flk.backend.ingest.RecordKind.Overruled;
import dev.flk.backend.metrics.Meters;
import dev.flk.certificate.PcsId;
import dev.flk.signing.KeyId;
import dev.flk.wal.Entry;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import dev.flk.wal.Vanished;
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
 * Brings a store that was just connected up to the end of the log as it was then: every record behind its position is decided again,
 * by the rules it was logged with, and asserted, oldest first. Overruled records come first: a submission that lost must not be
 * asserted before the outcome that won. Its steps run on the recorder's thread, between those of live traffic.
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

    /** Sequences of submissions that lost: never asserted, even when what won has expired. */
    private final Set<Long> overruled = new HashSet<>();

    private final Map<PcsId, StoredOutcome> winners = new LinkedHashMap<>();
    private @Nullable LogReader reader;
    private Phase phase = Phase.OVERRULED;

    /** A submission that was read and belongs to the next batch. */
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

    /** Records {@code from} to {@code last} are on disk; the store may lack what they say. */
    CatchUp(Inbox inbox, GuardedStore store, AssertionContext context, StoreLink link, long from, long last) {
        this.inbox = inbox;
        this.store = store;
        this.context = context;
        this.link = link;
        this.from = from;
        this.last = last;
        this.readUpTo = from - 1;
    }

    /** How many records it reads. */
    long records() {
        return last - from + 1;
    }

    /** How many outcomes were asserted. */
    long asserted() {
        return asserted;
    }

    /** One batch; the next step follows behind what the recorder has to do meanwhile. */
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

    /** The next record; null behind the last, or when the step has read enough. */
    private @Nullable LogRecord read() throws IOException {
        if (readUpTo == from - 1) {
            inbox.requireBeginning(reader().beginning(), from, context.expiry().millis());
        }
        LogRecord record = Vanished.retry(() -> Optional.ofNullable(readNext())).orElse(null);
        long sequence = record == null ? last + 1 : record.sequence();
        readUpTo = Math.min(sequence, last);
        return sequence > last ? null : record;
    }

    /** A segment that was renamed or compressed since it was listed is found in another listing. */
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
                        ahead = new Submitted(record.sequence(), outcome); // no list holds an id twice
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
            if (existing != null && !ended) { // else it was lost, and the link is told so
                orGiveUp(() -> then.accept(existing));
            }
        });
    }

    /** An exception must not leave it stopped half way. */
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
                        + record.position().segment() + " is of a kind that this version does not know: "
                        + record.kind());
        }
    }

    /** A note that fails means that the store was lost, which the link learns by itself. */
    private void whenNoted(List<CompletableFuture<?>> notes, Runnable then) {
        link.onRecorder(CompletableFuture.allOf(notes.toArray(CompletableFuture<?>[]::new)), (done, failure) -> {
            if (failure == null && !ended) {
                orGiveUp(then);
            }
        });
    }

    /** What stands instead of ours is logged before the position passes it. What is still in flight is left alone. */
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
                context.told().remove(loser.sequence());
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
            notKept(loser, new IOException("the log takes nothing now"));
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

    /** Nothing more is asserted. Idempotent. */
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
     * What the log is asserted with.
     *
     * @param told the sequences of submissions that were told to have lost, and are not yet known to be overruled; the
     *     recorder's thread only
     */
    record AssertionContext(
            InstantSource clock,
            InstantSource expiry,
            InFlightIds inFlightIds,
            Evidence evidence,
            Meters meters,
            OutcomeLog log,
            Set<Long> told) {

        /**
         * Another outcome stands for a submission that the store lacked, is not in flight and was not known to be overruled: its
         * sender may have been answered with ours.
         */
        void lost(long sequence, StoredOutcome ours, StoredOutcome existing) {
            if (!told.add(sequence)) {
                return; // what overruled it could not be logged then
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
