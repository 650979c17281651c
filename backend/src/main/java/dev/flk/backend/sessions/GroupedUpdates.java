// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.backend.sessions.SessionStorage.Updated;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/**
 * A queue that delays updates for a moment, so that several updates share one fsync or one round trip. It is meant for
 * updates without a condition, such as heartbeats, whose senders do not wait for the answer. At 350 heartbeats a
 * second, one fsync for each would slow down the ingest of certificates by a tenth. Safe for any thread.
 */
public final class GroupedUpdates {
    private static final Duration LONGEST_WAIT = Duration.ofMillis(50);

    private final Queue<Waiting> waiting = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean isScheduled = new AtomicBoolean();

    private record Waiting(Supplier<CompletionStage<Updated>> update, CompletableFuture<Updated> answer) {}

    /**
     * Starts an update soon, on another thread. Updates start in the order in which they were added.
     *
     * @param update a function that starts the update and must not block
     * @return a stage that completes with the update
     */
    public CompletionStage<Updated> add(Supplier<CompletionStage<Updated>> update) {
        CompletableFuture<Updated> answer = new CompletableFuture<>();
        waiting.add(new Waiting(update, answer));
        if (isScheduled.compareAndSet(false, true)) {
            CompletableFuture.delayedExecutor(LONGEST_WAIT.toMillis(), TimeUnit.MILLISECONDS, Runnable::run)
                    .execute(this::start);
        }
        return answer;
    }

    private void start() {
        // reset before the queue is read, so that an update that is added after the reading begins a new group
        isScheduled.set(false);
        for (Waiting next = waiting.poll(); next != null; next = waiting.poll()) {
            CompletableFuture<Updated> answer = next.answer();
            try {
                next.update().get().whenComplete((updated, failure) -> {
                    if (failure == null) {
                        answer.complete(updated);
                    } else {
                        answer.completeExceptionally(failure);
                    }
                });
            } catch (RuntimeException | Error e) {
                answer.completeExceptionally(e);
            }
        }
    }
}
