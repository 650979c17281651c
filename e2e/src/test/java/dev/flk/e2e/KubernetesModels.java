// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kubernetes.client.openapi.JSON;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * What Kubernetes knows of an object: the models of its own API, which refuse a field that they don't have and miss one that must be
 * there, and lists of fields for what is not its own.
 */
final class KubernetesModels {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private static final Set<String> METADATA =
            Set.of("metadata.name", "metadata.namespace", "metadata.labels.*", "metadata.annotations.*");

    /** Of monitoring.coreos.com/v1 and gateway.networking.k8s.io/v1: the fields that may be used, with the type of the value. */
    private static final Map<String, Map<String, String>> OTHERS = Map.of(
            "monitoring.coreos.com/v1 ServiceMonitor",
            Map.ofEntries(
                    Map.entry("spec.selector.matchLabels.*", "STRING"),
                    Map.entry("spec.namespaceSelector.matchNames[]", "STRING"),
                    Map.entry("spec.endpoints[].port", "STRING"),
                    Map.entry("spec.endpoints[].path", "STRING"),
                    Map.entry("spec.endpoints[].interval", "STRING"),
                    Map.entry("spec.endpoints[].basicAuth.username.name", "STRING"),
                    Map.entry("spec.endpoints[].basicAuth.username.key", "STRING"),
                    Map.entry("spec.endpoints[].basicAuth.password.name", "STRING"),
                    Map.entry("spec.endpoints[].basicAuth.password.key", "STRING"),
                    Map.entry("spec.endpoints[].relabelings[].sourceLabels[]", "STRING"),
                    Map.entry("spec.endpoints[].relabelings[].separator", "STRING"),
                    Map.entry("spec.endpoints[].relabelings[].targetLabel", "STRING"),
                    Map.entry("spec.endpoints[].relabelings[].replacement", "STRING")),
            "monitoring.coreos.com/v1 PrometheusRule",
            Map.ofEntries(
                    Map.entry("spec.groups[].name", "STRING"),
                    Map.entry("spec.groups[].rules[].record", "STRING"),
                    Map.entry("spec.groups[].rules[].alert", "STRING"),
                    Map.entry("spec.groups[].rules[].expr", "STRING"),
                    Map.entry("spec.groups[].rules[].for", "STRING"),
                    Map.entry("spec.groups[].rules[].labels.*", "STRING"),
                    Map.entry("spec.groups[].rules[].annotations.*", "STRING")),
            "gateway.networking.k8s.io/v1 HTTPRoute",
            Map.ofEntries(
                    Map.entry("spec.parentRefs[].name", "STRING"),
                    Map.entry("spec.parentRefs[].namespace", "STRING"),
                    Map.entry("spec.parentRefs[].sectionName", "STRING"),
                    Map.entry("spec.hostnames[]", "STRING"),
                    Map.entry("spec.rules[].matches[].path.type", "STRING"),
                    Map.entry("spec.rules[].matches[].path.value", "STRING"),
                    Map.entry("spec.rules[].backendRefs[].name", "STRING"),
                    Map.entry("spec.rules[].backendRefs[].port", "NUMBER")));

    private KubernetesModels() {}

    /** Fails with the field, if there is one that is unknown, missing or of another type. */
    static void check(JsonNode object) throws IOException {
        String kind =
                object.path("apiVersion").asText() + " " + object.path("kind").asText();
        if (OTHERS.containsKey(kind)) {
            checkFields(kind, object);
        } else {
            checkModel(object);
        }
    }

    private static void checkModel(JsonNode object) throws IOException {
        Class<?> model = model(object);
        Object read;
        try {
            read = JSON.getGson().fromJson(object.toString(), model);
        } catch (RuntimeException e) {
            throw new AssertionError(object.path("kind").asText() + " " + Manifests.name(object), e);
        }
        assertThat(withoutEmpty(MAPPER.readTree(JSON.getGson().toJson(read))))
                .as("%s, read and written again", object.path("kind").asText())
                .isEqualTo(withoutEmpty(MAPPER.readTree(object.toString())));
    }

    /** The models write lists that nobody gave. */
    private static JsonNode withoutEmpty(JsonNode node) {
        if (node instanceof ObjectNode object) {
            object.properties().forEach(member -> withoutEmpty(member.getValue()));
            object.removeIf(member -> member.isContainerNode() && member.isEmpty());
        } else {
            node.forEach(KubernetesModels::withoutEmpty);
        }
        return node;
    }

    /** That of {@code apps/v1} begins with V1. */
    private static Class<?> model(JsonNode object) {
        String version = object.path("apiVersion").asText().replaceAll(".*/", "");
        String name = version.toUpperCase(Locale.ROOT) + object.path("kind").asText();
        try {
            return Class.forName("io.kubernetes.client.openapi.models." + name);
        } catch (ClassNotFoundException e) {
            throw new AssertionError("Kubernetes has no " + name, e);
        }
    }

    private static void checkFields(String kind, JsonNode object) {
        Map<String, String> known = OTHERS.get(kind);
        List<String> unknown = new ArrayList<>();
        walk("", object, (path, value) -> {
            String type = known.getOrDefault(path, known.getOrDefault(anyMember(path), ""));
            boolean isOurs = path.equals("apiVersion")
                    || path.equals("kind")
                    || METADATA.contains(path)
                    || METADATA.contains(anyMember(path));
            if (!isOurs && !type.equals(value.getNodeType().name())) {
                unknown.add(path + " " + value);
            }
        });
        assertThat(unknown).as(kind + " " + Manifests.name(object)).isEmpty();
    }

    private static String anyMember(String path) {
        for (String map : List.of("labels", "annotations", "matchLabels")) {
            int end = path.indexOf(map + ".");
            if (end >= 0) {
                return path.substring(0, end) + map + ".*";
            }
        }
        return path;
    }

    private interface Leaf {
        void at(String path, JsonNode value);
    }

    private static void walk(String path, JsonNode node, Leaf leaf) {
        if (node.isObject()) {
            node.properties()
                    .forEach(member -> walk(
                            path.isEmpty() ? member.getKey() : path + "." + member.getKey(), member.getValue(), leaf));
        } else if (node.isArray()) {
            node.forEach(element -> walk(path + "[]", element, leaf));
        } else {
            leaf.at(path, node);
        }
    }
}
