// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.guard;

import dev.flk.http.HttpEvents;
import dev.flk.http.ServerLoad;
import dev.flk.http.tls.TlsFailures.TlsFailure;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import java.util.List;

/** The metrics that the HTTP servers of every program have. Safe for any thread. */
public abstract class AnswerMetrics extends Metrics.Feature implements HttpEvents {
    private final Counts<Integer> answers = counter(
            "flk_http_answers_total",
            "HTTP answers by status; a batch is one.",
            "status",
            List.of(200, 202, 400, 401, 404, 405, 408, 413, 429, 500, 503),
            String::valueOf);
    private final Count connectionsRefused = counter(
            "flk_http_connections_refused_total",
            "Connections closed because there were too many: new ones, or the oldest without credentials.");
    private final Count slowClients = counter(
            "flk_http_slow_clients_total",
            "Connections closed because they were slow with a body or an answer while memory was scarce, or with a"
                    + " stream whose place another one needed.");
    private final Counts<TlsFailure> tlsFailures = counter(
            "flk_tls_handshake_failures_total",
            "TLS handshakes with clients that failed, by reason.",
            "reason",
            List.of(TlsFailure.values()),
            TlsFailure::label);
    private final Gauge connections = gauge("flk_http_connections", "Open HTTP connections.");
    private final Gauge requests =
            gauge("flk_http_requests_in_flight", "Submissions (a batch is one) and look-ups without an answer yet.");
    private final Gauge bodyBytes =
            gauge("flk_http_body_bytes", "Bytes of bodies that are being read or whose answers are pending.");
    private final Gauge answerBytes = gauge("flk_http_answer_bytes", "Bytes of answers that are not sent yet.");

    protected AnswerMetrics(Metrics metrics) {
        super(metrics);
    }

    /** Makes the gauges show the load of the public server. */
    public final void watch(ServerLoad load) {
        connections.watch(load.connections()::held);
        requests.watch(load.requests()::held);
        bodyBytes.watch(load.bodyBytes()::held);
        answerBytes.watch(load.answerBytes()::held);
    }

    @Override
    public void answered(int status) {
        answers.increment(status);
    }

    @Override
    public void connectionRefused() {
        connectionsRefused.increment();
    }

    @Override
    public void slowClient() {
        slowClients.increment();
    }

    @Override
    public void tlsFailed(TlsFailure reason) {
        tlsFailures.increment(reason);
    }
}
