// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.state.History.Events;
import dev.flk.state.History.Token;
import dev.flk.state.StateException.Reason;
import dev.flk.testkit.PostgresServer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of backends and their followers on a database that was recovered from a base backup and the WAL archive. */
@Tag("thorough")
class RecoveredPostgresTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private static PostgresServer server;

    @TempDir
    Path directory;

    private final String database = server.newDatabase();

    @BeforeAll
    static void startServer() {
        assumeTrue(PostgresServer.hasBaseBackup(), "pg_basebackup is not installed");
        server = PostgresServer.startWithArchive();
    }

    @AfterAll
    static void stopServer() {
        if (server != null) {
            server.close();
        }
    }

    private EngineHarness backend(String name) {
        return new EngineHarness(() -> PostgresStateTest.storage(server, database, TIMEOUT, directory.resolve(name)));
    }

    @Test
    void recoveredToRestorePoint_newHistory_andFollowersStartOver() throws Exception {
        try (EngineHarness connected = backend("connected");
                EngineHarness restarted = backend("restarted")) {
            commit(connected, 1, 3);
            Consumer<String> recovery = server.baseBackup();
            commit(restarted, 4, 5);
            Follower beyondTarget = new Follower(connected);
            Follower beforeTarget = new Follower(restarted);
            beyondTarget.read();
            beforeTarget.read();
            commit(connected, 6, 7);
            createRestorePoint();
            commit(connected, 8, 10);
            commit(restarted, 11, 12);
            beyondTarget.read();
            String before = beyondTarget.historyId;
            assertThat(beyondTarget.values()).isEqualTo(values(1, 12));
            assertThat(beforeTarget.values()).isEqualTo(values(1, 5));
            Semaphore woken = new Semaphore(0);
            connected.engine.history().whenBeyond(before, 12, woken::release);

            recovery.accept(database);
            restarted.restart();

            awaitLossNoticed(connected);
            awaitLossNoticed(restarted);
            assertThat(woken.tryAcquire(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
            String now = historyId(connected);
            assertThat(now).isNotEqualTo(before).isEqualTo(historyId(restarted));
            for (EngineHarness backend : List.of(connected, restarted)) {
                assertThat(backend.engine.head().revision()).isEqualTo(7);
                assertThat(backend.engine.missing())
                        .get()
                        .asString()
                        .contains("history " + before)
                        .contains("the history is now " + now);
            }
            assertThat(restarted.engine.missing()).get().asString().contains("(the server was ");
            commit(restarted, 101, 103);
            commit(connected, 104, 109);
            for (Follower follower : List.of(beyondTarget, beforeTarget)) {
                assertThat(RandomStates.reasonOf(follower::read)).isEqualTo(Reason.HISTORY_CHANGED);
                assertThat(RandomStates.reasonOf(follower::resume)).isEqualTo(Reason.HISTORY_CHANGED);
            }
            for (EngineHarness backend : List.of(connected, restarted)) {
                Follower fromStart = new Follower(backend);
                fromStart.read();
                assertThat(fromStart.historyId).isEqualTo(now);
                assertThat(fromStart.values()).isEqualTo(valuesAfterRecovery(7, 109));
            }
        }
    }

    /**
     * A backend without a file of the newest known revision keeps the history's id after the recovery. The time in a
     * token shows whether a follower has read commits that were lost.
     */
    @Test
    void recoveredToRestorePoint_newBackend_refusesFollowersBeyondTheTarget() {
        try (EngineHarness backend = backend("b")) {
            commit(backend, 1, 3);
            Consumer<String> recovery = server.baseBackup();
            Follower beforeTarget = new Follower(backend);
            Follower beyondTarget = new Follower(backend);
            beforeTarget.read();
            commit(backend, 4, 5);
            createRestorePoint();
            commit(backend, 6, 8);
            beyondTarget.read();
            backend.engine.close();

            recovery.accept(database);

            try (EngineHarness unaware = backend("unaware")) {
                unaware.pass(Duration.ofMinutes(1));
                beforeTarget.backend = unaware;
                beyondTarget.backend = unaware;
                assertThat(RandomStates.reasonOf(beyondTarget::resume)).isEqualTo(Reason.HISTORY_CHANGED);
                commit(unaware, 101, 105);
                assertThat(RandomStates.reasonOf(beyondTarget::resume)).isEqualTo(Reason.HISTORY_CHANGED);
                assertThat(beforeTarget.resume()).isEqualTo(3);
                beforeTarget.read();
                assertThat(beforeTarget.values()).isEqualTo(valuesAfterRecovery(5, 105));

                backend.restart();
                assertThat(historyId(backend)).isNotEqualTo(beforeTarget.historyId);
                assertThat(RandomStates.reasonOf(beforeTarget::read)).isEqualTo(Reason.HISTORY_CHANGED);
            }
        }
    }

    private void createRestorePoint() {
        server.execute("postgres", "SELECT pg_create_restore_point('" + database + "')");
    }

    /** Writes each number of a range in a separate commit. */
    private static void commit(EngineHarness backend, int first, int last) {
        for (int value = first; value <= last; value++) {
            backend.apply(backend.write("a", "k", Integer.toString(value)));
        }
    }

    private static List<String> values(int first, int last) {
        return IntStream.rangeClosed(first, last).mapToObj(Integer::toString).toList();
    }

    /** Returns the values from 1 to the last one before the recovery target, and those from 101 to the last one. */
    private static List<String> valuesAfterRecovery(int beforeTarget, int last) {
        return Stream.concat(values(1, beforeTarget).stream(), values(101, last).stream())
                .toList();
    }

    private static String historyId(EngineHarness backend) {
        return backend.engine.head().historyId();
    }

    /** Waits until the backend, whose connections broke when the server stopped, has opened new ones. */
    /** Waits until a backend has compared the database with what it remembers, however often the database refuses. */
    private static void awaitLossNoticed(EngineHarness backend) {
        await().atMost(PATIENCE).until(() -> {
            backend.pass(Duration.ofMinutes(1));
            return backend.engine.missing().isPresent();
        });
        awaitReads(backend);
    }

    private static void awaitReads(EngineHarness backend) {
        await().atMost(PATIENCE)
                .ignoreExceptionsMatching(
                        e -> e instanceof StateException refused && refused.reason() == Reason.STORE_DOWN)
                .until(() -> backend.engine.head().revision() > 0);
    }

    /** A client that follows the history from its first revision, through one backend at a time. */
    private static final class Follower {
        final String historyId;
        EngineHarness backend;
        private final List<Event> seen = new ArrayList<>();

        Follower(EngineHarness backend) {
            this.backend = backend;
            this.historyId = historyId(backend);
        }

        /** Reads the next page of events that this follower has not seen. */
        Events read() {
            Events page = backend.engine
                    .history()
                    .events(historyId, seen.size() + 1, Long.MAX_VALUE, "", key -> true, StateEngine.MAX_PAGE_BYTES);
            seen.addAll(page.events());
            assertThat(seen)
                    .extracting(Event::revision)
                    .isEqualTo(
                            LongStream.rangeClosed(1, page.next() - 1).boxed().toList());
            return page;
        }

        /** Resumes with the token of the last event, like a client that reconnects. */
        long resume() {
            Event last = seen.get(seen.size() - 1);
            return backend.engine
                    .history()
                    .resume(new Token(historyId, last.revision(), last.committedAtMicros()), "", "", key -> true);
        }

        List<String> values() {
            return seen.stream().map(event -> event.changes().get(0).json()).toList();
        }
    }
}
