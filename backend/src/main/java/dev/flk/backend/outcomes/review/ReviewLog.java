// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.review;

import dev.flk.backend.decide.LoggedReview;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** The log that reviews are written to, and from which they get into the record. Safe for any thread. */
public interface ReviewLog {
    /** Returns why nothing can be logged at the moment; empty while reviews can be logged. */
    Optional<String> problem();

    /**
     * Logs reviews in one append. Does not block.
     *
     * @return the sequence of the last one, once all are on disk and, if the log is copied, in the copy; a {@link
     *     java.util.concurrent.RejectedExecutionException} if none was logged; an {@link java.io.IOException} if the
     *     append failed, after which the reviews may still be in the log
     */
    CompletableFuture<Long> append(List<LoggedReview> reviews);

    /**
     * Waits until the record has everything in the log up to a sequence.
     *
     * @return whether it has
     */
    boolean awaitRecorded(long sequence, Duration most) throws InterruptedException;
}
