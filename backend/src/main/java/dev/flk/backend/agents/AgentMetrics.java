// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.backend.agents.AgentReport.State;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.metrics.Metrics.Count;
import dev.flk.program.metrics.Metrics.Counts;
import dev.flk.program.metrics.Metrics.Gauge;
import dev.flk.program.metrics.Metrics.Sample;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/** The metrics of agents' reports. Safe for any thread. */
public final class AgentMetrics extends Metrics.Feature {
    /** The reasons for which a report is refused. */
    public enum Refused {
        /** The report has no valid signature. */
        CREDENTIALS,
        /** The key may not report for this agent. */
        FOREIGN,
        /** The signature has expired, was made too long ago, or was made by a clock that is ahead. */
        AGE,
        /** The signature was used before. */
        REPLAYED,
        /** A later report of the agent was received less than five minutes ago. */
        OLDER,
        /** The path or the body is not valid. */
        MALFORMED,
        TOO_LARGE,
        /** There are too many requests. */
        UNAVAILABLE
    }

    public final Count reports = counter("flk_agent_reports_total", "Reports of agents that were accepted.");
    public final Counts<Refused> refused = counter(
            "flk_agent_reports_refused_total",
            "Reports of agents that were refused, by reason.",
            "reason",
            Arrays.asList(Refused.values()),
            reason -> reason.name().toLowerCase(Locale.ROOT));
    final Count forgotten = counter(
            "flk_agents_forgotten_total", "Agents that were forgotten because the memory for reports was used up.");
    final Count shareFailures = counter(
            "flk_agent_share_failures_total", "Failed attempts to share reports with the other backends of the store.");

    final Gauge unread = gauge(
            "flk_agents_source_problems",
            "Agents whose last report names a source that is not read, or of which lines were left out.");

    volatile Supplier<Map<State, Integer>> counted = Map::of;

    public AgentMetrics(Metrics metrics) {
        super(metrics);
        gaugeFamily(
                "flk_agents",
                "Agents that have reported within a day, by state; of all backends that share a store.",
                List.of("state"),
                () -> {
                    Map<State, Integer> now = counted.get();
                    return Arrays.stream(State.values())
                            .map(state -> new Sample(List.of(state.label()), now.getOrDefault(state, 0)))
                            .toList();
                });
    }
}
