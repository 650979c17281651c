// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.ingest;

import dev.flk.backend.access.limit.Limits.LimitedBy;
import dev.flk.backend.access.limit.Limits.Throttled;
import dev.flk.backend.access.limit.RateLimit;
import dev.flk.backend.decide.RecordKind;
import dev.flk.backend.inbox.Inbox;
import dev.flk.backend.ingest.Ingest.Outcome;
import dev.flk.backend.ingest.Ingest.Outcome.Refused;
import dev.flk.backend.ingest.Ingest.Submission.Candidate;
import dev.flk.backend.outcomes.GuardedStore;
import dev.flk.certificate.ContentDigest;
import dev.flk.certificate.PcsId;
import java.math.BigDecimal;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The evidence of conflicts: content that arrives under a known id but differs from the content that was decided. Each
 * different content is logged once, and never decided. A bounded index in memory lists the content that was logged;
 * notes in the store list it across restarts. The index and the notes only prevent content from being logged twice, so
 * an index entry or a note is dropped once it has expired. Safe for any thread.
 */
final class Evidence {
    /**
     * The maximum number of contents that are being looked up or logged at the same time. Anyone with a copy of a
     * certificate can make any number of contents without a key, and a store whose queue of reads is full counts as
     * down.
     */
    private static final int MOST_UNDER_WAY = 256;

    private final Inbox inbox;
    private final ForcedQueue queue;
    private final GuardedStore store;
    private final InstantSource expiry;
    private final EvidenceBudget budget;
    private final OutcomeLog log;
    private final int maxEntries;

    // guarded by this
    private int underWay;
    /** The index in order of arrival, which is also the order of expiry. */
    private final LinkedHashMap<Content, Kept> index = new LinkedHashMap<>();

    private record Content(PcsId id, ContentDigest digest) {}

    /**
     * An entry of the index. {@code waiting} contains the callbacks to run once the content is on disk, and is null
     * afterwards.
     */
    private static final class Kept {
        @Nullable
        List<Consumer<@Nullable Outcome>> waiting;

        final long expiresAtMillis;

        Kept(@Nullable List<Consumer<@Nullable Outcome>> waiting, long expiresAtMillis) {
            this.waiting = waiting;
            this.expiresAtMillis = expiresAtMillis;
        }

        boolean isOver(long nowMillis) {
            return waiting == null && expiresAtMillis <= nowMillis;
        }
    }

    Evidence(
            Inbox inbox,
            ForcedQueue queue,
            GuardedStore store,
            InstantSource expiry,
            EvidenceBudget budget,
            OutcomeLog log,
            int maxEntries) {
        this.inbox = inbox;
        this.queue = queue;
        this.store = store;
        this.expiry = expiry;
        this.budget = budget;
        this.log = log;
        this.maxEntries = maxEntries;
    }

    /** Notes that the log already contains this content. */
    synchronized void known(PcsId id, ContentDigest digest, long expiresAtMillis) {
        if (makeRoom()) {
            index.putIfAbsent(new Content(id, digest), new Kept(null, expiresAtMillis));
        }
    }

    /**
     * Logs a candidate's body as evidence, unless the log already contains its content.
     *
     * @param then called once, on any thread, with null once the content is on disk, or with the error to answer
     */
    void keep(Candidate candidate, Consumer<@Nullable Outcome> then) {
        Content content = new Content(candidate.id(), candidate.digest());
        long expiresAtMillis = candidate.decision().recorded().expiresAtMillis();
        Kept kept;
        boolean isNew;
        synchronized (this) {
            kept = index.get(content);
            if (kept != null && kept.waiting != null) {
                kept.waiting.add(then);
                return;
            }
            isNew = kept == null && underWay < MOST_UNDER_WAY && makeRoom();
            if (isNew) {
                underWay++;
                index.put(content, new Kept(new ArrayList<>(List.of(then)), expiresAtMillis));
            }
        }
        if (!isNew) {
            then.accept(kept == null ? Refused.OVERLOADED : null);
            return;
        }
        store.knowsEvidence(content.id(), content.digest()).whenComplete((known, failure) -> {
            if (known != null && known) {
                answer(content, null);
            } else {
                try {
                    append(content, candidate, expiresAtMillis);
                } catch (RuntimeException | VirtualMachineError e) {
                    // the stage would hide the error, and the submissions would never be answered
                    log.broken(e);
                    answer(content, Refused.BROKEN);
                }
            }
        });
    }

    private void append(Content content, Candidate candidate, long expiresAtMillis) {
        int bytes = candidate.body().length;
        if (inbox.isDiskLow(bytes)) {
            answer(content, Refused.DISK_FULL);
            return;
        }
        Optional<Throttled> throttled = budget.take(bytes);
        if (throttled.isPresent()) {
            answer(content, new Outcome.RateLimited(throttled.get()));
            return;
        }
        boolean taken = inbox.append(
                candidate.entry(RecordKind.EVIDENCE),
                queue.later(finish -> {
                    answer(content, null);
                    // if the note fails, this content may be logged once more after a restart
                    store.noteEvidence(content.id(), content.digest(), expiresAtMillis)
                            .whenComplete((noted, failure) -> finish.run());
                }),
                queue.later(cause -> answer(content, Refused.appendFailed(cause))));
        if (!taken) {
            answer(content, Refused.OVERLOADED);
        }
    }

    private void answer(Content content, @Nullable Outcome error) {
        List<Consumer<@Nullable Outcome>> callbacks;
        synchronized (this) {
            Kept kept = index.get(content);
            if (kept == null || kept.waiting == null) {
                return;
            }
            callbacks = kept.waiting;
            kept.waiting = null;
            underWay--;
            if (error != null) {
                index.remove(content);
            }
        }
        callbacks.forEach(then -> then.accept(error));
    }

    /** Returns the number of entries in the index. */
    synchronized int size() {
        return index.size();
    }

    private boolean makeRoom() {
        long now = expiry.millis();
        Iterator<Kept> eldest = index.values().iterator();
        while (eldest.hasNext() && eldest.next().isOver(now)) {
            eldest.remove();
        }
        return index.size() < maxEntries;
    }

    /**
     * A rate limit on the bytes of evidence that are logged. Only part of a certificate is signed, so anyone with a
     * copy of a certificate can make any number of different contents without a key. All evidence shares one bucket of
     * bytes, which bounds the share of the disk that evidence takes. A flood of different contents therefore also
     * delays the evidence of honest conflicts. Safe for any thread.
     */
    static final class EvidenceBudget {
        /** The size of the bucket: the longest body that can be configured. */
        static final long BURST_BYTES = 64L << 20;

        private static final long BYTES_PER_SECOND = 32 << 10;

        private final RateLimit bytes;

        EvidenceBudget(LongSupplier nanoTicker) {
            bytes = new RateLimit(BigDecimal.valueOf(BYTES_PER_SECOND), BURST_BYTES, nanoTicker);
        }

        /**
         * Takes the bytes of a body from the bucket. Returns empty on success; otherwise, the throttling with the time
         * until the bucket has enough bytes.
         */
        Optional<Throttled> take(int bodyBytes) {
            OptionalLong waitNanos = bytes.tryTake(Math.max(1, Math.min(BURST_BYTES, bodyBytes)));
            return waitNanos.isEmpty()
                    ? Optional.empty()
                    : Optional.of(new Throttled(LimitedBy.EVIDENCE, waitNanos.getAsLong()));
        }
    }
}
