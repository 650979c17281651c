// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;

/** Objects for Kubernetes. */
record Manifests(List<JsonNode> objects) {
    /** A pod that would run, as some object describes it. */
    record Pod(String owner, JsonNode labels, JsonNode spec) {
        List<JsonNode> containers() {
            return list(spec.path("containers"));
        }

        /** The one container of ours. */
        JsonNode container() {
            return containers().get(0);
        }

        JsonNode volume(String name) {
            return named(list(spec.path("volumes")), name);
        }
    }

    /** Of a text with several documents; there may be empty ones. */
    static Manifests of(String yaml) {
        YAMLMapper mapper = new YAMLMapper();
        try (var documents = mapper.readerFor(JsonNode.class).<JsonNode>readValues(yaml)) {
            List<JsonNode> objects = new ArrayList<>();
            while (documents.hasNext()) {
                JsonNode object = documents.next();
                if (object != null && object.isObject()) {
                    objects.add(object);
                }
            }
            return new Manifests(objects);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Stream<JsonNode> kind(String kind) {
        return objects.stream().filter(object -> object.path("kind").asText().equals(kind));
    }

    Optional<JsonNode> find(String kind, String name) {
        return kind(kind).filter(object -> name(object).equals(name)).findFirst();
    }

    JsonNode get(String kind, String name) {
        return find(kind, name).orElseThrow(() -> new AssertionError("no " + kind + " " + name + " in " + names()));
    }

    /** What there is, like {@code Service/flk-backend}. */
    List<String> names() {
        return objects.stream()
                .map(object -> object.path("kind").asText() + "/" + name(object))
                .sorted()
                .toList();
    }

    List<Pod> pods() {
        List<Pod> pods = new ArrayList<>();
        for (JsonNode object : objects) {
            JsonNode template = switch (object.path("kind").asText()) {
                case "StatefulSet", "Deployment", "DaemonSet" -> object.at("/spec/template");
                case "CronJob" -> object.at("/spec/jobTemplate/spec/template");
                case "Pod" -> object;
                default -> MissingNode.getInstance();
            };
            if (!template.isMissingNode()) {
                pods.add(new Pod(
                        object.path("kind").asText() + "/" + name(object),
                        template.at("/metadata/labels"),
                        template.path("spec")));
            }
        }
        return pods;
    }

    Pod pod(String owner) {
        return pods().stream()
                .filter(pod -> pod.owner().equals(owner))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + owner + " in " + names()));
    }

    /** Those that a selector of labels chooses. */
    List<Pod> chosenBy(JsonNode matchLabels) {
        return pods().stream()
                .filter(pod -> matchLabels.isObject() && !matchLabels.isEmpty())
                .filter(pod -> holdsAll(pod.labels(), matchLabels))
                .toList();
    }

    static boolean holdsAll(JsonNode labels, JsonNode wanted) {
        return texts(wanted).entrySet().stream()
                .allMatch(label -> labels.path(label.getKey()).asText().equals(label.getValue()));
    }

    static String name(JsonNode object) {
        return object.at("/metadata/name").asText();
    }

    static JsonNode named(List<JsonNode> nodes, String name) {
        return nodes.stream()
                .filter(node -> node.path("name").asText().equals(name))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + name + " in " + nodes));
    }

    static List<JsonNode> list(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false).toList();
    }

    /** The members of an object. */
    static Map<String, String> texts(JsonNode object) {
        Map<String, String> texts = new TreeMap<>();
        object.properties()
                .forEach(member -> texts.put(member.getKey(), member.getValue().asText()));
        return texts;
    }
}
