// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.e2e.Manifests.Pod;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the chart makes of many values: objects that Kubernetes knows, that fit together, and that may do little. */
final class HelmIT {
    private static final Pattern PATH = Pattern.compile("(?<![^\\s=])/\\S+");
    private static final Pattern SETTINGS_FILE = Pattern.compile("/etc/flk/\\S+");

    private static final Map<HelmCase, Manifests> RENDERED = new EnumMap<>(HelmCase.class);

    @BeforeAll
    static void render() {
        for (HelmCase each : HelmCase.values()) {
            RENDERED.put(each, each.render());
        }
    }

    @ParameterizedTest
    @EnumSource
    void objects_areThese_eachOnce(HelmCase given) {
        assertThat(RENDERED.get(given).names()).containsExactlyInAnyOrderElementsOf(given.objects());
        assertThat(RENDERED.get(given).objects())
                .allSatisfy(object ->
                        assertThat(object.at("/metadata/namespace").asText()).isEqualTo(HelmChart.NAMESPACE));
    }

    @ParameterizedTest
    @EnumSource
    void everyField_isOneThatKubernetesKnows(HelmCase given) throws Exception {
        for (JsonNode object : RENDERED.get(given).objects()) {
            KubernetesModels.check(object);
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyPod_mayDoAsLittleAsTheRestrictedStandardAsks(HelmCase given) {
        for (Pod pod : RENDERED.get(given).pods()) {
            assertThat(pod.spec().path("automountServiceAccountToken").toString())
                    .isEqualTo("false");
            assertThat(pod.spec().path("enableServiceLinks").toString()).isEqualTo("false");
            assertThat(pod.spec().path("hostNetwork").isMissingNode()).isTrue();
            JsonNode security = pod.spec().path("securityContext");
            assertThat(security.path("runAsNonRoot").asBoolean()).isTrue();
            assertThat(security.path("runAsUser").asInt()).isEqualTo(10001);
            assertThat(security.path("runAsGroup").asInt()).isEqualTo(10001);
            assertThat(security.path("fsGroup").asInt()).isEqualTo(10001);
            assertThat(security.at("/seccompProfile/type").asText()).isEqualTo("RuntimeDefault");
            assertThat(pod.containers()).isNotEmpty().allSatisfy(container -> {
                JsonNode own = container.path("securityContext");
                assertThat(own.path("allowPrivilegeEscalation").toString()).isEqualTo("false");
                assertThat(own.path("readOnlyRootFilesystem").asBoolean()).isTrue();
                assertThat(own.path("runAsNonRoot").asBoolean()).isTrue();
                assertThat(own.at("/capabilities/drop").toString()).isEqualTo("[\"ALL\"]");
                assertThat(own.at("/capabilities/add").isMissingNode()).isTrue();
            });
            assertThat(Manifests.list(pod.spec().path("volumes")))
                    .filteredOn(volume -> volume.has("hostPath"))
                    .hasSize(pod.owner().startsWith("DaemonSet") ? 1 : 0);
        }
    }

    @ParameterizedTest
    @EnumSource
    void secrets_areInSecretsAlone(HelmCase given) {
        for (JsonNode object : RENDERED.get(given).objects()) {
            assertThat(object.toString().contains("never-shown"))
                    .as(Manifests.name(object) + " shows a secret")
                    .isEqualTo(object.path("kind").asText().equals("Secret"));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyMount_hasItsVolume_andEveryVolumeWhatItIsMadeOf(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        for (Pod pod : manifests.pods()) {
            List<JsonNode> volumes = new ArrayList<>(Manifests.list(pod.spec().path("volumes")));
            if (pod.owner().startsWith("StatefulSet")) {
                manifests
                        .kind("StatefulSet")
                        .findFirst()
                        .orElseThrow()
                        .at("/spec/volumeClaimTemplates")
                        .forEach(claim -> {
                            volumes.add(claim.path("metadata"));
                            assertThat(claim.at("/metadata/labels/helm.sh~1chart")
                                            .isMissingNode())
                                    .isTrue();
                        });
            }
            TreeSet<String> mounted = new TreeSet<>();
            for (JsonNode container : pod.containers()) {
                for (JsonNode mount : container.path("volumeMounts")) {
                    mounted.add(mount.path("name").asText());
                }
            }
            assertThat(volumes)
                    .map(volume -> volume.path("name").asText())
                    .containsExactlyInAnyOrderElementsOf(mounted);
            for (String name : List.of("/configMap/name", "/secret/secretName", "/persistentVolumeClaim/claimName")) {
                volumes.forEach(volume -> requireThere(given, volume.at(name)));
            }
            for (JsonNode source : pod.volume("tmp").has("emptyDir") ? projected(pod) : List.<JsonNode>of()) {
                requireThere(given, source.at("/configMap/name"));
                requireThere(given, source.at("/secret/name"));
                manifests
                        .find("Secret", source.at("/secret/name").asText())
                        .ifPresent(secret -> assertThat(Manifests.texts(secret.path("stringData"))
                                        .keySet())
                                .containsAll(source.at("/secret/items").findValuesAsText("key")));
            }
            assertThat(pod.volume("tmp").has("emptyDir")).isTrue();
        }
    }

    private static void requireThere(HelmCase given, JsonNode name) {
        if (!name.isMissingNode()) {
            Stream<String> made = RENDERED.get(given).objects().stream()
                    .filter(object -> List.of("ConfigMap", "Secret", "PersistentVolumeClaim")
                            .contains(object.path("kind").asText()))
                    .map(Manifests::name);
            assertThat(Stream.concat(made, given.existing().stream())).contains(name.asText());
        }
    }

    private static List<JsonNode> projected(Pod pod) {
        return Manifests.list(pod.spec().path("volumes")).stream()
                .flatMap(volume -> Manifests.list(volume.at("/projected/sources")).stream())
                .toList();
    }

    /** Of what the programs are told to read below {@code /etc/flk}, nothing is missing, and nothing else is there. */
    @ParameterizedTest
    @EnumSource
    void everyFileThatAProgramIsToRead_isMounted(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        for (Pod pod : manifests.pods()) {
            if (pod.owner().startsWith("CronJob")) {
                continue; // it needs none of the keys, see HelmProgramsIT
            }
            TreeSet<String> there = new TreeSet<>();
            for (JsonNode source : projected(pod)) {
                source.at("/secret/items")
                        .forEach(item ->
                                there.add("/etc/flk/" + item.path("path").asText()));
                manifests
                        .find("ConfigMap", source.at("/configMap/name").asText())
                        .ifPresent(map ->
                                map.path("data").fieldNames().forEachRemaining(file -> there.add("/etc/flk/" + file)));
            }
            assertThat(SETTINGS_FILE.matcher(told(manifests, pod)).results().map(MatchResult::group))
                    .as(pod.owner())
                    .containsExactlyInAnyOrderElementsOf(there);
        }
    }

    /** With a root file system that can't be written to, and nothing of the image that it must know. */
    @ParameterizedTest
    @EnumSource
    void everyPathThatAProgramIsTold_isOfAVolume(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        for (Pod pod : manifests.pods()) {
            List<String> mounts = pod.container().path("volumeMounts").findValuesAsText("mountPath");
            assertThat(PATH.matcher(told(manifests, pod)).results().map(MatchResult::group))
                    .as(pod.owner())
                    .isNotEmpty()
                    .allMatch(path -> mounts.stream().anyMatch(mount -> path.startsWith(mount + "/")));
        }
    }

    /** Arguments, environment and files of settings. */
    private static String told(Manifests manifests, Pod pod) {
        StringBuilder told = new StringBuilder();
        pod.container()
                .path("args")
                .forEach(argument -> told.append(argument.asText()).append(' '));
        pod.container()
                .path("env")
                .forEach(
                        variable -> told.append(variable.path("value").asText()).append(' '));
        List<JsonNode> maps = new ArrayList<>(projected(pod));
        maps.addAll(Manifests.list(pod.spec().path("volumes")));
        maps.forEach(map -> manifests
                .find("ConfigMap", map.at("/configMap/name").asText())
                .ifPresent(found -> found.path("data")
                        .forEach(file -> told.append(file.asText()).append(' '))));
        return told.toString();
    }

    @ParameterizedTest
    @EnumSource
    void everySelector_choosesWhatItIsFor(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        for (String kind : List.of("StatefulSet", "Deployment", "DaemonSet")) {
            manifests
                    .kind(kind)
                    .forEach(object -> assertThat(owners(manifests, object.at("/spec/selector/matchLabels")))
                            .containsExactly(kind + "/" + Manifests.name(object)));
        }
        manifests.kind("Service").forEach(service -> {
            List<Pod> chosen = manifests.chosenBy(service.at("/spec/selector"));
            assertThat(chosen).as(Manifests.name(service)).hasSize(1);
            service.at("/spec/ports")
                    .forEach(port -> assertThat(portNames(chosen.get(0)))
                            .contains(port.path("targetPort").asText()));
        });
        manifests.kind("NetworkPolicy").forEach(policy -> {
            List<Pod> chosen = manifests.chosenBy(policy.at("/spec/podSelector/matchLabels"));
            assertThat(chosen).as(Manifests.name(policy)).hasSize(1);
            assertThat(policy.at("/spec/policyTypes").toString()).isEqualTo("[\"Ingress\",\"Egress\"]");
            policy.at("/spec/ingress")
                    .forEach(rule -> assertThat(portNames(chosen.get(0)))
                            .contains(rule.at("/ports/0/port").asText()));
        });
        manifests
                .kind("PodDisruptionBudget")
                .forEach(budget -> assertThat(owners(manifests, budget.at("/spec/selector/matchLabels")))
                        .containsExactly("StatefulSet/flk-backend"));
        manifests
                .kind("HorizontalPodAutoscaler")
                .forEach(scaler -> assertThat(manifests
                                .get(
                                        "StatefulSet",
                                        scaler.at("/spec/scaleTargetRef/name").asText())
                                .at("/spec/replicas")
                                .isMissingNode())
                        .isTrue());
        assertThat(manifests.find(
                        "Service",
                        manifests
                                .get("StatefulSet", "flk-backend")
                                .at("/spec/serviceName")
                                .asText()))
                .isPresent();
        manifests
                .get("StatefulSet", "flk-backend")
                .at("/spec/template/spec/topologySpreadConstraints")
                .forEach(spread -> assertThat(owners(manifests, spread.at("/labelSelector/matchLabels")))
                        .containsExactly("StatefulSet/flk-backend"));
        manifests
                .kind("CronJob")
                .forEach(job -> assertThat(
                                owners(manifests, job.findPath("podAffinity").findPath("matchLabels")))
                        .containsExactly("Deployment/flk-agent"));
    }

    private static Stream<String> owners(Manifests manifests, JsonNode matchLabels) {
        return manifests.chosenBy(matchLabels).stream().map(Pod::owner);
    }

    private static List<String> portNames(Pod pod) {
        return pod.container().path("ports").findValuesAsText("name");
    }

    @ParameterizedTest
    @EnumSource
    void whatComesFromOutside_reachesTheBackends_andNotTheirMetrics(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        manifests
                .kind("Ingress")
                .flatMap(ingress -> Manifests.list(ingress.at("/spec/rules/0/http/paths")).stream())
                .forEach(path -> {
                    assertThat(path.path("path").asText()).isIn("/v1/pcs", "/health", "/readyz");
                    JsonNode service = path.at("/backend/service");
                    assertThat(manifests
                                    .get("Service", service.path("name").asText())
                                    .at("/spec/ports")
                                    .findValuesAsText("name"))
                            .contains(service.at("/port/name").asText());
                });
        manifests.kind("HTTPRoute").forEach(route -> {
            assertThat(route.at("/spec/rules/0/matches").findValuesAsText("value"))
                    .containsExactlyInAnyOrder("/v1/pcs", "/health", "/readyz");
            JsonNode to = route.at("/spec/rules/0/backendRefs/0");
            assertThat(manifests.get("Service", to.path("name").asText()).at("/spec/ports/0/port"))
                    .isEqualTo(to.path("port"));
        });
    }

    @ParameterizedTest
    @EnumSource
    void probes_askNamedPorts_andThePathsOfTheDocs(HelmCase given) {
        for (Pod pod : RENDERED.get(given).pods()) {
            Stream.of("startupProbe", "livenessProbe", "readinessProbe")
                    .map(probe -> pod.container().path(probe))
                    .filter(JsonNode::isObject)
                    .forEach(probe -> assertThat(portNames(pod))
                            .contains(probe.at("/httpGet/port").asText()));
        }
        JsonNode backend = RENDERED.get(given).pod("StatefulSet/flk-backend").container();
        boolean hasOpsPort = given.name().startsWith("TLS_");
        for (String probe : List.of("startupProbe", "livenessProbe", "readinessProbe")) {
            assertThat(backend.path(probe).at("/httpGet/port").asText()).isEqualTo(hasOpsPort ? "ops" : "http");
            assertThat(backend.path(probe).at("/httpGet/scheme").isMissingNode())
                    .isTrue();
        }
        assertThat(backend.at("/startupProbe/httpGet/path").asText()).isEqualTo("/health");
        assertThat(backend.at("/livenessProbe/httpGet/path").asText()).isEqualTo("/health");
        assertThat(backend.at("/readinessProbe/httpGet/path").asText()).isEqualTo("/readyz");
    }

    /** docs/monitoring.md: a job each, whose names alerts and dashboards take as they are. */
    @ParameterizedTest
    @EnumSource(names = {"AGENT_ON_EACH_NODE", "EVERYTHING", "TLS_OF_BOTH_SIDES"})
    void monitors_findOneServiceEach_andNameTheJob(HelmCase given) {
        Manifests manifests = RENDERED.get(given);
        List<String> jobs = new ArrayList<>();
        manifests.kind("ServiceMonitor").forEach(monitor -> {
            List<JsonNode> services = manifests
                    .kind("Service")
                    .filter(service -> Manifests.holdsAll(
                            service.at("/metadata/labels"), monitor.at("/spec/selector/matchLabels")))
                    .toList();
            assertThat(services).as(Manifests.name(monitor)).hasSize(1);
            assertThat(services.get(0).at("/spec/publishNotReadyAddresses").asBoolean())
                    .isTrue();
            JsonNode endpoint = monitor.at("/spec/endpoints/0");
            assertThat(services.get(0).at("/spec/ports").findValuesAsText("name"))
                    .contains(endpoint.path("port").asText());
            if (given == HelmCase.TLS_OF_BOTH_SIDES) {
                assertThat(endpoint.path("port").asText()).isIn("ops", "metrics");
            }
            assertThat(endpoint.path("path").asText()).isEqualTo("/metrics");
            requireThere(given, endpoint.at("/basicAuth/password/name"));
            assertThat(endpoint.at("/relabelings/0/targetLabel").asText()).isEqualTo("job");
            assertThat(endpoint.at("/relabelings/1/targetLabel").asText()).isEqualTo("instance");
            jobs.add(endpoint.at("/relabelings/0/replacement").asText());
        });
        assertThat(jobs)
                .containsExactlyInAnyOrderElementsOf(
                        given == HelmCase.EVERYTHING ? List.of("ours", "theirs") : List.of("flk-backend", "flk-agent"));
    }
}
