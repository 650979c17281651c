// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.postgres;

import dev.flk.backend.metrics.Metrics;
import dev.flk.backend.metrics.Metrics.Gauge;
import java.util.function.DoubleSupplier;

/** The gauges of the connections to Postgres, which show the sum of the dedup store's pool and the state's. */
public final class PoolMetrics extends Metrics.Feature {
    private final Gauge active = gauge("flk_postgres_pool_active_connections", "Connections to Postgres in use.");
    private final Gauge idle =
            gauge("flk_postgres_pool_idle_connections", "Connections to Postgres that are open and idle.");
    private final Gauge waiting =
            gauge("flk_postgres_pool_waiting", "Reads and writes that wait for a connection to Postgres.");
    private final Gauge max =
            gauge("flk_postgres_pool_max_connections", "The largest number of connections to Postgres.");

    public PoolMetrics(Metrics metrics) {
        super(metrics);
    }

    /** Adds a pool. */
    public void add(DoubleSupplier active, DoubleSupplier idle, DoubleSupplier waiting, DoubleSupplier max) {
        this.active.add(active);
        this.idle.add(idle);
        this.waiting.add(waiting);
        this.max.add(max);
    }
}
