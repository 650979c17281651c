// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.state.CounterClients.Refusal;
import dev.flk.state.StateEngine.Settings;
import dev.flk.state.StateException.Reason;
import dev.flk.testkit.PostgresServer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of two engines, like those of two backends, and their clients during faults of the Postgres server. */
@Tag("thorough")
class PostgresFaultsTest {
    private static final Duration STATEMENT_TIMEOUT = Duration.ofMillis(600);
    private static final Duration PATIENCE = Duration.ofSeconds(40);
    private static final int MAX_CONNECTIONS = 12;
    private static final int DISK_MEBIBYTES = 16;
    private static final int COMMITS_AFTER_FAULT = 20;

    /** The statement that terminates the connections of all engines. */
    private static final String END_CONNECTIONS =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '"
                    + PostgresConnections.APPLICATION + "'";

    // the SQLSTATEs of what a fault causes
    private static final String STOPPED = "Postgres: (57P0[123]|08001|08003|08006)";
    private static final String NO_CONNECTION = "Postgres: 53300";
    private static final String READ_ONLY = "Postgres: 25006";
    private static final String DISK_FULL = "Postgres: 53100";
    private static final String SLOW = "Postgres: 57014";

    /** The messages that may explain a refusal, by reason. */
    private static final Map<Reason, Pattern> EXPLANATIONS = Map.of(
            Reason.STORE_DOWN,
            Pattern.compile(String.join("|", STOPPED, NO_CONNECTION, READ_ONLY, SLOW) + "|Connection is not available"),
            Reason.DISK_FULL,
            Pattern.compile(DISK_FULL),
            Reason.TOO_MANY_TX,
            Pattern.compile("all connections to Postgres are in use, try again"),
            Reason.STARTING,
            Pattern.compile("is starting|is being opened"),
            Reason.VERSION_CONFLICT,
            Pattern.compile("expected version \\d+, found \\d+"));

    private static PostgresServer server;

    @TempDir
    Path directory;

    private final String database = server.newDatabase();
    private final List<StateEngine> engines = new ArrayList<>();
    private String historyId = "";

    @BeforeAll
    static void startServer() {
        server = PostgresServer.start("max_connections=" + MAX_CONNECTIONS);
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void startEngines() {
        engines.add(engine("one"));
        engines.add(engine("two"));
        historyId = historyId(engines.get(0));
    }

    @AfterEach
    void closeEngines() {
        engines.forEach(StateEngine::close);
    }

    private StateEngine engine(String name) {
        StateEngine engine = new StateEngine(
                PostgresStateTest.storage(server, database, STATEMENT_TIMEOUT, directory.resolve(name)),
                Settings.defaults(),
                Instant::now,
                Instant::now,
                System::nanoTime,
                new Random(),
                () -> Long.MAX_VALUE,
                EngineHarness::constant);
        engine.start().toCompletableFuture().join();
        await().atMost(PATIENCE).until(() -> engine.problem().isEmpty());
        return engine;
    }

    @Test
    void answeredIncrements_appearOnce_despiteRestartsExhaustionReadOnlyAndLocks() throws Exception {
        try (CounterClients clients = new CounterClients(engines, Integer.MAX_VALUE)) {
            awaitCommits(clients);
            outlast(clients, STOPPED, this::stop);
            outlast(clients, NO_CONNECTION, this::takeAllConnections);
            outlast(clients, READ_ONLY, this::makeReadOnly);
            outlast(clients, SLOW, this::lockVersions);

            assertNothingIsLost(clients);
        }
    }

    @Test
    void answeredIncrements_appearOnce_despiteAFullDisk() throws Exception {
        Path disk = server.mountDisk(DISK_MEBIBYTES).orElse(null);
        assumeTrue(disk != null, "only root with the right to mount a tmpfs can fill the server's disk");
        server.execute("postgres", "CREATE TABLESPACE small LOCATION '" + disk + "'");
        server.execute(database, "ALTER TABLE flk_state_versions SET TABLESPACE small");
        try (CounterClients clients = new CounterClients(engines, Integer.MAX_VALUE)) {
            awaitCommits(clients);
            outlast(clients, DISK_FULL, () -> fill(disk));

            assertNothingIsLost(clients);
        }
    }

    /**
     * Causes a fault, waits until both engines have refused a call because of it, removes the fault and waits until
     * both engines commit again.
     *
     * @param explanation a pattern for the messages of refusals due to the fault
     * @param fault causes the fault and returns the action that removes it
     */
    private void outlast(CounterClients clients, String explanation, Supplier<Runnable> fault) {
        int before = clients.refusals().size();
        Pattern explained = Pattern.compile(explanation);
        Runnable remove = fault.get();
        try {
            for (int i = 0; i < engines.size(); i++) {
                int engine = i;
                awaitWhileRunning(
                        clients,
                        "refusal by engine " + engine + ": " + explanation,
                        () -> clients.refusals().stream()
                                .skip(before)
                                .anyMatch(refusal -> refusal.engine() == engine
                                        && explained.matcher(refusal.message()).find()));
            }
        } finally {
            remove.run();
        }
        awaitCommits(clients);
    }

    /** Waits until both engines have answered some more increments. */
    private void awaitCommits(CounterClients clients) {
        for (int i = 0; i < engines.size(); i++) {
            int engine = i;
            long enough = clients.answered(engine) + COMMITS_AFTER_FAULT;
            awaitWhileRunning(clients, "commits by engine " + engine, () -> clients.answered(engine) >= enough);
        }
    }

    private static void awaitWhileRunning(CounterClients clients, String what, Supplier<Boolean> condition) {
        await(what)
                .atMost(PATIENCE)
                .failFast("a client has ended", clients::hasEnded)
                .until(condition::get);
    }

    private void assertNothingIsLost(CounterClients clients) throws Exception {
        clients.stop();
        clients.join();
        for (StateEngine engine : engines) {
            clients.assertHistoryIsWhatWasAnswered(engine);
            assertThat(historyId(engine)).isEqualTo(historyId);
            assertThat(engine.missing()).isEmpty();
        }
        assertThat(clients.refusals().stream().distinct()).allSatisfy(PostgresFaultsTest::assertExplained);
    }

    private static void assertExplained(Refusal refusal) {
        assertThat(EXPLANATIONS).containsKey(refusal.reason());
        assertThat(refusal.message()).containsPattern(EXPLANATIONS.get(refusal.reason()));
    }

    private static String historyId(StateEngine engine) {
        return CounterClients.retried(() -> engine.head().historyId());
    }

    private Runnable stop() {
        server.stop();
        return server::restart;
    }

    /** Repeatedly terminates the connections of the engines until this test holds all connections of the server. */
    private Runnable takeAllConnections() {
        List<Connection> taken = new ArrayList<>();
        Runnable giveBack = () -> taken.forEach(PostgresFaultsTest::close);
        try {
            taken.add(server.connect("postgres"));
            Statement statement = taken.get(0).createStatement();
            await().atMost(PATIENCE).pollDelay(Duration.ZERO).until(() -> {
                statement.execute(END_CONNECTIONS);
                takeFreeConnections(taken);
                return taken.size() == MAX_CONNECTIONS;
            });
            return giveBack;
        } catch (SQLException | RuntimeException e) {
            giveBack.run();
            throw new IllegalStateException("can't take all connections", e);
        }
    }

    private static void takeFreeConnections(List<Connection> taken) throws SQLException {
        try {
            while (taken.size() < MAX_CONNECTIONS) {
                taken.add(server.connect("postgres"));
            }
        } catch (SQLException e) {
            if (!"53300".equals(e.getSQLState())) {
                throw e;
            }
        }
    }

    private static void close(Connection connection) {
        try {
            connection.close();
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Makes all transactions read-only, including those of open connections. */
    private Runnable makeReadOnly() {
        configure("default_transaction_read_only = on", "on");
        server.execute("postgres", END_CONNECTIONS);
        return () -> configure("default_transaction_read_only = off", "off");
    }

    private static void configure(String setting, String value) {
        server.execute("postgres", "ALTER SYSTEM SET " + setting);
        server.execute("postgres", "SELECT pg_reload_conf()");
        await().atMost(PATIENCE)
                .until(() -> server.text("postgres", "SHOW default_transaction_read_only")
                        .equals(value));
    }

    private Runnable lockVersions() {
        try {
            Connection connection = server.connect(database);
            connection.setAutoCommit(false);
            try (Statement statement = connection.createStatement()) {
                statement.execute("LOCK TABLE flk_state_versions IN ACCESS EXCLUSIVE MODE");
            }
            return () -> close(connection);
        } catch (SQLException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Runnable fill(Path disk) {
        Path file = disk.resolve("filler");
        byte[] page = new byte[4096];
        try (OutputStream out = Files.newOutputStream(file)) {
            for (int i = 0; i < DISK_MEBIBYTES << 8; i++) {
                out.write(page);
            }
            throw new IllegalStateException(disk + " is larger than " + DISK_MEBIBYTES + " MiB");
        } catch (IOException e) {
            assertThat(e).hasMessageContaining("No space left");
        }
        return () -> delete(file);
    }

    private static void delete(Path file) {
        try {
            Files.delete(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
