// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of the per-shard metrics of a running agent: retries while signatures are refused, then dead letters, also
 * after a requeue.
 */
final class AgentShardsIT {
    @TempDir
    private Path directory;

    @Test
    void refusalsAndDeadLetters_areCountedForTheirShard() throws Exception {
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        home.spool("good", List.of(Pcs.number(1).ofShard("a"), Pcs.number(2).ofShard("a")));
        home.spool("hopeless", List.of(Pcs.number(3).ofShard("b").with("regime", "\"none\"")));
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Map<String, String> environment = home.sendingTo(backend.url());
            environment.put("METRICS_PORT", "0");
            environment.put("PCS_HMAC_KEY", "an unknown key");
            try (Agent agent = AgentHome.open(environment)) {
                Client metrics = AgentHome.metrics(agent);
                Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == 3
                        && value(metrics, "retries_total", "a") > 0
                        && value(metrics, "retries_total", "b") > 0);
                assertThat(value(metrics, "retries_total", "(others)")).isZero();
                assertThat(value(metrics, "pending", "a")).isEqualTo(2);
                assertThat(value(metrics, "pending", "b")).isEqualTo(1);
                assertThat(value(metrics, "oldest_pending_seconds", "a")).isPositive();
            }
            environment.put("PCS_HMAC_KEY", Pcs.KEY);
            try (Agent agent = AgentHome.open(environment)) {
                Client metrics = AgentHome.metrics(agent);
                Client.awaitUntil(() -> value(metrics, "dead_letters_total", "b") == 1);
                AgentHome.succeed(environment, "dlq", "requeue", "--all");
                Client.awaitUntil(() -> value(metrics, "dead_letters_total", "b") == 2);
                Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == 0);
                assertThat(value(metrics, "dead_letters_total", "a")).isZero();
                assertThat(value(metrics, "pending", "b")).isZero();
            }
        }
    }

    private static double value(Client metrics, String name, String shard) throws Exception {
        return metrics.metric("flk_agent_shard_" + name + "{shard=\"" + shard + "\",}");
    }
}
