// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.state.StateEngine.Settings;
import dev.flk.state.embedded.MemoryStorage;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Tests that the engine notices when commits do not complete, and that callers can't cause this. */
class BlockedWriterTest {
    private static final String ME = "me";

    private final AtomicLong nanos = new AtomicLong();
    /** Permits for commits of the storage, which wait for them. */
    private final Semaphore permits = new Semaphore(1_000_000);

    private final Semaphore begun = new Semaphore(0);
    private StateEngine engine;

    @BeforeEach
    void start() {
        engine = new StateEngine(
                waiting(new MemoryStorage(() -> "history", 64 << 20)),
                Settings.defaults(),
                () -> Instant.EPOCH.plusNanos(nanos.get()),
                () -> Instant.EPOCH,
                nanos::get,
                new Random(1),
                () -> Long.MAX_VALUE,
                EngineHarness::constant);
        engine.start().toCompletableFuture().join();
    }

    @AfterEach
    void close() {
        permits.release(1_000);
        engine.close();
    }

    private Storage waiting(Storage storage) {
        return CallInterceptor.wrap(Storage.class, (method, arguments) -> {
            if (method.getName().equals("commit")) {
                begun.release();
                permits.acquire();
            }
            return method.invoke(storage, arguments);
        });
    }

    private CompletableFuture<Committed> apply(String name) {
        return apply(ME, name, "1");
    }

    private CompletableFuture<Committed> apply(String caller, String name, String json) {
        return engine.apply(caller, List.of(engine.write(EngineHarness.key("a", name), json, -1)), "")
                .toCompletableFuture();
    }

    private static Committed join(CompletableFuture<Committed> commit) throws Exception {
        return commit.get(30, TimeUnit.SECONDS);
    }

    private static void awaitTrue(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.onSpinWait();
        }
    }

    private void pass(long seconds) {
        nanos.addAndGet(TimeUnit.SECONDS.toNanos(seconds));
    }

    @Test
    void blocked_storageDoesNotReturn_isReportedUntilItReturns() throws Exception {
        assertThat(join(apply("k1")).revision()).isEqualTo(1);
        pass(60);
        awaitTrue(() -> engine.blocked().isEmpty());

        permits.drainPermits();
        begun.drainPermits();
        CompletableFuture<Committed> waiting = apply("k2");
        assertThat(begun.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
        pass(9);
        assertThat(engine.blocked()).isEmpty();
        pass(2);

        assertThat(engine.blocked())
                .hasValueSatisfying(blocked -> assertThat(blocked)
                        .hasMessageContaining("no commit has completed for 11 s")
                        .extracting(StateException::details)
                        .isEqualTo(Map.of("cause", "WRITER_BLOCKED")));

        permits.release(1_000);
        assertThat(join(waiting).revision()).isEqualTo(2);
        assertThat(join(apply("k3")).revision()).isEqualTo(3);
        awaitTrue(() -> engine.blocked().isEmpty());
    }

    @Test
    void commit_behindLargeOnesOfAnotherCaller_isInTheNextBatch_andOrdersRemain() throws Exception {
        String large = "\"" + "x".repeat((1 << 20) - 2) + "\"";
        Committed known = join(apply("k0")); // so that the engine knows that the namespace has no schema
        permits.drainPermits();
        begun.drainPermits();
        CompletableFuture<Committed> inProgress = apply("k1");
        assertThat(begun.tryAcquire(30, TimeUnit.SECONDS)).isTrue();
        List<CompletableFuture<Committed>> largeOnes = IntStream.range(0, 6)
                .mapToObj(i -> apply("busy", "large", large))
                .toList();
        CompletableFuture<Committed> small = apply("neighbour", "small", "1");
        CompletableFuture<Committed> second = apply("neighbour", "small", "2");

        permits.release(2);

        assertThat(join(inProgress).revision()).isEqualTo(known.revision() + 1);
        assertThat(join(small).versions()).containsExactly(1L);
        assertThat(join(second).versions()).containsExactly(2L);
        assertThat(largeOnes.get(5)).isNotDone();
        permits.release(1_000);
        for (int i = 0; i < 6; i++) {
            assertThat(join(largeOnes.get(i)).versions()).containsExactly(i + 1L);
        }
    }

    /** Continuations of an answer belong to callers; a stream to a slow network is one example. */
    @Test
    void commit_continuationDoesNotReturn_laterCommitsAreDurable_andItIsReported() throws Exception {
        CountDownLatch isOver = new CountDownLatch(1);
        CountDownLatch isEntered = new CountDownLatch(1);
        permits.drainPermits(); // the commit waits until the continuation was added
        var unused = apply("k1").thenRun(() -> {
            isEntered.countDown();
            try {
                isOver.await();
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        });
        permits.release(1_000);
        assertThat(isEntered.await(30, TimeUnit.SECONDS)).isTrue();

        CompletableFuture<Committed> second = apply("k2");
        awaitTrue(() -> engine.head().revision() == 2);
        pass(11);
        assertThat(engine.blocked()).isPresent();
        isOver.countDown();
        assertThat(join(second).revision()).isEqualTo(2);
    }
}
