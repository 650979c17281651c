// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A running agent's metrics of each shard: while signatures are refused, after a restart, and with dead letters that are requeued. */
final class AgentShardsIT {
    /** Beyond what has a name of its own. */
    private static final int SHARDS = 70;

    @TempDir
    private Path directory;

    private AgentHome home;

    @Test
    void refusalsRestartAndDeadLetters_everyShardHasItsNumbers() throws Exception {
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        home.spool("good", List.of(Pcs.number(1).ofShard("a"), Pcs.number(2).ofShard("a")));
        home.spool("hopeless", List.of(Pcs.number(3).ofShard("b").with("regime", "\"none\"")));
        try (BackendProcess backend = BackendProcess.start(directory)) {
            Map<String, String> wrongKey = home.sendingTo(backend.url());
            wrongKey.put("PCS_HMAC_KEY", "a key that nobody knows");
            try (Program agent = agent(wrongKey)) {
                Client metrics = AgentHome.metrics(agent);
                Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == 3
                        && value(metrics, "flk_agent_shard_retries_total", "a") > 0
                        && value(metrics, "flk_agent_shard_retries_total", "b") > 0);
                assertPending(metrics);
                assertThat(value(metrics, "flk_agent_shard_retries_total", "(others)"))
                        .isZero();
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
            try (Program agent = agent(home.sendingNowhere())) {
                assertPending(AgentHome.metrics(agent));
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
            try (Program agent = agent(home.sendingTo(backend.url()))) {
                Client metrics = AgentHome.metrics(agent);
                Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == 0);
                assertGivenUp(metrics, 1);

                home.succeed(home.sendingTo(backend.url()), "dlq", "requeue", "--all");

                Client.awaitUntil(() -> value(metrics, "flk_agent_shard_dead_letters_total", "b") == 2);
                Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == 0);
                assertGivenUp(metrics, 2);
                assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
            }
        }
    }

    @Test
    void moreShardsThanHaveNames_theRestIsCountedTogether_andAllAreExposedOnce() throws Exception {
        home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        home.spool(
                "many",
                IntStream.rangeClosed(1, SHARDS)
                        .mapToObj(i -> Pcs.number(i).ofShard("rack " + i))
                        .toList());
        try (Program agent = agent(home.sendingNowhere())) {
            Client metrics = AgentHome.metrics(agent);
            Client.awaitUntil(() -> metrics.metric("flk_agent_outbox_pending") == SHARDS);
            Exposed exposed = Exposed.of(metrics.get("/metrics").body());

            for (String family : List.of(
                    "flk_agent_shard_pending",
                    "flk_agent_shard_oldest_pending_seconds",
                    "flk_agent_shard_retries_total",
                    "flk_agent_shard_dead_letters_total")) {
                assertThat(exposed.samples().get(family)).as(family).hasSize(65).doesNotHaveDuplicates();
                assertThat(exposed.values(family, "shard"))
                        .as(family)
                        .contains("rack 1", "rack 64", "(others)")
                        .doesNotContain("rack 65");
            }
            assertThat(value(metrics, "flk_agent_shard_pending", "rack 64")).isEqualTo(1);
            assertThat(value(metrics, "flk_agent_shard_pending", "(others)")).isEqualTo(SHARDS - 64);
            assertThat(agent.terminate()).as(agent.allLines()).isEqualTo(143);
        }
    }

    private Program agent(Map<String, String> environment) throws Exception {
        environment.put("METRICS_PORT", "0");
        return home.start(environment, "run");
    }

    private static double value(Client metrics, String family, String shard) throws Exception {
        return metrics.metric(family + "{shard=\"" + shard + "\",}");
    }

    private static void assertPending(Client metrics) throws Exception {
        assertThat(value(metrics, "flk_agent_shard_pending", "a")).isEqualTo(2);
        assertThat(value(metrics, "flk_agent_shard_pending", "b")).isEqualTo(1);
        assertThat(value(metrics, "flk_agent_shard_pending", "(others)")).isZero();
        assertThat(value(metrics, "flk_agent_shard_oldest_pending_seconds", "a"))
                .isPositive();
        assertThat(value(metrics, "flk_agent_shard_oldest_pending_seconds", "(others)"))
                .isZero();
    }

    private static void assertGivenUp(Client metrics, int times) throws Exception {
        assertThat(value(metrics, "flk_agent_shard_dead_letters_total", "b")).isEqualTo(times);
        assertThat(value(metrics, "flk_agent_shard_dead_letters_total", "a")).isZero();
        assertThat(value(metrics, "flk_agent_shard_pending", "a")).isZero();
        assertThat(value(metrics, "flk_agent_shard_pending", "b")).isZero();
        assertThat(value(metrics, "flk_agent_shard_oldest_pending_seconds", "a"))
                .isZero();
    }
}
