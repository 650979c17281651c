// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.sessions.redis;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.sessions.StoredSession;
import dev.flk.backend.sessions.postgres.SyncTables;
import dev.flk.backend.sessions.postgres.SyncTables.OtherGenerationException;
import dev.flk.backend.sessions.redis.WriteBehind.IncompleteException;
import dev.flk.backend.sessions.redis.WriteBehind.Taken;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresConfig;
import dev.flk.backend.stores.postgres.PostgresConfig.TimeLimit;
import dev.flk.backend.stores.redis.RedisConfig;
import dev.flk.backend.stores.redis.RedisConnector;
import dev.flk.program.config.Secret;
import dev.flk.program.metrics.Metrics;
import dev.flk.testkit.PostgresServer;
import dev.flk.testkit.RedisServer;
import io.lettuce.core.ScriptOutputType;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.codec.StringCodec;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A simulation of a Redis that loses its last writes while backends update a session, write its changes to Postgres and
 * restore Redis. One thread makes the steps of the backends in a given order; the script and the statements are those of
 * production and run in real servers. No version may be given out twice, and in the end Postgres must equal Redis.
 *
 * <p>A schedule is a text with a letter for each step:
 *
 * <pre>
 * p P  an update through the first or the second backend
 * t T  take changes from Redis        w W  write them to Postgres and acknowledge them
 * b B  begin a restore                g G  begin the generation
 * c C  copy the sessions to Redis     f F  finish the restore
 * 0 1 2  Redis returns to its state before, between or after the first two updates, as in a failover
 * x    Redis loses all keys
 * </pre>
 */
@Tag("thorough")
final class RestoreSimulationTest {
    private static final int SCHEDULES = Integer.getInteger("flk.seeds", 60);
    private static final String ID = "pump";
    private static final String KEEP_MILLIS = "7200000";
    private static final String LOSSES = "012x";

    @TempDir
    private Path directory;

    private RedisServer server;
    private RedisConnector connector;
    private StatefulRedisConnection<String, String> redis;
    private final PostgresServer postgres = PostgresServer.shared();
    private final String database = postgres.newDatabase();
    private final SyncTables tables = new SyncTables(
            PostgresConfig.ofSingleConnections(postgres.uri(database), new TimeLimit("", Duration.ofSeconds(5))),
            PoolMetrics.unobserved(Pool.SESSIONS));
    private final SecureRandom random = new SecureRandom();
    private final SessionMetrics metrics = new SessionMetrics(new Metrics("test"));
    private String runId = "";
    private List<Backend> backends = List.of();

    // of one schedule
    private long newest;
    private int updates;

    @BeforeEach
    void start() {
        server = RedisServer.start(directory);
        connector = new RedisConnector(new RedisConfig(new Secret(server.uri()), Duration.ofSeconds(10)));
        redis = connector.connect(StringCodec.UTF8).join();
        runId = server.send("INFO", "server").get(0).replaceAll("(?s).*run_id:([0-9a-f]+).*", "$1");
        backends = List.of(new Backend(), new Backend());
    }

    @AfterEach
    void stop() {
        backends.forEach(backend -> backend.writing.close());
        connector.close();
        server.close();
    }

    /** A backend whose steps are made one by one. */
    private final class Backend {
        final WriteBehind writing = new WriteBehind(connector, tables, Duration.ofDays(1), metrics, random);
        private String epoch = "";
        private @Nullable Taken taken;
        private Restore restore = restore();

        private Restore restore() {
            return new Restore(
                    (operation, arguments) -> CompletableFuture.completedFuture(call(operation, runId, arguments)),
                    tables,
                    random);
        }

        void step(char step) throws Exception {
            switch (step) {
                case 'p' -> update();
                case 't' -> take(false);
                case 'w' -> write();
                default -> {
                    try {
                        restore(step);
                    } catch (VoidException e) {
                        restore = restore();
                    }
                }
            }
        }

        private void update() {
            try {
                String json = "{\"n\":" + ++updates + "}";
                List<Object> reply = call("put", epoch, ID, "-1", "", "3600000", json);
                long version = Long.parseLong((String) reply.get(1));
                assertThat(version).as("version").isGreaterThan(newest);
                newest = version;
            } catch (VoidException e) {
                // the update is refused until the sessions are restored
            }
        }

        boolean take(boolean pending) {
            try {
                taken = writing.take(pending);
                return !taken.isEmpty();
            } catch (IncompleteException | CompletionException e) {
                return false;
            }
        }

        void write() {
            if (taken != null) {
                try {
                    writing.write(taken);
                } catch (OtherGenerationException e) {
                    writing.reportStale(e);
                }
                taken = null;
            }
        }

        private void restore(char step) {
            switch (step) {
                case 'b' -> {
                    restore = restore();
                    restore.begin();
                }
                case 'g' -> restore.beginGeneration();
                case 'c' -> restore.copy(System.currentTimeMillis(), Long.parseLong(KEEP_MILLIS));
                case 'f' -> epoch = restore.finish();
                default -> throw new IllegalArgumentException("unknown step " + step);
            }
        }

        /** Restores Redis if it is not complete, and writes all changes that this backend can take. */
        void settle() throws Exception {
            boolean hasMore = true;
            while (hasMore) {
                for (char each : "bgcf".toCharArray()) {
                    step(each);
                }
                hasMore = take(true);
                write();
                hasMore |= take(false);
                write();
            }
        }
    }

    /** The sessions in Redis are not those that the caller knows. */
    private static final class VoidException extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    private static final SessionKeys KEYS = new SessionKeys("");

    private List<Object> call(String operation, String epoch, String... arguments) {
        String[] all = Stream.concat(Stream.of(operation, epoch, KEEP_MILLIS), Stream.of(arguments))
                .toArray(String[]::new);
        List<Object> reply =
                redis.sync().eval(SessionScript.BYTES, ScriptOutputType.MULTI, KEYS.of(operation, arguments), all);
        if (reply.get(0).equals("EPOCH")) {
            throw new VoidException();
        }
        return reply;
    }

    private void copyTo(int copy) {
        for (String key : server.send("KEYS", "*")) {
            server.send("COPY", key, key, "DB", Integer.toString(copy), "REPLACE");
        }
    }

    private void lose(char loss) {
        if (loss == 'x') {
            server.send("FLUSHDB");
        } else {
            server.send("SWAPDB", "0", Integer.toString(loss - '0' + 1));
            server.send("DEBUG", "CHANGE-REPL-ID");
        }
    }

    private void settle() throws Exception {
        // once more, because the second backend may have restored Redis
        for (Backend each : List.of(backends.get(0), backends.get(1), backends.get(0))) {
            each.settle();
        }
    }

    private void run(String schedule) throws Exception {
        server.send("FLUSHALL");
        postgres.execute(database, "DELETE FROM sync_sessions; DELETE FROM sync_events");
        newest = 0;
        updates = 0;
        for (Backend each : backends) {
            each.taken = null;
            each.settle();
        }
        backends.get(0).update();
        settle();
        int copy = 1;
        copyTo(copy);
        for (int i = 0; i < schedule.length(); i++) {
            char step = schedule.charAt(i);
            if (LOSSES.indexOf(step) >= 0) {
                lose(step);
            } else {
                backends.get(Character.isUpperCase(step) ? 1 : 0).step(Character.toLowerCase(step));
                if (Character.toLowerCase(step) == 'p' && copy < 3) {
                    copyTo(++copy);
                }
            }
        }
        settle();
        assertEqual();
        backends.get(1).update();
        settle();
        assertEqual();
        assertThat(server.send("XLEN", "session-changes-dead")).containsExactly(":0");
    }

    private void assertEqual() {
        StoredSession inRedis =
                RedisLink.loaded(call("load", "", ID)).stream().findFirst().orElseThrow();
        assertThat(postgres.text(database, "SELECT version || ' ' || state FROM sync_sessions WHERE id = '" + ID + "'"))
                .as("Postgres")
                .isEqualTo(inRedis.version() + " " + inRedis.json());
    }

    private void runAndName(String schedule) throws Exception {
        try {
            run(schedule);
        } catch (AssertionError e) {
            throw new AssertionError("schedule " + schedule + ": " + e.getMessage(), e);
        }
    }

    /** Adds all merges of two texts that keep the order of each. */
    private static void merge(String done, String one, String other, List<String> merged) {
        if (one.isEmpty() || other.isEmpty()) {
            merged.add(done + one + other);
            return;
        }
        merge(done + one.charAt(0), one.substring(1), other, merged);
        merge(done + other.charAt(0), one, other.substring(1), merged);
    }

    private void runAll(char loss) throws Exception {
        tables.openWriter().close(); // creates the tables
        List<String> afterLoss = new ArrayList<>();
        merge("", "bgcf", "p", afterLoss);
        for (String rest : afterLoss) {
            List<String> schedules = new ArrayList<>();
            merge("", "pp" + loss + rest, "tw", schedules);
            for (String schedule : schedules) {
                runAndName(schedule);
            }
        }
    }

    @Test
    void everySchedule_redisLosesAllKeys_noVersionTwice_andPostgresEqualsRedis() throws Exception {
        runAll('x');
    }

    @Test
    void everySchedule_redisLosesBothUpdates_noVersionTwice_andPostgresEqualsRedis() throws Exception {
        runAll('0');
    }

    @Test
    void everySchedule_redisLosesOneUpdate_noVersionTwice_andPostgresEqualsRedis() throws Exception {
        runAll('1');
    }

    @Test
    void everySchedule_redisLosesNoUpdate_noVersionTwice_andPostgresEqualsRedis() throws Exception {
        runAll('2');
    }

    @Test
    void randomSchedules_twoBackendsAndTwoLosses_noVersionTwice_andPostgresEqualsRedis() throws Exception {
        tables.openWriter().close(); // creates the tables
        for (long seed = 0; seed < SCHEDULES; seed++) {
            Random order = new Random(seed);
            List<String> parts = new ArrayList<>(List.of("pPxpP", "twtw", "TWTW", "bgcfbgcf", "BGCFBGCF"));
            parts.set(0, "pP" + LOSSES.charAt(order.nextInt(4)) + "pP" + LOSSES.charAt(order.nextInt(4)) + "pP");
            StringBuilder schedule = new StringBuilder();
            while (!parts.isEmpty()) {
                int i = order.nextInt(parts.size());
                schedule.append(parts.get(i).charAt(0));
                parts.set(i, parts.get(i).substring(1));
                parts.removeIf(String::isEmpty);
            }
            runAndName(schedule.toString());
        }
    }
}
