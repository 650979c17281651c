// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** {@code deploy/compose/compose.yaml} with the values of {@code .env} in it. */
record ComposeFile(JsonNode tree, Map<String, String> values) {
    static final Path DIRECTORY = Built.root().resolve("deploy/compose");
    static final Path FILE = DIRECTORY.resolve("compose.yaml");

    /** Where a secret is seen by those who are given it. */
    static final String SECRETS = "/run/secrets/";

    private static final Pattern VALUE = Pattern.compile("\\$\\{([A-Z_]+)}");

    /** What is put into a service, and where. */
    record Mount(String source, String target, String mode) {
        /** A file or directory of the tree, and no volume. */
        boolean isOfTheTree() {
            return source.startsWith(".");
        }
    }

    static ComposeFile read() throws IOException {
        Map<String, String> values = new LinkedHashMap<>();
        for (String line : Files.readAllLines(DIRECTORY.resolve(".env"))) {
            if (!line.startsWith("#")) {
                String[] nameAndValue = line.split("=", 2);
                assertThat(nameAndValue).as(line).hasSize(2);
                values.put(nameAndValue[0], nameAndValue[1]);
            }
        }
        String text = VALUE.matcher(Files.readString(FILE))
                .replaceAll(name -> Matcher.quoteReplacement(values.getOrDefault(name.group(1), "")));
        return new ComposeFile(StrictYaml.read(text), values);
    }

    Map<String, JsonNode> services() {
        return members(tree.path("services"));
    }

    JsonNode service(String name) {
        JsonNode service = tree.path("services").path(name);
        assertThat(service.isObject()).as(name).isTrue();
        return service;
    }

    Map<String, String> environment(String service) {
        Map<String, String> environment = new LinkedHashMap<>();
        members(service(service).path("environment")).forEach((name, value) -> environment.put(name, value.asText()));
        return environment;
    }

    List<Mount> mounts(String service) {
        return texts(service(service).path("volumes"))
                .map(mount -> mount.split(":", -1))
                .map(parts -> new Mount(parts[0], parts[1], parts.length > 2 ? parts[2] : "rw"))
                .toList();
    }

    List<String> secrets(String service) {
        return texts(service(service).path("secrets")).toList();
    }

    List<String> command(String service) {
        return texts(service(service).path("command")).toList();
    }

    /** The words of its health check. */
    List<String> healthTest(String service) {
        return texts(service(service).path("healthcheck").path("test")).toList();
    }

    static Map<String, JsonNode> members(JsonNode object) {
        Map<String, JsonNode> members = new LinkedHashMap<>();
        object.properties().forEach(member -> members.put(member.getKey(), member.getValue()));
        return members;
    }

    static Stream<String> texts(JsonNode array) {
        List<String> texts = new ArrayList<>();
        array.forEach(each -> texts.add(each.asText()));
        return texts.stream();
    }
}
