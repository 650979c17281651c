// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The CycloneDX file of a program. */
record BillOfMaterials(JsonNode json, List<Component> components) {
    private static final Pattern CLASSIFIER = Pattern.compile("classifier=([^&]+)");

    /**
     * A library.
     *
     * @param inside the purl of the library that carries it, if it has no jar of its own
     * @param prefix what the names of its entries begin with; of those that are inside others
     */
    record Component(
            String purl,
            String group,
            String name,
            String version,
            List<String> licences,
            String sha256,
            Optional<String> inside,
            String prefix) {

        boolean ours() {
            return group.equals("dev.flk");
        }

        /** The file that was put into the jar; as Maven keeps it, or as this build left it. */
        Path jar() {
            Matcher classifier = CLASSIFIER.matcher(purl);
            String file = name + "-" + version + (classifier.find() ? "-" + classifier.group(1) : "") + ".jar";
            return ours()
                    ? Built.root()
                            .resolve(name.replaceFirst("^flk-", ""))
                            .resolve("target")
                            .resolve(file)
                    : Path.of(System.getProperty("flk.repository"))
                            .resolve(group.replace('.', '/'))
                            .resolve(name)
                            .resolve(version)
                            .resolve(file);
        }
    }

    /** Where the build leaves it, beside the jar. */
    static Path besideJar(String program) {
        return Built.jar(program).resolveSibling(program + ".cdx.json");
    }

    static BillOfMaterials of(String program) throws IOException {
        JsonNode json = StrictJson.read(Files.readString(besideJar(program)));
        List<Component> components = new ArrayList<>();
        for (JsonNode one : json.get("components")) {
            components.add(component(one));
        }
        return new BillOfMaterials(json, components);
    }

    private static Component component(JsonNode json) {
        List<String> licences = new ArrayList<>();
        for (JsonNode one : json.path("licenses")) {
            JsonNode licence = one.get("license");
            licences.add((licence.has("id") ? licence.get("id") : licence.get("name")).textValue());
        }
        return new Component(
                json.get("purl").textValue(),
                json.path("group").asText(""),
                json.get("name").textValue(),
                json.path("version").asText(""),
                licences,
                named(json.path("hashes"), "alg", "SHA-256", "content").orElse(""),
                named(json.path("properties"), "name", "flk:inside", "value"),
                named(json.path("properties"), "name", "flk:entries", "value").orElse(""));
    }

    private static Optional<String> named(JsonNode list, String key, String wanted, String value) {
        for (JsonNode one : list) {
            if (one.get(key).textValue().equals(wanted)) {
                return Optional.of(one.get(value).textValue());
            }
        }
        return Optional.empty();
    }

    /** Those with a jar of their own. */
    List<Component> jars() {
        return components.stream().filter(one -> one.inside().isEmpty()).toList();
    }

    /** Those that others carry inside. */
    List<Component> inside() {
        return components.stream().filter(one -> one.inside().isPresent()).toList();
    }
}
