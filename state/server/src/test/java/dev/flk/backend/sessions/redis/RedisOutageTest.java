// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import ch.qos.logback.classic.Level;
import dev.flk.backend.sessions.Session;
import dev.flk.backend.sessions.SessionStorage;
import dev.flk.backend.sessions.SessionStorage.Changes;
import dev.flk.backend.sessions.SessionStorage.ConflictException;
import dev.flk.backend.sessions.SessionStorage.Found;
import dev.flk.backend.sessions.SessionStorage.Updated;
import dev.flk.backend.sessions.redis.DeadChanges.DeadChange;
import dev.flk.backend.sessions.redis.DeadChanges.Requeued;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.program.config.Secret;
import dev.flk.program.logging.LogCapture;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of sessions in a Redis that stops, is emptied, fails over or is full, with a durable copy in a real Postgres.
 */
@Tag("thorough")
final class RedisOutageTest {
    private static final long ANY = SessionStorage.ANY_VERSION;

    @TempDir
    private Path directory;

    private final Deque<AutoCloseable> opened = new ArrayDeque<>();
    private final PostgresServer postgres = PostgresServer.shared();
    private final String database = postgres.newDatabase();

    @AfterEach
    void close() throws Exception {
        while (!opened.isEmpty()) {
            opened.pop().close();
        }
    }

    private <T extends AutoCloseable> T opened(T part) {
        opened.push(part);
        return part;
    }

    private RedisServer server(String name, String... arguments) {
        return opened(RedisServer.start(directory.resolve(name), arguments));
    }

    private RedisFixture backend(String redis) {
        return opened(RedisFixture.open(redis, postgres.uri(database)));
    }

    private static Updated now(CompletionStage<Updated> stage) {
        return stage.toCompletableFuture()
                .orTimeout(RedisFixture.PATIENCE.toSeconds(), TimeUnit.SECONDS)
                .join();
    }

    /** Updates a session; retries until the storage is available. */
    private static Updated patiently(SessionStorage storage, String id, String json, long ifVersion) {
        Updated[] updated = new Updated[1];
        await().pollInterval(Duration.ofMillis(20))
                .atMost(RedisFixture.PATIENCE)
                .until(() -> {
                    try {
                        updated[0] = now(storage.put(id, json, ifVersion));
                        return true;
                    } catch (CompletionException e) {
                        if (e.getCause() instanceof StateException) {
                            return false;
                        }
                        throw e;
                    }
                });
        return updated[0];
    }

    private long number(String sql) {
        return postgres.number(database, sql);
    }

    private void awaitWritten(long events) {
        await().atMost(RedisFixture.PATIENCE).until(() -> number("SELECT count(*) FROM sync_events") == events);
    }

    private static Session session(SessionStorage storage, String id) {
        Session[] found = new Session[1];
        await().pollInterval(Duration.ofMillis(5)).atMost(RedisFixture.PATIENCE).until(() -> {
            try {
                found[0] = storage.get(id) instanceof Found.Present present ? present.session() : null;
                return found[0] != null;
            } catch (StateException e) {
                return false;
            }
        });
        return found[0];
    }

    @Test
    void restart_withoutData_restoresSessionsAndVersionsFromPostgres() {
        RedisServer server = server("redis");
        RedisFixture one = backend(server.uri());
        RedisFixture other = backend(server.uri());
        now(one.storage.put("a", "{\"n\":1.50}", 0));
        now(one.storage.put("a", "{\"n\":2.50}", 1));
        now(one.storage.put("gone", "{}", 0));
        Updated deleted = now(one.storage.delete("gone", ANY));
        awaitWritten(4);

        server.kill();
        assertThatThrownBy(() -> patientlyFailing(one.storage)).isInstanceOf(StateException.class);
        server.restart(); // the server has lost its data

        for (RedisFixture backend : List.of(other, one)) {
            Session session = session(backend.storage, "a");
            assertThat(session.version()).isEqualTo(2);
            assertThat(session.json()).isEqualTo("{\"n\":2.50}");
            assertThat(session.remaining()).isPositive();
            assertThat(backend.storage.get("gone")).isEqualTo(new Found.Deleted(deleted.at()));
        }
        assertThat(now(one.storage.put("a", "{}", ANY)).version()).isGreaterThan(2);
        assertThat(now(other.storage.put("gone", "{}", 0)).version()).isGreaterThan(2);
    }

    @Test
    void postgresDownWhileRedisReturnsEmpty_theLogNamesBoth() {
        PostgresServer own = opened(PostgresServer.start());
        RedisServer server = server("redis");
        RedisFixture backend = opened(RedisFixture.open(server.uri(), own.uri(own.newDatabase())));
        now(backend.storage.put("a", "{}", 0));
        try (LogCapture log = new LogCapture("dev.flk.backend.sessions", Level.WARN)) {
            own.kill();
            now(backend.storage.put("a", "{}", 1));
            awaitLine(log, "session changes stay in Redis until Postgres can be used");
            server.kill();
            awaitLine(log, "sessions can't be used: 127.0.0.1:" + server.port() + " refused the connection");
            awaitLine(log, "session changes can't be read from Redis");

            server.restart();

            awaitLine(log, "sessions can't be used: Postgres at 127.0.0.1");
        }
        own.restart();
        backend.serving();
    }

    private static void awaitLine(LogCapture log, String part) {
        await().atMost(RedisFixture.PATIENCE).until(() -> !log.lines(part).isEmpty());
    }

    /** Reads until a read fails. */
    private static void patientlyFailing(SessionStorage storage) {
        await().atMost(RedisFixture.PATIENCE).until(() -> storage.get("a") == null);
    }

    @Test
    void deletedSession_versionIsKeptLongerThanInPostgres() {
        RedisServer server = server("keep");
        RedisFixture one = backend(server.uri());
        assertThat(one.storage.put("a", "{}", 0)).succeedsWithin(RedisFixture.PATIENCE);
        assertThat(one.storage.delete("a", 1)).succeedsWithin(RedisFixture.PATIENCE);

        String left = server.send("PTTL", "session-version:a").get(0).substring(1);
        assertThat(Long.parseLong(left)).isGreaterThan(Duration.ofDays(1).toMillis());
    }

    @Test
    void flush_whileConnected_isNoticedByEveryBackend() {
        RedisServer server = server("redis");
        RedisFixture one = backend(server.uri());
        RedisFixture other = backend(server.uri());
        Changes changes = other.storage.changes("", null);
        now(one.storage.put("a", "{}", 0));
        awaitWritten(1);
        String token = changes.next().get(0).token();

        server.send("FLUSHALL");

        long version = patiently(one.storage, "b", "{}", 0).version();
        assertThat(session(other.storage, "b").version()).isEqualTo(version);
        assertThat(session(other.storage, "a").version()).isEqualTo(1);
        await().atMost(RedisFixture.PATIENCE)
                .untilAsserted(() -> assertThatThrownBy(() -> other.storage.changes("", token))
                        .isInstanceOf(StateException.class)
                        .matches(e -> ((StateException) e).reason() == Reason.HISTORY_CHANGED));
    }

    @Test
    void failover_toAReplicaThatLagsBehind_continuesTheVersionsOfPostgres() {
        RedisServer primary = server("primary");
        RedisServer replica =
                server("replica", "--replicaof", "127.0.0.1", "" + primary.port(), "--repl-diskless-sync-delay", "0");
        RedisServer sentinel = opened(RedisServer.startSentinel(
                directory.resolve("sentinel"),
                "sentinel monitor flk 127.0.0.1 " + primary.port() + " 1",
                "sentinel down-after-milliseconds flk 500",
                "sentinel failover-timeout flk 5000"));
        String uri = "redis-sentinel://127.0.0.1:" + sentinel.port() + "#flk";
        RedisFixture one = backend(uri);
        RedisFixture other = backend(uri);
        now(one.storage.put("a", "{\"n\":1}", 0));
        await().atMost(RedisFixture.PATIENCE)
                .until(() -> replica.send("EXISTS", "session:a").get(0).equals(":1"));
        await().atMost(RedisFixture.PATIENCE)
                .until(() -> String.join(" ", sentinel.send("SENTINEL", "replicas", "flk"))
                        .contains(Integer.toString(replica.port())));
        replica.pause(); // the replica misses the next updates
        now(one.storage.put("a", "{\"n\":2}", 1));
        now(one.storage.put("a", "{\"n\":3}", 2));
        awaitWritten(3);

        primary.kill();
        replica.resume();

        assertThat(session(other.storage, "a").version()).isIn(1L, 3L);
        long next = patiently(other.storage, "a", "{\"n\":4}", 3).version();
        assertThat(next).isGreaterThan(3);
        await().atMost(RedisFixture.PATIENCE)
                .until(() -> session(one.storage, "a").version() == next);
        awaitWritten(4);
    }

    @Test
    void rowRefusedByATrigger_goesToTheDeadStream_andOthersAreWritten() {
        RedisServer server = server("redis");
        RedisFixture backend = backend(server.uri());
        now(backend.storage.put("good", "{\"n\":1}", 0));
        awaitWritten(1);
        for (String state : List.of("P0001", "42501", "44000", "55P03", "57014", "XX000")) {
            postgres.execute(database, """
                    CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN RAISE EXCEPTION 'refused by hand' USING ERRCODE = '%s'; END $$;
                    CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON sync_events
                    FOR EACH ROW WHEN (NEW.session_id = 'bad') EXECUTE FUNCTION refuse()""".formatted(state));
            long dead = Long.parseLong(
                    server.send("XLEN", "session-changes-dead").get(0).substring(1));
            now(backend.storage.put("bad", "{}", ANY));
            long version = now(backend.storage.put("good", "{\"n\":1}", ANY)).version();

            await().atMost(RedisFixture.PATIENCE)
                    .until(() -> number("SELECT version FROM sync_sessions WHERE id = 'good'") == version);
            await().atMost(RedisFixture.PATIENCE)
                    .until(() ->
                            server.send("XLEN", "session-changes-dead").get(0).equals(":" + (dead + 1)));
        }
        assertThat(number("SELECT count(*) FROM sync_events WHERE session_id = 'bad'"))
                .isZero();
    }

    @Test
    void requeue_theReasonIsGone_writesTheChanges_andFollowersDoNotSeeThemAgain() throws Exception {
        RedisServer server = server("redis");
        RedisFixture backend = backend(server.uri());
        now(backend.storage.put("good", "{\"n\":1}", 0));
        awaitWritten(1);
        postgres.execute(database, "ALTER TABLE sync_events ADD CONSTRAINT no_bad CHECK (session_id <> 'bad')");
        now(backend.storage.put("bad", "{}", 0));
        await().atMost(RedisFixture.PATIENCE).until(() -> backend.metrics.dead == 1);
        server.send("XADD", "session-changes-dead", "*", "entry", "1-1", "error", "only the error is left");
        postgres.execute(database, "ALTER TABLE sync_events DROP CONSTRAINT no_bad");
        Changes changes = backend.storage.changes("", null);

        try (DeadChanges dead =
                DeadChanges.connect(new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10)))) {
            List<DeadChange> listed = new ArrayList<>();
            dead.forEach(listed::add);
            assertThat(listed).hasSize(2);
            assertThat(listed.get(0).session()).isEqualTo("bad");
            assertThat(listed.get(0).error()).contains("no_bad");
            assertThat(listed.get(1).session()).isNull();

            assertThat(dead.requeue(listed.stream().map(DeadChange::entry).toList()))
                    .isEqualTo(new Requeued(1, 1));
        }

        awaitWritten(2);
        long newest = now(backend.storage.put("good", "{\"n\":2}", 1)).version();
        assertThat(changes.next()).singleElement().matches(change -> change.version() == newest);
        await().atMost(RedisFixture.PATIENCE).until(() -> backend.metrics.dead == 1 && backend.metrics.waiting == 0);
    }

    @Test
    void entryRemovedFromTheStreamOfAVanishedBackend_isCountedAndReported() {
        RedisServer server = server("redis");
        RedisFixture first = backend(server.uri());
        now(first.storage.put("a", "{}", 0));
        awaitWritten(1);
        first.close();
        String entry =
                server.send("XADD", "session-changes", "*", "n", "2", "id", "a").get(0);
        server.send("XREADGROUP", "GROUP", SessionScript.GROUP, "vanished", "STREAMS", "session-changes", ">");
        server.send("XDEL", "session-changes", entry);

        try (LogCapture log = new LogCapture("dev.flk.backend.sessions", Level.WARN)) {
            RedisFixture second = backend(server.uri());
            awaitLine(log, "the change " + entry + " of a session can't be written to Postgres");
            await().atMost(RedisFixture.PATIENCE).until(() -> second.metrics.dead == 1 && second.metrics.active == 0);
        }
    }

    @Test
    void everyRowIsRefused_noneGoesToTheDeadStream() {
        RedisServer server = server("redis");
        RedisFixture backend = backend(server.uri());
        now(backend.storage.put("a", "{}", 0));
        awaitWritten(1);
        postgres.execute(database, """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'refused by hand'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON sync_sessions FOR EACH ROW EXECUTE FUNCTION refuse()""");
        try (LogCapture log = new LogCapture("dev.flk.backend.sessions", Level.WARN)) {
            IntStream.range(0, 20).forEach(n -> now(backend.storage.put("b" + n, "{}", ANY)));
            awaitLine(log, "session changes stay in Redis until Postgres can be used");
        }
        await().atMost(RedisFixture.PATIENCE).until(() -> backend.metrics.oldestMillis > 15_000);
        postgres.execute(database, "DROP TRIGGER refuse ON sync_sessions");

        awaitWritten(21);
        assertThat(server.send("XLEN", "session-changes-dead")).containsExactly(":0");
    }

    @Test
    void postgresRestoredFromABackup_getsTheSessionsOfRedis() {
        PostgresServer own = opened(PostgresServer.start());
        String named = own.newDatabase();
        RedisServer server = server("redis");
        RedisFixture backend = opened(RedisFixture.open(server.uri(), own.uri(named)));
        for (String id : List.of("updated", "deleted")) {
            now(backend.storage.put(id, "{\"n\":1}", 0));
        }
        await().atMost(RedisFixture.PATIENCE).until(() -> own.number(named, "SELECT count(*) FROM sync_events") == 2);
        Runnable restore = own.copy();
        IntStream.range(0, 500).forEach(n -> backend.storage.put("created" + n, "{}", ANY));
        patiently(backend.storage, "updated", "{\"n\":2}", 1);
        now(backend.storage.delete("deleted", ANY));
        await().atMost(RedisFixture.PATIENCE).until(() -> own.number(named, "SELECT count(*) FROM sync_events") == 504);

        restore.run();

        await().atMost(RedisFixture.PATIENCE)
                .ignoreExceptions()
                .until(() -> own.number(named, "SELECT count(*) FROM sync_sessions WHERE kind = 'live'") == 501);
        assertThat(own.text(
                        named,
                        "SELECT string_agg(kind || version, ' ' ORDER BY id) FROM sync_sessions"
                                + " WHERE id IN ('updated', 'deleted')"))
                .isEqualTo("deleted2 live2");
    }

    @Test
    void oldRowsCannotBeRemoved_newChangesAreWritten() {
        RedisServer server = server("redis");
        RedisFixture backend = backend(server.uri());
        now(backend.storage.put("a", "{}", 0));
        awaitWritten(1);
        try (LogCapture log = new LogCapture("dev.flk.backend.sessions", Level.WARN)) {
            postgres.execute(database, """
                    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                    BEGIN RAISE EXCEPTION 'refused by hand' USING ERRCODE = '57014'; END $$;
                    CREATE TRIGGER refuse BEFORE DELETE ON sync_events EXECUTE FUNCTION refuse()""");
            await().atMost(RedisFixture.PATIENCE).until(() -> !log.lines("").isEmpty());
            now(backend.storage.put("b", "{}", 0));

            awaitWritten(2);
            assertThat(log.lines(""))
                    .allMatch(line -> line.contains("old changes and ended sessions stay in Postgres"));
        }
    }

    @Test
    void writeBehind_postgresStopsAndABackendIsClosed_writesEachChangeOnce() {
        PostgresServer own = opened(PostgresServer.start());
        String named = own.newDatabase();
        RedisServer server = server("redis");
        RedisFixture one = opened(RedisFixture.open(server.uri(), own.uri(named)));
        RedisFixture other = opened(RedisFixture.open(server.uri(), own.uri(named)));
        int sessions = 20;
        Map<String, Long> newest = new HashMap<>();
        own.execute(named, "ALTER TABLE sync_events ADD CHECK (state ->> 'n' <> '666')");
        for (int i = 0; i < 40; i++) {
            if (i == 10) {
                own.kill();
            }
            String json = "{\"n\":\"" + (i == 20 ? 666 : i) + "\"}";
            String name = i == 20 ? "bads" : "s";
            // concurrently, because each update is delayed, so that several share a round trip
            List<CompletionStage<Updated>> updates = IntStream.range(0, i == 20 ? 1 : sessions)
                    .mapToObj(n -> (n % 2 == 0 ? one : other).storage.put(name + n, json, ANY))
                    .toList();
            IntStream.range(0, updates.size())
                    .forEach(n -> newest.put(name + n, now(updates.get(n)).version()));
        }
        await().atMost(RedisFixture.PATIENCE).until(() -> one.metrics.delayed > 0 || other.metrics.delayed > 0);
        one.close();
        own.restart();

        await().atMost(RedisFixture.PATIENCE)
                .until(() -> own.number(named, "SELECT count(*) FROM sync_events") == 39L * sessions);
        await().atMost(RedisFixture.PATIENCE)
                .until(() -> server.send("XLEN", "session-changes-dead").get(0).equals(":1"));
        newest.remove("bads0");
        newest.forEach((id, version) -> assertThat(
                        own.number(named, "SELECT version FROM sync_sessions WHERE id = '" + id + "'"))
                .as(id)
                .isEqualTo(version));
        await().atMost(RedisFixture.PATIENCE)
                .until(() ->
                        other.metrics.waiting == 0 && other.metrics.active == 0 && other.metrics.oldestMillis == 0);
    }

    @Test
    void put_tooMuchPendingForPostgres_isRefusedUntilWritten() {
        PostgresServer own = opened(PostgresServer.start());
        RedisServer server = server("redis");
        RedisFixture backend = opened(
                new RedisFixture(server.uri(), Duration.ofHours(1), own.uri(own.newDatabase()), 1 << 20).serving());
        now(backend.storage.put("a", "{}", 0));
        own.kill();
        String large = "{\"a\":\"" + "x".repeat(60_000) + "\"}";
        List<String> refusals = new ArrayList<>();
        await().pollInterval(Duration.ofMillis(20))
                .atMost(RedisFixture.PATIENCE)
                .until(() -> {
                    try {
                        now(backend.storage.put("b", large, ANY));
                    } catch (CompletionException e) {
                        assertThat(((StateException) e.getCause()).reason()).isEqualTo(Reason.DISK_FULL);
                        refusals.add(e.getCause().getMessage());
                    }
                    return !refusals.isEmpty();
                });
        assertThat(refusals.get(0)).contains("SESSION_STREAM_BYTES");
        assertThat(session(backend.storage, "a").version()).isEqualTo(1);
        own.restart();
        patiently(backend.storage, "b", "{}", ANY);
    }

    @Test
    void documentedAcl_isSufficient() throws Exception {
        String acl = Files.readAllLines(Path.of("..", "docs", "sessions.md")).stream()
                .filter(line -> line.startsWith("    user flk on >choose-a-long-one "))
                .findFirst()
                .orElseThrow()
                .strip();
        RedisServer server = server("redis");
        List<String> command = new ArrayList<>(List.of("ACL", "SETUSER"));
        command.addAll(List.of(acl.substring("user ".length()).split(" ")));
        assertThat(server.send(command.toArray(String[]::new))).containsExactly("+OK");
        RedisFixture backend = backend("redis://flk:choose-a-long-one@127.0.0.1:" + server.port());
        Changes changes = backend.storage.changes("", null);
        now(backend.storage.put("a", "{}", 0));
        now(backend.storage.delete("a", 1));
        awaitWritten(2);
        assertThat(changes.next()).hasSize(2);
        await().atMost(RedisFixture.PATIENCE).until(() -> backend.metrics.active == 0 && backend.metrics.waiting == 0);
        assertThat(server.send("ACL", "LOG")).isEmpty();
    }

    @Test
    void writers_redisKilledAndEmptied_loseNoUpdate() throws Exception {
        RedisServer server = server("redis");
        RedisFixture one = backend(server.uri());
        RedisFixture other = backend(server.uri());
        int writers = 64;
        ExecutorService threads = Executors.newFixedThreadPool(writers);
        try {
            IntStream.range(0, 10).forEach(n -> now(one.storage.put("s" + n, "{\"n\":0}", 0)));
            awaitWritten(10);
            List<Future<Long>> all = IntStream.range(0, writers)
                    .mapToObj(w ->
                            threads.submit(() -> updates(w % 2 == 0 ? one.storage : other.storage, "s" + w % 10)))
                    .toList();
            for (int kills = 0; kills < 2; kills++) {
                long before = number("SELECT count(*) FROM sync_events");
                await().atMost(RedisFixture.PATIENCE)
                        .until(() -> number("SELECT count(*) FROM sync_events") > before + 50);
                server.kill();
                server.restart();
            }
            for (Future<Long> each : all) {
                each.get(RedisFixture.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            }
        } finally {
            threads.shutdownNow();
        }
        await().atMost(RedisFixture.PATIENCE).until(() -> one.metrics.waiting == 0 && one.metrics.active == 0);
        // each version is an increment of the one before; Postgres may lack some that Redis has lost
        assertThat(number("SELECT count(*) FROM (SELECT version, (state ->> 'n')::int AS n,"
                        + " lag(version) OVER w AS last, lag((state ->> 'n')::int) OVER w AS before"
                        + " FROM sync_events WINDOW w AS (PARTITION BY session_id ORDER BY version)) e"
                        + " WHERE n - before <> version - greatest(last, version / 4294967296 * 4294967296)"))
                .isZero();
    }

    /** Increments a number in a session with conditional updates and returns the newest version. */
    private static long updates(SessionStorage storage, String id) {
        long newest = 0;
        for (int done = 0; done < 20; ) {
            try {
                Session read = session(storage, id);
                int n = Integer.parseInt(read.json().replaceAll("[^0-9]", ""));
                newest = now(storage.put(id, "{\"n\":" + (n + 1) + "}", read.version()))
                        .version();
                done++;
            } catch (CompletionException e) {
                if (!(e.getCause() instanceof ConflictException || e.getCause() instanceof StateException)) {
                    throw e;
                }
            }
        }
        return newest;
    }
}
