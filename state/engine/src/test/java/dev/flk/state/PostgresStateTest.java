// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static dev.flk.state.EngineHarness.key;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.stores.postgres.Database;
import dev.flk.state.History.At;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Document;
import dev.flk.state.Storage.KeyAt;
import dev.flk.state.Storage.Page;
import dev.flk.state.Storage.Search;
import dev.flk.state.Storage.Search.Order;
import dev.flk.state.postgres.PostgresStorage;
import dev.flk.testkit.PostgresServer;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Tests of the promises that an engine keeps on Postgres. */
class PostgresStateTest extends StateContract {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private static final PostgresServer server = PostgresServer.shared();
    private static Clocked main;
    private static Clocked other;

    @BeforeAll
    static void openDatabases() {
        main = new Clocked();
        other = new Clocked();
    }

    @AfterAll
    static void closeDatabases() {
        main.close();
        other.close();
    }

    /**
     * A database whose clock is a sequence. Its storages use the same connections one after the other, so that a
     * restart needs no logins and does not check the tables.
     */
    private static final class Clocked implements AutoCloseable {
        final String name = server.newDatabase();
        private final PostgresConnections connections;
        private final Database kept;
        private final Connection own;

        /** Creates functions {@code now} and {@code clock_timestamp} that override those of Postgres. */
        Clocked() {
            server.execute(name, """
                CREATE SEQUENCE test_clock;
                CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
                    SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' FROM public.test_clock $$;
                CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$
                    SELECT timestamptz 'epoch' + last_value * interval '1 microsecond' FROM public.test_clock $$""");
            server.execute("postgres", "ALTER DATABASE " + name + " SET search_path = public, pg_catalog");
            connections = new PostgresConnections(server, name, TIMEOUT, TIMEOUT);
            kept = kept(connections);
            try {
                kept.prepare();
                own = server.connect(name);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }

        private void execute(String sql) {
            try (Statement statement = own.createStatement()) {
                statement.execute(sql);
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }

        void setClock(Instant now) {
            execute("SELECT setval('test_clock', " + StateEngine.micros(now) + ")");
        }

        /** Removes all rows, so that the next storage begins a new history. */
        void clear() {
            execute("TRUNCATE flk_state, flk_state_trimmed, flk_state_events, flk_state_versions, flk_state_newest, "
                    + "flk_state_requests, flk_state_removed, flk_state_touches");
        }

        PostgresStorage open() {
            return storage(kept, null);
        }

        @Override
        public void close() {
            connections.close();
            try {
                own.close();
            } catch (SQLException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    PostgresStateTest() {
        main.clear();
        other.clear();
    }

    @Override
    void setServerClock(Instant now) {
        main.setClock(now);
        other.setClock(now);
    }

    static PostgresStorage storage(PostgresServer on, String database) {
        return storage(on, database, TIMEOUT);
    }

    static PostgresStorage storage(PostgresServer on, String database, Duration timeout) {
        return storage(on, database, timeout, null);
    }

    /** @param known the file that remembers commits outside the database; null for none */
    static PostgresStorage storage(PostgresServer on, String database, Duration timeout, Path known) {
        return storage(new PostgresConnections(on, database, timeout, timeout), known);
    }

    static PostgresStorage storage(Database database, Path known) {
        return new PostgresStorage(database, () -> UUID.randomUUID().toString(), known);
    }

    @Override
    Supplier<Storage> storages() {
        return main::open;
    }

    @Override
    Storage emptyStorage() {
        return other.open();
    }

    /** Returns another engine on the same database with its own connections. */
    private EngineHarness another() {
        return new EngineHarness(() -> storage(server, main.name));
    }

    /** Returns an engine on the same database, whose clock is the server's. */
    private EngineHarness punctual() {
        return new EngineHarness(() -> storage(server, main.name), Settings.defaults(), this::setServerClock);
    }

    /** Returns an engine on the same database, whose clock differs from the server's. */
    private EngineHarness another(Duration ahead) {
        EngineHarness another = another();
        another.setClock(ahead);
        another.restart();
        return another;
    }

    @Test
    void sameRequest_clocksOfBackendsDiffer_getsTheFirstAnswer() {
        try (EngineHarness punctual = punctual();
                EngineHarness ahead = another(Duration.ofHours(1));
                EngineHarness late = another(Duration.ofHours(-1))) {
            List<EngineHarness> all = List.of(punctual, ahead, late);
            for (EngineHarness first : all) {
                String name = "k" + all.indexOf(first);
                Committed answer = first.apply(name, first.write("a", name, "1"));
                for (EngineHarness repeating : all) {
                    repeating.engine.lifetimes().forgetAnswers();
                    assertThat(repeating.apply(name, repeating.write("a", name, "1")))
                            .isEqualTo(answer);
                }
            }
            pass(Duration.ofMinutes(15), all);

            assertThat(late.apply("k1", late.write("a", "k1", "2")).versions()).containsExactly(2L);
        }
    }

    /** A lifetime that begins by a clock that is ahead ends late, unless a backend with the right clock renews it. */
    @Test
    void lifetime_clockOfABackendIsAhead_endsLaterByTheDifference() {
        try (EngineHarness punctual = punctual();
                EngineHarness ahead = another(Duration.ofMinutes(10))) {
            List<EngineHarness> both = List.of(punctual, ahead);
            ahead.apply(lease("later"), lease("renewed"));
            punctual.apply(lease("k"), renewal("renewed"));

            pass(Duration.ofSeconds(2).minusNanos(1_000), both);
            assertThat(keptBy(ahead)).containsExactly("k", "later", "renewed");
            pass(Duration.ofNanos(1_000), both);
            assertThat(keptBy(ahead)).containsExactly("later");
            pass(Duration.ofMinutes(10).minusNanos(1_000), both);
            assertThat(keptBy(ahead)).containsExactly("later");
            pass(Duration.ofNanos(1_000), both);
            assertThat(keptBy(punctual)).isEmpty();
        }
    }

    /** A lifetime that begins by a clock that is late begins at the server's time; a backend with that time ends it. */
    @Test
    void lifetime_clockOfABackendIsLate_isEndedInTimeByAnother() {
        try (EngineHarness punctual = punctual();
                EngineHarness late = another(Duration.ofMinutes(-10))) {
            List<EngineHarness> both = List.of(punctual, late);
            late.apply(lease("k"), lease("renewed"));
            pass(Duration.ofSeconds(1), both);
            late.apply(renewal("renewed"));

            pass(Duration.ofSeconds(1).minusNanos(1_000), both);
            assertThat(keptBy(punctual)).containsExactly("k", "renewed");
            pass(Duration.ofNanos(1_000), both);
            assertThat(keptBy(late)).containsExactly("k", "renewed");
            assertThat(keptBy(punctual)).containsExactly("renewed");
            pass(Duration.ofMinutes(10), both);
            assertThat(keptBy(late)).containsExactly("renewed");
            pass(Duration.ofSeconds(1), both);
            assertThat(keptBy(late)).isEmpty();
        }
    }

    private static Operation lease(String name) {
        return new Operation.Write(key("a", name), "1", 0, 2_000_000);
    }

    private static Operation renewal(String name) {
        return new Operation.Touch(key("a", name), Operation.ANY_VERSION, 2_000_000);
    }

    private static void pass(Duration time, List<EngineHarness> all) {
        all.forEach(each -> each.pass(time));
    }

    /** Returns the keys that remain after an engine has deleted those whose lifetimes are over. */
    private static List<String> keptBy(EngineHarness ending) {
        ending.expire();
        return ending.engine.reads().keys("default", "a", "", null, new At.Now(), 10).entries().stream()
                .map(KeyAt::name)
                .toList();
    }

    /**
     * If few of many documents match, a search uses the index of documents. Postgres counts the scans of each index.
     */
    @Test
    void find_usesItsIndex() {
        String database = server.newDatabase();
        try (EngineHarness state = new EngineHarness(() -> storage(server, database))) {
            for (int from = 0; from < 4_000; from += 2_000) {
                state.apply(IntStream.range(from, from + 2_000)
                        .mapToObj(i -> state.write("a", "k" + i, "{\"n\":" + i + "}"))
                        .toArray(Operation[]::new));
            }
            server.execute(database, "VACUUM ANALYZE");

            for (Search search : List.of(
                    Search.path("$.n ? (@ == 77)"),
                    Search.path("$.n == 77"),
                    new Search("", "{\"n\":77}", Order.BY_KEY),
                    new Search("", "{\"n\":77}", Order.NEWEST_FIRST))) {
                awaitUse(
                        database,
                        "flk_state_newest_documents",
                        () -> assertThat(state.engine
                                        .reads()
                                        .find("default", "", search, null, 10)
                                        .entries())
                                .extracting(Document::key)
                                .containsExactly(key("a", "k77")));
            }
        }
    }

    /** Agents without remaining keys do not slow down the query. */
    @Test
    void agents_useTheirIndex() {
        String database = server.newDatabase();
        try (EngineHarness state = new EngineHarness(() -> storage(server, database))) {
            for (int from = 0; from < 4_000; from += 2_000) {
                state.apply(IntStream.range(from, from + 2_000)
                        .mapToObj(i -> state.write("a" + i, "k", "1"))
                        .toArray(Operation[]::new));
                state.apply(IntStream.range(from, from + 2_000)
                        .mapToObj(i -> EngineHarness.delete("a" + i, "k"))
                        .toArray(Operation[]::new));
            }
            state.apply(state.write("b", "k", "1"));

            awaitUse(
                    database,
                    "flk_state_newest_there",
                    () -> assertThat(state.engine
                                    .reads()
                                    .agents("default", "", null, 10)
                                    .entries())
                            .containsExactly("b"));
        }
    }

    /** Repeats a read until Postgres reports a use of the index; a connection reports its statistics with a delay. */
    private static void awaitUse(String database, String index, Runnable read) {
        long before = scans(database, index);
        await().atMost(PostgresServer.PATIENCE).until(() -> {
            read.run();
            return scans(database, index) > before;
        });
    }

    private static long scans(String database, String index) {
        return server.number(
                database, "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '" + index + "'");
    }

    /** Writes that bypass the engine can't exceed its limits. */
    @Test
    void rowsOutOfBounds_areRefusedByTheDatabase() {
        try (EngineHarness state = another()) {
            state.apply(state.write("a", "k", "1"));
            String row = "INSERT INTO flk_state_versions VALUES ('%s', %s, %s, %d, 2, 1, 1, %s)";
            for (String refused : List.of(
                    row.formatted("no space", "'a'", "'k'", 2, "'1'"),
                    row.formatted("default", "''", "'k'", 2, "'1'"),
                    row.formatted("default", "repeat('é', 129)", "'k'", 2, "'1'"),
                    row.formatted("default", "'a'", "repeat('k', 1025)", 2, "'1'"),
                    row.formatted("default", "'a'", "'k'", 0, "'1'"),
                    row.formatted("default", "'a'", "'k'", 2, "''"),
                    row.formatted("default", "'a'", "'k'", 2, "repeat('1', 2097153)"))) {
                assertThatThrownBy(() -> server.execute(main.name, refused))
                        .hasRootCauseInstanceOf(SQLException.class)
                        .rootCause()
                        .hasMessageContaining("violates check constraint");
            }
            assertThatThrownBy(() -> server.execute(main.name, row.formatted("default", "'a'", "'k'", 1, "'1'")))
                    .rootCause()
                    .hasMessageContaining("duplicate key");
        }
    }

    /**
     * The storage returns no events that were compacted; the engine checks the oldest revision after the read and
     * reports the compaction.
     */
    @Test
    void eventsRemovedMeanwhile_areNotDamage() {
        try (EngineHarness state = another();
                PostgresStorage concurrent = storage(server, main.name)) {
            for (int i = 1; i <= 6; i++) {
                state.apply(state.write("a", "k", "" + i));
            }
            concurrent.open();
            state.engine.history().compact(new At.Revision(5));

            assertThat(concurrent.<List<Event>>read(reads -> reads.events(2, Long.MAX_VALUE)))
                    .isEmpty();
            server.execute(main.name, "DELETE FROM flk_state_events WHERE revision = 5");
            assertThat(RandomStates.reasonOf(() -> concurrent.read(reads -> reads.events(5, Long.MAX_VALUE))))
                    .isEqualTo(Reason.STORE_DOWN);
        }
    }

    /** A predicate has a result for every value; only values for which it is true match. */
    @Test
    void find_predicate_returnsMatches() {
        try (EngineHarness state = another()) {
            state.apply(
                    state.write("a", "high", "{\"score\":90,\"flag\":true,\"tags\":[\"x\"]}"),
                    state.write("a", "low", "{\"score\":10,\"flag\":false}"),
                    state.write("a", "none", "{}"),
                    state.write("a", "array", "[1, 2]"));

            assertThat(found(state, "$.score == 90")).containsExactly("high");
            assertThat(found(state, "$.score > 5 && !($.score == 90)")).containsExactly("low");
            assertThat(found(state, "exists($.tags)")).containsExactly("high");
            assertThat(found(state, "$.tags[*] starts with \"x\"")).containsExactly("high");
            assertThat(found(state, "strict $.score == 90")).containsExactly("high");
            assertThat(found(state, "($.score == 90) is unknown")).isEmpty();
            assertThat(found(state, "false")).isEmpty();
            assertThat(found(state, "$.flag")).containsExactly("high", "low");
            assertThat(found(state, "$.score ? (@ == 90)")).containsExactly("high");
            assertThat(found(state, "$.nothing")).isEmpty();
        }
    }

    private static List<String> found(EngineHarness state, String path) {
        return state.engine.reads().find("default", "", Search.path(path), null, 10).entries().stream()
                .map(found -> found.key().name())
                .toList();
    }

    @Test
    void find_contains_isOrderedAndPaged() {
        try (EngineHarness state = another()) {
            for (int i = 0; i < 7; i++) {
                state.apply(
                        state.write(
                                "a" + i % 2, "k" + i, "{\"n\":" + i + ",\"open\":" + (i != 3) + ",\"tags\":[\"x\",1]}"),
                        state.write("a9", "k" + i, "{\"open\":true}"));
            }
            String open = "{\"open\":true,\"tags\":[\"x\"]}";
            assertThat(pages(state, new Search("", open, Order.BY_KEY)))
                    .containsExactly("a0/k0", "a0/k2", "a0/k4", "a0/k6", "a1/k1", "a1/k5");
            assertThat(pages(state, new Search("", open, Order.OLDEST_FIRST)))
                    .containsExactly("a0/k0", "a1/k1", "a0/k2", "a0/k4", "a1/k5", "a0/k6");
            assertThat(pages(state, new Search("$.n > 1", open, Order.NEWEST_FIRST)))
                    .containsExactly("a0/k6", "a1/k5", "a0/k4", "a0/k2");
            assertThat(pages(state, new Search("", "{\"open\":true}", Order.NEWEST_FIRST)))
                    .startsWith("a0/k6", "a9/k6", "a1/k5", "a9/k5")
                    .hasSize(13);
            for (Search wrong : List.of(new Search("", "{", Order.BY_KEY), new Search("$.n ? (", "{}", Order.BY_KEY))) {
                assertThatThrownBy(() -> pages(state, wrong)).hasMessageContaining("that Postgres understands");
            }
            assertThatThrownBy(() -> new Search("", "", Order.BY_KEY)).hasMessageContaining("both empty");
            assertThat(RandomStates.reasonOf(() -> state.engine
                            .reads()
                            .find("default", "", new Search("", open, Order.NEWEST_FIRST), "a\0b", 1)))
                    .isEqualTo(Reason.INVALID);
        }
    }

    private static List<String> pages(EngineHarness state, Search search) {
        List<String> all = new ArrayList<>();
        String after = null;
        do {
            Page<Document> page = state.engine.reads().find("default", "", search, after, 2);
            page.entries()
                    .forEach(found ->
                            all.add(found.key().agentId() + "/" + found.key().name()));
            after = page.next();
        } while (after != null);
        return all;
    }

    /** An invalid call does not count as an outage. */
    @Test
    void invalidPaths_areErrorsOfTheCaller() {
        try (EngineHarness state = another()) {
            state.apply(state.write("a", "k", "{\"n\":1}"), state.write("a", "odd", "\"\\u0000\""));
            assertThat(state.engine
                            .reads()
                            .find("default", "", Search.path("$.n ? (@ == 1)"), null, 10)
                            .entries())
                    .extracting(Document::key)
                    .containsExactly(key("a", "k"));
            for (String path :
                    List.of("$.n ? (", "", "$ ? (@ like_regex \"a\" flag \"x\")", "$" + ".a".repeat(9_000))) {
                assertThat(RandomStates.reasonOf(
                                () -> state.engine.reads().find("default", "", Search.path(path), null, 10)))
                        .isEqualTo(Reason.INVALID);
            }
            assertThat(state.engine.problem()).isEmpty();
            assertThat(state.json("a", "odd")).isEqualTo("\"\\u0000\"");
        }
    }

    @Test
    void random_agreesWithTheModel() {
        random(0, 4);
    }

    @Test
    @Tag("thorough")
    void random_manySeeds_agreesWithTheModel() {
        random(4, 296);
    }

    private static void random(long first, long count) {
        for (long seed = first; seed < first + count; seed++) {
            other.clear();
            RandomStates.run(seed, other::open, other::setClock);
        }
    }

    /** Returns a database whose connections stay open when a storage closes it. */
    private static Database kept(Database database) {
        AtomicBoolean isPrepared = new AtomicBoolean();
        return CallInterceptor.wrap(Database.class, (method, arguments) -> {
            boolean isSkipped = method.getName().equals("close")
                    || (method.getName().equals("prepare") && isPrepared.getAndSet(true));
            return isSkipped ? null : method.invoke(database, arguments);
        });
    }
}
