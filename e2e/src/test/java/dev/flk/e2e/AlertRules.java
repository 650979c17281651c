// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;

/** A file of Prometheus rules: what it alerts on, and what it records. */
record AlertRules(List<Alert> alerts, List<Recording> recordings) {
    /** One rule that fires. */
    record Alert(String name, String severity, String expression, JsonNode annotations) {
        String annotation(String key) {
            return annotations.path(key).asText();
        }

        /** What stands behind the {@code #} of its runbook. */
        String anchor() {
            String url = annotation("runbook_url");
            return url.substring(url.indexOf('#') + 1);
        }
    }

    /** One rule that gives a query a name. */
    record Recording(String name, String expression) {}

    static AlertRules read(Path file) throws IOException {
        List<Alert> alerts = new ArrayList<>();
        List<Recording> recordings = new ArrayList<>();
        for (JsonNode group : new YAMLMapper().readTree(file.toFile()).path("groups")) {
            for (JsonNode rule : group.path("rules")) {
                String expression = rule.path("expr").asText();
                if (rule.has("alert")) {
                    String severity = rule.path("labels").path("severity").asText();
                    alerts.add(new Alert(rule.path("alert").asText(), severity, expression, rule.path("annotations")));
                } else {
                    recordings.add(new Recording(rule.path("record").asText(), expression));
                }
            }
        }
        return new AlertRules(alerts, recordings);
    }

    Set<String> recorded() {
        return recordings.stream().map(Recording::name).collect(Collectors.toSet());
    }

    Set<String> anchors() {
        return alerts.stream().map(Alert::anchor).collect(Collectors.toSet());
    }

    /** What Prometheus is asked by them. */
    List<String> expressions() {
        List<String> expressions = new ArrayList<>();
        recordings.forEach(recording -> expressions.add(recording.expression()));
        alerts.forEach(alert -> expressions.add(alert.expression()));
        return expressions;
    }
}
