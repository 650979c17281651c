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
import dev.flk.wal.Append;
import dev.flk.wal.Entry;
import dev.flk.wal.Log;
import dev.flk.wal.LogReader;
import dev.flk.wal.LogRecord;
import dev.flk.wal.OnDamage;
import java.io.IOException;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
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

    private final Log log;
    private final DedupStore store;
    private final InstantSource clock;
    private final Map<String, Rules> rulesByContext = new HashMap<>();
    private final Map<PcsId, Recorded> overruled = new HashMap<>();

    /** Waits to be asserted: no two of the same id. */
    private final List<Recorded> inOrder = new ArrayList<>();

    private final Set<PcsId> ids = new HashSet<>();
    private long asserted;
    private long completeUpTo;

    Replay(Log log, DedupStore store, InstantSource clock) {
        this.log = log;
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
        long last = log.forcedEnd() - 1;
        OptionalLong position = store.position();
        if (position.isPresent() && position.getAsLong() > last) {
            LOG.error(
                    "the log ends at record {}, the store knows records up to {}: the end of the log is missing;"
                            + " outcomes that were answered stand, the records behind them are gone",
                    last,
                    position.getAsLong());
        }
        long from = Math.min(position.orElse(0), last) + 1;
        completeUpTo = from - 1;
        store.resetPosition(completeUpTo);
        readOverruled(from);
        try (LogReader reader = log.read(from, OnDamage.STOP)) {
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

    private void readOverruled(long from) throws IOException {
        List<Recorded> standing = new ArrayList<>();
        try (LogReader reader = log.read(from, OnDamage.STOP)) {
            for (LogRecord record = reader.next(); record != null; record = reader.next()) {
                if (record.kind() == RecordKind.OVERRULED) {
                    Recorded recorded = Recorded.decode(record.body());
                    if (!recorded.isExpired(clock.millis()) && overruled.put(recorded.id(), recorded) == null) {
                        standing.add(recorded);
                    }
                }
            }
        }
        for (int at = 0; at < standing.size(); at += BATCH) {
            put(standing.subList(at, Math.min(standing.size(), at + BATCH)));
        }
    }

    private void submission(LogRecord record) throws IOException {
        Recorded outcome = decide(record).recorded();
        if (outcome.isExpired(clock.millis())) {
            return;
        }
        if (ids.contains(outcome.id()) || inOrder.size() >= BATCH) {
            flush(record.sequence() - 1);
        }
        ids.add(outcome.id());
        inOrder.add(outcome);
    }

    private void evidence(LogRecord record, EvidenceSeen evidence) throws IOException {
        Recorded undecided = decide(record).recorded();
        evidence.seen(undecided.id(), undecided.digest(), undecided.expiresAtMillis());
    }

    private Decision decide(LogRecord record) throws IOException {
        try {
            Rules rules = rulesByContext.computeIfAbsent(record.context(), Rules::parse);
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
        List<Recorded> standing = put(inOrder);
        for (int i = 0; i < inOrder.size(); i++) {
            Recorded ours = inOrder.get(i);
            Recorded winner = standing.get(i);
            if (!winner.equals(ours) && !winner.equals(overruled.get(ours.id()))) {
                keepOverruling(winner);
            }
        }
        asserted += inOrder.size();
        completeUpTo = endOfBatch;
        ids.clear();
        inOrder.clear();
    }

    /** The position that goes with a batch is what was complete before it. */
    private List<Recorded> put(List<Recorded> outcomes) {
        try {
            return store.putIfAbsent(outcomes, completeUpTo)
                    .toCompletableFuture()
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof StoreUnavailableException unavailable ? unavailable : e;
        }
    }

    private void keepOverruling(Recorded winner) throws IOException {
        CompletableFuture<Void> end = new CompletableFuture<>();
        Entry entry = new Entry(RecordKind.OVERRULED, KeyId.NONE.text(), clock.millis(), winner.encode());
        boolean taken = log.append(new Append() {
            @Override
            public List<Entry> entries() {
                return List.of(entry);
            }

            @Override
            public void forced(long firstSequence) {
                end.complete(null);
            }

            @Override
            public void failed(IOException cause) {
                end.completeExceptionally(cause);
            }
        });
        try {
            if (!taken) {
                throw new IOException("the log takes nothing, though nothing is queued");
            }
            end.join();
        } catch (CompletionException e) {
            throw new IOException("an overruled outcome could not be logged", e.getCause());
        }
        overruled.put(winner.id(), winner);
    }
}
