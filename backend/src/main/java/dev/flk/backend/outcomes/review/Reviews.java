// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.Order;
import dev.flk.backend.outcomes.record.OutcomeQuery.Span;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.Counts;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.ReviewedPart;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.OutcomeRows.Waiting;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.backend.outcomes.review.LargeGroups.Progress;
import dev.flk.backend.outcomes.review.ReviewWriter.Recorded;
import dev.flk.backend.outcomes.review.ReviewWriter.ReviewUnavailableException;
import dev.flk.program.time.DaemonThreads;
import dev.flk.verification.Verdict.Kind;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reviews of certificates that were escalated or rejected. A review is a record of the inbox log, which names the
 * version that it makes, and is applied to the row of its outcome. Of two reviews with the same version, the one that
 * is applied first counts, and the other one is voided in the log. Reads and writes block. Safe for any thread.
 */
public final class Reviews implements AutoCloseable {
    /** The condition that a certificate has no review, or only one that was withdrawn. */
    public static final long NO_REVIEW = 0;

    /** The condition that any review is replaced. */
    public static final long ANY_VERSION = -1;

    /** The maximum number of certificates that wait and are listed in groups: about 8 MB while they are shown. */
    public static final int MOST_WAITING = 200_000;

    /** The number of the newest reviews that the page searches. */
    public static final int MOST_RECENT = 10_000;

    private static final Logger LOG = LoggerFactory.getLogger(Reviews.class);
    private static final OutcomeQuery WAITING = OutcomeQuery.ALL.withWaits(true).withOrder(Order.NEWEST);
    private static final int READ_AT_ONCE = 200;
    /** The most parts that are read to find a group that takes one step. */
    private static final int MOST_PARTS = 50;

    private static final int MOST_FAULTS = 100_000;
    private static final long LAST_MILLIS =
            Instant.parse("9999-12-31T23:59:59Z").toEpochMilli();

    private static final long FIRST_COUNT_SECONDS = 5;
    private static final long COUNT_SECONDS = 10;

    private final RecordedOutcomes record;
    private final ReviewWriter writer;
    private final Duration overdueAfter;
    private final InstantSource clock;
    private final ReviewMetrics metrics;
    private final LargeGroups groups;
    private final ScheduledThreadPoolExecutor timer =
            new ScheduledThreadPoolExecutor(1, DaemonThreads.named("reviews"));

    /**
     * The outcomes that wait for a review.
     *
     * @param isCut whether more outcomes wait, which are not among these
     */
    public record AllWaiting<T>(List<T> outcomes, boolean isCut) {}

    /** The certificates that a review is about. */
    public sealed interface Subject {
        /**
         * The certificates with these ids.
         *
         * @param pcsIds ids, or at least their first {@link RecordedOutcomes#LEAST_ID_DIGITS} digits
         * @param ifVersion the version that the newest review must have; {@link #NO_REVIEW} if there must be none;
         *     {@link #ANY_VERSION} to replace any review
         */
        record Ids(List<String> pcsIds, long ifVersion) implements Subject {}

        /**
         * The certificates of a shard that have no review.
         *
         * @param cause see {@link dev.flk.backend.decide.RecordedOutcome#cause}
         * @param from the arrival of the first of these certificates
         * @param until the arrival of the last of these certificates; later ones are not reviewed, because the author
         *     has not seen them
         * @param reviewedAt the time of their review, if it is to be withdrawn: the certificates that were reviewed at
         *     this time; null for those that have no review
         * @param shown the number of these certificates that the author has seen; null if it is not known
         */
        record Group(
                String shard,
                String cause,
                Instant from,
                Instant until,
                @Nullable String reviewedAt,
                @Nullable Integer shown)
                implements Subject {
            /** The certificates that have no review. */
            public Group(String shard, String cause, Instant from, Instant until) {
                this(shard, cause, from, until, null, null);
            }
        }
    }

    /** Says that a group has another number of certificates than the author of its review has seen. */
    public static final class OtherNumberException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private OtherNumberException(int shown, int now) {
            super(
                    "the number of certificates that wait in the group is now " + now + ", not " + shown
                            + " as the page showed",
                    null,
                    false,
                    false);
        }
    }

    /** @param overdueAfter the time after which an outcome without a review counts as overdue */
    public Reviews(
            RecordedOutcomes record, ReviewLog log, Duration overdueAfter, InstantSource clock, ReviewMetrics metrics) {
        this.record = record;
        this.writer = new ReviewWriter(record.rows(), log);
        this.overdueAfter = overdueAfter;
        this.clock = clock;
        this.metrics = metrics;
        this.groups = new LargeGroups(clock);
    }

    /** Starts to count, every ten seconds, the outcomes that wait for a review. */
    public Reviews start() {
        var unused = timer.scheduleWithFixedDelay(this::count, FIRST_COUNT_SECONDS, COUNT_SECONDS, TimeUnit.SECONDS);
        return this;
    }

    /** Counts what the metrics show. */
    void count() {
        if (record.mayLack()) {
            metrics.showNothing(); // reviews follow their outcomes
            return;
        }
        try {
            long[] bounds = {0, clock.instant().minus(overdueAfter).toEpochMilli(), LAST_MILLIS};
            Counts counts = record.count(WAITING, bounds);
            long overdue = counts.byVerdict().values().stream()
                    .mapToLong(each -> each[0])
                    .sum();
            metrics.show(counts.total(), overdue, record.rows().faults(MOST_FAULTS));
        } catch (RecordUnavailableException e) {
            metrics.showNothing(); // the record reports its outage itself
        } catch (RuntimeException e) {
            metrics.showNothing();
            LOG.error(
                    "the certificates that wait for a review could not be counted; the next attempt is in ten seconds",
                    e);
        }
    }

    /**
     * Returns outcomes that wait for a review, the newest first.
     *
     * @param shard the shard; null for all shards
     * @throws RecordUnavailableException if the record can't be read
     */
    public AllWaiting<Version> waiting(@Nullable String shard, int limit) {
        List<Version> found = new ArrayList<>();
        String cursor = null;
        do {
            Rows part = record.outcomes(WAITING.withShards(shard == null ? Set.of() : Set.of(shard))
                    .withLimit(limit - found.size())
                    .withCursor(cursor));
            found.addAll(part.rows());
            cursor = part.cursor();
        } while (cursor != null && found.size() < limit);
        return new AllWaiting<>(found, cursor != null);
    }

    /**
     * Returns the places of all outcomes that wait for a review in any order, at most {@link #MOST_WAITING}.
     *
     * @throws RecordUnavailableException if the record can't be read
     */
    public AllWaiting<Waiting> queue() {
        List<Waiting> all = record.rows().waiting(MOST_WAITING);
        return new AllWaiting<>(all, all.size() == MOST_WAITING);
    }

    /** Returns the outcomes with these numbers; those that the record no longer has are left out. */
    public Map<Long, Version> at(List<Long> numbers) {
        return record.rows().at(numbers);
    }

    /** Returns a part of the reviews that were not withdrawn, the newest first: see {@link OutcomeRows#reviewed}. */
    public ReviewedPart reviewed(@Nullable String cursor, int limit) {
        return record.rows().reviewed(cursor, limit);
    }

    /** Returns the cause of a reviewed certificate; empty if the record does not have it. */
    public Optional<String> cause(Reviewed reviewed) {
        return record.withKey(reviewed.key()).map(version -> version.outcome().cause());
    }

    /** Returns the reviews of an outcome, the newest first, at most 100. */
    public List<Review> versions(RowKey key) {
        return record.rows().reviews(key, ReviewWriter.MOST_VERSIONS);
    }

    /** The effect of a call of {@link #review}: the review is recorded, or is under way for a large group. */
    public sealed interface Effect permits Recorded, Progress {}

    /** Returns whether a certificate with this newest review, or null, does not wait. */
    private static boolean isReviewed(@Nullable Review newest) {
        return newest != null && !newest.isWithdrawal();
    }

    private static boolean meets(@Nullable Review newest, long ifVersion) {
        return ifVersion == ANY_VERSION
                || (ifVersion == NO_REVIEW ? !isReviewed(newest) : newest != null && newest.version() == ifVersion);
    }

    /**
     * Records a review of certificates. A review that withdraws reviews affects only certificates that have one. A group
     * that takes more than one step is reviewed by another thread.
     *
     * @param review the review, which has no number yet
     * @throws IllegalArgumentException if a certificate was accepted, or an id is the beginning of several; the message
     *     is a sentence
     * @throws OtherNumberException if another number than {@link Subject.Group#shown} waits; nothing was recorded
     * @throws ReviewUnavailableException if the review, or a part of the group, could not be recorded
     */
    public Effect review(Subject subject, Review review) {
        writer.requireLog(); // before reads, each of which may wait for a record that hangs
        try {
            return subject instanceof Subject.Group group
                    ? review(group, review)
                    : review((Subject.Ids) subject, review);
        } catch (RecordUnavailableException e) {
            throw unreadable(e);
        }
    }

    private static ReviewUnavailableException unreadable(RecordUnavailableException e) {
        return new ReviewUnavailableException("the record can't be read now: " + e.getMessage(), false);
    }

    private Recorded review(Subject.Ids ids, Review review) {
        List<RowKey> rows = ids.pcsIds().stream()
                .flatMap(id -> reviewable(id).stream())
                .distinct()
                .toList();
        return writer.write(
                rows,
                review,
                newest -> meets(newest, ids.ifVersion()) && (isReviewed(newest) || !review.isWithdrawal()));
    }

    private Effect review(Subject.Group group, Review review) {
        String at = group.reviewedAt();
        Predicate<@Nullable Review> condition = at == null
                ? newest -> !isReviewed(newest)
                : newest ->
                        newest != null && !newest.isWithdrawal() && newest.at().equals(at);
        List<RowKey> rows = inOneStep(group, condition);
        Integer total = rows != null ? (Integer) rows.size() : at == null ? waitingIn(group) : null;
        Integer shown = group.shown();
        if (shown != null && total != null && !shown.equals(total)) {
            throw new OtherNumberException(shown, total);
        }
        return rows != null
                ? writer.write(rows, review, condition)
                : groups.begin(group, review, total, cursor -> step(group, review, condition, cursor));
    }

    /** Returns the rows of a group whose newest review meets a condition; null if they take more than one step. */
    private @Nullable List<RowKey> inOneStep(Subject.Group group, Predicate<@Nullable Review> condition) {
        List<RowKey> rows = new ArrayList<>(); // all of them, to report what others review meanwhile
        String cursor = null;
        int parts = 0;
        do {
            Rows part = record.outcomes(wanted(group).withLimit(READ_AT_ONCE).withCursor(cursor));
            rows.addAll(meeting(condition, part));
            cursor = part.cursor();
            parts++;
            if (rows.size() > ReviewWriter.WRITTEN_AT_ONCE || (parts == MOST_PARTS && cursor != null)) {
                return null;
            }
        } while (cursor != null);
        return rows;
    }

    private LargeGroups.Step step(
            Subject.Group group, Review review, Predicate<@Nullable Review> condition, @Nullable String cursor) {
        writer.requireLog();
        try {
            Rows part = record.outcomes(
                    wanted(group).withLimit(ReviewWriter.WRITTEN_AT_ONCE).withCursor(cursor));
            return new LargeGroups.Step(writer.write(meeting(condition, part), review, condition), part.cursor());
        } catch (RecordUnavailableException e) {
            throw unreadable(e);
        }
    }

    /** Returns the number of certificates that wait in a group; null if more wait than are listed. */
    private @Nullable Integer waitingIn(Subject.Group group) {
        long wanted = OutcomeRows.waitingGroup(group.shard(), group.cause());
        AllWaiting<Waiting> all = queue();
        return all.isCut()
                ? null
                : (int) all.outcomes().stream()
                        .filter(each -> each.group() == wanted)
                        .map(each -> Instant.ofEpochMilli(each.receivedMillis()))
                        .filter(each -> !each.isBefore(group.from()) && !each.isAfter(group.until()))
                        .count();
    }

    private static OutcomeQuery wanted(Subject.Group group) {
        Instant until = group.until();
        return OutcomeQuery.ALL
                .withShard(group.shard())
                .withReason(group.cause())
                .withWaits(group.reviewedAt() == null)
                .withReceived(new Span(group.from(), until.isBefore(Instant.MAX) ? until.plusNanos(1) : null))
                .withOrder(Order.NEWEST);
    }

    private List<RowKey> meeting(Predicate<@Nullable Review> condition, Rows part) {
        List<RowKey> all = part.rows().stream().map(Version::key).toList();
        Map<RowKey, Review> newest = record.rows().newestReviews(all);
        return all.stream().filter(key -> condition.test(newest.get(key))).toList();
    }

    /** Returns the reviews of large groups that are under way or ended last, the newest first. */
    public List<Progress> groups() {
        return groups.all();
    }

    /** Returns how far the review of a large group is; empty if it is not remembered. */
    public Optional<Progress> group(String id) {
        return groups.find(id);
    }

    /** Stops the review of a large group after its present step. */
    public Optional<Progress> stop(String id) {
        return groups.stop(id);
    }

    /** Returns the row with an id, or whose id begins with these digits; empty if the record has none. */
    private Optional<RowKey> reviewable(String id) {
        List<Version> found = record.rows().withId(id, 2);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        RowKey key = found.get(0).key();
        if (found.size() > 1 && !found.get(1).key().pcsId().equals(key.pcsId())) {
            throw new IllegalArgumentException(
                    "several certificates have ids that begin with " + id + "; give more digits");
        }
        if (found.get(0).outcome().verdict().kind() == Kind.ACCEPTED) {
            throw new IllegalArgumentException(
                    "the certificate " + key.pcsId() + " was accepted, so there is nothing to review");
        }
        return Optional.of(key);
    }

    @Override
    public void close() {
        groups.close();
        timer.shutdownNow();
    }
}
