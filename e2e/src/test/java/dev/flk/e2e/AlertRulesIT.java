// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** {@code alerts/}: each alert says what, how bad and what to do, and has a test; {@link DeployIT} runs those. */
final class AlertRulesIT {
    private static final Path ALERTS = Built.root().resolve("alerts");
    private static final Path RULES = ALERTS.resolve("flk.rules.yaml");
    private static final Path RULE_TESTS = ALERTS.resolve("flk.rules.test.yaml");
    private static final Path RUNBOOKS = Built.root().resolve("docs/runbooks.md");

    private static final List<String> PARTS = List.of("**Meaning.**", "**Affected.**", "**Action.**", "**Verify.**");

    private static final List<Alert> RULED = new ArrayList<>();

    private record Alert(String name, String severity, JsonNode rule) {
        String annotation(String key) {
            return rule.path("annotations").path(key).asText();
        }
    }

    @BeforeAll
    static void readRules() throws IOException {
        for (JsonNode group : new YAMLMapper().readTree(RULES.toFile()).path("groups")) {
            for (JsonNode rule : group.path("rules")) {
                if (rule.has("alert")) {
                    RULED.add(new Alert(
                            rule.path("alert").asText(),
                            rule.at("/labels/severity").asText(),
                            rule));
                }
            }
        }
    }

    @Test
    void knownAlerts_haveTheirNamesLimitsAndTimes() {
        Map<String, String> known = new TreeMap<>();
        for (Alert alert : RULED) {
            String limit = alert.rule().path("expr").asText().replaceAll("(?s).* > ", "> ");
            known.put(alert.name(), limit + " for " + alert.rule().path("for").asText());
        }
        assertThat(known)
                .containsEntry("HighEscalationRate", "> 0.02 for 5m")
                .containsEntry("SignatureFailures", "> 0.1 for 1m")
                .containsEntry("WALErrors", "> 0 for 1m");
    }

    @Test
    void everyAlert_saysHowBadWhatAndWithWhichValue() {
        assertThat(RULED).hasSizeGreaterThan(20).allSatisfy(alert -> {
            assertThat(alert.severity()).as(alert.name()).isIn("critical", "warning");
            assertThat(alert.annotation("summary")).as(alert.name()).isNotBlank();
            assertThat(alert.annotation("description")).as(alert.name()).contains("{{ $value");
            assertThat(alert.annotation("runbook_url"))
                    .endsWith("docs/runbooks.md#" + alert.name().toLowerCase(Locale.ROOT));
        });
    }

    @Test
    void runbooks_haveOneSectionForEachAlertAndNoOther() throws IOException {
        Map<String, String> sections = sections();
        assertThat(sections)
                .containsOnlyKeys(RULED.stream()
                        .map(alert -> alert.name().toLowerCase(Locale.ROOT))
                        .collect(Collectors.toSet()));
        assertThat(sections)
                .allSatisfy((anchor, text) -> assertThat(text).as(anchor).containsSubsequence(PARTS));
    }

    /** By the anchor that its heading gets. */
    private static Map<String, String> sections() throws IOException {
        Map<String, String> sections = new LinkedHashMap<>();
        for (String section : ("\n" + Files.readString(RUNBOOKS)).split("\n## ", -1)) {
            String heading = section.lines().findFirst().orElse("");
            sections.put(heading.toLowerCase(Locale.ROOT), section);
        }
        sections.remove(""); // what stands before the first
        return sections;
    }

    @Test
    void ruleTests_letEachAlertFireAfterItDidNotAndEnd() throws IOException {
        JsonNode tests = new YAMLMapper().readTree(RULE_TESTS.toFile()).path("tests");
        for (Alert alert : RULED) {
            assertThat(tests)
                    .as("%s, %s: does not fire, fires, and does not in one test", alert.name(), alert.severity())
                    .anyMatch(test -> firings(test, alert).matches("0+1+0+"));
        }
    }

    /** A digit for each time at which a test looks at an alert: whether it is expected to fire. */
    private static String firings(JsonNode test, Alert alert) {
        StringBuilder firings = new StringBuilder();
        for (JsonNode look : test.path("alert_rule_test")) {
            if (look.path("alertname").asText().equals(alert.name())) {
                firings.append(
                        look.path("exp_alerts").findValues("severity").stream()
                                        .anyMatch(severity -> severity.asText().equals(alert.severity()))
                                ? '1'
                                : '0');
            }
        }
        return firings.toString();
    }
}
