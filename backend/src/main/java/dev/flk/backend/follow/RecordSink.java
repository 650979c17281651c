// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.follow.DecidedPart.Missing;
import dev.flk.backend.follow.DecidedPart.Outcome;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Group;
import dev.flk.backend.outcomes.record.OutcomeRows.Placed;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The record of outcomes, as its {@link Follower} writes it. It never delays an answer: under load, it uses only a part of
 * one core, and while the disk is nearly full nothing is written.
 */
public final class RecordSink implements Follower.Sink {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");
    private static final long LOOK_EVERY_MILLIS = 250;
    /** The lowest rate of submissions per second at which the follower slows down. */
    private static final long BUSY_PER_SECOND = 500;
    /**
     * The least time between steps while the rate is {@link #BUSY_PER_SECOND} or more; it is longer after more work. After
     * short rests, few submissions wait in memory.
     */
    private static final long SHORTEST_REST_MILLIS = 20;

    private static final long LONGEST_REST_MILLIS = 250;
    /** The time between two commits while the rate is {@link #BUSY_PER_SECOND} or more. */
    private static final long SETTLE_EVERY_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    private static final int STEPS_BETWEEN_SWEEPS = 100;
    /** The number of steps without work after which the position in the rows is checked: five seconds. */
    private static final int STEPS_BETWEEN_CHECKS = 20;

    private static final long REPORT_EVERY = 100_000;

    private final DecidedLog log;
    private final OutcomeRows rows;
    private final Duration kept;
    private final InstantSource expiry;
    private final LongSupplier submissions;
    private final LongSupplier nanoTicker;
    private final VoidedReviews voided;
    private final Consumer<String> recorded;
    private final Instant began;
    private volatile boolean isIncomplete = true;

    // used by the follower's thread
    private boolean isDiskLow;
    private int stepsToSweep;
    private int stepsToCheck;
    private long countedSubmissions;
    private long countedNanos;
    private boolean isBusy;
    private boolean isSettled = true;
    private long settledNanos;
    /** When the step began. */
    private long stepNanos;

    /**
     * @param rows owned by the caller; written by this sink only
     * @param kept how long an outcome is kept
     * @param expiry the clock by which outcomes are removed
     * @param submissions the number of submissions since the start
     * @param voided what voids reviews in the log
     * @param recorded accepts the shards of the outcomes that were written
     */
    public RecordSink(
            DecidedLog log,
            OutcomeRows rows,
            Duration kept,
            InstantSource expiry,
            LongSupplier submissions,
            LongSupplier nanoTicker,
            VoidedReviews voided,
            Consumer<String> recorded) {
        this.log = log;
        this.rows = rows;
        this.kept = kept;
        this.expiry = expiry;
        this.began = expiry.instant();
        this.submissions = submissions;
        this.nanoTicker = nanoTicker;
        this.voided = voided;
        this.recorded = recorded;
        this.countedNanos = nanoTicker.getAsLong();
    }

    /**
     * Returns the time before which outcomes may still be missing, because the record is being copied from damaged
     * files, or derived from the whole log; empty otherwise. Safe for any thread.
     */
    public Optional<Instant> incompleteBefore() {
        return isIncomplete ? Optional.of(began) : Optional.empty();
    }

    @Override
    public boolean isReady(boolean isOpen) throws IOException {
        stepNanos = nanoTicker.getAsLong();
        if (!isOpen) {
            rows.reopen();
        }
        return !isDiskLow();
    }

    private boolean isDiskLow() throws IOException {
        boolean isLow = log.isDiskNearlyLow();
        if (isLow && !isDiskLow) {
            LOG.warn("the record of outcomes waits, because the disk is nearly full; certificates are still accepted");
        } else if (!isLow && isDiskLow) {
            LOG.info("the record of outcomes continues, because the disk has room again");
        }
        isDiskLow = isLow;
        return isLow;
    }

    @Override
    public Position open() {
        return rows.position(log.logId()).orElse(new Position(log.logId(), 0, ""));
    }

    @Override
    public void begin(Position stored, @Nullable String problem) {
        isSettled = true;
        if (problem != null) {
            LOG.error(
                    "the record of outcomes is based on the log up to sequence {}, but {}", stored.sequence(), problem);
            rows.wentBack(log.logId());
        }
        boolean isAll = (problem != null || stored.sequence() == 0) && log.decidedUpTo() > 0;
        isIncomplete = rows.isIncomplete() || isAll;
    }

    @Override
    public void apply(DecidedPart part) {
        Map<String, String> notes = new LinkedHashMap<>();
        for (Missing gap : part.missing()) {
            notes.put(
                    OutcomeRows.GAPS + log.logId() + "/" + String.format(Locale.ROOT, "%019d", gap.first()),
                    "log records " + gap.first() + " to " + gap.last());
        }
        Position position = new Position(log.logId(), part.last(), part.digest());
        List<Placed> outcomes = part.outcomes().stream().map(Outcome::placed).toList();
        List<PlacedReview> losers;
        do {
            Group group = new Group(position, outcomes, voided.without(part.reviews()), notes);
            losers = isBusy ? rows.add(group) : rows.apply(group);
            voided.add(losers);
        } while (!losers.isEmpty());
        isSettled = !isBusy;
        voided.forget(part.last());
        Set<String> shards = new HashSet<>();
        outcomes.forEach(each -> shards.add(each.version().key().shard()));
        shards.forEach(recorded);
        if (isIncomplete && part.last() / REPORT_EVERY > part.after() / REPORT_EVERY) {
            LOG.info("the record of outcomes is derived from the log: record {} of {}", part.last(), log.decidedUpTo());
        }
    }

    @Override
    public boolean settle() {
        if (!isSettled && (!isBusy || nanoTicker.getAsLong() - settledNanos >= SETTLE_EVERY_NANOS)) {
            rows.sync();
            settledNanos = nanoTicker.getAsLong();
            isSettled = true;
        }
        return isSettled;
    }

    @Override
    public long rest(long position, boolean isMore, BooleanSupplier mayContinue) {
        if (!isMore && mayContinue.getAsBoolean()) {
            complete(position, mayContinue);
            check();
        }
        boolean isMoreOld = sweep();
        long rest = restMillis();
        return isMore || isMoreOld || isBusy ? rest : LOOK_EVERY_MILLIS;
    }

    /** Completes the record once everything in the log is in it. */
    private void complete(long position, BooleanSupplier mayContinue) {
        if (rows.isIncomplete()) {
            rows.salvage(oldestKept(), () -> mayContinue.getAsBoolean() && !isDiskLowNow());
        }
        if (isIncomplete) {
            LOG.info("the record of outcomes is complete up to record {} of the log", position);
        }
        isIncomplete = false;
    }

    /** Notices, although nothing is to be written, that rows which several backends share went back. */
    private void check() {
        if (--stepsToCheck <= 0) {
            stepsToCheck = STEPS_BETWEEN_CHECKS;
            rows.requirePosition(log.logId());
        }
    }

    private boolean isDiskLowNow() {
        try {
            return isDiskLow();
        } catch (IOException e) {
            return true; // the next step reports it
        }
    }

    /** Removes some of the outcomes that are too old, if it is time to; returns whether there may be more. */
    private boolean sweep() {
        if (--stepsToSweep > 0) {
            return false;
        }
        boolean isMore = rows.sweep(oldestKept());
        stepsToSweep = isMore ? 0 : STEPS_BETWEEN_SWEEPS;
        return isMore;
    }

    /** Outcomes are removed by whole days, whose rows are side by side in the table. */
    private Instant oldestKept() {
        return expiry.instant().minus(kept).truncatedTo(ChronoUnit.DAYS);
    }

    private long restMillis() {
        long submitted = submissions.getAsLong();
        long nanos = nanoTicker.getAsLong();
        long workedNanos = nanos - stepNanos;
        double perSecond = (submitted - countedSubmissions) * 1e9 / Math.max(1, nanos - countedNanos);
        countedSubmissions = submitted;
        countedNanos = nanos;
        isBusy = perSecond >= BUSY_PER_SECOND;
        long worked = TimeUnit.NANOSECONDS.toMillis(workedNanos);
        return isBusy ? Math.max(SHORTEST_REST_MILLIS, Math.min(LONGEST_REST_MILLIS, worked)) : 0;
    }
}
