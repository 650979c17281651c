// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.access.tokens.TokenHolder;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** Tests that callers share the threads of calls. */
class CallThreadsTest {
    private static final Caller BUSY = new Caller(new TokenHolder("busy", "", List.of()));
    private static final Caller NEIGHBOUR = new Caller(new TokenHolder("neighbour", "", List.of()));

    @Test
    void execute_anotherCallerOccupiesItsThreads_runsAtOnce() throws Exception {
        CountDownLatch blocked = new CountDownLatch(1);
        CompletableFuture<Void> last = new CompletableFuture<>();
        try (CallThreads threads = new CallThreads(2, headers -> BUSY)) {
            for (int i = 0; i < 10; i++) {
                threads.of(BUSY).execute(() -> await(blocked));
            }
            threads.of(BUSY).execute(() -> last.complete(null));
            CompletableFuture<Void> neighbours = new CompletableFuture<>();

            threads.of(NEIGHBOUR).execute(() -> neighbours.complete(null));

            assertThat(neighbours).succeedsWithin(20, TimeUnit.SECONDS);
            assertThat(last).isNotDone();
            blocked.countDown();
            assertThat(last).succeedsWithin(20, TimeUnit.SECONDS);
        }
    }

    private static void await(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
