// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import dev.flk.backend.stores.postgres.Point.Result;
import dev.flk.backend.stores.postgres.PoolMetrics.Pool;
import java.io.IOException;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.flywaydb.core.api.FlywayException;

/**
 * The checklist for a Postgres server in production. Each point measures a value and usually compares it with a limit.
 * The checks change nothing: they read the server's settings and statistics.
 */
public final class PostgresCheck {
    private final PostgresConnector connector;
    private final PostgresFailures failures;
    private final Map<String, Point> points = new LinkedHashMap<>();

    /** The result of a point. */
    public enum Grade {
        /** The value is within its limit. */
        OK,
        /** The value is not within its limit. */
        BAD,
        /** The value could not be measured, because the check failed or lacks rights. */
        UNKNOWN
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
     * The limits that a test shortens.
     *
     * @param lockWait how long a session may wait for a lock
     * @param idleTransaction how long a transaction may be idle
     */
    record Limits(Duration lockWait, Duration idleTransaction) {
        static final Limits USUAL = new Limits(Duration.ofSeconds(5), Duration.ofMinutes(1));
    }

    /**
     * Creates a check without connecting.
     *
     * @param pools the stores that the backend keeps in Postgres
     */
    public PostgresCheck(PostgresConfig config, Set<Pool> pools, InstantSource clock) {
        this(config, pools, Limits.USUAL, clock);
    }

    PostgresCheck(PostgresConfig config, Set<Pool> pools, Limits limits, InstantSource clock) {
        this.connector = new PostgresConnector(config, PoolMetrics.unobserved(Pool.STATE));
        this.failures = PostgresFailures.of(config);
        ServerPoints server = new ServerPoints(connector, config, new TreeSet<>(pools), limits, clock);
        points.put("migrations", server::migrations);
        points.put("writable", ServerPoints::writable);
        points.put("durability", ServerPoints::durability);
        points.put("pool_use", server::poolUse);
        points.put("cache_hits", ServerPoints::cacheHits);
        points.put("vacuum", ServerPoints::vacuum);
        points.put("lock_waits", server::lockWaits);
        points.put("idle_transactions", server::idleTransactions);
        points.put("clock", server::serverClock);
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
}
