// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import static dev.flk.backend.stores.postgres.Point.column;
import static dev.flk.backend.stores.postgres.Point.number;
import static dev.flk.backend.stores.postgres.Point.row;

import dev.flk.backend.stores.postgres.Point.Result;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.backend.stores.postgres.PostgresCheck.Limits;
import dev.flk.program.cli.ErrorMessages;
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

/** The points of the checklist: migrations, settings, connections, sessions, clock, cache and vacuum. */
final class ServerPoints {
    private static final int POOL_SAMPLES = 10;
    private static final long POOL_SAMPLE_MILLIS = 100;
    private static final int MOST_POOL_USE_PERCENT = 80;
    private static final long MOST_CLOCK_MILLIS = 5_000;
    private static final int LEAST_CACHE_HITS_PERCENT = 95;
    private static final long FEW_BLOCKS = 1_000;
    private static final long MOST_FREEZE_AGE = 500_000_000;

    private static final String MINE = """
            (SELECT oid FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND (relname LIKE 'flk\\_%' OR relname IN ('sync_sessions', 'sync_events', 'sync_generation')))""";

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

    Result migrations(Connection connection) {
        List<String> applied = new ArrayList<>();
        List<String> pending = new ArrayList<>();
        for (Pool pool : pools) {
            Schema.Progress progress = Schema.of(pool).progress(connector);
            applied.add(pool.label() + " at " + progress.version());
            if (progress.pending() > 0) {
                pending.add(pool.label() + ": " + ErrorMessages.count(progress.pending(), "migration") + " missing");
            }
        }
        return Result.of(
                pending.isEmpty(),
                String.join(", ", pending.isEmpty() ? applied : pending),
                "none missing",
                "start a backend of this version, which migrates the tables");
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

    static Result cacheHits(Connection connection) throws SQLException {
        List<String> row = row(connection, """
                SELECT coalesce(sum(heap_blks_hit + coalesce(idx_blks_hit, 0)), 0),
                    coalesce(sum(heap_blks_read + coalesce(idx_blks_read, 0)), 0)
                FROM pg_statio_user_tables WHERE relid IN""" + MINE);
        long hits = number(row.get(0));
        long all = hits + number(row.get(1));
        if (all < FEW_BLOCKS) {
            return Result.of(true, "too few reads to tell", "", "");
        }
        return Result.of(
                100 * hits > LEAST_CACHE_HITS_PERCENT * all,
                String.format(Locale.ROOT, "%.1f %% of %d blocks", 100.0 * hits / all, all),
                "above " + LEAST_CACHE_HITS_PERCENT + " %",
                "raise shared_buffers, or give the server more memory");
    }

    static Result vacuum(Connection connection) throws SQLException {
        List<String> off = column(connection, """
                SELECT 'autovacuum is off' WHERE current_setting('autovacuum') = 'off'
                UNION ALL
                SELECT 'autovacuum is off for ' || relname FROM pg_class
                WHERE oid IN%s AND EXISTS (
                    SELECT 1 FROM unnest(reloptions) AS option WHERE option ~ '^autovacuum_enabled=(f|of|n|0)')
                UNION ALL
                SELECT relname || ' was last frozen ' || age(relfrozenxid) || ' transactions ago' FROM pg_class
                WHERE oid IN%s AND age(relfrozenxid) > %d""".formatted(MINE, MINE, MOST_FREEZE_AGE));
        return Result.of(
                off.isEmpty(),
                off.isEmpty() ? "autovacuum is on" : String.join(", ", off),
                "autovacuum on, each table frozen less than " + MOST_FREEZE_AGE + " transactions ago",
                "turn autovacuum on, and run VACUUM FREEZE");
    }
}
