// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Timing;
import java.util.List;
import java.util.function.Function;

/** The metrics of the state of agents. Safe for any thread. */
public final class StateMetrics extends Metrics.Feature {
    final Gauge up = gauge("flk_state_up", "1 while the state of agents can be used, else 0; NaN if it is off.");
    final Gauge revision = gauge("flk_state_revision", "The newest revision of the state, NaN while it can't be read.");
    final Gauge bytes = gauge("flk_state_bytes", "Size of the state on disk.");
    final Gauge freeBytes =
            gauge("flk_state_free_bytes", "Bytes free on the file system of the state; NaN if it has none.");
    final Gauge openTransactions = gauge("flk_state_open_transactions", "Open transactions of the state.");
    final Gauge watchers =
            gauge("flk_state_watchers", "Running replays of the state, most of which wait for new commits.");
    final Gauge losses = watchedCounter(
            "flk_state_losses_total",
            "Times that the history of the state got a new id because answered commits were or might be missing.");
    final Gauge expired = watchedCounter(
            "flk_state_expired_total", "Transactions of the state that were ended because their time was over.");
    final Count commits = counter("flk_state_commits_total", "Commits of clients of the state that were answered.");
    final Count conflicts =
            counter("flk_state_conflicts_total", "Commits that were refused because a key had another version.");
    final Timing commit =
            timing("flk_state_commit_seconds", "Time from a client's commit to its answer.", ANSWER_SECONDS);
    final Counts<String> callsRefused = counter(
            "flk_state_calls_refused_total",
            "Calls to the state that were refused because too many were in flight: in total or for their token (calls),"
                    + " or without a token.",
            "cause",
            List.of("calls", "without_token"),
            Function.identity());
    final Counts<String> connectionsRefused = counter(
            "flk_state_connections_refused_total",
            "Connections to the state's port that were closed because there were too many: in total, or of those that"
                    + " have shown a token (connections), or without a token (without_token).",
            "cause",
            List.of("connections", "without_token"),
            Function.identity());

    public StateMetrics(Metrics metrics) {
        super(metrics);
        up.watch(() -> Double.NaN);
        freeBytes.watch(() -> Double.NaN);
    }
}
