// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.PlacedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import java.time.Duration;
import java.util.List;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The reviews in the log that took no effect, because their rows had others of the same versions. A later record voids
 * each of them before the follower passes it, so that every reader of the log knows that it is void. One thread.
 */
public final class VoidedReviews {
    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.record");

    private final Function<List<byte[]>, CompletableFuture<Long>> log;
    private final Duration patience;
    private final TreeSet<Long> voided = new TreeSet<>();
    private List<Long> asked = List.of();
    private @Nullable CompletableFuture<Long> voiding;

    /**
     * @param log appends the bodies of records to the log; completes once they are safe
     * @param patience how long to wait for that
     */
    public VoidedReviews(Function<List<byte[]>, CompletableFuture<Long>> log, Duration patience) {
        this.log = log;
        this.patience = patience;
    }

    /** Returns these reviews without those that are voided. */
    List<PlacedReview> without(List<PlacedReview> reviews) {
        return reviews.stream()
                .filter(each -> !voided.contains(each.sequence()))
                .toList();
    }

    /**
     * Voids reviews in the log.
     *
     * @throws RecordUnavailableException if that fails or lasts too long; to be called again with these reviews
     */
    void add(List<PlacedReview> losers) {
        if (losers.isEmpty()) {
            return;
        }
        CompletableFuture<Long> logged = voiding;
        if (logged == null) {
            asked = losers.stream().map(PlacedReview::sequence).toList();
            logged = log.apply(asked.stream().map(LoggedReview::encodeVoid).toList());
            voiding = logged;
        }
        try {
            logged.get(patience.toMillis(), TimeUnit.MILLISECONDS);
            losers.forEach(VoidedReviews::report);
            voided.addAll(asked);
            voiding = null;
        } catch (ExecutionException e) {
            voiding = null;
            throw unavailable(
                    String.valueOf(e.getCause() == null ? e : e.getCause().getMessage()));
        } catch (TimeoutException e) {
            throw unavailable("the log does not answer");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw unavailable("this backend is stopping");
        }
    }

    private static void report(PlacedReview loser) {
        LOG.warn(
                "the review of PCS {} in record {} of the log is voided: another review came first as version {}",
                loser.reviewed().key().pcsId(),
                loser.sequence(),
                loser.reviewed().review().version());
    }

    private static RecordUnavailableException unavailable(String why) {
        return new RecordUnavailableException("a review that came second can't be voided in the log yet: " + why, null);
    }

    /** Notes that the reviews up to a sequence are applied or voided. */
    void forget(long upTo) {
        voided.headSet(upTo, true).clear();
    }
}
