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

/** A file of Prometheus rules: what it alerts on. */
record AlertRules(List<Alert> alerts) {
    /** One rule that fires. */
    record Alert(String name, String severity, JsonNode annotations) {
        String annotation(String key) {
            return annotations.path(key).asText();
        }

        /** What stands behind the {@code #} of its runbook. */
        String anchor() {
            String url = annotation("runbook_url");
            return url.substring(url.indexOf('#') + 1);
        }
    }

    static AlertRules read(Path file) throws IOException {
        List<Alert> alerts = new ArrayList<>();
        for (JsonNode group : new YAMLMapper().readTree(file.toFile()).path("groups")) {
            for (JsonNode rule : group.path("rules")) {
                if (rule.has("alert")) {
                    String severity = rule.path("labels").path("severity").asText();
                    alerts.add(new Alert(rule.path("alert").asText(), severity, rule.path("annotations")));
                }
            }
        }
        return new AlertRules(alerts);
    }

    Set<String> anchors() {
        return alerts.stream().map(Alert::anchor).collect(Collectors.toSet());
    }
}
