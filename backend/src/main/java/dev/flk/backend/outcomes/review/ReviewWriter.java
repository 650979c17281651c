// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.decide.Review;
import dev.flk.backend.outcomes.record.OutcomeRows;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * The way of a review into the log and the record: it is given the version after the newest one, logged, and compared
 * with what the record has once it was applied. If a review of another author came first, the condition is checked
 * again. One caller writes at a time. Blocks; safe for any thread.
 */
public final class ReviewWriter {
    /** The number of reviews that are logged in one append. */
    static final int WRITTEN_AT_ONCE = 500;

    static final int MOST_VERSIONS = 100;
    private static final int MOST_ATTEMPTS = 5;
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private final OutcomeRows rows;
    private final ReviewLog log;
    private final ReentrantLock turn = new ReentrantLock(true);

    /**
     * A certificate whose review was not recorded, because the condition did not hold.
     *
     * @param review the newest review, which remains; null if the certificate has no review
     */
    public record LeftOut(RowKey row, @Nullable Review review) {}

    /**
     * A recorded review.
     *
     * @param reviewed the number of certificates that the review was recorded for
     * @param version the version of the review if it was recorded for one certificate; otherwise 0
     * @param leftOut the certificates whose newest review is another one; it remains
     */
    public record Recorded(int reviewed, long version, List<LeftOut> leftOut) implements Reviews.Effect {
        private static Recorded of(List<LoggedReview> recorded, List<LeftOut> leftOut) {
            return new Recorded(
                    recorded.size(),
                    recorded.size() == 1 ? recorded.get(0).review().version() : 0,
                    leftOut);
        }
    }

    /** Says that a review could not be recorded; the message is the end of a sentence. */
    public static final class ReviewUnavailableException extends RuntimeException {
        private static final long serialVersionUID = 1;

        private final boolean mayTakeEffect;

        ReviewUnavailableException(String message, boolean mayTakeEffect) {
            super(message, null, false, false);
            this.mayTakeEffect = mayTakeEffect;
        }

        /** Returns whether the review may be in the log, and may still take effect. */
        public boolean mayTakeEffect() {
            return mayTakeEffect;
        }
    }

    ReviewWriter(OutcomeRows rows, ReviewLog log) {
        this.rows = rows;
        this.log = log;
    }

    /**
     * Records a review of the rows whose newest review meets a condition. Returns once the record has the reviews.
     *
     * @throws ReviewUnavailableException if the review could not be recorded, or not for all rows
     * @throws RecordUnavailableException if the record can't be read; nothing of the rest was recorded
     */
    Recorded write(List<RowKey> keys, Review review, Predicate<@Nullable Review> condition) {
        List<LoggedReview> recorded = new ArrayList<>();
        List<LeftOut> leftOut = new ArrayList<>();
        for (int from = 0; from < keys.size(); from += WRITTEN_AT_ONCE) {
            List<RowKey> part = keys.subList(from, Math.min(keys.size(), from + WRITTEN_AT_ONCE));
            try {
                if (!turn.tryLock(PATIENCE.toMillis(), TimeUnit.MILLISECONDS)) {
                    throw new ReviewUnavailableException("other reviews are being recorded; try again", false);
                }
                try {
                    writeInTurn(part, review, condition, recorded, leftOut);
                } finally {
                    turn.unlock();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new ReviewUnavailableException("this backend is stopping", true);
            }
        }
        return Recorded.of(recorded, leftOut);
    }

    /**
     * Logs reviews of the rows whose newest review meets the condition, and waits until the record has them. Begins
     * again with those that another review came before.
     */
    private void writeInTurn(
            List<RowKey> keys,
            Review review,
            Predicate<@Nullable Review> condition,
            List<LoggedReview> recorded,
            List<LeftOut> leftOut)
            throws InterruptedException {
        List<RowKey> left = keys;
        for (int attempt = 0; !left.isEmpty(); attempt++) {
            Map<RowKey, Review> newest = rows.newestReviews(left);
            List<Reviewed> writes = new ArrayList<>();
            for (RowKey key : left) {
                Review before = newest.get(key);
                if (condition.test(before)) {
                    writes.add(new Reviewed(key, review.numbered(before == null ? 1 : before.version() + 1)));
                } else {
                    leftOut.add(new LeftOut(key, before));
                }
            }
            if (attempt == MOST_ATTEMPTS && !writes.isEmpty()) {
                throw new ReviewUnavailableException("others review the same certificates; try again", false);
            }
            left = writes.isEmpty() ? List.of() : losers(writes, recorded);
        }
    }

    /** Logs reviews and waits until the record has them; returns the rows that have other reviews of these versions. */
    private List<RowKey> losers(List<Reviewed> writes, List<LoggedReview> recorded) throws InterruptedException {
        List<LoggedReview> logged = writes.stream().map(Reviewed::logged).toList();
        long last = append(logged);
        List<RowKey> losers = new ArrayList<>();
        try {
            if (!log.awaitRecorded(last, PATIENCE)) {
                throw new ReviewUnavailableException("the record does not have it yet", true);
            }
            Map<RowKey, Review> newest =
                    rows.newestReviews(writes.stream().map(Reviewed::key).toList());
            for (Reviewed write : writes) {
                boolean isRecorded = write.review().equals(newest.get(write.key()))
                        || rows.reviews(write.key(), MOST_VERSIONS).contains(write.review());
                if (isRecorded) {
                    recorded.add(write.logged());
                } else {
                    losers.add(write.key());
                }
            }
        } catch (RecordUnavailableException e) {
            throw new ReviewUnavailableException(String.valueOf(e.getMessage()), true);
        }
        return losers;
    }

    /** @throws ReviewUnavailableException if no review can be recorded now */
    void requireLog() {
        Optional<String> problem = log.problem();
        if (problem.isPresent()) {
            throw new ReviewUnavailableException(problem.get(), false);
        }
    }

    private long append(List<LoggedReview> logged) throws InterruptedException {
        requireLog();
        CompletableFuture<Long> appended = log.append(logged);
        try {
            return appended.get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new ReviewUnavailableException("the log has not answered yet", true);
        } catch (ExecutionException e) {
            Throwable cause = e.getCause() == null ? e : e.getCause();
            throw new ReviewUnavailableException(
                    String.valueOf(cause.getMessage()), !(cause instanceof RejectedExecutionException));
        }
    }
}
