// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import dev.flk.backend.sessions.SessionStorage.Updated;
import java.time.Duration;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;

/**
 * A queue that delays updates for a moment while there are several, so that they share one fsync or one round trip. It
 * is meant for updates without a condition, such as heartbeats. At 350 heartbeats a second, one fsync for each would slow
 * down the ingest of certificates by a tenth.
 *
 * <p>An update waits for others if there is reason to expect some: if an earlier update has not completed yet, or if the
 * last group had more than one update. Otherwise it starts at once, so a client that sends one update after the other
 * waits only for the store. Safe for any thread.
 */
public final class GroupedUpdates {
    private static final Duration LONGEST_WAIT = Duration.ofMillis(50);

    private final Queue<Waiting> waiting = new ConcurrentLinkedQueue<>();
    private final AtomicBoolean isScheduled = new AtomicBoolean();
    private final AtomicInteger inFlight = new AtomicInteger();
    private final Executor now;
    private final Executor later;
    private volatile int lastGroup;

    private record Waiting(Supplier<CompletionStage<Updated>> update, CompletableFuture<Updated> answer) {}

    /** Creates a queue that starts all updates on the JDK's thread for delays, so that they start in order. */
    public GroupedUpdates() {
        this(after(Duration.ZERO), after(LONGEST_WAIT));
    }

    private static Executor after(Duration delay) {
        return CompletableFuture.delayedExecutor(delay.toMillis(), TimeUnit.MILLISECONDS, Runnable::run);
    }

    /**
     * Creates a queue.
     *
     * @param now starts an update that does not wait
     * @param later starts a group; must use the same single thread as {@code now}
     */
    GroupedUpdates(Executor now, Executor later) {
        this.now = now;
        this.later = later;
    }

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
            (inFlight.get() > 0 || lastGroup > 1 ? later : now).execute(this::start);
        }
        return answer;
    }

    private void start() {
        // reset before the queue is read, so that an update that is added after the reading begins a new group
        isScheduled.set(false);
        int started = 0;
        for (Waiting next = waiting.poll(); next != null; next = waiting.poll()) {
            started++;
            inFlight.incrementAndGet();
            start(next);
        }
        if (started > 0) {
            lastGroup = started;
        }
    }

    private void start(Waiting next) {
        CompletableFuture<Updated> answer = next.answer();
        CompletionStage<Updated> update;
        try {
            update = next.update().get();
        } catch (RuntimeException | Error e) {
            update = CompletableFuture.failedStage(e);
        }
        update.whenComplete((updated, failure) -> {
            // before the answer, after which the client may send its next update
            inFlight.decrementAndGet();
            if (failure == null) {
                answer.complete(updated);
            } else {
                answer.completeExceptionally(failure);
            }
        });
    }
}
