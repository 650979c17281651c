// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.dedup.DedupStore;
import dev.flk.backend.dedup.Recorded;
import dev.flk.backend.dedup.StoreUnavailableException;
import dev.flk.certificate.Certificate;
import dev.flk.certificate.CertificateReader;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.MalformedCertificate;
import dev.flk.certificate.PcsId;
import dev.flk.signing.KeyId;
import dev.flk.wal.Entry;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a start does with the log: everything behind the store's position is decided again, by the rules it was logged with, and
 * asserted. Overruled outcomes go first: a submission that lost must not be asserted before the one that won. One thread, before
 * the first submission is taken.
 */
final class Replay {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.ingest");
    private static final int BATCH = 512;

    private final Inbox inbox;
    private final DedupStore store;
    private final InstantSource clock;
    private final Map<String, DecisionRules> rulesByContext = new HashMap<>();

    /** Sequences of submissions that lost: never asserted, even when what won has expired. */
    private final Set<Long> overruled = new HashSet<>();

    /** Waits to be asserted: no two of the same id. */
    private final List<Submitted> inOrder = new ArrayList<>();

    private final Set<PcsId> ids = new HashSet<>();
    private long asserted;
    private long completeUpTo;

    private record Submitted(long sequence, Recorded outcome) {}

    Replay(Inbox inbox, DedupStore store, InstantSource clock) {
        this.inbox = inbox;
        this.store = store;
        this.clock = clock;
    }

    /** Evidence that was met on the way. */
    interface EvidenceSeen {
        void seen(PcsId id, ContentDigest digest, long expiresAtMillis);
    }

    /**
     * Brings the store to the end of the log.
     *
     * @throws dev.flk.wal.DamagedLogException if something that had been forced is missing
     * @throws StoreUnavailableException if the store fails
     */
    void run(EvidenceSeen evidence) throws IOException {
        long last = inbox.last();
        OptionalLong position = now(store.connect());
        if (position.isPresent() && position.getAsLong() > last) {
            LOG.error(
                    "the log ends at record {}, the store knows records up to {}: the end of the log is missing;"
                            + " outcomes that were answered stand, the records behind them are gone",
                    last,
                    position.getAsLong());
        }
        long from = Math.min(position.orElse(0), last) + 1;
        completeUpTo = from - 1;
        put(List.of());
        store.sync();
        readOverruled(from, position.isPresent());
        try (LogReader reader = inbox.read(from)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                switch (record.kind()) {
                    case RecordKind.SUBMISSION -> submission(record);
                    case RecordKind.EVIDENCE -> evidence(record, evidence);
                    case RecordKind.OVERRULED -> {}
                    default ->
                        throw new IOException("record " + record.sequence() + " of segment "
                                + record.position().segment() + " is of a kind that this version does not know: "
                                + record.kind());
                }
            }
        }
        flush(last);
        put(List.of());
        LOG.info("log read: {} records behind what the store knew, {} outcomes asserted", last - from + 1, asserted);
    }

    /** An undecided record that is not there any more must not be passed over in silence. */
    private void requireBeginning(@Nullable LogRecord first, long from) throws IOException {
        long beginning = first == null ? inbox.last() + 1 : first.sequence();
        if (beginning > from) {
            throw new IOException("the log begins with record " + beginning
                    + ", and the store lacks what was decided from record " + from
                    + " on: put the segments back that were moved away");
        }
    }

    private void readOverruled(long from, boolean complete) throws IOException {
        Map<PcsId, Recorded> standing = new LinkedHashMap<>();
        try (LogReader reader = inbox.read(from)) {
            LogRecord record = reader.next();
            if (complete) {
                requireBeginning(record, from);
            }
            for (; record != null; record = reader.next()) {
                if (record.kind() == RecordKind.OVERRULED) {
                    Overruled lost = Overruled.decode(record.body());
                    overruled.add(lost.sequence());
                    if (!lost.standing().isExpired(clock.millis())) {
                        standing.putIfAbsent(lost.standing().id(), lost.standing());
                    }
                }
            }
        }
        List<Recorded> winners = List.copyOf(standing.values());
        for (int at = 0; at < winners.size(); at += BATCH) {
            put(winners.subList(at, Math.min(winners.size(), at + BATCH)));
        }
    }

    private void submission(LogRecord record) throws IOException {
        Recorded outcome = decide(record).recorded();
        if (outcome.isExpired(clock.millis()) || overruled.contains(record.sequence())) {
            return;
        }
        if (ids.contains(outcome.id()) || inOrder.size() >= BATCH) {
            flush(record.sequence() - 1);
        }
        ids.add(outcome.id());
        inOrder.add(new Submitted(record.sequence(), outcome));
    }

    private void evidence(LogRecord record, EvidenceSeen evidence) throws IOException {
        Recorded undecided = decide(record).recorded();
        evidence.seen(undecided.id(), undecided.digest(), undecided.expiresAtMillis());
        boolean unused = now(store.noteEvidence(undecided.id(), undecided.digest(), undecided.expiresAtMillis()));
    }

    private Decision decide(LogRecord record) throws IOException {
        try {
            DecisionRules rules = rulesByContext.computeIfAbsent(record.context(), DecisionRules::parse);
            Certificate certificate = CertificateReader.parse(record.body()).checkIgnoringClock();
            return rules.decide(certificate, record.arrivalMillis());
        } catch (MalformedCertificate | IllegalArgumentException e) {
            throw new IOException(
                    "record " + record.sequence() + " of segment "
                            + record.position().segment() + " can't be decided again: " + e.getMessage(),
                    e);
        }
    }

    private void flush(long endOfBatch) throws IOException {
        List<Recorded> standing = put(inOrder.stream().map(Submitted::outcome).toList());
        for (int i = 0; i < inOrder.size(); i++) {
            Submitted ours = inOrder.get(i);
            if (!standing.get(i).equals(ours.outcome())) {
                keepOverruling(new Overruled(ours.sequence(), standing.get(i)));
            }
        }
        asserted += inOrder.size();
        completeUpTo = endOfBatch;
        ids.clear();
        inOrder.clear();
    }

    /** The position that goes with a batch is what was complete before it. */
    private List<Recorded> put(List<Recorded> outcomes) {
        return now(store.putIfAbsent(outcomes, completeUpTo));
    }

    private static <T> T now(CompletionStage<T> stage) {
        try {
            return stage.toCompletableFuture().join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof StoreUnavailableException unavailable ? unavailable : e;
        }
    }

    /** The log's writer is not started yet: its steps are taken here. */
    private void keepOverruling(Overruled lost) throws IOException {
        CompletableFuture<Void> end = new CompletableFuture<>();
        boolean taken = inbox.append(
                new Entry(RecordKind.OVERRULED, KeyId.NONE.text(), clock.millis(), lost.encode()),
                finish -> {
                    finish.run();
                    end.complete(null);
                },
                end::completeExceptionally);
        while (taken && inbox.step()) {
            for (ForcedGroups.Group group = inbox.groups().poll();
                    group != null;
                    group = inbox.groups().poll()) {
                group.others().forEach(Runnable::run);
            }
        }
        if (!end.isDone() || end.isCompletedExceptionally()) {
            throw new IOException("the outcome that overruled record " + lost.sequence() + " could not be logged");
        }
        overruled.add(lost.sequence());
    }
}
