// SPDX-License-Identifier: Apache-2.0
package dev.flk.golden;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;

/** The golden files, which were made outside this project and contain one JSON object per line. */
final class Golden {
    private static final ObjectMapper JSON = new ObjectMapper();

    private Golden() {}

    static List<JsonNode> lines(String file) {
        try (BufferedReader reader = new BufferedReader(new InputStreamReader(
                Objects.requireNonNull(Golden.class.getResourceAsStream("/golden/" + file)), StandardCharsets.UTF_8))) {
            return reader.lines().map(Golden::parse).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static byte[] certificate(JsonNode line) {
        return text(line, "certificate").getBytes(StandardCharsets.UTF_8);
    }

    static String text(JsonNode line, String key) {
        return line.get(key).textValue();
    }

    private static JsonNode parse(String line) {
        try {
            return JSON.readTree(line);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
