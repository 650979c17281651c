// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A slow but obviously correct reference: it computes the canonical form of a body as the format describes it, from a
 * tree of the complete body and with exact arithmetic.
 */
final class SlowCanonicalForm {
    private static final int MAX_NESTING = 32;
    private static final String[] REALS = {"D_hat", "budget", "coh_star", "r"};
    private static final String[] STRINGS = {"merkle_root", "pcs_id", "shard_id"};

    private static final JsonMapper JSON = JsonMapper.builder(JsonFactory.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNumberLength(Integer.MAX_VALUE)
                            .maxStringLength(Integer.MAX_VALUE)
                            .maxNameLength(Integer.MAX_VALUE)
                            .build())
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private SlowCanonicalForm() {}

    /**
     * Returns the canonical form; empty if the body can't be read, or a signed field is missing or has the wrong type.
     */
    static Optional<String> of(byte[] body) {
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(body))
                    .toString();
            JsonNode tree = JSON.readTree(text);
            if (text.startsWith("\uFEFF") || tree == null || !tree.isObject() || !isWellFormed(tree, 1)) {
                return Optional.empty();
            }
            return signed(tree, numbers(text));
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static Optional<String> signed(JsonNode tree, Map<String, String> numbers) {
        Map<String, String> fields = new TreeMap<>();
        for (String name : STRINGS) {
            if (!tree.path(name).isTextual()) {
                return Optional.empty();
            }
            fields.put(name, quoted(tree.get(name).textValue()));
        }
        for (String name : REALS) {
            String literal = numbers.get(name);
            if (literal == null) {
                return Optional.empty();
            }
            double value = nearest(literal);
            if (Double.isInfinite(value)) {
                return Optional.empty();
            }
            fields.put(name, SlowDecimal.print(SlowDecimal.round9(value)));
        }
        if (!tree.path("epoch").isIntegralNumber()) {
            return Optional.empty();
        }
        BigInteger epoch = tree.get("epoch").bigIntegerValue();
        if (epoch.bitLength() > 63 || numbers.get("epoch").length() > 20) {
            return Optional.empty();
        }
        fields.put("epoch", epoch.toString());
        StringBuilder all = new StringBuilder("{");
        fields.forEach((name, value) ->
                all.append('"').append(name).append("\":").append(value).append(name.equals("shard_id") ? "}" : ","));
        return Optional.of(all.toString());
    }

    /** Returns the numbers that are direct members of the body, as they are spelled. */
    private static Map<String, String> numbers(String text) throws IOException {
        Map<String, String> numbers = new TreeMap<>();
        try (JsonParser parser = JSON.createParser(text)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (value.isNumeric()) {
                    numbers.put(name, parser.getText());
                }
                parser.skipChildren();
            }
        }
        return numbers;
    }

    private static boolean isWellFormed(JsonNode node, int depth) {
        if (node.isContainerNode() && depth > MAX_NESTING) {
            return false;
        }
        if (node.isTextual()) {
            return hasNoLoneSurrogate(node.textValue());
        }
        for (Map.Entry<String, JsonNode> member : node.properties()) {
            if (!hasNoLoneSurrogate(member.getKey())) {
                return false;
            }
        }
        for (JsonNode child : node) {
            if (!isWellFormed(child, depth + 1)) {
                return false;
            }
        }
        return true;
    }

    private static boolean hasNoLoneSurrogate(String text) {
        return text.codePoints().noneMatch(point -> point >= 0xd800 && point <= 0xdfff);
    }

    /** Returns the nearest double as CPython does: an integer has no sign if it is zero. */
    private static double nearest(String literal) {
        boolean integer = literal.chars().allMatch(c -> c == '-' || (c >= '0' && c <= '9'));
        double nearest = SlowDecimal.nearest(literal);
        return integer && nearest == 0 ? 0.0 : nearest;
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            String escape = Map.of(
                            '"', "\\\"", '\\', "\\\\", '\b', "\\b", '\f', "\\f", '\n', "\\n", '\r', "\\r", '\t', "\\t")
                    .get(c);
            out.append(escape != null ? escape : c >= ' ' && c <= '~' ? "" + c : String.format("\\u%04x", (int) c));
        }
        return out.append('"').toString();
    }
}
