// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.flk.backend.state.schema.ValueSchema.JsonType;
import dev.flk.backend.state.schema.ValueSchema.Length;
import dev.flk.backend.state.schema.ValueSchema.Limit;
import dev.flk.state.Schemas.Compiled;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A compiler of schemas. The keywords are those of JSON Schema, draft 2020-12, that one pass over a value can check, so
 * that neither a schema nor a value can make a check expensive. Any other keyword is refused by name, except for those
 * that only describe.
 */
public final class JsonSchemas {
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();
    private static final String DRAFT = "https://json-schema.org/draft/2020-12/schema";
    private static final int MOST_CHARS = 256 << 10;
    private static final int MOST_DEPTH = 32;
    private static final int MOST_ALLOWED = 1_000;
    private static final Set<String> DESCRIBING =
            Set.of("$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "format");
    private static final Set<String> LIMITS = names(Limit.values());
    private static final Set<String> LENGTHS = names(Length.values());

    private JsonSchemas() {}

    private static Set<String> names(Object[] keywords) {
        return Stream.of(keywords).map(Object::toString).collect(Collectors.toUnmodifiableSet());
    }

    /**
     * Compiles a schema.
     *
     * @throws StateException INVALID if the text is not a JSON Schema, is too long, or has a keyword that is not
     *     supported; the message names the place
     */
    public static Compiled compile(String json) {
        if (json.length() > MOST_CHARS) {
            throw notASchema("", "is longer than " + MOST_CHARS + " characters");
        }
        try {
            JsonNode document = JSON.readTree(json);
            JsonNode draft = document.path("$schema");
            if (!draft.isMissingNode() && !draft.asText().replaceAll("#$", "").equals(DRAFT)) {
                throw notASchema("/$schema", "must be " + DRAFT);
            }
            return schema(document, "", 0);
        } catch (JsonProcessingException e) {
            throw notASchema("", "is not JSON: " + e.getOriginalMessage());
        } catch (ArithmeticException | NumberFormatException e) {
            throw notASchema("", "has a number with too large an exponent");
        }
    }

    private static ValueSchema schema(JsonNode node, String path, int depth) {
        if (node.isBoolean()) {
            return node.asBoolean() ? ValueSchema.ANYTHING : ValueSchema.NOTHING;
        }
        if (!node.isObject()) {
            throw notASchema(path, "must be an object, true or false");
        }
        if (depth > MOST_DEPTH) {
            throw notASchema(path, "is nested more than " + MOST_DEPTH + " levels deep");
        }
        EnumSet<JsonType> types = EnumSet.allOf(JsonType.class);
        List<Set<Object>> allowed = new ArrayList<>();
        Map<Limit, BigDecimal> limits = new HashMap<>();
        Map<Length, Long> lengths = new HashMap<>();
        Set<String> required = new HashSet<>();
        Map<String, ValueSchema> properties = new HashMap<>();
        ValueSchema others = ValueSchema.ANYTHING;
        ValueSchema items = ValueSchema.ANYTHING;
        for (Map.Entry<String, JsonNode> member : node.properties()) {
            String keyword = member.getKey();
            JsonNode given = member.getValue();
            String at = path + "/" + ValueSchema.escaped(keyword);
            if (LIMITS.contains(keyword)) {
                limits.put(Limit.valueOf(constant(keyword)), number(given, at));
            } else if (LENGTHS.contains(keyword)) {
                lengths.put(Length.valueOf(constant(keyword)), count(given, at));
            } else {
                switch (keyword) {
                    case "type" -> types = types(given, at);
                    case "enum" -> allowed.add(values(given, at));
                    case "const" -> allowed.add(Set.of(scalar(given, at)));
                    case "required" -> required = texts(given, at);
                    case "properties" -> properties = properties(given, at, depth);
                    case "additionalProperties" -> others = schema(given, at, depth + 1);
                    case "items" -> items = schema(given, at, depth + 1);
                    default -> {
                        if (!DESCRIBING.contains(keyword)) {
                            throw notASchema(at, "is a keyword that is not supported");
                        }
                    }
                }
            }
        }
        return new ValueSchema(types, allowed, limits, lengths, required, properties, others, items);
    }

    /** Returns the name of the constant of a keyword, such as MIN_LENGTH of minLength. */
    private static String constant(String keyword) {
        return keyword.replaceAll("([A-Z])", "_$1").toUpperCase(Locale.ROOT);
    }

    private static EnumSet<JsonType> types(JsonNode given, String at) {
        EnumSet<JsonType> types = EnumSet.noneOf(JsonType.class);
        for (JsonNode each : given.isArray() ? given : List.of(given)) {
            types.add(Stream.of(JsonType.values())
                    .filter(type -> each.isTextual() && type.toString().equals(each.asText()))
                    .findFirst()
                    .orElseThrow(() -> notASchema(at, "must be one or several of " + List.of(JsonType.values()))));
        }
        return types;
    }

    private static Set<Object> values(JsonNode given, String at) {
        if (!given.isArray() || given.isEmpty() || given.size() > MOST_ALLOWED) {
            throw notASchema(at, "must be an array of 1 to " + MOST_ALLOWED + " values");
        }
        Set<Object> values = new HashSet<>();
        for (int i = 0; i < given.size(); i++) {
            values.add(scalar(given.get(i), at + "/" + i));
        }
        return values;
    }

    private static Object scalar(JsonNode given, String at) {
        if (given.isContainerNode()) {
            throw notASchema(at, "must be a text, a number, true, false or null");
        }
        if (given.isNumber()) {
            return ValueSchema.comparable(number(given, at));
        }
        return given.isNull() ? JsonToken.VALUE_NULL : given.isBoolean() ? (Object) given.asBoolean() : given.asText();
    }

    private static BigDecimal number(JsonNode given, String at) {
        if (!given.isNumber()) {
            throw notASchema(at, "must be a number");
        }
        BigDecimal number = given.decimalValue();
        if (number.precision() > ValueSchema.MOST_DIGITS) {
            throw notASchema(at, "must have at most " + ValueSchema.MOST_DIGITS + " digits");
        }
        return number;
    }

    private static long count(JsonNode given, String at) {
        if (!given.isNumber() || given.decimalValue().signum() < 0 || !given.canConvertToExactIntegral()) {
            throw notASchema(at, "must be a whole number, 0 or more");
        }
        return given.decimalValue().min(BigDecimal.valueOf(Long.MAX_VALUE)).longValue();
    }

    private static Set<String> texts(JsonNode given, String at) {
        Set<String> texts = new HashSet<>();
        for (JsonNode each : given) {
            if (each.isTextual()) {
                texts.add(each.asText());
            }
        }
        if (!given.isArray() || texts.size() != given.size()) {
            throw notASchema(at, "must be an array of different texts");
        }
        return texts;
    }

    private static Map<String, ValueSchema> properties(JsonNode given, String at, int depth) {
        if (!given.isObject()) {
            throw notASchema(at, "must be an object");
        }
        Map<String, ValueSchema> properties = new HashMap<>();
        given.properties()
                .forEach(member -> properties.put(
                        member.getKey(),
                        schema(member.getValue(), at + "/" + ValueSchema.escaped(member.getKey()), depth + 1)));
        return properties;
    }

    private static StateException notASchema(String path, String why) {
        return Reason.INVALID.because("the text is not a JSON Schema that the state supports: "
                + (path.isEmpty() ? "it" : ValueSchema.shown(path)) + " " + why);
    }
}
