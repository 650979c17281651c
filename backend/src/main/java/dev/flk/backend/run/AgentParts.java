// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.run;

import dev.flk.backend.access.keys.RequestCheck;
import dev.flk.backend.access.keys.Signatures;
import dev.flk.backend.agents.AgentMetrics;
import dev.flk.backend.agents.AgentReports;
import dev.flk.backend.agents.Agents;
import dev.flk.backend.agents.SharedReports;
import dev.flk.backend.agents.postgres.PostgresReports;
import dev.flk.backend.agents.redis.RedisReports;
import dev.flk.backend.outcomes.StoreConfig;
import java.util.Optional;

/** Opens the reports of agents, which backends of one store share. */
final class AgentParts {
    private AgentParts() {}

    static Agents open(Common common, Signatures signatures) {
        AgentMetrics metrics = common.metrics().agents;
        AgentReports reports = new AgentReports(
                common.config().agents(),
                common.steady(),
                metrics,
                AgentReports.heldBytes(Runtime.getRuntime().maxMemory()));
        return common.parts()
                .opened(new Agents(
                        reports,
                        new RequestCheck(signatures, common.steady()),
                        shared(common.config().store()),
                        metrics));
    }

    private static Optional<SharedReports> shared(StoreConfig store) {
        if (store instanceof StoreConfig.Redis redis) {
            return Optional.of(new RedisReports(redis.server()));
        }
        return store instanceof StoreConfig.Postgres postgres
                ? Optional.of(new PostgresReports(postgres.server()))
                : Optional.empty();
    }
}
