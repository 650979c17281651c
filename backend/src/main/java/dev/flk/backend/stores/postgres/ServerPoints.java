// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.backend.stores.postgres.Point.column;
import static dev.flk.backend.stores.postgres.Point.number;
import static dev.flk.backend.stores.postgres.Point.row;
import static dev.flk.backend.stores.postgres.Point.rows;

import dev.flk.backend.stores.postgres.Point.Result;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck.Limits;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.postgresql.PGConnection;

/** The points of the checklist about the server: its settings, connections, sessions, standbys, clock and backups. */
final class ServerPoints {
    private static final int POOL_SAMPLES = 10;
    private static final long POOL_SAMPLE_MILLIS = 100;
    private static final int MOST_POOL_USE_PERCENT = 80;
    private static final int POOLER_TRIES = 10;
    private static final long MOST_LAG_BYTES = 64 << 20;
    private static final int MOST_LAG_SECONDS = 10;
    private static final long MOST_CLOCK_MILLIS = 5_000;

    private final PostgresConnector connector;
    private final PostgresConfig config;
    private final Set<Pool> pools;
    private final Limits limits;
    private final InstantSource clock;

    ServerPoints(
            PostgresConnector connector, PostgresConfig config, Set<Pool> pools, Limits limits, InstantSource clock) {
        this.connector = connector;
        this.config = config;
        this.pools = pools;
        this.limits = limits;
        this.clock = clock;
    }

    static Result writable(Connection connection) throws SQLException {
        boolean isReadOnly = row(connection, "SELECT current_setting('transaction_read_only')")
                .get(0)
                .equals("on");
        return Result.of(
                !isReadOnly,
                isReadOnly ? "the server refuses writes" : "the server accepts writes",
                "the server accepts writes",
                "set POSTGRES_CONN to the primary, or default_transaction_read_only to off");
    }

    static Result durability(Connection connection) throws SQLException {
        List<String> off = column(connection, """
                SELECT name || ' = ' || setting FROM pg_settings
                WHERE name IN ('fsync', 'full_page_writes') AND setting <> 'on'
                    OR name = 'synchronous_commit' AND setting IN ('off', 'local')
                ORDER BY name""");
        return Result.of(
                off.isEmpty(),
                off.isEmpty() ? "an answered commit is on disk" : String.join(", ", off),
                "fsync, full_page_writes and synchronous_commit on",
                "turn them on, for the server and the role: answered commits can be lost");
    }

    Result tls(Connection connection) throws SQLException {
        List<String> row = row(connection, """
                SELECT coalesce(version, ''), coalesce(inet_client_addr() <<= '127.0.0.0/8', true)
                    OR inet_client_addr() = '::1' FROM pg_stat_ssl WHERE pid = pg_backend_pid()""");
        String version = row.get(0);
        if (row.get(1).equals("t")) {
            return Result.of(true, version.isEmpty() ? "not needed on loopback" : version, "", "");
        }
        boolean isVerified = config.jdbcUrl().contains("sslmode=verify-full");
        return Result.of(
                !version.isEmpty() && isVerified,
                version.isEmpty()
                        ? "not in use"
                        : version + (isVerified ? ", the server is verified" : ", the server is not verified"),
                "TLS with sslmode=verify-full",
                "set ssl=on on the server, and sslmode=verify-full and sslrootcert in POSTGRES_CONN");
    }

    /**
     * Compares the process that serves this connection with the process that the login named: they differ only if a
     * pooler is in between. If another connection gets this process while this connection is open, the pooler gives away
     * connections between transactions.
     */
    Result pooler(Connection connection) throws SQLException {
        String process = process(connection);
        if (process.equals(
                Integer.toString(connection.unwrap(PGConnection.class).getBackendPID()))) {
            return Result.of(true, "none", "", "");
        }
        boolean isShared = false;
        for (int tries = 0; tries < POOLER_TRIES && !isShared; tries++) {
            try (Connection another = connector.connect()) {
                process = process(connection);
                isShared = process(another).equals(process);
            }
        }
        return Result.of(
                !isShared,
                isShared ? "a pooler that shares connections between transactions" : "a pooler, in session mode",
                "none, or one in session mode",
                "set pool_mode=session for this database in PgBouncer, or name the server itself in POSTGRES_CONN:"
                        + " prepared statements and time limits belong to a session");
    }

    private static String process(Connection connection) throws SQLException {
        return row(connection, "SELECT pg_backend_pid()").get(0);
    }

    Result connections(Connection connection) throws SQLException {
        List<String> row = row(connection, """
                SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
                    count(*) FILTER (WHERE application_name !~ '%1$s' AND pid <> pg_backend_pid()),
                    count(DISTINCT substring(application_name from '%1$s(.*)')) FILTER (
                        WHERE pid <> pg_backend_pid())
                FROM pg_stat_activity WHERE backend_type = 'client backend'""".formatted(connectionNames()));
        long available = number(row.get(0));
        long others = number(row.get(1));
        long backends = Math.max(1, number(row.get(2)));
        long each = pools.stream()
                .mapToLong(pool -> config.maxPoolSize() + otherConnections(pool))
                .sum();
        return Result.of(
                backends * each + others <= available,
                "%d for %s and %d of others, of %d"
                        .formatted(backends * each, ErrorMessages.count(backends, "backend"), others, available),
                "max_connections covers all",
                "raise max_connections, or lower POSTGRES_POOL_MAX");
    }

    /** Returns the number of connections to reserve for a backend in addition to this pool. */
    private static int otherConnections(Pool pool) {
        return switch (pool) {
            case DEDUP -> 5; // one of them for the registry of logs
            case STATE, SESSIONS, RECORD -> 2;
        };
    }

    /** Returns a regular expression for the beginning of the names that the connections of the checked pools have. */
    private String connectionNames() {
        return pools.stream().map(Pool::label).collect(Collectors.joining("|", "^flk-backend (?:", ") "));
    }

    Result poolUse(Connection connection) throws SQLException {
        String busyConnections = """
                SELECT application_name FROM pg_stat_activity
                WHERE application_name ~ '%s' AND state <> 'idle' AND pid <> pg_backend_pid()""".formatted(connectionNames());
        Map<String, Integer> busy = new HashMap<>();
        for (int sample = 0; sample < POOL_SAMPLES; sample++) {
            for (String name : column(connection, busyConnections)) {
                busy.merge(name, 1, Integer::sum);
            }
            pause();
        }
        Optional<Map.Entry<String, Integer>> busiest = busy.entrySet().stream().max(Map.Entry.comparingByValue());
        long percent = 100L * busiest.map(Map.Entry::getValue).orElse(0) / (POOL_SAMPLES * (long) config.maxPoolSize());
        return Result.of(
                percent < MOST_POOL_USE_PERCENT,
                "%d %% of %d connections%s"
                        .formatted(
                                percent,
                                config.maxPoolSize(),
                                busiest.map(most -> " of " + most.getKey()).orElse("")),
                "below " + MOST_POOL_USE_PERCENT + " %",
                "find slow statements and locks; otherwise raise POSTGRES_POOL_MAX");
    }

    private static void pause() {
        try {
            Thread.sleep(POOL_SAMPLE_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    Result lockWaits(Connection connection) throws SQLException {
        List<String> waits = sessions(
                connection,
                "wait_event_type = 'Lock'",
                "query_start",
                "' waits for ' || array_to_string(pg_blocking_pids(pid), ', ')",
                limits.lockWait());
        return Result.of(
                waits.isEmpty(),
                waits.isEmpty() ? "none" + hidden(connection) : String.join(", ", waits),
                "none longer than " + ErrorMessages.duration(limits.lockWait()),
                "end the session that holds the lock: SELECT pg_terminate_backend(PID)");
    }

    Result idleTransactions(Connection connection) throws SQLException {
        List<String> idle = sessions(
                connection,
                "state LIKE 'idle in transaction%'",
                "state_change",
                "coalesce(' of ' || nullif(application_name, ''), '')",
                limits.idleTransaction());
        return Result.of(
                idle.isEmpty(),
                idle.isEmpty() ? "none" + hidden(connection) : String.join(", ", idle),
                "none longer than " + ErrorMessages.duration(limits.idleTransaction()),
                "end them: SELECT pg_terminate_backend(PID); they keep dead rows and locks");
    }

    private static List<String> sessions(
            Connection connection, String condition, String since, String text, Duration longest) throws SQLException {
        return column(connection, """
                SELECT 'process ' || pid || %s || ', ' || extract(epoch FROM clock_timestamp() - %s)::int || ' s'
                FROM pg_stat_activity
                WHERE %s AND datname = current_database() AND clock_timestamp() - %s > %d * interval '1 ms'
                ORDER BY %s""".formatted(text, since, condition, since, longest.toMillis(), since));
    }

    /** Returns a remark if the role sees only its own sessions; otherwise, an empty text. */
    private static String hidden(Connection connection) throws SQLException {
        boolean seesAll = row(connection, "SELECT pg_has_role('pg_read_all_stats', 'USAGE')")
                .get(0)
                .equals("t");
        return seesAll
                ? ""
                : " of this role; GRANT pg_monitor to it, and the check sees the sessions of other roles, too";
    }

    static Result replication(Connection connection) throws SQLException {
        List<List<String>> standbys = rows(connection, """
                SELECT application_name, CASE WHEN state IS NULL THEN '' ELSE pg_wal_lsn_diff(pg_current_wal_lsn(),
                        coalesce(replay_lsn, flush_lsn, write_lsn, sent_lsn, pg_current_wal_lsn()))::bigint::text END,
                    CASE WHEN replay_lsn IS NULL THEN 0 ELSE coalesce(extract(epoch FROM replay_lag)::bigint, 0) END
                        ::text
                FROM pg_stat_replication WHERE state IS DISTINCT FROM 'backup'
                UNION ALL
                SELECT 'slot ' || slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint::text, '0'
                FROM pg_replication_slots WHERE NOT active AND restart_lsn IS NOT NULL""");
        if (standbys.isEmpty()) {
            return Result.of(true, "no standby", "", "");
        }
        if (standbys.stream().anyMatch(standby -> standby.get(1).isEmpty())) {
            return Result.unknown("the role may not see the position of a standby", "GRANT pg_monitor to it");
        }
        boolean isNear = standbys.stream()
                .allMatch(standby ->
                        number(standby.get(1)) <= MOST_LAG_BYTES && number(standby.get(2)) <= MOST_LAG_SECONDS);
        return Result.of(
                isNear,
                standbys.stream()
                        .map(standby -> "%s is behind by %s, %s s"
                                .formatted(
                                        standby.get(0),
                                        ErrorMessages.bytes(Math.max(0, number(standby.get(1)))),
                                        standby.get(2)))
                        .collect(Collectors.joining(", ")),
                "at most " + ErrorMessages.bytes(MOST_LAG_BYTES) + " and " + MOST_LAG_SECONDS + " s",
                "check the standby and its network; drop a slot that nobody uses");
    }

    Result serverClock(Connection connection) throws SQLException {
        long before = clock.millis();
        long server = number(row(connection, "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
                .get(0));
        long after = clock.millis();
        long ahead = server - (before + after) / 2;
        return Result.of(
                Math.abs(ahead) <= MOST_CLOCK_MILLIS,
                String.format(
                        Locale.ROOT,
                        "the clock of the server is %.1f s %s",
                        Math.abs(ahead) / 1e3,
                        ahead < 0 ? "slow" : "fast"),
                "at most " + MOST_CLOCK_MILLIS / 1_000 + " s apart",
                "synchronise both clocks");
    }

    Result backup(Connection connection) {
        if (limits.backup().isEmpty()) {
            return Result.skipped("no backup was named");
        }
        Path place = limits.backup().get();
        Optional<Long> newest;
        try (Stream<Path> files = Files.isDirectory(place) ? Files.list(place) : Stream.of(place)) {
            List<Long> times = new ArrayList<>();
            for (Path file : files.toList()) {
                times.add(Files.getLastModifiedTime(file).toMillis());
            }
            newest = times.stream().max(Long::compare);
        } catch (IOException e) {
            return Result.unknown("can't read " + place, "name a backup that this user can read");
        }
        String limit = "at most " + ErrorMessages.duration(limits.backupAge()) + " old";
        String advice = "find out why no newer backup was made";
        if (newest.isEmpty()) {
            return Result.of(false, place + " has no files", limit, advice);
        }
        Duration age = Duration.ofMillis(Math.max(0, clock.millis() - newest.get()));
        return Result.of(
                age.compareTo(limits.backupAge()) <= 0,
                "the newest is " + ErrorMessages.duration(age) + " old",
                limit,
                advice);
    }
}
