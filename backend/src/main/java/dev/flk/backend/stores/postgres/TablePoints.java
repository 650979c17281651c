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
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Stream;

/** The points of the checklist about the tables and indexes of the backend, and about the statements that use them. */
final class TablePoints {
    private static final String MINE = """
            (SELECT oid FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND (relname LIKE 'flk\\_%' OR relname IN ('sync_sessions', 'sync_events', 'sync_generation')))""";

    private static final int READS = 20;
    private static final int MOST_READ_MILLIS = 100;
    private static final int LEAST_CACHE_HITS_PERCENT = 95;
    private static final long FEW_BLOCKS = 1_000;
    private static final long LARGE_TABLE_ROWS = 10_000;
    private static final int MOST_DEAD_ROWS_PERCENT = 20;
    private static final int MOST_CHANGED_ROWS_PERCENT = 20;
    private static final int MOST_SEQUENTIAL_SCANS_PERCENT = 5;
    private static final int FEW_SCANS = 10;
    private static final long LARGE_INDEX_BYTES = 1 << 20;
    private static final long MOST_FREEZE_AGE = 500_000_000;
    private static final int MOST_STATEMENT_MILLIS = 100;
    private static final int FEW_CALLS = 10;

    private static final Set<String> SESSION_INDEXES = Set.of(
            "sync_sessions_pkey",
            "sync_sessions_session_id",
            "sync_events_pkey",
            "sync_events_changed_at",
            "sync_events_timestamp",
            "sync_generation_pkey");

    private static final Set<String> RECORD_INDEXES = Set.of(
            "flk_record_pkey",
            "flk_record_versions_pkey",
            "flk_record_versions_current",
            "flk_record_versions_id",
            "flk_record_versions_received",
            "flk_record_versions_shard_received",
            "flk_record_versions_key_received",
            "flk_record_versions_measured",
            "flk_record_versions_shard_measured",
            "flk_record_versions_key_measured",
            "flk_record_versions_waiting",
            "flk_record_reviews_pkey",
            "flk_record_reviews_row",
            "flk_record_reviews_newest",
            "flk_record_reviews_faults",
            "flk_record_positions_pkey",
            "flk_record_notes_pkey");

    private static final Set<String> DEDUP_INDEXES = Set.of(
            "flk_outcomes_pkey",
            "flk_outcomes_expiry",
            "flk_positions_pkey",
            "flk_evidence_pkey",
            "flk_evidence_expiry",
            "flk_logs_pkey");

    private static final Set<String> STATE_INDEXES = Set.of(
            "flk_state_pkey",
            "flk_state_trimmed_pkey",
            "flk_state_events_pkey",
            "flk_state_events_time",
            "flk_state_versions_pkey",
            "flk_state_versions_order",
            "flk_state_newest_pkey",
            "flk_state_newest_there",
            "flk_state_newest_documents",
            "flk_state_requests_pkey",
            "flk_state_requests_expiry",
            "flk_state_removed_pkey",
            "flk_state_newest_expiry",
            "flk_state_touches_pkey");

    private final PostgresConnector connector;
    private final Set<Pool> pools;
    private final Limits limits;

    TablePoints(PostgresConnector connector, Set<Pool> pools, Limits limits) {
        this.connector = connector;
        this.pools = pools;
        this.limits = limits;
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

    Result readTime(Connection connection) throws SQLException {
        double most = 0;
        for (Pool pool : pools) {
            double[] millis = new double[READS];
            try (PreparedStatement read = connection.prepareStatement(smallRead(pool))) {
                for (int i = 0; i < READS; i++) {
                    long beganNanos = System.nanoTime();
                    read.executeQuery().close();
                    millis[i] = (System.nanoTime() - beganNanos) / 1e6;
                }
            }
            Arrays.sort(millis);
            most = Math.max(most, millis[READS * 95 / 100 - 1]);
        }
        return Result.of(
                most < MOST_READ_MILLIS,
                String.format(Locale.ROOT, "p95 of %d small reads is %.1f ms", READS, most),
                "below " + MOST_READ_MILLIS + " ms",
                "check the network and the load of the server");
    }

    private static String smallRead(Pool pool) {
        return switch (pool) {
            case DEDUP -> "SELECT complete_up_to FROM flk_positions LIMIT 1";
            case STATE -> "SELECT revision FROM flk_state";
            case SESSIONS -> "SELECT version FROM sync_sessions LIMIT 1";
            case RECORD -> "SELECT last_number FROM flk_record";
        };
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

    Result size(Connection connection) throws SQLException {
        List<String> row = row(connection, """
                SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::bigint,
                    coalesce(sum(pg_total_relation_size(relid)
                        * least(1, greatest(0, (n_tup_ins - n_tup_del)::numeric / greatest(n_live_tup, 1)))), 0)::bigint,
                    extract(epoch FROM now() - coalesce(
                        (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
                        pg_postmaster_start_time()))::bigint
                FROM pg_stat_user_tables WHERE relid IN""" + MINE);
        long bytes = number(row.get(0));
        long grown = Math.max(0, Math.min(bytes, number(row.get(1))));
        long seconds = Math.max(1, number(row.get(2)));
        String measured = ErrorMessages.bytes(bytes)
                + (seconds < Duration.ofDays(1).toSeconds()
                        ? ""
                        : ", grows by about " + ErrorMessages.bytes(grown / seconds * 86_400) + " a day");
        if (limits.maxBytes().isEmpty()) {
            return Result.of(true, measured, "", "");
        }
        long most = limits.maxBytes().getAsLong();
        return Result.of(
                bytes <= most,
                measured,
                "at most " + ErrorMessages.bytes(most),
                "shorten DEDUP_TTL, STATE_HISTORY, RECORD_HISTORY or SESSION_EVENTS, or give the server more disk");
    }

    Result indexes(Connection connection) throws SQLException {
        Set<String> valid = Set.copyOf(column(connection, """
                SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE indisvalid AND indrelid IN""" + MINE));
        if (valid.isEmpty()) {
            return Result.skipped("there are no tables yet");
        }
        List<String> missing = pools.stream()
                .flatMap(pool -> indexes(pool).stream())
                .filter(name -> !valid.contains(name))
                .sorted()
                .toList();
        return Result.of(
                missing.isEmpty(),
                missing.isEmpty() ? "all present and valid" : "missing or invalid: " + String.join(", ", missing),
                "all present and valid",
                "create them as the migration scripts do, or REINDEX");
    }

    /** Returns the names of the indexes that the migrations of this pool's tables create. */
    static Set<String> indexes(Pool pool) {
        return switch (pool) {
            case DEDUP -> DEDUP_INDEXES;
            case STATE -> STATE_INDEXES;
            case SESSIONS -> SESSION_INDEXES;
            case RECORD -> RECORD_INDEXES;
        };
    }

    static Result unusedIndexes(Connection connection) throws SQLException {
        List<String> unused = column(connection, """
                        SELECT indexrelname FROM pg_stat_user_indexes AS stat JOIN pg_index USING (indexrelid)
                        WHERE idx_scan = 0 AND NOT indisunique AND pg_relation_size(indexrelid) >= %d
                            AND stat.relid IN%s ORDER BY 1""".formatted(LARGE_INDEX_BYTES, MINE)).stream()
                .filter(name ->
                        Stream.of(Pool.values()).noneMatch(pool -> indexes(pool).contains(name)))
                .toList();
        return Result.of(
                unused.isEmpty(),
                unused.isEmpty() ? "none" : String.join(", ", unused),
                "none",
                "drop them: they slow down every write");
    }

    static Result sequentialScans(Connection connection) throws SQLException {
        List<String> scanned =
                column(connection, """
                SELECT relname || ': ' || seq_scan || ' of ' || seq_scan + coalesce(idx_scan, 0) || ' scans'
                FROM pg_stat_user_tables
                WHERE n_live_tup >= %d AND seq_scan >= %d AND 100 * seq_scan > %d * (seq_scan + coalesce(idx_scan, 0))
                    AND relid IN%s ORDER BY relname""".formatted(LARGE_TABLE_ROWS, FEW_SCANS, MOST_SEQUENTIAL_SCANS_PERCENT, MINE));
        return Result.of(
                scanned.isEmpty(),
                scanned.isEmpty() ? "few in large tables" : String.join(", ", scanned),
                "at most " + MOST_SEQUENTIAL_SCANS_PERCENT + " % of the scans of a large table",
                "look for missing indexes and for queries of others; then run ANALYZE");
    }

    static Result deadRows(Connection connection) throws SQLException {
        List<String> bloated = column(connection, """
                SELECT relname || ': ' || 100 * n_dead_tup / (n_live_tup + n_dead_tup) || ' %%'
                FROM pg_stat_user_tables
                WHERE n_live_tup + n_dead_tup >= %d AND 100 * n_dead_tup > %d * (n_live_tup + n_dead_tup)
                    AND relid IN%s ORDER BY relname""".formatted(LARGE_TABLE_ROWS, MOST_DEAD_ROWS_PERCENT, MINE));
        return Result.of(
                bloated.isEmpty(),
                bloated.isEmpty() ? "few in large tables" : String.join(", ", bloated),
                "at most " + MOST_DEAD_ROWS_PERCENT + " % of a large table",
                "run VACUUM; look for old transactions, and lower autovacuum_vacuum_scale_factor");
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
        List<String> last = row(connection, """
                SELECT coalesce(extract(epoch FROM now() - min(greatest(last_vacuum, last_autovacuum)))::bigint::text, '')
                FROM pg_stat_user_tables WHERE n_live_tup >= %d AND relid IN%s""".formatted(LARGE_TABLE_ROWS, MINE));
        String age = last.get(0);
        return Result.of(
                off.isEmpty(),
                off.isEmpty()
                        ? age.isEmpty()
                                ? "autovacuum is on"
                                : "autovacuum is on, the oldest run for a large table was "
                                        + ErrorMessages.duration(Duration.ofSeconds(number(age))) + " ago"
                        : String.join(", ", off),
                "autovacuum on, each table frozen less than " + MOST_FREEZE_AGE + " transactions ago",
                "turn autovacuum on, and run VACUUM FREEZE");
    }

    static Result analyze(Connection connection) throws SQLException {
        List<String> stale = column(connection, """
                SELECT relname || ': ' || n_mod_since_analyze || ' rows' FROM pg_stat_user_tables
                WHERE n_mod_since_analyze >= %d AND 100 * n_mod_since_analyze > %d * n_live_tup
                    AND relid IN%s ORDER BY relname""".formatted(LARGE_TABLE_ROWS, MOST_CHANGED_ROWS_PERCENT, MINE));
        return Result.of(
                stale.isEmpty(),
                stale.isEmpty()
                        ? "statistics are current"
                        : "rows changed since the last ANALYZE: " + String.join(", ", stale),
                "at most " + MOST_CHANGED_ROWS_PERCENT + " % of a large table changed since its last ANALYZE",
                "run ANALYZE, and lower autovacuum_analyze_scale_factor");
    }

    static Result slowStatements(Connection connection) throws SQLException {
        if (row(connection, "SELECT to_regclass('pg_stat_statements') IS NULL")
                .get(0)
                .equals("t")) {
            return Result.skipped("pg_stat_statements is not installed");
        }
        List<String> slow = column(connection, """
                SELECT round(mean_exec_time) || ' ms: ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 60)
                FROM pg_stat_statements
                WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                    AND query ~ '\\m(flk_|sync_sessions|sync_events|sync_generation)'
                    AND calls >= %d AND mean_exec_time >= %d
                ORDER BY mean_exec_time DESC LIMIT 3""".formatted(FEW_CALLS, MOST_STATEMENT_MILLIS));
        return Result.of(
                slow.isEmpty(),
                slow.isEmpty() ? "none" : String.join("; ", slow),
                "below " + MOST_STATEMENT_MILLIS + " ms on average",
                "look at their plans with EXPLAIN (ANALYZE, BUFFERS)");
    }
}
