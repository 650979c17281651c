// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.agents;

import dev.flk.program.config.Key;
import dev.flk.program.config.Quantities;
import dev.flk.program.config.Settings;
import java.time.Duration;
import java.util.List;

/**
 * The settings of agents' reports.
 *
 * @param silentAfter the time without a report after which an agent counts as silent
 */
public record AgentConfig(Duration silentAfter) {
    private static final Key<Duration> AGENT_SILENT_AFTER = Key.of(
                    "AGENT_SILENT_AFTER",
                    Quantities.duration(Duration.ofSeconds(1), Duration.ofHours(12)),
                    "The time without a report after which an agent that does not say how often it reports counts as silent.")
            .or("5m");

    public static final List<Key<?>> KEYS = List.of(AGENT_SILENT_AFTER);

    public static AgentConfig read(Settings settings) {
        return new AgentConfig(settings.get(AGENT_SILENT_AFTER));
    }
}
