// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.state.History.At;
import dev.flk.state.History.Token;
import dev.flk.state.StateException.Reason;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Tests that a database that returned to an earlier revision gets a new history id, regardless of the cause and of the
 * backend that notices it.
 */
@Tag("thorough")
class RewoundPostgresTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    private static final long MINUTE_MICROS = 60_000_000;
    private static final StateKey KEY = EngineHarness.key("a", "lease");

    private static PostgresServer server;

    @TempDir
    Path directory;

    private final String database = server.newDatabase();
    private final List<String> missing = Collections.synchronizedList(new ArrayList<>());
    /**
     * A lock that a restore holds exclusively. Tables are missing during a restore, so a call would fail, and all
     * further calls would fail until the next tick.
     */
    private final ReadWriteLock restoring = new ReentrantReadWriteLock();

    @BeforeAll
    static void startServer() {
        server = PostgresServer.start();
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    /** Returns an engine that remembers commits in its own file, even after a restart. */
    private EngineHarness backend(String name) {
        return new EngineHarness(
                () -> noting(PostgresStateTest.storage(server, database, TIMEOUT, directory.resolve(name))));
    }

    /** Returns the storage with a wrapper that also records its reports of missing commits. */
    private Storage noting(Storage storage) {
        return CallInterceptor.wrap(Storage.class, (method, args) -> {
            restoring.readLock().lock();
            try {
                if (method.getName().equals("whenAnsweredAreMissing")) {
                    @SuppressWarnings("unchecked")
                    Consumer<String> engine = (Consumer<String>) args[0];
                    Consumer<String> both = missing::add;
                    storage.whenAnsweredAreMissing(both.andThen(engine));
                    return null;
                }
                return method.invoke(storage, args);
            } finally {
                restoring.readLock().unlock();
            }
        });
    }

    /** Dumps the database; the returned action restores it. */
    private Runnable dump() {
        assumeTrue(PostgresServer.hasDump(), "pg_dump and pg_restore are not installed");
        Runnable restore = server.dump(database);
        return () -> {
            restoring.writeLock().lock();
            try {
                restore.run();
            } finally {
                restoring.writeLock().unlock();
            }
        };
    }

    private static void commit(EngineHarness backend, int times) {
        for (int i = 0; i < times; i++) {
            backend.apply(backend.write("a", "k", Integer.toString(i)));
        }
    }

    private static String historyId(EngineHarness backend) {
        return backend.engine.head().historyId();
    }

    private void assertNewHistory(EngineHarness backend, String before, long revision) {
        assertThat(historyId(backend)).isNotEqualTo(before);
        assertThat(backend.engine.head().revision()).isEqualTo(revision);
        assertThat(RandomStates.reasonOf(
                        () -> backend.engine.history().resume(new Token(before, 1), "", "", key -> true)))
                .isEqualTo(Reason.HISTORY_CHANGED);
        assertThat(missing)
                .singleElement()
                .asString()
                .contains("history " + before)
                .contains("the history is now " + historyId(backend));
    }

    /** The answered calls that the restored database lacks. */
    private enum Lost {
        COMMITS {
            @Override
            void happen(EngineHarness backend, int times) {
                commit(backend, times);
            }

            @Override
            void read(EngineHarness backend) {
                assertThat(backend.engine.reads().history(EngineHarness.key("a", "k"), Long.MAX_VALUE, 1))
                        .extracting(Version::revision)
                        .containsExactly(4L);
            }
        },
        TOUCHES {
            @Override
            void happen(EngineHarness backend, int times) {
                touch(backend, times);
            }

            @Override
            void read(EngineHarness backend) {
                assertThat(backend.engine.reads().expiries(List.of(KEY))).containsKey(KEY);
            }
        };

        abstract void happen(EngineHarness backend, int times);

        /** Reads the result of a call, without a read of the revision. */
        abstract void read(EngineHarness backend);

        /** Returns the revision after this number of calls, the first of which follow a lease. */
        long revision(int calls) {
            return this == COMMITS ? calls : 1;
        }

        String name(int call) {
            return (this == COMMITS ? "revision " : "touch ") + call;
        }
    }

    /** Makes the calls that the dump contains. */
    private static void prepare(EngineHarness backend, Lost what, int calls) {
        if (what == Lost.TOUCHES) {
            lease(backend);
        }
        what.happen(backend, calls);
    }

    @ParameterizedTest
    @EnumSource
    void restoredDump_backendStaysConnected_newHistory(Lost what) {
        try (EngineHarness backend = backend("b")) {
            prepare(backend, what, 10);
            String before = historyId(backend);
            Runnable restore = dump();
            what.happen(backend, 5);

            restore.run();

            assertNewHistory(backend, before, what.revision(10));
            assertThat(missing.get(0)).contains("returned to " + what.name(10)).contains("up to 15");
            what.happen(backend, 1);
            assertThat(backend.engine.head().revision()).isEqualTo(what.revision(11));
            assertThat(missing).hasSize(1);
        }
    }

    /** If the first call is a commit, the commit belongs to the new history. */
    @ParameterizedTest
    @EnumSource
    void restoredDump_firstCallIsLikeTheLostOnes_newHistory(Lost what) {
        try (EngineHarness backend = backend("b")) {
            prepare(backend, what, 3);
            String before = historyId(backend);
            Runnable restore = dump();
            what.happen(backend, 2);

            restore.run();
            what.happen(backend, 1);

            assertNewHistory(backend, before, what.revision(4));
        }
    }

    @ParameterizedTest
    @EnumSource
    void restoredDump_backendRestarted_newHistory(Lost what) {
        try (EngineHarness backend = backend("b")) {
            prepare(backend, what, 3);
            String before = historyId(backend);
            Runnable restore = dump();
            what.happen(backend, 2);
            backend.engine.close();

            restore.run();
            backend.restart();

            assertNewHistory(backend, before, what.revision(3));
            String now = historyId(backend);
            backend.restart();
            assertThat(historyId(backend)).isEqualTo(now);
        }
    }

    /** Another backend, which does not know about the lost calls, has filled the gap in the meantime. */
    @ParameterizedTest
    @EnumSource
    void restoredDump_othersFillTheGap_newHistory(Lost what) {
        try (EngineHarness backend = backend("b")) {
            prepare(backend, what, 3);
            String before = historyId(backend);
            Runnable restore = dump();
            what.happen(backend, 2);

            restore.run();
            try (EngineHarness other = backend("other")) {
                other.pass(Duration.ofMinutes(what == Lost.COMMITS ? 1 : 0));
                what.happen(other, 4);
                assertThat(historyId(other)).isEqualTo(before);
            }

            assertNewHistory(backend, before, what.revision(7));
            assertThat(missing.get(0)).contains(what.name(5)).containsPattern("is not the (commit|touch)");
        }
    }

    /** A backend remembers the calls of other backends as soon as it has read them, even without a revision. */
    @ParameterizedTest
    @EnumSource
    void restoredDump_lostCallWasOnlyRead_newHistory(Lost what) {
        try (EngineHarness backend = backend("b")) {
            prepare(backend, what, 3);
            String before = historyId(backend);
            Runnable restore = dump();
            try (EngineHarness other = backend("other")) {
                what.happen(other, 1);
            }
            what.read(backend);

            restore.run();

            assertNewHistory(backend, before, what.revision(3));
        }
    }

    @Test
    void restoredDump_twoBackends_agreeOnOneHistory() {
        try (EngineHarness one = backend("one");
                EngineHarness two = backend("two")) {
            commit(one, 3);
            String before = historyId(two);
            Runnable restore = dump();
            commit(one, 2);
            assertThat(two.engine.head().revision()).isEqualTo(5);

            restore.run();

            String now = historyId(one);
            assertThat(now).isNotEqualTo(before).isEqualTo(historyId(two));
            assertThat(historyId(one)).isEqualTo(now);
            assertThat(missing).hasSize(2).allSatisfy(cause -> assertThat(cause).contains("the history is now " + now));
        }
    }

    /** The second restore brings back the first history id, which the backend abandoned after the first restore. */
    @Test
    void sameDumpRestoredTwice_newHistoryEachTime() {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 3);
            String first = historyId(backend);
            Runnable restore = dump();
            commit(backend, 1);
            restore.run();
            String second = historyId(backend);
            backend.restart();

            restore.run();

            assertThat(historyId(backend)).isNotIn(first, second);
            assertThat(missing).hasSize(2);
        }
    }

    @Test
    void laggingStandbyPromoted_newHistoryAndTheTimelineIsNamed() {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 3);
            String before = historyId(backend);
            Runnable failover = server.laggingStandby();
            backend.restart();
            commit(backend, 2);

            failover.run();
            backend.restart();

            assertNewHistory(backend, before, 3);
            assertThat(missing.get(0)).containsPattern("the server was \\d+/(\\d{8}), .* is now \\d+/(?!\\1)\\d{8}\\)");
        }
    }

    /** The standby has every commit that this backend knows. */
    @Test
    void upToDateStandbyPromoted_historyStays() {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 3);
            String before = historyId(backend);

            server.laggingStandby().run();
            backend.restart();

            assertThat(historyId(backend)).isEqualTo(before);
            assertThat(missing).isEmpty();
        }
    }

    private static void lease(EngineHarness backend) {
        backend.apply(backend.engine.write(KEY, "\"holder\"", Operation.ANY_VERSION, MINUTE_MICROS));
    }

    private static void touch(EngineHarness backend, int times) {
        for (int i = 0; i < times; i++) {
            backend.apply(new Operation.Touch(KEY, Operation.ANY_VERSION, 2 * MINUTE_MICROS));
        }
    }

    @Test
    void laggingStandbyPromoted_aTouchIsMissing_newHistoryOnBothBackends() {
        try (EngineHarness one = backend("one");
                EngineHarness two = backend("two")) {
            lease(one);
            String before = historyId(two);
            Runnable failover = server.laggingStandby();
            one.restart();
            touch(one, 1);
            two.restart();
            touch(two, 1);

            failover.run();
            one.restart();
            two.restart();

            String now = historyId(one);
            assertThat(now).isNotEqualTo(before).isEqualTo(historyId(two));
            assertThat(missing).hasSize(2);
            assertThat(missing.get(0)).contains("touch");
        }
    }

    /** Touches of several backends share one count, and a backend forgets none of them. */
    @Test
    void touchesOfTwoBackends_upToDateStandbyPromoted_historyStays() {
        try (EngineHarness one = backend("one");
                EngineHarness two = backend("two")) {
            lease(one);
            String before = historyId(one);
            for (int i = 0; i < 5; i++) {
                touch(one, 1);
                touch(two, 2);
            }

            server.laggingStandby().run();
            one.restart();
            two.restart();
            touch(two, 1);
            touch(one, 1);

            assertThat(historyId(one)).isEqualTo(before).isEqualTo(historyId(two));
            assertThat(missing).isEmpty();
        }
    }

    /** Other backends have touched so often that Postgres no longer knows the touch that this backend knew. */
    @Test
    void knownTouchIsForgotten_historyStays() {
        try (EngineHarness backend = backend("b")) {
            lease(backend);
            touch(backend, 1);
            String before = historyId(backend);
            server.execute(database, "UPDATE flk_state SET touches = touches + 20000");
            server.execute(database, "DELETE FROM flk_state_touches");

            try (EngineHarness other = backend("other")) {
                touch(other, 1);
            }

            assertThat(historyId(backend)).isEqualTo(before);
            assertThat(missing).isEmpty();
            assertThat(server.number(database, "SELECT count(*) FROM flk_state_touches"))
                    .isEqualTo(1);
        }
    }

    /** Compaction may remove commits that a backend knew; this does not count as a loss. */
    @Test
    void compactedBeyondTheKnownRevision_historyStays() {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 3);
            String before = historyId(backend);
            backend.engine.close();
            try (EngineHarness other = backend("other")) {
                commit(other, 5);
                other.engine.history().compact(new At.Revision(6));
            }

            backend.restart();

            assertThat(historyId(backend)).isEqualTo(before);
            assertThat(missing).isEmpty();
        }
    }

    @Test
    void damagedFile_newHistory() throws IOException {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 3);
            String before = historyId(backend);
            backend.engine.close();
            byte[] bytes = Files.readAllBytes(directory.resolve("b"));
            assertThat(bytes).hasSize(512);
            bytes[20] ^= 1;
            Files.write(directory.resolve("b"), bytes);

            backend.restart();

            assertThat(historyId(backend)).isNotEqualTo(before);
            assertThat(missing).singleElement().asString().contains("is damaged");
        }
    }

    @Test
    void fileOfAnotherBackend_isRefused() {
        try (EngineHarness backend = backend("b");
                EngineHarness other = backend("b")) {
            assertThat(backend.engine.problem()).isEmpty();
            assertThat(other.engine.problem())
                    .get()
                    .satisfies(problem -> assertThat(problem).hasMessageContaining("in use by another backend"));
        }
    }
}
