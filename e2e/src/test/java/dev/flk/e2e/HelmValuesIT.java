// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import com.marcnuri.helm.LintResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The chart's values: documented, all of them; refused with a reason where they can't work; and what it shares with the rest. */
final class HelmValuesIT {
    private static final Pattern ROW = Pattern.compile("(?m)^\\| `([a-zA-Z0-9.]+)` \\| `([^`]*)` \\| \\S.*\\|$");

    private static final String MONITORED = """
            keys: {existingSecret: our-keys}
            metrics: {prometheusRule: {enabled: true}, dashboards: {enabled: true}}
            """;

    @Test
    void lint_findsNothing() {
        LintResult result = HelmChart.lint();
        assertThat(result.getMessages()).noneMatch(line -> line.contains("[ERROR]") || line.contains("[WARN"));
        assertThat(result.isFailed()).isFalse();
    }

    @Test
    void everyValue_hasItsRowInTheReadme_andNoRowIsForNone() throws IOException {
        Map<String, String> rows = new TreeMap<>();
        ROW.matcher(Files.readString(HelmChart.DIRECTORY.resolve("README.md")))
                .results()
                .forEach(row -> assertThat(rows.put(row.group(1), row.group(2)))
                        .as("a second row for " + row.group(1))
                        .isNull());
        assertThat(rows).isEqualTo(defaults());
    }

    @Test
    void everyValue_isInTheSchema_andNothingElseIs() throws IOException {
        JsonNode schema = HelmChart.yaml("values.schema.json");
        Map<String, String> known = new TreeMap<>();
        schemaLeaves("", schema, schema, known);
        assertThat(known.remove("global")).isNotNull();
        assertThat(known.keySet()).isEqualTo(defaults().keySet());
    }

    /** Each leaf of values.yaml with its default, as JSON where it is no text. */
    private static Map<String, String> defaults() throws IOException {
        Map<String, String> leaves = new TreeMap<>();
        leaves("", HelmChart.yaml("values.yaml"), leaves);
        return leaves;
    }

    private static void leaves(String path, JsonNode node, Map<String, String> leaves) {
        // maps that are passed on whole are leaves, and so are lists
        if (node.isObject() && !node.isEmpty() && !path.endsWith("labels") && !path.endsWith("resources")) {
            node.properties().forEach(member -> leaves(below(path, member.getKey()), member.getValue(), leaves));
        } else {
            leaves.put(path, node.isTextual() ? node.asText() : node.toString());
        }
    }

    private static void schemaLeaves(String path, JsonNode part, JsonNode schema, Map<String, String> leaves) {
        JsonNode node = part.has("$ref") ? schema.at(part.path("$ref").asText().substring(1)) : part;
        if (node.has("properties") && !path.endsWith(".config")) {
            assertThat(node.path("additionalProperties").toString()).as(path).isEqualTo("false");
            node.path("properties")
                    .properties()
                    .forEach(member -> schemaLeaves(below(path, member.getKey()), member.getValue(), schema, leaves));
        } else {
            leaves.put(path, node.toString());
        }
    }

    private static String below(String path, String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            backend: {replicas: 3}                               | several replicas need a store that they share: backend.store.kind redis or postgres
            backend: {replicas: 2, store: {kind: memory}}        | several replicas need a store that they share: backend.store.kind redis or postgres
            backend: {autoscaling: {enabled: true}}              | several replicas need a store that they share: backend.store.kind redis or postgres
            backend: {replica: 1}                                | at '/backend': additional properties 'replica' not allowed
            backend: {config: {TOL_DD: '1'}}                     | at '/backend/config': additional properties 'TOL_DD' not allowed
            backend: {config: {PCS_HMAC_KEY: 'shown'}}           | at '/backend/config': additional properties 'PCS_HMAC_KEY' not allowed
            backend: {config: {MEMORY_MAX_ENTRIES: 1000000}}     | at '/backend/config/MEMORY_MAX_ENTRIES': got number, want string
            backend: {store: {kind: redis}}                      | set backend.store.existingSecret to a Secret with the entry uri, or backend.store.uri
            backend: {store: {uri: 'redis://x'}}                 | backend.store.kind is embedded, which has no server
            backend: {store: {kind: redis, uri: 'redis://x'}}    | nothing lets the backends reach redis: set networkPolicy.backend.egress
            backend: {autoscaling: {minReplicas: 9}}             | backend.autoscaling.minReplicas is above backend.autoscaling.maxReplicas
            backend: {drainSeconds: 40}                          | a backend that is stopped needs backend.drainSeconds and 10 s more; set at least 55
            keys: {existingSecret: ''}                           | no key to check signatures with: set keys.existingSecret to a Secret with the entry hmac-key
            keys: {hmacKey: both}                                | keys.existingSecret and a key among the values are both set; keep one
            keys: {existingSecret: '', algorithm: ed25519}       | no key to check signatures with: set keys.existingSecret to a Secret with the entry ed25519-public
            backend: {keysFile: {existingSecret: r}}             | backend.keysFile.existingSecret is set, and so is a key below keys, with which nobody would sign
            {keys: {existingSecret: '', algorithm: none}, backend: {keysFile: {existingSecret: r}}} | keys.algorithm is none, which takes unsigned certificates
            {keys: {moreHmacKeysInSecret: true}, backend: {keysFile: {existingSecret: r}}, agent: {enabled: true}} | whose keys would sign for every shard: put them into the keys file
            {keys: {existingSecret: '', ed25519Public: x}, backend: {keysFile: {existingSecret: r}}} | whose keys would sign for every shard: put them into the keys file
            {keys: {existingSecret: ''}, backend: {keysFile: {existingSecret: r}}, agent: {enabled: true}} | the agent has no key to sign with: set keys.existingSecret to a Secret with the entry hmac-key
            backend: {config: {KEYS_FILE: /etc/keys.json}}       | at '/backend/config': additional properties 'KEYS_FILE' not allowed
            metrics: {login: {user: alone}}                      | metrics.login.user and metrics.login.password: only one of the two is set
            backend: {tls: {authoritySecret: a}}                 | backend.tls.existingSecret is not set, so the backends speak plain HTTP
            backend: {tls: {existingSecret: a, authoritySecret: a}} | backend.tls.existingSecret is set, and backend.opsPort is not
            backend: {opsPort: 9090, tls: {existingSecret: a}}   | nothing in this release would trust its certificate
            backend: {opsPort: 9090, tls: {existingSecret: a, authoritySecret: a, clientAuthoritySecret: b}} | asks clients for a certificate, and this release has none to show
            backend: {opsPort: 8080}                             | at '/backend/opsPort'
            ingress: {enabled: true}                             | ingress.hosts names no host
            gateway: {enabled: true}                             | gateway.parentRefs names no Gateway
            agent: {enabled: true, endpoint: 'https://pcs.example'} | nothing lets the agent reach agent.endpoint
            agent: {kind: StatefulSet}                           | at '/agent/kind': value must be one of 'Deployment', 'DaemonSet'
            """)
    void whatCannotWork_isRefusedWithTheReason(String values, String reason) throws IOException {
        assertThat(HelmChart.refusal(withKeys(values))).contains(reason);
    }

    /** With a Secret of keys, unless the values are about that. */
    private static String withKeys(String values) throws IOException {
        JsonNode given = new YAMLMapper().readTree(values);
        JsonNode keys = new YAMLMapper().readTree("keys: {existingSecret: our-keys}");
        return new ObjectMapper().readerForUpdating(keys).readValue(given).toString();
    }

    /** The second line of defence says it in a whole sentence, where helm was told to pass over the schema. */
    @ParameterizedTest
    @ValueSource(strings = {"replicas: 2", "autoscaling: {enabled: true}"})
    void severalReplicasOfTheirOwn_areRefusedByTheTemplatesToo(String several) {
        assertThat(HelmChart.refusalWithoutSchema(
                        "{keys: {existingSecret: our-keys}, backend: {%s}}".formatted(several)))
                .contains(
                        "backend.store.kind is embedded, which keeps outcomes within one replica: a second one would decide"
                                + " the same certificate once more");
    }

    /** 63 characters make a label, 52 the name of a CronJob, to which each of its jobs adds a number. */
    @Test
    void longNames_areCutSoThatKubernetesTakesThem() {
        Manifests manifests = HelmChart.render("""
                fullnameOverride: %s
                keys: {hmacKey: key}
                agent: {enabled: true}
                metrics: {login: {user: a, password: b}, serviceMonitor: {enabled: true}}
                """.formatted("n".repeat(100)));
        assertThat(manifests.objects())
                .allSatisfy(object -> assertThat(Manifests.name(object).length())
                        .isLessThanOrEqualTo(object.path("kind").asText().equals("CronJob") ? 52 : 63));
    }

    @Test
    void rules_areThoseOfAlerts() throws IOException {
        JsonNode rules = new YAMLMapper()
                .readTree(Built.root().resolve("alerts/flk.rules.yaml").toFile());
        assertThat(HelmChart.render(MONITORED).get("PrometheusRule", "flk").path("spec"))
                .isEqualTo(rules);
    }

    @Test
    void runbooks_areWhereTheValueSays() {
        assertThat(HelmCase.EVERYTHING.render().get("PrometheusRule", "flk").findValuesAsText("runbook_url"))
                .hasSizeGreaterThan(20)
                .allMatch(url -> url.startsWith("https://docs.example/flk/runbooks.md#"));
    }

    @Test
    void dashboards_areThoseOfGrafana() throws IOException {
        Map<String, String> dashboards = new TreeMap<>();
        try (var files = Files.list(Built.root().resolve("deploy/grafana/dashboards"))) {
            for (Path file : files.toList()) {
                dashboards.put(
                        file.getFileName().toString(), Files.readString(file).strip());
            }
        }
        Map<String, String> rendered = Manifests.texts(
                HelmChart.render(MONITORED).get("ConfigMap", "flk-dashboards").path("data"));
        rendered.replaceAll((name, text) -> text.strip());
        assertThat(rendered).isEqualTo(dashboards);
    }

    /** Rules and dashboards are links in the tree; a package holds what they lead to. */
    @Test
    void packagedChart_isTheSame() {
        List<JsonNode> objects = new ArrayList<>(HelmChart.render(MONITORED).objects());
        assertThat(objects.removeIf(object -> object.path("kind").asText().equals("Pod")))
                .isTrue();
        assertThat(HelmChart.renderPackage(MONITORED).objects()).containsExactlyInAnyOrderElementsOf(objects);
    }

    @ParameterizedTest
    @EnumSource
    void notes_areWhole(HelmCase given) {
        assertThat(given.notes())
                .containsPattern("https?://flk-backend." + HelmChart.NAMESPACE + ":")
                .contains("helm test flk --namespace ingest")
                .doesNotContain("<no value>", "%!", "never-shown");
    }
}
