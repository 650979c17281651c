// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes;

import static dev.flk.backend.outcomes.DedupStoreContract.id;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.decide.StoredOutcome;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.testkit.ServerProcess;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/**
 * The contract of shared stores during outages of a real server: every call fails in bounded time and with a reason,
 * and a connect restores the store.
 */
abstract class OutageContract {
    static final Duration PATIENT = Duration.ofSeconds(20);
    static final Duration IMPATIENT = Duration.ofMillis(700);

    /** A time far above every time-out in these tests; a call that takes longer hangs. */
    private static final long AT_MOST_SECONDS = 60;

    /** The parts to close after a test, the last one first. */
    final List<AutoCloseable> opened = new ArrayList<>();

    private final long expiry = System.currentTimeMillis() + Duration.ofHours(1).toMillis();

    /** Returns a running server that keeps its data when it is killed. */
    abstract ServerProcess durableServer();

    /** Returns a store without data on a server. */
    abstract DedupStore open(ServerProcess server, Duration timeout);

    /** Returns the end of the message about a server that is down. */
    abstract String refused();

    /** Returns a pattern of the messages about a server that does not answer in time. */
    abstract String timedOut();

    @AfterEach
    void closeAll() throws Exception {
        for (int i = opened.size() - 1; i >= 0; i--) {
            opened.get(i).close();
        }
    }

    static List<StoredOutcome> put(DedupStore store, long completeUpTo, StoredOutcome... decisions) {
        return now(store.putIfAbsent(List.of(decisions), completeUpTo));
    }

    static <T> T now(CompletionStage<T> stage) {
        return stage.toCompletableFuture()
                .orTimeout(AT_MOST_SECONDS, TimeUnit.SECONDS)
                .join();
    }

    /** Returns the message of a failure as operators see it. */
    String failureOf(CompletionStage<?> stage) {
        Throwable failure = catchThrowable(() -> now(stage)).getCause();
        assertThat(failure).isInstanceOf(StoreUnavailableException.class);
        return failure.getMessage();
    }

    /** Returns an outcome that expires after the test. */
    final StoredOutcome recorded(int number, String body) {
        return DedupStoreContract.recorded(number, body, expiry);
    }

    private void assertFails(DedupStore store) {
        failureOf(store.get(List.of(id(1))));
        failureOf(store.putIfAbsent(List.of(), 1));
        failureOf(store.noteEvidence(id(1), recorded(1, "").digest(), Long.MAX_VALUE));
    }

    private DedupStore connected(ServerProcess server, Duration timeout) {
        DedupStore store = open(server, timeout);
        assertThat(now(store.connect())).isEmpty();
        put(store, 41, recorded(1, "first"));
        return store;
    }

    @Test
    final void connect_serverDown_saysSoAndWorksOnceItRuns() {
        ServerProcess server = durableServer();
        server.kill();
        DedupStore store = open(server, IMPATIENT);
        assertThat(failureOf(store.connect())).contains("127.0.0.1:" + server.port(), refused());
        assertFails(store);

        server.restart();
        assertThat(now(store.connect())).isEmpty();
        assertThat(put(store, 1, recorded(1, "first"))).containsExactly(recorded(1, "first"));
    }

    @Test
    final void killed_everythingFailsUntilReconnected() {
        ServerProcess server = durableServer();
        DedupStore store = connected(server, IMPATIENT);
        server.pause();
        List<CompletionStage<List<StoredOutcome>>> outstanding = new ArrayList<>();
        for (int i = 2; i < 20; i++) {
            outstanding.add(store.putIfAbsent(List.of(recorded(i, "second")), 42));
        }
        server.kill();
        outstanding.forEach(this::failureOf);
        assertFails(store);
        assertThat(failureOf(store.connect())).contains(refused());

        server.restart();
        assertFails(store);
        assertThat(now(store.connect())).hasValue(41);
        assertThat(now(store.get(List.of(id(1), id(2)))))
                .containsExactly(Optional.of(recorded(1, "first")), Optional.empty());
    }

    @Test
    final void paused_callsTimeOut_andThePositionMatchesTheirEffectAfterAConnect() {
        ServerProcess server = durableServer();
        DedupStore store = connected(server, IMPATIENT);
        server.pause();
        assertThat(failureOf(store.putIfAbsent(List.of(recorded(2, "second")), 42)))
                .containsPattern(timedOut());
        assertFails(store);
        assertThat(failureOf(store.connect())).containsPattern(timedOut());

        server.resume();
        OptionalLong position = reconnected(store);
        boolean tookEffect = now(store.get(List.of(id(2)))).get(0).isPresent();
        assertThat(position).hasValue(tookEffect ? 42 : 41);
        assertThat(put(store, 43, recorded(1, "again"))).containsExactly(recorded(1, "first"));
    }

    /**
     * Retries until the store is connected, because a server that was paused may need longer than the time-out to
     * respond.
     */
    private static OptionalLong reconnected(DedupStore store) {
        CompletableFuture<OptionalLong> position = new CompletableFuture<>();
        await().atMost(AT_MOST_SECONDS, TimeUnit.SECONDS).until(() -> {
            try {
                return position.complete(now(store.connect()));
            } catch (CompletionException notYet) {
                return false;
            }
        });
        return position.join();
    }

    @Test
    final void closeDuringAPut_failsItInTime() {
        ServerProcess server = durableServer();
        DedupStore store = connected(server, IMPATIENT);
        server.pause();
        CompletionStage<List<StoredOutcome>> outstanding = store.putIfAbsent(List.of(recorded(2, "second")), 42);
        store.close();
        failureOf(outstanding);
        assertThat(failureOf(store.connect())).contains("closed");
        server.resume();
    }
}
