// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.follow;

import dev.flk.backend.inbox.DecidedLog;
import dev.flk.backend.outcomes.record.OutcomeRows;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** A {@link Follower} of a record whose steps a simulation takes; nothing that it records becomes too old. */
public final class SteppedFollower {
    private static final Duration FOR_EVER = Duration.ofDays(10_000);

    private final Follower follower;

    public SteppedFollower(
            DecidedLog log,
            OutcomeRows rows,
            DecidedQueue decided,
            FollowerMetrics metrics,
            Function<List<byte[]>, CompletableFuture<Long>> append) {
        RecordSink sink = new RecordSink(
                log,
                rows,
                FOR_EVER,
                () -> Instant.EPOCH,
                () -> 0,
                () -> 0,
                new VoidedReviews(append, Duration.ZERO),
                shard -> {});
        follower = new Follower(sink, log, decided, () -> Long.MAX_VALUE, metrics, () -> 0);
    }

    public SteppedFollower(Follower follower) {
        this.follower = follower;
    }

    /** Takes one step; returns whether everything that is decided is in the record. */
    public boolean step() throws IOException {
        return follower.step() > 0;
    }

    /** Takes steps until everything that is decided is in the record. */
    public void catchUp() throws IOException {
        while (!step()) {
            // each step applies one part
        }
    }

    /** Takes a step of a follower as its thread does, which reports a failure. */
    public static void takeTurn(Follower follower) {
        long unused = follower.takeTurn();
    }

    public boolean isBehind() {
        return follower.isBehind();
    }

    public long position() {
        return follower.position();
    }
}
