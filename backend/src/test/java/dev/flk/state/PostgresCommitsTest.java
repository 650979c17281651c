// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.testing.PostgresServer;
import dev.flk.state.History.At;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Search;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Commits in Postgres that are large, slow or have to wait. */
class PostgresCommitsTest {
    private static final Duration TIMEOUT = Duration.ofMillis(300);
    private static final int NUMBERS = 148_000; // of seven characters: just below 1 MiB

    private static final PostgresServer server = PostgresServer.shared();

    private final String database = server.newDatabase();

    private EngineHarness state() {
        return new EngineHarness(() -> PostgresStateTest.storage(server, database, TIMEOUT));
    }

    /** Each number is an entry of the index of documents. */
    @Test
    void commit_threeMebibytesOfNumbers_isCommitted() {
        try (EngineHarness state = state()) {
            state.apply(IntStream.range(0, 3)
                    .mapToObj(i -> state.write("a", "numbers" + i, numbers(i)))
                    .toArray(Operation[]::new));

            assertThat(state.engine
                            .reads()
                            .find("default", "", Search.path("$[*] ? (@ == 250000)"), null, 10)
                            .entries())
                    .extracting(found -> found.key().name())
                    .containsExactly("numbers1");
        }
    }

    /** Different ones in each array. */
    private static String numbers(int array) {
        int first = 100_000 + array * NUMBERS;
        StringBuilder json = new StringBuilder("[").append(first);
        IntStream.range(first + 1, first + NUMBERS)
                .forEach(number -> json.append(',').append(number));
        return json.append(']').toString();
    }

    @Test
    void batch_oneCommitTakesTooLong_othersAreCommitted() throws Exception {
        try (EngineHarness state = state()) {
            state.apply(state.write("a", "first", "1"));
            server.execute(database, """
                CREATE FUNCTION sleep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END';
                CREATE TRIGGER slow BEFORE INSERT ON flk_state_versions FOR EACH ROW
                WHEN (NEW.key = 'slow') EXECUTE FUNCTION sleep()\
                """);

            List<CompletableFuture<Committed>> neighbours = new ArrayList<>();
            CompletableFuture<Committed> slow;
            try (Connection other = lockHead()) {
                neighbours.add(apply(state, "waits")); // what follows is one batch
                awaitLockWait();
                for (int i = 0; i < 5; i++) {
                    neighbours.add(apply(state, "before" + i));
                }
                slow = apply(state, "slow");
                for (int i = 0; i < 5; i++) {
                    neighbours.add(apply(state, "after" + i));
                }
                other.rollback();
            }

            assertThatCode(slow::join)
                    .isInstanceOf(CompletionException.class)
                    .cause()
                    .isInstanceOfSatisfying(StateException.class, refused -> {
                        assertThat(refused.reason()).isEqualTo(Reason.STORE_DOWN);
                        assertThat(refused).hasMessageContaining("took longer");
                    });
            assertThat(neighbours)
                    .extracting(commit -> commit.join().revision())
                    .containsExactlyElementsOf(
                            IntStream.rangeClosed(2, 12).mapToObj(Long::valueOf).toList());
            assertThat(state.engine.problem()).isEmpty();
        }
    }

    /** As while another backend commits a large batch. */
    @Test
    void commit_headIsLockedForLongerThanAStatementMayTake_waits() throws Exception {
        try (EngineHarness state = state()) {
            CompletableFuture<Committed> commit;
            try (Connection other = lockHead()) {
                commit = apply(state, "k");
                awaitLockWait();
                String first = waiting();
                await().until(() -> !waiting().isEmpty() && !waiting().equals(first));
                other.rollback();
            }

            assertThat(commit.join().revision()).isEqualTo(1);
        }
    }

    /** What is read is the newest, whatever is removed meanwhile. */
    @Test
    void readOfNow_besideACompactionUpToALaterCommit_isAnswered() {
        try (EngineHarness beside = state()) {
            beside.apply(beside.write("a", "k", "1"));
            AtomicInteger reads = new AtomicInteger();
            Runnable compaction = () -> {
                if (reads.getAndIncrement() % 2 == 0) { // the second attempt of each call is left alone
                    beside.apply(beside.write("a", "k", "2"));
                    beside.engine.history().compact(new At.Now());
                }
            };
            try (EngineHarness state = new EngineHarness(
                    () -> beforeReads(PostgresStateTest.storage(server, database, TIMEOUT), compaction))) {
                assertThat(state.json("a", "k")).isEqualTo("2");
                assertThat(state.engine
                                .reads()
                                .keys("default", "a", "", null, new At.Now(), 10)
                                .entries())
                        .extracting(KeyAt::name)
                        .containsExactly("k");
                assertThat(reads).hasValue(4);
                assertThat(RandomStates.reasonOf(() -> state.get("a", "k", new At.Revision(1))))
                        .isEqualTo(Reason.COMPACTED);
            }
        }
    }

    /** A storage before whose reads something else happens. */
    private static Storage beforeReads(Storage storage, Runnable happens) {
        return (Storage) Proxy.newProxyInstance(
                Storage.class.getClassLoader(), new Class<?>[] {Storage.class}, (proxy, method, arguments) -> {
                    if (method.getName().equals("read")) {
                        happens.run();
                    }
                    try {
                        return method.invoke(storage, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
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
        await().until(() -> !waiting().isEmpty());
    }

    /** When the statement that waits for a lock began; empty: none does. */
    private String waiting() {
        return server.text(
                database,
                "SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
    }
}
