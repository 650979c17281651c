// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.CounterClients.retried;
import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.state.CounterClients.Refusal;
import dev.flk.state.History.At;
import dev.flk.state.History.Events;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.testkit.PostgresServer;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Tests of two engines, like those of two backends, on one database. */
@Tag("thorough")
class TwoPostgresStatesTest {
    private static final int COMMITS_A_CLIENT = Integer.getInteger("flk.commits", 8);
    private static final int TOTAL = CounterClients.CLIENTS * COMMITS_A_CLIENT;
    private static final int CUTS = 5;
    private static final PostgresServer server = PostgresServer.shared();

    /**
     * One engine removes all keys while a client writes through the other; after each removal, no earlier key remains.
     */
    @Test
    void removal_duringWritesOfTheOtherEngine_leavesNoOrphan() throws Exception {
        String database = server.newDatabase();
        try (StateEngine first = engine(database);
                StateEngine second = engine(database)) {
            await().atMost(PostgresServer.PATIENCE)
                    .until(() -> first.problem().isEmpty() && second.problem().isEmpty());
            ExecutorService threads = Executors.newCachedThreadPool();
            Future<?> writing = threads.submit(() -> {
                for (int i = 0; i < 400; i++) {
                    first.apply("w", List.of(first.write(key("a", "k" + i % 20), "1", Operation.ANY_VERSION)), "")
                            .toCompletableFuture()
                            .join();
                }
            });
            while (!writing.isDone()) {
                second.remove("r", "default", "a", "k", OptionalLong.empty(), "")
                        .toCompletableFuture()
                        .join();
            }
            writing.get();
            threads.shutdown();
            List<Event> events = first.history()
                    .events(first.head().historyId(), 1, Long.MAX_VALUE, "", each -> true, 8 << 20)
                    .events();
            Set<StateKey> present = new HashSet<>();
            int removals = 0;
            for (Event event : events) {
                event.changes().forEach(change -> {
                    if (change.json() == null) {
                        assertThat(present.remove(change.key())).isTrue();
                    } else {
                        present.add(change.key());
                    }
                });
                if (event.changes().get(0).json() == null) {
                    removals++;
                    assertThat(present)
                            .as("after revision %s", event.revision())
                            .isEmpty();
                }
            }
            assertThat(removals).isPositive();
        }
    }

    @Test
    void connectionsCut_noUpdateIsLostAndEachWatcherSeesEachEventOnce() throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        String database = server.newDatabase();
        try (StateEngine first = engine(database);
                StateEngine second = engine(database)) {
            List<Future<List<Long>>> watchers =
                    List.of(threads.submit(() -> watch(first)), threads.submit(() -> watch(second)));
            try (CounterClients clients = new CounterClients(List.of(first, second), COMMITS_A_CLIENT)) {
                for (int cut = 1; cut <= CUTS; cut++) {
                    int beyond = TOTAL * cut / (CUTS + 1);
                    await().atMost(Duration.ofMinutes(3)).until(() -> clients.answered() >= beyond);
                    server.execute(
                            "postgres",
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + database
                                    + "'");
                }
                clients.join();
                assertThat(clients.answered()).isEqualTo(TOTAL);
                assertThat(clients.refusals())
                        .extracting(Refusal::reason)
                        .isSubsetOf(Reason.STORE_DOWN, Reason.VERSION_CONFLICT);
                clients.assertHistoryIsWhatWasAnswered(first);
            }

            List<Long> all = LongStream.rangeClosed(1, TOTAL).boxed().toList();
            for (Future<List<Long>> watcher : watchers) {
                assertThat(watcher.get()).isEqualTo(all);
            }
            assertThat(retried(() -> first.history()
                            .events(
                                    first.head().historyId(),
                                    1,
                                    Long.MAX_VALUE,
                                    "",
                                    key -> true,
                                    StateEngine.MAX_PAGE_BYTES)))
                    .isEqualTo(retried(() -> second.history()
                            .events(
                                    first.head().historyId(),
                                    1,
                                    Long.MAX_VALUE,
                                    "",
                                    key -> true,
                                    StateEngine.MAX_PAGE_BYTES)));
        } finally {
            threads.shutdownNow();
        }
    }

    /** The times of commits never go backwards, even if the clocks of two machines differ. */
    @Test
    void clocksAnHourApart_oneOrderOfTimes() throws Exception {
        String database = server.newDatabase();
        Instant now = Instant.now();
        try (StateEngine ahead = engine(database, () -> now.plus(Duration.ofHours(1)));
                StateEngine behind = engine(database, () -> now)) {
            List<Instant> times = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                StateEngine engine = i % 2 == 0 ? behind : ahead;
                Operation write = engine.write(key("a", "k"), Integer.toString(i), Operation.ANY_VERSION);
                times.add(StateEngine.time(engine.apply("me", List.of(write), "")
                        .toCompletableFuture()
                        .get()
                        .committedAtMicros()));
            }

            assertThat(times).isSorted().first().isEqualTo(now.truncatedTo(ChronoUnit.MICROS));
            assertThat(behind.history().revision(new At.Time(now))).isEqualTo(1);
            assertThat(behind.history().revision(new At.Time(now.plus(Duration.ofHours(2)))))
                    .isEqualTo(6);
        }
    }

    /** Both engines create the tables of the same empty database. */
    @Test
    void startedTogether_shareOneHistory() throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        try {
            for (int i = 0; i < 3; i++) {
                String database = server.newDatabase();
                Future<StateEngine> other = threads.submit(() -> engine(database));
                try (StateEngine one = engine(database);
                        StateEngine two = other.get()) {
                    assertThat(one.head().historyId()).isEqualTo(two.head().historyId());
                }
            }
        } finally {
            threads.shutdownNow();
        }
    }

    private static StateEngine engine(String database) {
        return engine(database, Instant::now);
    }

    private static StateEngine engine(String database, InstantSource clock) {
        StateEngine engine = new StateEngine(
                PostgresStateTest.storage(server, database),
                Settings.defaults(),
                clock,
                clock,
                System::nanoTime,
                new Random(),
                () -> Long.MAX_VALUE,
                EngineHarness::constant);
        engine.start().toCompletableFuture().join();
        assertThat(engine.problem()).isEmpty();
        return engine;
    }

    /** Follows the history up to the last commit and returns the revisions. */
    private static List<Long> watch(StateEngine engine) throws InterruptedException {
        List<Long> seen = new ArrayList<>();
        long next = 1;
        while (next <= TOTAL) {
            long from = next;
            Events part = retried(() -> engine.history()
                    .events(
                            engine.head().historyId(),
                            from,
                            Long.MAX_VALUE,
                            "",
                            key -> true,
                            StateEngine.MAX_PAGE_BYTES));
            part.events().forEach(event -> seen.add(event.revision()));
            if (part.next() == next) {
                Semaphore more = new Semaphore(0);
                String historyId = retried(() -> engine.head().historyId());
                Runnable end = engine.history().whenBeyond(historyId, next - 1, more::release);
                more.acquire();
                end.run();
            }
            next = part.next();
        }
        return seen;
    }
}
