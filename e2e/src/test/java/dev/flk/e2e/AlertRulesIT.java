// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.flk.agent.run.Agent;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests that alerts and dashboards match the programs and the runbooks. {@link DeployIT} runs promtool with {@code
 * alerts/flk.rules.test.yaml}, which tests when each alert fires and resolves.
 */
final class AlertRulesIT {
    private static final Path RULES = Built.root().resolve("alerts/flk.rules.yaml");
    private static final Path RUNBOOKS = Built.root().resolve("docs/runbooks.md");
    private static final Path DASHBOARDS = Built.root().resolve("deploy/grafana/dashboards");
    private static final List<String> PARTS = List.of("**Meaning.**", "**Affected.**", "**Action.**", "**Verify.**");

    /**
     * The name of an FLK metric, without the suffix of a histogram's sample. Names of recording rules contain colons
     * and do not match.
     */
    private static final Pattern METRIC = Pattern.compile("(?<![\\w:])(flk_\\w+?)(?:_bucket|_count|_sum)?(?![\\w:])");

    @TempDir
    private Path directory;

    private static List<JsonNode> alerts() throws IOException {
        List<JsonNode> alerts = new ArrayList<>();
        for (JsonNode group : new YAMLMapper().readTree(RULES.toFile()).path("groups")) {
            group.path("rules").forEach(alerts::add);
        }
        alerts.removeIf(rule -> !rule.has("alert"));
        return alerts;
    }

    private static String anchor(JsonNode alert) {
        return alert.path("alert").asText().toLowerCase(Locale.ROOT);
    }

    @Test
    void everyAlert_hasSeverityTextsAndRunbook() throws IOException {
        assertThat(alerts()).hasSizeGreaterThan(20).allSatisfy(alert -> {
            JsonNode annotations = alert.path("annotations");
            assertThat(alert.at("/labels/severity").asText()).isIn("critical", "warning");
            assertThat(annotations.path("summary").asText()).isNotBlank();
            assertThat(annotations.path("description").asText()).contains("{{ $value");
            assertThat(annotations.path("runbook_url").asText()).endsWith("docs/runbooks.md#" + anchor(alert));
        });
    }

    @Test
    void runbooks_haveExactlyOneSectionPerAlert() throws IOException {
        String[] sections = ("\n" + Files.readString(RUNBOOKS)).split("\n## ", -1);
        Set<String> headings = new TreeSet<>();
        for (String section : Arrays.asList(sections).subList(1, sections.length)) {
            headings.add(section.lines().findFirst().orElseThrow().toLowerCase(Locale.ROOT));
            assertThat(section).containsSubsequence(PARTS);
        }
        assertThat(headings)
                .hasSize(sections.length - 1)
                .containsExactlyInAnyOrderElementsOf(
                        alerts().stream().map(AlertRulesIT::anchor).distinct().toList());
    }

    @Test
    void metricsInRulesAndDashboards_areExposed() throws Exception {
        String queries = Files.readString(RULES)
                + Files.readString(DASHBOARDS.resolve("flk-backend.json"))
                + Files.readString(DASHBOARDS.resolve("flk-agents.json"))
                + Files.readString(DASHBOARDS.resolve("flk-fleet.json"));
        AgentHome home = AgentHome.in(Files.createDirectory(directory.resolve("agent")));
        var environment = home.sendingNowhere();
        environment.put("METRICS_PORT", "0");
        environment.put(
                "SOURCES_FILE",
                Files.writeString(directory.resolve("sources.yaml"), "sources: []\n")
                        .toString());
        try (ServedBackend backend = BackendInJvm.start(directory);
                ServedBackend state = StateInJvm.start(directory, Map.of());
                Agent agent = AgentHome.open(environment)) {
            Client client = new Client(backend.url());
            // per-shard metrics exist only after a submission
            assertThat(client.submit(Pcs.number(1)).status()).isEqualTo(200);
            Set<String> exposed = names(client.get("/metrics").body());
            exposed.addAll(names(new Client(state.url()).get("/metrics").body()));
            exposed.addAll(names(AgentHome.metrics(agent).get("/metrics").body()));
            assertThat(names(queries)).hasSizeGreaterThan(50).isSubsetOf(exposed);
        }
    }

    private static Set<String> names(String text) {
        Set<String> names = new TreeSet<>();
        METRIC.matcher(text).results().map(found -> found.group(1)).forEach(names::add);
        return names;
    }
}
