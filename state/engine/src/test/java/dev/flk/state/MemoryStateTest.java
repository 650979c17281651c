// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.state.StateException.Reason;
import dev.flk.state.embedded.MemoryStorage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class MemoryStateTest extends StateContract {
    private static int histories;
    private final MemoryStorage storage = new MemoryStorage(() -> "history-" + ++histories, Long.MAX_VALUE);
    private final MemoryStorage empty = new MemoryStorage(() -> "history-" + ++histories, Long.MAX_VALUE);

    @Override
    Storage emptyStorage() {
        return empty;
    }

    @Override
    Supplier<Storage> storages() {
        return () -> storage;
    }

    /** Checks that the second call waits for the result of the first. */
    @Test
    void secondEnd_duringTheFirst_waitsForItsResult() {
        CountDownLatch held = new CountDownLatch(1);
        AtomicReference<@Nullable StateException> failure = new AtomicReference<>();
        Storage slow = CallInterceptor.wrap(Storage.class, (method, arguments) -> {
            if (method.getName().equals("commit")) {
                held.await();
                StateException fails = failure.get();
                if (fails != null) {
                    throw fails;
                }
            }
            return method.invoke(storage, arguments);
        });
        try (EngineHarness state = new EngineHarness(() -> slow)) {
            String kept = state.engine.begin(EngineHarness.ME, null).txId();
            state.engine.stage(EngineHarness.ME, kept, state.write("a", "k", "1"));
            String refused = state.engine.begin(EngineHarness.ME, null).txId();
            state.engine.stage(EngineHarness.ME, refused, state.engine.write(EngineHarness.key("a", "k"), "2", 9));
            List<CompletableFuture<?>> firsts = List.of(commit(state, kept, "r"), commit(state, refused, "s"));
            CompletableFuture<Committed> again = commit(state, kept, "");
            CompletableFuture<Committed> sameRequest = commit(state, kept, "r");
            CompletableFuture<Void> abort =
                    state.engine.abort(EngineHarness.ME, kept).toCompletableFuture();
            CompletableFuture<Committed> refusedAgain = commit(state, refused, "s");
            CompletableFuture<Void> refusedAbort =
                    state.engine.abort(EngineHarness.ME, refused).toCompletableFuture();
            assertThat(Stream.of(again, sameRequest, abort, refusedAgain, refusedAbort))
                    .noneMatch(CompletableFuture::isDone);

            held.countDown();

            assertThat(firsts.get(0)).succeedsWithin(Duration.ofSeconds(10));
            assertThat(reasonOf(again)).isEqualTo(Reason.TX_COMMITTED);
            assertThat(sameRequest)
                    .succeedsWithin(Duration.ofSeconds(10))
                    .isEqualTo(firsts.get(0).join());
            assertThat(reasonOf(abort)).isEqualTo(Reason.TX_COMMITTED);
            assertThat(reasonOf(firsts.get(1))).isEqualTo(Reason.VERSION_CONFLICT);
            assertThat(reasonOf(refusedAgain)).isEqualTo(Reason.TX_ABORTED);
            assertThat(refusedAbort).succeedsWithin(Duration.ofSeconds(10));

            String unknown = state.engine.begin(EngineHarness.ME, null).txId();
            failure.set(Reason.STORE_DOWN.because("the connection broke"));
            assertThat(reasonOf(commit(state, unknown, ""))).isEqualTo(Reason.STORE_DOWN);
            failure.set(null);
            await().until(() -> state.engine.problem().isEmpty());
            assertThat(reasonOf(commit(state, unknown, ""))).isEqualTo(Reason.STORE_DOWN);
        }
    }

    /**
     * Simulates a storage in which every commit times out after three seconds, as if it waited for a lock that is never
     * released.
     */
    @Test
    void batchWhoseEveryPartTimesOut_isNotSplitForever() {
        AtomicReference<EngineHarness> of = new AtomicReference<>();
        AtomicInteger tries = new AtomicInteger();
        AtomicBoolean isLocked = new AtomicBoolean();
        CountDownLatch queued = new CountDownLatch(1);
        Storage memory = new MemoryStorage(() -> "h", 1 << 20);
        Storage timingOut = CallInterceptor.wrap(Storage.class, (method, arguments) -> {
            if (method.getName().equals("commit") && isLocked.get()) {
                assertThat(queued.await(10, TimeUnit.SECONDS)).isTrue();
                tries.incrementAndGet();
                of.get().pass(Duration.ofSeconds(3));
                throw StateException.gaveUp("a statement took longer than 3000 ms");
            }
            return method.invoke(memory, arguments);
        });
        try (EngineHarness state = new EngineHarness(() -> timingOut)) {
            of.set(state);
            // then the namespace is known to have no schema, so the other commits read nothing before they are queued
            state.engine
                    .apply("first", List.of(state.write("a", "k", "1")), "")
                    .toCompletableFuture()
                    .join();
            isLocked.set(true);
            List<CompletableFuture<Committed>> commits = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                commits.add(state.engine
                        .apply(EngineHarness.ME, List.of(state.write("a", "k" + i, "1")), "")
                        .toCompletableFuture());
            }
            queued.countDown();
            assertThat(commits)
                    .allSatisfy(commit -> assertThat(reasonOf(commit)).isEqualTo(Reason.STORE_DOWN));
            assertThat(tries.get())
                    .as("one for the first commit, some for the batch of the others")
                    .isBetween(12, 40);
        }
    }

    @Test
    void fullStorage_repeatsTheAnswerToARequest() {
        MemoryStorage small = new MemoryStorage(() -> "h", 1_000);
        try (EngineHarness state = new EngineHarness(() -> small)) {
            Map<String, Committed> answers = new LinkedHashMap<>();
            assertThat(reasonOf(fill(state, answers))).isEqualTo(Reason.DISK_FULL);
            assertThat(small.bytes()).isGreaterThan(1_000);

            assertThat(answers).isNotEmpty();
            answers.forEach((id, answer) -> assertThat(commit(state, id))
                    .succeedsWithin(Duration.ofSeconds(10))
                    .isEqualTo(answer));
        }
    }

    /** Commits with new request ids until a commit fails; returns the failed commit. */
    private static CompletableFuture<Committed> fill(EngineHarness state, Map<String, Committed> answers) {
        while (true) {
            String id = "r" + answers.size();
            CompletableFuture<Committed> answer = commit(state, id);
            try {
                answers.put(id, answer.join());
            } catch (CompletionException e) {
                return answer;
            }
        }
    }

    private static CompletableFuture<Committed> commit(EngineHarness state, String requestId) {
        return state.engine
                .apply(EngineHarness.ME, List.of(state.write("a", "k" + requestId, "1")), requestId)
                .toCompletableFuture();
    }

    private static CompletableFuture<Committed> commit(EngineHarness state, String txId, String requestId) {
        try {
            return state.engine.commit(EngineHarness.ME, txId, requestId).toCompletableFuture();
        } catch (StateException e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private static Reason reasonOf(CompletableFuture<?> refused) {
        return RandomStates.reasonOf(() -> {
            try {
                return refused.join();
            } catch (CompletionException e) {
                throw (StateException) e.getCause();
            }
        });
    }

    @Test
    void random_agreesWithTheModel() {
        random(0, Long.getLong("flk.seeds", 40));
    }

    @Test
    @Tag("thorough")
    void random_manySeeds_agreesWithTheModel() {
        random(40, 9_960);
    }

    private static void random(long first, long count) {
        RandomStates.run(first, count, seed -> {
            MemoryStorage storage = new MemoryStorage(() -> "h", Long.MAX_VALUE);
            return () -> storage;
        });
    }
}
