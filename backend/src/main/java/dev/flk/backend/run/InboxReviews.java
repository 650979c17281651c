// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.follow.Follower;
import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.ingest.IngestPipeline;
import dev.flk.backend.outcomes.review.ReviewLog;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * The inbox log as the log of reviews.
 *
 * @param record the follower that applies the log to the record
 */
record InboxReviews(IngestPipeline ingest, DecidedLog log, Follower record) implements ReviewLog {
    @Override
    public Optional<String> problem() {
        return ingest.whyNotLogged()
                .or(() -> record.problem().map(why -> "the record of outcomes " + why))
                .or(this::whyNotRecorded);
    }

    private Optional<String> whyNotRecorded() {
        try {
            return log.isDiskNearlyLow()
                    ? Optional.of("the record of outcomes waits, because the disk is nearly full; free space on it")
                    : record.isBehind()
                            ? Optional.of("the record of outcomes is still being read from the log")
                            : Optional.empty();
        } catch (IOException e) {
            return Optional.of("the free space of the disk can't be read: " + e.getMessage());
        }
    }

    @Override
    public CompletableFuture<Long> append(List<LoggedReview> reviews) {
        return ingest.logReviews(reviews.stream().map(LoggedReview::encode).toList());
    }

    @Override
    public boolean awaitRecorded(long sequence, Duration most) throws InterruptedException {
        return record.await(sequence, most);
    }
}
