// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.flk.e2e.ComposeFile.Mount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code deploy/compose}: valid by the specification, confined, and true to the tree, the images and the programs. */
final class ComposeFileIT {
    /** It runs to its end. */
    private static final String ONE_SHOT = "demo";

    private static ComposeFile compose;
    private static Dockerfile images;

    @TempDir
    private Path directory;

    @BeforeAll
    static void read() throws IOException {
        compose = ComposeFile.read();
        images = Dockerfile.read();
    }

    @Test
    void file_isWhatTheSpecificationAllows() {
        Schema schema = schema();
        assertThat(schema.validate(compose.tree())).isEmpty();
        ObjectNode broken = compose.tree().deepCopy();
        ((ObjectNode) broken.path("services").path("backend")).put("mem_limits", "512m");
        assertThat(schema.validate(broken)).isNotEmpty();
    }

    private static Schema schema() {
        return SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12)
                .getSchema(SchemaLocation.of("classpath:compose-spec/compose-spec.json"));
    }

    @Test
    void keyThatStandsTwice_isAMistake() {
        assertThatThrownBy(() -> StrictYaml.read("a: 1\nb: 2\na: 3\n"))
                .isInstanceOf(AssertionError.class)
                .hasMessageContaining("duplicate key");
    }

    @Test
    void compose_readsIt() throws Exception {
        List<String> config = List.of("-f", ComposeFile.FILE.toString(), "config", "--quiet");
        HostProgram.Ended ended;
        if (hasComposePlugin()) {
            ended = HostProgram.orSkip("docker", "docker-compose", directory)
                    .run(
                            Map.of(),
                            Stream.concat(Stream.of("compose"), config.stream()).toList());
        } else {
            ended = HostProgram.orSkip("docker-compose", "docker-compose", directory)
                    .run(Map.of(), config);
        }
        assertThat(ended.exitCode()).as(ended.output()).isZero();
        assertThat(ended.output()).isEmpty();
    }

    private boolean hasComposePlugin() throws Exception {
        var docker = HostProgram.find("docker");
        return docker.isPresent()
                && new HostProgram(docker.get(), directory)
                                .run("compose", "version")
                                .exitCode()
                        == 0;
    }

    @Test
    void everyService_isConfined() {
        assertThat(compose.services()).allSatisfy((name, service) -> {
            assertThat(service.path("read_only").asBoolean()).isTrue();
            assertThat(ComposeFile.texts(service.path("cap_drop"))).containsExactly("ALL");
            assertThat(service.has("cap_add")).isFalse();
            assertThat(service.has("privileged")).isFalse();
            assertThat(ComposeFile.texts(service.path("security_opt"))).containsExactly("no-new-privileges:true");
            assertThat(service.path("user").asText()).matches("[1-9][0-9]*:[0-9]+");
            assertThat(service.path("mem_limit").asText()).matches("[0-9]+[mg]");
            assertThat(service.path("pids_limit").asInt()).isPositive();
            assertThat(service.path("logging").path("options").has("max-size")).isTrue();
            assertThat(service.path("image").asText()).matches("[a-z/-]+:[a-zA-Z0-9.-]*[0-9][a-zA-Z0-9.-]*");
        });
    }

    @Test
    void everyService_isLookedAfter() {
        assertThat(compose.services()).allSatisfy((name, service) -> {
            if (name.equals(ONE_SHOT)) {
                assertThat(service.path("restart").asText()).startsWith("on-failure:");
                assertThat(service.path("healthcheck").path("disable").asBoolean())
                        .isTrue();
            } else {
                assertThat(service.path("restart").asText()).isEqualTo("unless-stopped");
                assertThat(compose.healthTest(name)).hasSizeGreaterThan(1);
                assertThat(service.path("healthcheck").properties())
                        .extracting(Map.Entry::getKey)
                        .contains("interval", "timeout", "retries", "start_period");
            }
        });
    }

    @Test
    void ports_areOfLoopbackOnly_andThoseThatTheProgramsListenOn() {
        Map<String, String> listened = Map.of("backend", "8080", "prometheus", "9090", "grafana", "3000");
        compose.services().forEach((name, service) -> {
            List<String> ports = ComposeFile.texts(service.path("ports")).toList();
            assertThat(ports).as(name).hasSize(listened.containsKey(name) ? 1 : 0);
            ports.forEach(port -> assertThat(port).matches("127\\.0\\.0\\.1:[0-9]+:" + listened.get(name)));
        });
        assertThat(compose.environment("backend")).containsEntry("PORT", "8080");
        assertThat(compose.environment("agent"))
                .containsEntry("ENDPOINT", "http://backend:8080")
                .containsEntry("METRICS_PORT", "9100");
    }

    @Test
    void whatIsMounted_isInTheTree_andCantBeWrittenTo() {
        compose.services().keySet().stream()
                .flatMap(name -> compose.mounts(name).stream())
                .filter(Mount::isOfTheTree)
                .forEach(mount -> {
                    assertThat(ComposeFile.DIRECTORY.resolve(mount.source())).exists();
                    assertThat(mount.mode()).as(mount.source()).isEqualTo("ro");
                });
    }

    @Test
    void volumesNetworksAndSecrets_areDeclaredAndUsed() {
        Set<String> volumes = new TreeSet<>();
        Set<String> networks = new TreeSet<>();
        Set<String> secrets = new TreeSet<>();
        compose.services().forEach((name, service) -> {
            compose.mounts(name).stream()
                    .filter(mount -> !mount.isOfTheTree())
                    .map(Mount::source)
                    .forEach(volumes::add);
            ComposeFile.texts(service.path("networks")).forEach(networks::add);
            secrets.addAll(compose.secrets(name));
        });
        assertThat(names("volumes")).containsExactlyInAnyOrderElementsOf(volumes);
        assertThat(names("networks")).containsExactlyInAnyOrderElementsOf(networks);
        assertThat(names("secrets")).containsExactlyInAnyOrderElementsOf(secrets);
    }

    private static Set<String> names(String section) {
        return ComposeFile.members(compose.tree().path(section)).keySet();
    }

    @Test
    void ownServices_runTheImagesOfTheDockerfile_asItsUser() {
        for (String name : List.of("backend", "agent", ONE_SHOT)) {
            JsonNode service = compose.service(name);
            String target = name.equals("backend") ? "flk-backend" : "flk-agent";
            assertThat(service.path("image").asText())
                    .isEqualTo(target + ":" + compose.values().get("FLK_VERSION"));
            assertThat(service.path("user").asText()).isEqualTo(images.last(target, "USER"));
            if (!name.equals(ONE_SHOT)) {
                JsonNode build = service.path("build");
                assertThat(build.path("target").asText()).isEqualTo(target);
                assertThat(ComposeFile.DIRECTORY
                                .resolve(build.path("context").asText())
                                .normalize())
                        .isEqualTo(Built.root());
                assertThat(build.path("dockerfile").asText()).isEqualTo(Dockerfile.PATH);
            }
            assertThat(compose.mounts(name))
                    .extracting(Mount::target)
                    .contains(images.words(target, "VOLUME").get(0));
        }
    }

    @Test
    void version_isThatOfTheProject() throws IOException {
        assertThat(Files.readString(Built.root().resolve("pom.xml")))
                .contains("<version>" + compose.values().get("FLK_VERSION") + "</version>");
        assertThat(images.pairs("flk-backend", "ARG"))
                .containsEntry("VERSION", compose.values().get("FLK_VERSION"));
    }

    @Test
    void environments_haveOnlyNamesThatOurProgramsKnow() throws Exception {
        assertKnown("flk-backend", compose.environment("backend"), "config", "check");
        assertKnown("flk-agent", compose.environment("agent"), "outbox", "cat");
        assertThat(compose.environment(ONE_SHOT)).isEqualTo(compose.environment("agent"));
    }

    /** In a file an unknown name is a mistake; in the environment it is not. */
    private void assertKnown(String jar, Map<String, String> environment, String... command) throws Exception {
        Path secret = Files.writeString(directory.resolve("secret"), "redis://flk:0123456789abcdef@127.0.0.1:6379");
        StringBuilder properties = new StringBuilder();
        environment.forEach((name, value) -> properties
                .append(name)
                .append('=')
                .append(value.startsWith(ComposeFile.SECRETS) ? secret : value)
                .append('\n'));
        Path file = Files.writeString(directory.resolve(jar + ".properties"), properties);
        List<String> words = new ArrayList<>(List.of(command));
        words.addAll(List.of("--config", file.toString()));
        try (Program program =
                Program.java(jar, directory, Map.of(), Program.QUICK_START, words.toArray(String[]::new))) {
            assertThat(program.awaitExit()).as(program.allLines()).isZero();
        }
        Files.writeString(file, "NO_SUCH_NAME=1\n", StandardOpenOption.APPEND);
        try (Program program =
                Program.java(jar, directory, Map.of(), Program.QUICK_START, words.toArray(String[]::new))) {
            assertThat(program.awaitExit()).as(program.allLines()).isEqualTo(2);
            assertThat(program.allLines()).contains("NO_SUCH_NAME");
        }
    }

    @Test
    void prometheus_scrapesWhatTheServicesListenOn() throws IOException {
        JsonNode config = StrictYaml.read(Files.readString(ComposeFile.DIRECTORY.resolve("prometheus.yml")));
        Set<String> targets = new TreeSet<>();
        for (JsonNode job : config.path("scrape_configs")) {
            ComposeFile.texts(job.path("static_configs").path(0).path("targets"))
                    .forEach(targets::add);
            if (job.path("job_name").asText().equals("flk-backend")) {
                assertThat(job.path("basic_auth").path("username").asText())
                        .isEqualTo(compose.environment("backend").get("METRICS_USER"));
            }
        }
        assertThat(targets).containsExactlyInAnyOrder("backend:8080", "agent:9100", "localhost:9090");
        for (String name : List.of("backend", "agent", "grafana")) {
            assertThat(ComposeFile.texts(compose.service(name).path("networks")))
                    .as("%s is where Prometheus is", name)
                    .containsAll(ComposeFile.texts(compose.service("prometheus").path("networks"))
                            .toList());
        }
        assertThat(compose.environment("grafana")).containsEntry("PROMETHEUS_URL", "http://prometheus:9090");
    }

    @Test
    void promtool_findsNoMistakeInThePrometheusConfiguration() throws Exception {
        HostProgram promtool = HostProgram.orSkip("promtool", "prometheus", directory);
        Path secret = Files.writeString(directory.resolve("secret"), "x");
        for (Mount mount : compose.mounts("prometheus")) {
            if (mount.isOfTheTree()) {
                Path source = ComposeFile.DIRECTORY.resolve(mount.source());
                Files.writeString(
                        directory.resolve(Path.of(mount.target()).getFileName()),
                        Files.readString(source).replace(ComposeFile.SECRETS + "metrics-password", secret.toString()));
            }
        }
        assertThat(promtool.succeed("check", "config", "prometheus.yml"))
                .contains("SUCCESS: prometheus.yml is valid prometheus config file syntax", "rules found")
                .doesNotContain("FAILED");
    }
}
