// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.agent.run.Agent;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests of the reports of real agents to a backend, and of the command that shows them. */
final class AgentsIT {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    @TempDir
    private Path directory;

    private Path agent;

    @BeforeEach
    void makeDirectory() throws IOException {
        agent = Files.createDirectory(directory.resolve("agent"));
    }

    private Map<String, String> agent(String endpoint) throws IOException {
        Map<String, String> environment =
                new LinkedHashMap<>(AgentHome.in(agent).sendingTo(endpoint));
        environment.putAll(Map.of("HEARTBEAT", "1s", "AGENT_ID", "pump 7"));
        return environment;
    }

    private static String agents(ServedBackend backend, String... args) {
        List<String> all = new ArrayList<>(List.of("agents", "--url", backend.url()));
        all.addAll(List.of(args));
        return Command.ofBackend(Map.of(), all.toArray(String[]::new)).exits(0).all();
    }

    private static JsonNode agent(ServedBackend backend) {
        return StrictJson.read(agents(backend, "--json").lines().findFirst().orElse("{}"));
    }

    @Test
    void agent_isShown_alsoAfterAKilledBackend_andSaysThatItStops() throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory)) {
            String port = Integer.toString(backend.port());
            AtomicReference<ServedBackend> later = new AtomicReference<>();
            try (Agent running = AgentHome.open(agent(backend.url()))) {
                await().atMost(PATIENCE).until(() -> new Client(backend.url()).metric("flk_agent_reports_total") >= 2);
                assertThat(running.lockLost()).isEmpty();
                JsonNode shown = agent(backend);
                assertThat(shown.path("id").asText()).isEqualTo("pump 7");
                assertThat(shown.path("state").asText()).isEqualTo("reporting");
                assertThat(shown.path("report").path("pending").asLong(-1)).isZero();
                assertThat(shown.path("report").path("host").asText()).isNotEmpty();
                assertThat(agents(backend))
                        .contains("pump 7", "reporting", "Agents may be missing: these are the reports since");
                assertThat(agents(backend, "--silent", "1h")).contains("no agent");
                backend.program().kill();

                later.set(BackendInJvm.start(directory, Map.of("PORT", port)));
                await().atMost(PATIENCE).until(() -> agents(later.get()).contains("pump 7"));
            }
            try (ServedBackend again = later.get()) {
                assertThat(agents(again)).contains("stopped");
                assertThat(new Client(again.url()).metric("flk_agents{state=\"stopped\",}"))
                        .isEqualTo(1);
            }
        }
    }

    @Test
    void agentWithAnotherKey_reportsAreRefused_andTheAgentWarns() throws Exception {
        try (ServedBackend backend = BackendInJvm.start(directory)) {
            Map<String, String> environment = agent(backend.url());
            environment.put("PCS_HMAC_KEY", "another key");
            try (Agent running = AgentHome.open(environment)) {
                backend.awaitLine(line -> line.contains(" WARN ")
                        && line.contains(backend.url()
                                + " does not accept this agent's heartbeats: the backend does not know its key"));

                assertThat(running.lockLost()).isEmpty();
                assertThat(new Client(backend.url()).metric("flk_agent_reports_total"))
                        .isZero();
            }
        }
    }
}
