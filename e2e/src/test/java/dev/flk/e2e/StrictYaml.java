// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import org.yaml.snakeyaml.error.YAMLException;

/** Reads YAML that must be one document with no key twice; anchors and merges are resolved. */
final class StrictYaml {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private StrictYaml() {}

    static JsonNode read(String text) {
        LoaderOptions options = new LoaderOptions();
        options.setAllowDuplicateKeys(false);
        try {
            Object document = new Yaml(new SafeConstructor(options)).load(text);
            return MAPPER.valueToTree(document);
        } catch (YAMLException e) {
            throw new AssertionError("not one YAML document: " + e.getMessage(), e);
        }
    }
}
