// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.record;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.OutcomeJson;
import dev.flk.backend.decide.RecordedOutcome;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.review.ReviewLog;
import dev.flk.backend.outcomes.review.ReviewMetrics;
import dev.flk.backend.outcomes.review.Reviews;
import dev.flk.canonical.Sha256;
import dev.flk.certificate.PcsId;
import dev.flk.program.json.Json;
import dev.flk.program.metrics.Metrics;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/** A record of outcomes, and a log of reviews, which end with their test. */
public final class MemoryRecord implements AutoCloseable {
    private static final String LOG_ID = "memory";

    /** The time by which shards are compared with their past. */
    public volatile Instant now = Instant.parse("2026-11-26T12:00:00Z");

    /** Whether outcomes from before the start may still be missing. */
    public volatile boolean isBehind;

    /** Why nothing can be logged; null if reviews can be logged. */
    public volatile @Nullable String problem;

    /** Whether appends fail. */
    public volatile boolean failsAppends;

    private final AtomicReference<@Nullable Runnable> beforeAppend = new AtomicReference<>();
    private final TemporaryRows rows;
    private final RecordedOutcomes outcomes;
    private final List<LoggedReview> unrecorded = new ArrayList<>();
    private boolean holdsReviews;
    private long last;

    public MemoryRecord() {
        this(new TemporaryRows());
    }

    private MemoryRecord(TemporaryRows rows) {
        this.rows = rows;
        this.outcomes = new RecordedOutcomes(
                rows.rows(), true, Optional::empty, () -> isBehind, new ChangedShards(rows.rows(), () -> now));
    }

    /** Returns a record that can't be read. */
    public static MemoryRecord unopened() {
        return new MemoryRecord(TemporaryRows.unopened());
    }

    /** The log of the reviews. */
    private final class Log implements ReviewLog {
        @Override
        public Optional<String> problem() {
            return Optional.ofNullable(problem);
        }

        @Override
        public CompletableFuture<Long> append(List<LoggedReview> reviews) {
            Runnable work = beforeAppend.getAndSet(null);
            if (work != null) {
                work.run();
            }
            if (failsAppends) {
                return CompletableFuture.failedFuture(new IOException("the disk is full"));
            }
            synchronized (MemoryRecord.this) {
                unrecorded.addAll(reviews);
                holdReviews(holdsReviews);
                return CompletableFuture.completedFuture(last);
            }
        }

        @Override
        public boolean awaitRecorded(long sequence, Duration most) {
            synchronized (MemoryRecord.this) {
                return !holdsReviews;
            }
        }
    }

    /** Sets work that the next append does first, as when another reviewer is faster. */
    public void beforeNextAppend(Runnable work) {
        beforeAppend.set(work);
    }

    /** Sets whether reviews are only in the log; if not, the record gets all of them. */
    public synchronized void holdReviews(boolean holds) {
        holdsReviews = holds;
        if (!holds) {
            List<PlacedReview> placed = new ArrayList<>();
            unrecorded.forEach(each -> placed.add(new PlacedReview(++last, Reviewed.of(each))));
            unrecorded.clear();
            List<PlacedReview> losers = apply(List.of(), placed);
            if (!losers.isEmpty()) { // nothing was applied; a real log voids them
                placed.removeAll(losers);
                apply(List.of(), placed);
            }
        }
    }

    private synchronized List<PlacedReview> apply(List<Placed> versions, List<PlacedReview> reviews) {
        return rows.rows().apply(new Group(new Position(LOG_ID, last, "d"), versions, reviews, Map.of()));
    }

    public OutcomeRows rows() {
        return rows.rows();
    }

    public RecordedOutcomes outcomes() {
        return outcomes;
    }

    /** Returns reviews of these outcomes, with metrics of two shards. */
    public Reviews reviews(Metrics metrics, Instant now) {
        return new Reviews(outcomes, new Log(), Duration.ofDays(1), () -> now, new ReviewMetrics(metrics, 2));
    }

    /** Notes that the record lacks something for good. */
    public void lack(String what) {
        rows.rows().apply(new Group(null, List.of(), List.of(), Map.of(OutcomeRows.GAPS + "test", what)));
    }

    /** Adds an outcome and returns its id. */
    public String add(String shard, long epoch, String verdict, String reason, Instant received) {
        return add(shard, epoch, verdict, reason, received, Map.of());
    }

    /** Adds an outcome with this id and returns the id. */
    public String add(String shard, long epoch, String verdict, String reason, Instant received, String id) {
        return add(shard, epoch, verdict, reason, received, Map.of(), id);
    }

    /** Adds an outcome with additional members and returns its id. */
    public String add(
            String shard, long epoch, String verdict, String reason, Instant received, Map<String, Object> members) {
        String id = HexFormat.of().formatHex(Sha256.of((shard + " " + epoch).getBytes(StandardCharsets.UTF_8)));
        return add(shard, epoch, verdict, reason, received, members, id);
    }

    private synchronized String add(
            String shard,
            long epoch,
            String verdict,
            String reason,
            Instant received,
            Map<String, Object> members,
            String id) {
        Version version = version(shard, epoch, verdict, reason, received, members, id);
        apply(List.of(new Placed(++last, version)), List.of());
        outcomes.changes().recorded(shard);
        return id;
    }

    /** Returns an outcome with additional members; the reason is left out if it was accepted. */
    public static Version version(
            String shard,
            long epoch,
            String verdict,
            String reason,
            Instant received,
            Map<String, Object> members,
            String id) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("verdict", verdict);
        json.put("D_hat", 1.4);
        json.put("recomputed_D_hat", 1.2);
        json.put("recomputed_budget", 0.3);
        json.put("regime", "mixed");
        if (!verdict.equals("accepted")) {
            json.put("reason", reason);
        }
        json.put("policy", "p");
        json.put("budget", 0.4);
        json.put("coh_star", 0.5);
        json.put("r", 0.8);
        json.put("merkle_root", "0".repeat(64));
        json.put("window_start", members.getOrDefault("window_end", ""));
        json.put("received_at", received.toString());
        json.put("key_id", "key-1");
        json.putAll(members);
        RecordedOutcome outcome = OutcomeJson.parse(PcsId.parse(id).orElseThrow(), Json.line(json));
        return new Version(new RowKey(shard, epoch, id), outcome);
    }

    @Override
    public void close() {
        rows.close();
    }
}
