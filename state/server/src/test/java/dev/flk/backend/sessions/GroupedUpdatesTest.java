// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.sessions.SessionStorage.Updated;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Tests of which updates wait for others. */
final class GroupedUpdatesTest {
    private static final Updated DONE = new Updated(1, null);

    /** Groups that were scheduled to start at once. */
    private final Queue<Runnable> now = new ArrayDeque<>();

    /** Groups that were scheduled to start after the wait. */
    private final Queue<Runnable> later = new ArrayDeque<>();

    private final List<CompletableFuture<Updated>> started = new ArrayList<>();
    private final GroupedUpdates updates = new GroupedUpdates(now::add, later::add);

    private CompletionStage<Updated> add() {
        return updates.add(() -> {
            CompletableFuture<Updated> update = new CompletableFuture<>();
            started.add(update);
            return update;
        });
    }

    private void complete() {
        started.forEach(update -> update.complete(DONE));
        started.clear();
    }

    @Test
    void add_oneAfterTheOther_noneWaits() {
        for (int i = 0; i < 3; i++) {
            CompletionStage<Updated> answer = add();
            now.remove().run();
            complete();
            assertThat(answer).isCompletedWithValue(DONE);
        }
        assertThat(later).isEmpty();
    }

    @Test
    void add_anotherIsInFlight_waitsAndSharesAGroup() {
        CompletionStage<Updated> first = add();
        now.remove().run();
        List<CompletionStage<Updated>> others = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            others.add(add());
        }
        assertThat(now).isEmpty();
        assertThat(later).hasSize(1);

        later.remove().run();
        assertThat(started).hasSize(101);
        complete();
        assertThat(first).isCompletedWithValue(DONE);
        assertThat(others).allSatisfy(each -> assertThat(each).isCompletedWithValue(DONE));
    }

    @Test
    void add_theLastGroupHadSeveral_waitsUntilAGroupHasOne() {
        CompletionStage<Updated> first = add();
        CompletionStage<Updated> second = add();
        now.remove().run();
        complete();
        assertThat(List.of(first, second)).allSatisfy(each -> assertThat(each).isCompleted());

        CompletionStage<Updated> alone = add();
        assertThat(now).isEmpty();
        later.remove().run();
        complete();
        assertThat(alone).isCompleted();

        CompletionStage<Updated> next = add();
        assertThat(next).isNotCompleted();
        assertThat(now).hasSize(1);
        assertThat(later).isEmpty();
    }

    @Test
    void add_theUpdateFails_failsTheAnswerAndTheNextDoesNotWait() {
        CompletionStage<Updated> thrown = updates.add(() -> {
            throw new IllegalStateException("no store");
        });
        now.remove().run();
        assertThat(thrown).isCompletedExceptionally();

        CompletionStage<Updated> failed = add();
        now.remove().run();
        started.remove(0).completeExceptionally(new IllegalStateException("no store"));
        assertThat(failed).isCompletedExceptionally();
        assertThat(later).isEmpty();
    }

    /** Runs closed-loop clients: each sends its next update after the answer to the last one. */
    @Test
    void add_manyClients_shareGroups() throws Exception {
        int clients = 32;
        int each = 10;
        AtomicInteger groups = new AtomicInteger();
        AtomicInteger done = new AtomicInteger();
        GroupedUpdates shared = new GroupedUpdates(counting(groups, delayed(0)), counting(groups, delayed(50)));
        Executor store = delayed(1);
        CountDownLatch ended = new CountDownLatch(clients);
        for (int i = 0; i < clients; i++) {
            new Thread(() -> {
                        for (int n = 0; n < each; n++) {
                            shared.add(() -> CompletableFuture.supplyAsync(() -> DONE, store))
                                    .toCompletableFuture()
                                    .join();
                            done.incrementAndGet();
                        }
                        ended.countDown();
                    })
                    .start();
        }
        assertThat(ended.await(60, TimeUnit.SECONDS)).isTrue();
        assertThat(done).hasValue(clients * each);
        assertThat(groups.get()).isLessThan(clients * each / 4);
    }

    private static Executor delayed(long millis) {
        return CompletableFuture.delayedExecutor(millis, TimeUnit.MILLISECONDS, Runnable::run);
    }

    private static Executor counting(AtomicInteger groups, Executor executor) {
        return group -> {
            groups.incrementAndGet();
            executor.execute(group);
        };
    }
}
