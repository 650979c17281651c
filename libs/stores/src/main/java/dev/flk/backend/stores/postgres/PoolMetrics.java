// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.stores.postgres;

import com.zaxxer.hikari.HikariPoolMXBean;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Sample;
import dev.flk.program.metrics.Metrics.Timing;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The metrics of the pools of connections to Postgres. Every pool has its samples from the start. */
public final class PoolMetrics extends Metrics.Feature {
    private static final double[] SECONDS = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

    private final Map<Pool, Gauges> gauges = new ConcurrentHashMap<>();
    private final Function<List<String>, Timing> acquired;
    private final Function<List<String>, Timing> statements;
    private final Counts<Pool> timeouts;
    private final Counts<Pool> statementTimeouts;

    /** A pool of the backend. */
    public enum Pool {
        DEDUP,
        STATE,
        SESSIONS,
        RECORD;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The kind of a statement. */
    public enum Kind {
        SELECT,
        INSERT,
        UPDATE,
        DELETE,
        COMMIT,
        OTHER;

        public String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** The present values of a pool. Reading them does not block. */
    public interface Gauges {
        /** Returns the open pool; null if none is open. */
        @Nullable
        HikariPoolMXBean openPool();

        /** Returns the number of calls that have not asked the pool yet, because others are before them. */
        int queued();

        /** Returns the maximum number of connections. */
        int maxConnections();

        /** Returns the number of connections in use. */
        default int activeConnections() {
            HikariPoolMXBean pool = openPool();
            return pool == null ? 0 : pool.getActiveConnections();
        }

        /** Returns the number of open connections that are not in use. */
        default int idleConnections() {
            HikariPoolMXBean pool = openPool();
            return pool == null ? 0 : pool.getIdleConnections();
        }

        /** Returns the number of calls that wait for a connection. */
        default int waiting() {
            HikariPoolMXBean pool = openPool();
            return queued() + (pool == null ? 0 : pool.getThreadsAwaitingConnection());
        }
    }

    public PoolMetrics(Metrics metrics) {
        super(metrics);
        gauges("active_connections", "Connections to Postgres in use.", Gauges::activeConnections);
        gauges("idle_connections", "Connections to Postgres that are open and idle.", Gauges::idleConnections);
        gauges("waiting", "Calls that wait for a connection to Postgres.", Gauges::waiting);
        gauges("max_connections", "The largest number of connections to Postgres.", Gauges::maxConnections);
        acquired = timings(
                "flk_postgres_pool_acquire_seconds",
                "Time until a call has a connection to Postgres.",
                List.of("pool"),
                SECONDS);
        statements = timings(
                "flk_postgres_statement_seconds",
                "Time of one statement in Postgres.",
                List.of("pool", "kind"),
                SECONDS);
        timeouts = counter(
                "flk_postgres_pool_timeouts_total",
                "Calls that had no connection to Postgres in time.",
                "pool",
                List.of(Pool.values()),
                Pool::label);
        statementTimeouts = counter(
                "flk_postgres_statement_timeouts_total",
                "Statements that Postgres stopped because they took too long.",
                "pool",
                List.of(Pool.values()),
                Pool::label);
        Stream.of(Pool.values()).forEach(Observer::new);
    }

    private void gauges(String name, String help, ToDoubleFunction<Gauges> value) {
        gaugeFamily(
                "flk_postgres_pool_" + name,
                help,
                List.of("pool"),
                () -> Stream.of(Pool.values())
                        .map(pool -> new Sample(
                                List.of(pool.label()),
                                Optional.ofNullable(gauges.get(pool))
                                        .map(value::applyAsDouble)
                                        .orElse(0.0)))
                        .toList());
    }

    /** Sets the source of the present values of a pool. Until then, the values are 0. */
    public void watch(Pool pool, Gauges values) {
        gauges.put(pool, values);
    }

    public Observer of(Pool pool) {
        return new Observer(pool);
    }

    /** Returns an observer whose metrics are not exported, for commands and for the check of the server. */
    public static Observer unobserved(Pool pool) {
        return new PoolMetrics(new Metrics("none")).of(pool);
    }

    /** A recorder of the events in one pool. Safe for any thread. */
    public final class Observer {
        private final Pool pool;
        private final Timing acquiredBy;

        private Observer(Pool pool) {
            this.pool = pool;
            this.acquiredBy = acquired.apply(List.of(pool.label()));
            Stream.of(Kind.values()).forEach(this::timing); // exports the histograms from the start
        }

        private Timing timing(Kind kind) {
            return statements.apply(List.of(pool.label(), kind.label()));
        }

        Pool pool() {
            return pool;
        }

        /** Records that a call received a connection after waiting for this time. */
        public void acquired(long nanos) {
            acquiredBy.observeNanos(nanos);
        }

        /** Records that a call did not receive a connection in time. */
        public void acquireTimedOut() {
            timeouts.increment(pool);
        }

        /** Records a statement that has ended, whether or not it succeeded. */
        void executed(Kind kind, long nanos) {
            timing(kind).observeNanos(nanos);
        }

        /** Records that the server stopped a statement because it took too long. */
        void statementTimedOut() {
            statementTimeouts.increment(pool);
        }
    }
}
