// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import dev.flk.program.cli.ErrorMessages;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.flywaydb.core.api.FlywayException;
import org.postgresql.PGConnection;

/**
 * The checklist for a Postgres server in production. Each point measures a value and usually compares it with a limit.
 * The checks change nothing: they read the server's settings and statistics, and time twenty small reads per store.
 */
public final class PostgresCheck {
    private static final String MINE = """
            (SELECT oid FROM pg_class
            WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
            AND (relname LIKE 'flk\\_%' OR relname IN ('sync_sessions', 'sync_events', 'sync_generation')))""";

    private static final int POOL_SAMPLES = 10;
    private static final long POOL_SAMPLE_MILLIS = 100;
    private static final int MOST_POOL_USE_PERCENT = 80;
    private static final int POOLER_TRIES = 10;
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
    private static final long MOST_LAG_BYTES = 64 << 20;
    private static final int MOST_LAG_SECONDS = 10;
    private static final long MOST_CLOCK_MILLIS = 5_000;

    private static final Set<String> SESSION_INDEXES =
            Set.of("sync_sessions_pkey", "sync_events_pkey", "sync_events_changed_at", "sync_generation_pkey");

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
            "flk_record_positions_pkey",
            "flk_record_notes_pkey");

    private static final Set<String> DEDUP_INDEXES = Set.of(
            "flk_outcomes_pkey",
            "flk_outcomes_expiry",
            "flk_positions_pkey",
            "flk_evidence_pkey",
            "flk_evidence_expiry");

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
    private final PostgresFailures failures;
    private final Set<Pool> pools;
    private final Limits limits;
    private final InstantSource clock;
    private final Map<String, Point> points = new LinkedHashMap<>();

    /** The result of a point. */
    public enum Grade {
        /** The value is within its limit. */
        OK,
        /** The value is not within its limit. */
        BAD,
        /** The value could not be measured, because the check failed or lacks rights. */
        UNKNOWN,
        /**
         * The value was not measured: no backup was named, an extension is not installed, or there are no tables yet.
         */
        SKIPPED
    }

    /**
     * The result of one point of the checklist.
     *
     * @param measured the value, or why it was not measured
     * @param limit what the value must be; empty if the value was not compared with a limit
     * @param advice what to do; empty if there is nothing to do
     */
    public record Finding(String point, Grade grade, String measured, String limit, String advice) {}

    /**
     * The limits that differ between installations.
     *
     * @param backup a file that is written with each backup, or a directory of backups; empty to skip this point
     * @param backupAge the maximum age of the newest backup
     * @param maxBytes the maximum size of the tables; empty if the size has no limit
     * @param lockWait how long a session may wait for a lock
     * @param idleTransaction how long a transaction may be idle
     */
    public record Limits(
            Optional<Path> backup,
            Duration backupAge,
            OptionalLong maxBytes,
            Duration lockWait,
            Duration idleTransaction) {
        /** Returns the default limits, with which the backup is not checked and the size is not limited. */
        public static Limits standard() {
            return new Limits(
                    Optional.empty(),
                    Duration.ofHours(26),
                    OptionalLong.empty(),
                    Duration.ofSeconds(5),
                    Duration.ofMinutes(1));
        }
    }

    private interface Point {
        Result look(Connection connection) throws SQLException;
    }

    private record Result(Grade grade, String measured, String limit, String advice) {
        static Result of(boolean isGood, String measured, String limit, String advice) {
            return new Result(isGood ? Grade.OK : Grade.BAD, measured, limit, isGood ? "" : advice);
        }

        static Result unknown(String why, String advice) {
            return new Result(Grade.UNKNOWN, why, "", advice);
        }

        static Result skipped(String why) {
            return new Result(Grade.SKIPPED, why, "", "");
        }
    }

    /**
     * Creates a check without connecting.
     *
     * @param pools the stores that the backend keeps in Postgres
     */
    public PostgresCheck(PostgresConfig config, Set<Pool> pools, Limits limits, InstantSource clock) {
        this.connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.STATE));
        this.failures = PostgresFailures.of(config);
        this.pools = new TreeSet<>(pools);
        this.limits = limits;
        this.clock = clock;
        points.put("migrations", this::migrations);
        points.put("writable", PostgresCheck::writable);
        points.put("durability", PostgresCheck::durability);
        points.put("pooler", this::pooler);
        points.put("tls", connection -> tls(connection, config));
        points.put("connections", connection -> connections(connection, config));
        points.put("pool_use", connection -> poolUse(connection, config));
        points.put("read_time", this::readTime);
        points.put("cache_hits", PostgresCheck::cacheHits);
        points.put("size", this::size);
        points.put("indexes", this::indexes);
        points.put("unused_indexes", PostgresCheck::unusedIndexes);
        points.put("sequential_scans", PostgresCheck::sequentialScans);
        points.put("dead_rows", PostgresCheck::deadRows);
        points.put("vacuum", PostgresCheck::vacuum);
        points.put("analyze", PostgresCheck::analyze);
        points.put("lock_waits", this::lockWaits);
        points.put("idle_transactions", this::idleTransactions);
        points.put("slow_statements", PostgresCheck::slowStatements);
        points.put("replication", PostgresCheck::replication);
        points.put("clock", this::serverClock);
        points.put("backup", this::backup);
    }

    /** Returns the names of all points, in the order of the checklist. */
    public Collection<String> points() {
        return List.copyOf(points.keySet());
    }

    /**
     * Checks all points.
     *
     * @throws IOException if the server can't be reached or refuses the login, or if the connection breaks during the
     *     check; the message says what to do
     */
    public List<Finding> run() throws IOException {
        return run(points.keySet());
    }

    /** Checks the points with these names. */
    List<Finding> run(Collection<String> names) throws IOException {
        try (Connection connection = connector.connect()) {
            List<Finding> findings = new ArrayList<>();
            for (Map.Entry<String, Point> point : points.entrySet()) {
                if (names.contains(point.getKey())) {
                    Result result = look(point.getValue(), connection);
                    findings.add(new Finding(
                            point.getKey(), result.grade(), result.measured(), result.limit(), result.advice()));
                }
            }
            return findings;
        } catch (SQLException e) {
            throw new IOException(failures.of(e), e);
        }
    }

    private Result look(Point point, Connection connection) throws SQLException {
        try {
            return point.look(connection);
        } catch (SQLException | FlywayException e) {
            if (!connection.isValid(1)) {
                throw new SQLException("the connection broke during the check", e);
            }
            return Result.unknown(failures.of(e), "");
        }
    }

    private Result migrations(Connection connection) {
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

    private static Result writable(Connection connection) throws SQLException {
        boolean isReadOnly = row(connection, "SELECT current_setting('transaction_read_only')")
                .get(0)
                .equals("on");
        return Result.of(
                !isReadOnly,
                isReadOnly ? "the server refuses writes" : "the server accepts writes",
                "the server accepts writes",
                "set POSTGRES_CONN to the primary, or default_transaction_read_only to off");
    }

    private static Result durability(Connection connection) throws SQLException {
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

    private static Result tls(Connection connection, PostgresConfig config) throws SQLException {
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
     * Compares the process that serves this connection with the process that the login named: they differ only if a pooler is in between. If another connection gets this process while this connection is open, the pooler gives away connections
     * between transactions.
     */
    private Result pooler(Connection connection) throws SQLException {
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

    private Result connections(Connection connection, PostgresConfig config) throws SQLException {
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
            case DEDUP -> 4;
            case STATE, SESSIONS, RECORD -> 2;
        };
    }

    /** Returns a regular expression for the beginning of the names that the connections of the checked pools have. */
    private String connectionNames() {
        return pools.stream().map(Pool::label).collect(Collectors.joining("|", "^flk-backend (?:", ") "));
    }

    private Result poolUse(Connection connection, PostgresConfig config) throws SQLException {
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

    private Result readTime(Connection connection) throws SQLException {
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

    private static Result cacheHits(Connection connection) throws SQLException {
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

    private Result size(Connection connection) throws SQLException {
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

    private Result indexes(Connection connection) throws SQLException {
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

    private static Result unusedIndexes(Connection connection) throws SQLException {
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

    private static Result sequentialScans(Connection connection) throws SQLException {
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

    private static Result deadRows(Connection connection) throws SQLException {
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

    private static Result vacuum(Connection connection) throws SQLException {
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

    private static Result analyze(Connection connection) throws SQLException {
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

    private Result lockWaits(Connection connection) throws SQLException {
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

    private Result idleTransactions(Connection connection) throws SQLException {
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

    private static Result slowStatements(Connection connection) throws SQLException {
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

    private static Result replication(Connection connection) throws SQLException {
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

    private Result serverClock(Connection connection) throws SQLException {
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

    private Result backup(Connection connection) {
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

    private static long number(String text) {
        return Long.parseLong(text);
    }

    private static List<String> column(Connection connection, String sql) throws SQLException {
        return rows(connection, sql).stream().map(row -> row.get(0)).toList();
    }

    private static List<String> row(Connection connection, String sql) throws SQLException {
        return rows(connection, sql).get(0);
    }

    private static List<List<String>> rows(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            List<List<String>> all = new ArrayList<>();
            while (rows.next()) {
                List<String> row = new ArrayList<>();
                for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                    row.add(rows.getString(column));
                }
                all.add(row);
            }
            return all;
        }
    }
}
