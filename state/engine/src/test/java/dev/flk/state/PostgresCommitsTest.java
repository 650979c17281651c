// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.awaitility.Awaitility.await;

import dev.flk.state.History.At;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Search;
import dev.flk.testkit.PostgresServer;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Tests of commits in Postgres that are large, are slow or have to wait. */
@Tag("thorough")
class PostgresCommitsTest {
    /**
     * The statement timeout of tests in which one statement exceeds it. All other statements are faster, even on a busy
     * machine.
     */
    private static final Duration STATEMENT_TIMEOUT = Duration.ofSeconds(1);

    private static final int NUMBERS = 148_000; // seven characters each, just below 1 MiB in total

    private static final PostgresServer server = PostgresServer.shared();

    private final String database = server.newDatabase();

    private EngineHarness patient() {
        return new EngineHarness(() -> PostgresStateTest.storage(server, database));
    }

    /** Returns an engine whose statement timeout is {@link #STATEMENT_TIMEOUT}. */
    private EngineHarness hasty() {
        return new EngineHarness(() -> PostgresStateTest.storage(
                new PostgresConnections(server, database, PostgresServer.PATIENCE, STATEMENT_TIMEOUT), null));
    }

    /**
     * Slows down inserts into a table.
     *
     * @param each what to slow down: {@code STATEMENT}, or {@code ROW} with a condition
     * @param seconds the additional time of each statement or row
     */
    private void slowDown(String table, String each, double seconds) {
        server.execute(
                database,
                "CREATE FUNCTION slow_down() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(" + seconds
                        + "); RETURN NEW; END'; CREATE TRIGGER slow BEFORE INSERT ON " + table + " FOR EACH " + each
                        + " EXECUTE FUNCTION slow_down()");
    }

    /** Each number becomes an entry in the index of documents. */
    @Test
    void commit_largeValueSlowerThanTheStatementTimeout_isCommitted() {
        try (EngineHarness hasty = hasty();
                EngineHarness patient = patient()) {
            slowDown("flk_state_newest", "STATEMENT", 1.5);

            hasty.apply(IntStream.range(0, 3)
                    .mapToObj(i -> hasty.write("a", "numbers" + i, numbers(i)))
                    .toArray(Operation[]::new));

            assertThat(patient.engine
                            .reads()
                            .find("default", "", Search.path("$[*] ? (@ == 250000)"), null, 10)
                            .entries())
                    .extracting(found -> found.key().name())
                    .containsExactly("numbers1");
        }
    }

    /** Returns a large array of numbers; each array contains different ones. */
    private static String numbers(int array) {
        int first = 100_000 + array * NUMBERS;
        StringBuilder json = new StringBuilder("[").append(first);
        IntStream.range(first + 1, first + NUMBERS)
                .forEach(number -> json.append(',').append(number));
        return json.append(']').toString();
    }

    @Test
    void batch_oneCommitTimesOut_othersAreCommitted() throws Exception {
        try (EngineHarness state = hasty()) {
            state.apply(state.write("a", "first", "1"));
            slowDown("flk_state_versions", "ROW WHEN (NEW.key = 'slow')", 60);

            List<CompletableFuture<Committed>> neighbours = new ArrayList<>();
            CompletableFuture<Committed> slow;
            try (Connection other = lockHead()) {
                neighbours.add(apply(state, "waits")); // the following commits form one batch
                awaitLockWait();
                for (int i = 0; i < 2; i++) {
                    neighbours.add(apply(state, "before" + i));
                }
                slow = apply(state, "slow");
                for (int i = 0; i < 2; i++) {
                    neighbours.add(apply(state, "after" + i));
                }
                other.rollback();
            }

            assertThatCode(slow::join)
                    .isInstanceOf(CompletionException.class)
                    .cause()
                    .isInstanceOfSatisfying(StateException.class, refused -> {
                        assertThat(refused.reason()).isEqualTo(Reason.STORE_DOWN);
                        assertThat(refused).hasMessageContaining("57014");
                    });
            assertThat(neighbours)
                    .extracting(commit -> commit.join().revision())
                    .containsExactlyElementsOf(
                            IntStream.rangeClosed(2, 6).mapToObj(Long::valueOf).toList());
            assertThat(state.engine.problem()).isEmpty();
        }
    }

    /** The lock simulates another backend that commits a large batch. */
    @Test
    void commit_headLockedBeyondTheStatementTimeout_waits() throws Exception {
        try (EngineHarness state = hasty()) {
            CompletableFuture<Committed> commit;
            try (Connection other = lockHead()) {
                commit = apply(state, "k");
                awaitLockWait();
                String first = waiting();
                await().atMost(PostgresServer.PATIENCE)
                        .until(() -> !waiting().isEmpty() && !waiting().equals(first));
                other.rollback();
            }

            assertThat(commit.join().revision()).isEqualTo(1);
        }
    }

    /** A read of the newest state succeeds regardless of what is removed concurrently. */
    @Test
    void readOfNow_duringACompactionUpToALaterCommit_isAnswered() {
        try (EngineHarness concurrent = patient()) {
            concurrent.apply(concurrent.write("a", "k", "1"));
            AtomicBoolean isNext = new AtomicBoolean(true);
            Runnable compaction = () -> {
                if (isNext.getAndSet(false)) { // do not disturb the second attempt of each call
                    concurrent.apply(concurrent.write("a", "k", "2"));
                    concurrent.engine.history().compact(new At.Now());
                }
            };
            try (EngineHarness state =
                    new EngineHarness(() -> beforeReads(PostgresStateTest.storage(server, database), compaction))) {
                assertThat(state.json("a", "k")).isEqualTo("2");
                assertThat(isNext.getAndSet(true)).isFalse();
                assertThat(state.engine
                                .reads()
                                .keys("default", "a", "", null, new At.Now(), 10)
                                .entries())
                        .extracting(KeyAt::name)
                        .containsExactly("k");
                assertThat(isNext).isFalse();
                assertThat(RandomStates.reasonOf(() -> state.get("a", "k", new At.Revision(1))))
                        .isEqualTo(Reason.COMPACTED);
            }
        }
    }

    /**
     * Returns a storage that runs an action before each read by the current thread. Reads by the engine's own threads
     * are excluded.
     */
    private static Storage beforeReads(Storage storage, Runnable happens) {
        Thread reader = Thread.currentThread();
        return CallInterceptor.wrap(Storage.class, (method, arguments) -> {
            if (method.getName().equals("read") && Thread.currentThread() == reader) {
                happens.run();
            }
            return method.invoke(storage, arguments);
        });
    }

    private static CompletableFuture<Committed> apply(EngineHarness state, String name) {
        return state.engine
                .apply(EngineHarness.ME, List.of(state.engine.write(key("a", name), "1", Operation.ANY_VERSION)), "")
                .toCompletableFuture();
    }

    private Connection lockHead() throws Exception {
        Connection connection = server.connect(database);
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.execute("SELECT revision FROM flk_state FOR UPDATE");
        }
        return connection;
    }

    private void awaitLockWait() {
        await().atMost(PostgresServer.PATIENCE).until(() -> !waiting().isEmpty());
    }

    /** Returns the start time of the statement that waits for a lock; empty if there is none. */
    private String waiting() {
        return server.text(
                database,
                "SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    }
}
