// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.marcnuri.helm.Helm;
import com.marcnuri.helm.jni.NativeLibrary;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.ServiceLoader;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.yaml.snakeyaml.Yaml;

/**
 * Tests of the files in {@code deploy/} and {@code alerts/}, with the programs that read them: promtool, Helm, Compose,
 * systemd and logrotate.
 */
@Tag("thorough")
final class DeployIT {
    private static final Path DEPLOY = Built.root().resolve("deploy");
    private static final Path ALERTS = Built.root().resolve("alerts");

    /** The largest exposure level that {@code systemd-analyze security} may report, in tenths. */
    private static final String MAX_EXPOSURE = "15";

    @TempDir
    private Path directory;

    @Test
    void alerts_areValid_andEachFiresAndResolves() throws Exception {
        HostProgram promtool = HostProgram.orSkip("promtool", "prometheus", ALERTS);
        assertThat(promtool.succeed("check", "rules", "flk.rules.yaml")).contains("SUCCESS");
        assertThat(promtool.succeed("test", "rules", "flk.rules.test.yaml")).contains("SUCCESS");
    }

    @Test
    void dashboardQueries_parse() throws Exception {
        HostProgram promtool = HostProgram.orSkip("promtool", "prometheus", directory);
        StringBuilder rules = new StringBuilder("groups:\n- name: dashboards\n  rules:\n");
        int queries = 0;
        List<Path> dashboards;
        try (Stream<Path> files = Files.list(DEPLOY.resolve("grafana/dashboards"))) {
            dashboards = files.toList();
        }
        for (Path dashboard : dashboards) {
            for (String query : StrictJson.read(Files.readString(dashboard)).findValuesAsText("expr")) {
                String timed = query.replace("$__rate_interval", "5m").replaceAll("\\$\\{?[a-z_]+}?", ".*");
                rules.append("  - record: query:%d\n    expr: '%s'\n".formatted(queries++, timed.replace("'", "''")));
            }
        }
        Files.writeString(directory.resolve("queries.yaml"), rules);
        assertThat(promtool.succeed("check", "rules", "queries.yaml")).contains(queries + " rules found");
    }

    private static Helm chart() {
        assumeTrue(
                ServiceLoader.load(NativeLibrary.class).findFirst().isPresent(),
                "not tried: helm-java has no library for this machine");
        return new Helm(DEPLOY.resolve("helm/flk"));
    }

    @Test
    void chart_hasNoLintWarnings() {
        assertThat(chart().lint().strict().call().isFailed()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "keys: {existingSecret: our-keys}",
                "{keys: {existingSecret: our-keys}, networkPolicy: {enabled: false}, agent: {enabled: true, endpoint: 'https://ingest.example'}}",
                "{keys: {existingSecret: our-keys}, metrics: {serviceMonitor: {enabled: true}, dashboards: {enabled: true}}}",
                "{keys: {existingSecret: our-keys}, backend: {store: {kind: postgres, existingSecret: our-store}}, state: {enabled: true, config: {STATE_ENGINE: postgres}}, networkPolicy: {enabled: false}}"
            })
    void chart_isRendered(String values) throws Exception {
        assertThat(render(values))
                .contains("kind: StatefulSet", "readOnlyRootFilesystem: true", "runAsNonRoot: true")
                .containsPattern("name: LOG_NAME\\s+valueFrom:\\s+fieldRef:\\s+fieldPath: metadata.name");
    }

    @Test
    void chartWithoutAStateServer_isRefused() {
        assertThatThrownBy(() ->
                        render("{keys: {existingSecret: k}, state: {enabled: true, config: {STATE_ENGINE: postgres}}}"))
                .hasMessageContaining("set backend.postgres.existingSecret");
    }

    @Test
    void chartWithSeveralStates_isRefused() {
        assertThatThrownBy(() -> render("{keys: {existingSecret: k}, state: {enabled: true, replicas: 2}}"))
                .hasMessageContaining("set state.config.STATE_ENGINE to postgres");
    }

    /** Checks the values file of the fleet: two replicas on two nodes, with all that they share, and the state. */
    @Test
    void chartsFleet_isRendered() throws Exception {
        String rendered = chart().template()
                .withName("flk")
                .withKubeVersion("1.34.0")
                .withValuesFile(DEPLOY.resolve("helm/flk/values-fleet.yaml"))
                .call();
        assertThat(rendered)
                .contains("replicas: 2\n", "path: postgres/uri\n", "kind: PodDisruptionBudget", "port: 9092\n")
                .contains("DEDUP_BACKEND=redis\n", "POSTGRES_CONN_FILE=/etc/flk/postgres/uri\n")
                .contains("RECORD_STORE=postgres\n", "STATE_ENGINE=postgres\n", "LOG_COPY=kafka\n", "RATE_SHARED=on\n")
                .containsPattern("hostname\\s+maxSkew: 1\\s+whenUnsatisfiable: DoNotSchedule");
    }

    /** Checks that the port of the state has a name only if other pods reach it, which a backend no longer has. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    tokens: {existingSecret: t}  | http, state
                    config: {STATE_AUTH: none}   | http, state
                    config: {STATE_HISTORY: 1d}  | http
                    """)
    void chartsService_leadsToTheState_onlyIfItIsOpen(String state, String ports) throws IOException {
        String rendered = render("{keys: {existingSecret: k}, state: {enabled: true, " + state + "}}");

        assertThat(ports(rendered, "flk-state")).containsExactly(ports.split(", ", -1));
        assertThat(ports(rendered, "flk-backend")).containsExactly("http");
    }

    @Test
    void chart_hasNoState_unlessItIsEnabled() throws IOException {
        assertThat(render("keys: {existingSecret: k}")).doesNotContain("flk-state");
        assertThat(
                        render(
                                "{keys: {existingSecret: k}, state: {enabled: true}, metrics: {serviceMonitor: {enabled: true}}}"))
                .containsPattern("kind: NetworkPolicy\\s+metadata:\\s+name: flk-state")
                .containsPattern("kind: ServiceMonitor\\s+metadata:\\s+name: flk-state");
    }

    /** Returns the names of the ports of a Service. */
    private static List<String> ports(String rendered, String service) {
        for (Object document : new Yaml().loadAll(rendered)) {
            JsonNode object = new JsonMapper().valueToTree(document);
            if (object.path("kind").asText().equals("Service")
                    && object.at("/metadata/name").asText().equals(service)) {
                return object.at("/spec/ports").findValuesAsText("name");
            }
        }
        throw new AssertionError("no Service " + service);
    }

    private String render(String values) throws IOException {
        return chart().template()
                .withName("flk")
                .withKubeVersion("1.34.0")
                .withValuesFile(Files.writeString(directory.resolve("values.yaml"), values))
                .call();
    }

    @Test
    void composeFile_isValid() throws Exception {
        HostProgram compose = HostProgram.orSkip("docker-compose", "docker-compose", DEPLOY.resolve("compose"));
        assertThat(compose.succeed("config", "--quiet")).isEmpty();
        for (String profile : List.of("postgres", "kafka", "fleet", "state")) {
            assertThat(compose.succeed("--profile", profile, "config", "--quiet"))
                    .isEmpty();
        }
    }

    private static Map<String, Map<String, Map<String, Object>>> composeFile() throws IOException {
        return new Yaml().load(Files.readString(DEPLOY.resolve("compose/compose.yaml")));
    }

    /** Checks that the balancer and Prometheus know two backends that differ only in name, log, disk and port. */
    @Test
    void composeProfile_hasTwoBackendsBehindABalancer() throws Exception {
        Map<String, Map<String, Map<String, Object>>> file = composeFile();
        Map<String, Object> first = new HashMap<>(file.get("services").get("backend"));
        Map<String, Object> second = new HashMap<>(file.get("services").get("backend-2"));
        assertThat(second.remove("profiles")).isEqualTo(List.of("fleet"));
        for (String own : List.of("environment", "volumes", "ports")) {
            assertThat(first.remove(own)).isNotEqualTo(second.remove(own));
        }
        assertThat(second).isEqualTo(first);

        String balancer = Files.readString(DEPLOY.resolve("compose/haproxy.cfg"));
        assertThat(Pattern.compile("(?m)^ +server \\S+ (\\S+)$")
                        .matcher(balancer)
                        .results()
                        .map(server -> server.group(1)))
                .containsExactly("backend:8080", "backend-2:8080");
        assertThat(Files.readString(DEPLOY.resolve("compose/backends-fleet.yml")))
                .contains("[\"backend:8080\", \"backend-2:8080\"]");
        assertThat(balancer).contains("option httpchk GET /readyz").contains("retry-on conn-failure\n");
    }

    /** Checks that each of the profile's settings is a setting of a service, or a variable of the file. */
    @Test
    void composeProfile_hasSettingsThatTheServicesGet() throws Exception {
        Map<String, Map<String, Map<String, Object>>> file = composeFile();
        Map<Object, Object> passed = new HashMap<>();
        for (String service : List.of("backend-2", "state")) {
            passed.putAll((Map<?, ?>) file.get("services").get(service).get("environment"));
        }
        Properties settings = new Properties();
        try (Reader reader = Files.newBufferedReader(DEPLOY.resolve("compose/fleet.env"))) {
            settings.load(reader);
        }
        assertThat(settings.stringPropertyNames()).contains("ENDPOINT", "RECORD_STORE", "LOG_COPY");
        String text = Files.readString(DEPLOY.resolve("compose/compose.yaml"));
        assertThat(settings.stringPropertyNames())
                .allMatch(name -> name.equals("COMPOSE_PROFILES")
                        || text.contains("${" + name + ":-")
                        || (passed.containsKey(name) && passed.get(name) == null));
    }

    @Test
    void balancersFile_isValid() throws Exception {
        HostProgram haproxy = HostProgram.orSkip("haproxy", "haproxy", DEPLOY.resolve("compose"));
        assertThat(haproxy.succeed("-c", "-f", "haproxy.cfg")).contains("is valid");
    }

    /** Checks that each broker of the profile is known to the others and reached by the backend. */
    @Test
    void composeProfile_hasThreeBrokersThatTheBackendReaches() throws Exception {
        Map<String, Map<String, Map<String, Object>>> file = composeFile();
        Map<String, Object> backend = file.get("services").get("backend");
        for (int id = 1; id <= 3; id++) {
            Map<String, Object> broker = file.get("services").get("kafka-" + id);
            Map<?, ?> environment = (Map<?, ?>) broker.get("environment");
            assertThat(broker.get("profiles")).isEqualTo(List.of("kafka", "fleet"));
            assertThat(((List<?>) backend.get("networks")).containsAll((List<?>) broker.get("networks")))
                    .isTrue();
            assertThat(environment.get("KAFKA_NODE_ID")).isEqualTo(Integer.toString(id));
            assertThat((String) environment.get("KAFKA_CONTROLLER_QUORUM_VOTERS"))
                    .contains(id + "@kafka-" + id + ":9093");
            assertThat((String) environment.get("KAFKA_ADVERTISED_LISTENERS")).contains("//kafka-" + id + ":9092");
            // a broker that creates a removed topic gives it one replica
            assertThat(environment.get("KAFKA_AUTO_CREATE_TOPICS_ENABLE")).isEqualTo("false");
        }
    }

    /** Checks that the backend's URI leads to the service of the profile, whose secrets the script creates. */
    @Test
    void composeProfile_hasAPostgresThatTheBackendReaches() throws Exception {
        Map<String, Map<String, Map<String, Object>>> file = composeFile();
        Map<String, Object> db = file.get("services").get("db");
        Map<String, Object> backend = file.get("services").get("backend");
        assertThat(db.get("profiles")).isEqualTo(List.of("postgres", "fleet"));
        assertThat(((List<?>) backend.get("networks")).containsAll((List<?>) db.get("networks")))
                .isTrue();

        Files.copy(DEPLOY.resolve("compose/make-secrets"), directory.resolve("make-secrets"));
        HostProgram.orSkip("bash", "bash", directory).succeed("make-secrets");
        for (Map<String, Object> secret : file.get("secrets").values()) {
            assertThat(directory.resolve((String) secret.get("file"))).isNotEmptyFile();
        }
        Map<?, ?> environment = (Map<?, ?>) db.get("environment");
        assertThat(environment.get("POSTGRES_PASSWORD_FILE")).isEqualTo("/run/secrets/postgres-password");
        assertThat((List<?>) backend.get("secrets")).anyMatch("postgres-uri"::equals);
        assertThat(directory.resolve("secrets/postgres-uri"))
                .hasContent("postgresql://%s:%s@db:5432/%s\n"
                        .formatted(
                                environment.get("POSTGRES_USER"),
                                Files.readString(directory.resolve("secrets/postgres-password"))
                                        .strip(),
                                environment.get("POSTGRES_DB")));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "systemd/flk-agent.service",
                "systemd/flk-backend.service",
                "systemd/flk-state.service",
                "../examples/feed/flk-outcomes-to-postgres.service"
            })
    void unit_isValidAndHasLowExposure(String file) throws Exception {
        HostProgram analyze = HostProgram.orSkip("systemd-analyze", "systemd", directory);
        Path java = Path.of(System.getProperty("java.home"), "bin", "java");
        String unit = Path.of(file).getFileName().toString();
        Path here = Files.writeString(
                directory.resolve(unit),
                Files.readString(DEPLOY.resolve(file)).replaceAll("/usr/bin/(java|python3)", java.toString()));
        assertThat(analyze.run("verify", "--man=no", here.toString()).output().lines())
                .noneMatch(line -> line.contains("flk-"));
        assertThat(analyze.succeed("security", "--offline=true", "--threshold=" + MAX_EXPOSURE, here.toString()))
                .contains("Overall exposure level for " + unit);
    }

    @ParameterizedTest
    @ValueSource(strings = {"flk-agent", "flk-backend", "flk-state"})
    void logrotateFile_isRead(String name) throws Exception {
        HostProgram logrotate = HostProgram.orSkip("logrotate", "logrotate", directory);
        Path copy = Files.writeString(
                directory.resolve(name),
                Files.readString(DEPLOY.resolve("logrotate").resolve(name)).replace(name + " " + name, "root root"));
        assertThat(logrotate.run("--debug", copy.toString()).output())
                .contains("Handling")
                .doesNotContain("error: " + copy);
    }
}
