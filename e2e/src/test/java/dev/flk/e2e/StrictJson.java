// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;

/** A JSON reader that rejects repeated keys and text after the value. Returns a missing node for an empty text. */
final class StrictJson {
    private static final ObjectMapper MAPPER = new ObjectMapper()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

    private StrictJson() {}

    static JsonNode read(String text) {
        try {
            return MAPPER.readTree(text);
        } catch (IOException e) {
            throw new AssertionError("not one JSON value: " + text, e);
        }
    }

    /** Returns the value of a string member. Fails unless it is the only member of the object. */
    static String onlyMember(String name, JsonNode object) {
        List<String> names =
                object.properties().stream().map(member -> member.getKey()).toList();
        if (!names.equals(List.of(name)) || !object.get(name).isTextual()) {
            throw new AssertionError("not {\"" + name + "\":\"…\"}: " + object);
        }
        return object.get(name).textValue();
    }
}
