// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.server.run;

import dev.flk.backend.access.keys.ReloadedKeys.KeysMetrics;
import dev.flk.backend.access.tls.ReloadedTls.TlsMetrics;
import dev.flk.backend.serve.guard.AnswerMetrics;
import dev.flk.backend.serve.guard.OperatorRefusals;
import dev.flk.backend.sessions.SessionMetrics;
import dev.flk.backend.state.StateMetrics;
import dev.flk.backend.stores.postgres.CheckedServer.CheckMetrics;
import dev.flk.backend.stores.postgres.PoolMetrics;
import dev.flk.program.logging.Audit.AuditMetrics;
import dev.flk.program.metrics.Metrics;

/** The metrics of all parts. They are declared before any part starts, so that each family is in the first scrape. */
final class ServerMetrics {
    final Metrics all;
    final HttpMetrics http;
    final OperatorRefusals operatorRefusals;
    final PoolMetrics pool;
    final CheckMetrics postgres;
    final KeysMetrics keys;
    final TlsMetrics tls;
    final StateMetrics state;
    final SessionMetrics sessions;
    final AuditMetrics audit;

    /** The metrics of the HTTP servers. */
    static final class HttpMetrics extends AnswerMetrics {
        private final Metrics.Count filesExhausted = counter(
                "flk_files_exhausted_total", "Connections that could not be opened, because too many files were open.");

        HttpMetrics(Metrics metrics) {
            super(metrics);
        }

        @Override
        public void acceptFailed() {
            filesExhausted.increment();
        }
    }

    ServerMetrics(String version) {
        all = new Metrics(version);
        http = new HttpMetrics(all);
        operatorRefusals = new OperatorRefusals(all, System::nanoTime);
        pool = new PoolMetrics(all);
        postgres = new CheckMetrics(all);
        keys = new KeysMetrics(all);
        tls = new TlsMetrics(all);
        state = new StateMetrics(all);
        sessions = new SessionMetrics(all);
        audit = new AuditMetrics(all);
    }
}
