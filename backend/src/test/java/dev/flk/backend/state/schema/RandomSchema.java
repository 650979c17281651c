// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.LongNode;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A random JSON Schema of draft 2020-12 and a random value that often satisfies it. Equal seeds give equal schemas and
 * values.
 */
final class RandomSchema {
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
    private static final int DEPTH = 3;
    private static final int DEFINITIONS = 3;

    /** The number that allows references to every definition and to the root. */
    private static final int ANY = -1;

    /**
     * The strings and property names. None contains a line terminator, because the meaning of {@code $} before one
     * differs between implementations.
     */
    private static final List<String> TEXTS =
            List.of("", "a", "b", "ab", "abc", "b1", "12", "é", "😀", "a😀", "é😀", "😀😀😀", "~/\"\\");

    /**
     * The regular expressions, which have the same meaning in Java, in Python and in ECMA-262 with the flag {@code u}.
     */
    private static final List<String> PATTERNS =
            List.of("^a", "b$", "^.{2}$", "[0-9]+", "^[a-c]*$", "^(a|b1)$", "é|😀", "^[^a]", "^$");

    private static final List<String> NUMBERS = List.of(
            "0",
            "1",
            "-1",
            "2",
            "3",
            "7",
            "100",
            "0.5",
            "2.25",
            "-0.125",
            "1.001",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "100000000000000000000000000000000000001");
    private static final List<String> STEPS = List.of("0", "0", "1", "-1", "0.5", "-0.001");

    /** A limit for lengths and sizes that exceeds 32 bits. */
    private static final JsonNode LARGE_COUNT = LongNode.valueOf(4_294_967_297L);

    private static final BigDecimal MOST_WITH_FRACTION = BigDecimal.valueOf(1_000_000);

    private static final Kind NUMBER = new Kind(
            List.of("number", "integer"),
            List.of("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"));
    private static final Kind STRING = new Kind(List.of("string"), List.of("minLength", "maxLength", "pattern"));
    private static final Kind OBJECT = new Kind(
            List.of("object"),
            List.of(
                    "properties",
                    "properties",
                    "required",
                    "additionalProperties",
                    "patternProperties",
                    "propertyNames",
                    "minProperties",
                    "maxProperties",
                    "dependentRequired",
                    "unevaluatedProperties",
                    "unevaluatedProperties"));
    private static final Kind ARRAY = new Kind(
            List.of("array"),
            List.of(
                    "items",
                    "prefixItems",
                    "prefixItems",
                    "contains",
                    "minContains",
                    "minItems",
                    "maxItems",
                    "uniqueItems",
                    "unevaluatedItems",
                    "unevaluatedItems"));
    private static final Kind OTHER = new Kind(List.of("boolean", "null"), List.of("type", "const", "enum"));
    private static final List<Kind> KINDS = List.of(NUMBER, STRING, OBJECT, ARRAY, OTHER);
    private static final List<String> APPLICATORS = List.of("allOf", "anyOf", "oneOf", "not", "if", "$ref");

    private final Random random;
    private final JsonNode schema;
    private final JsonNode value;

    RandomSchema(long seed) {
        // seeds are scrambled, because the first values of a Random hardly differ between adjacent seeds
        random = new Random(new SplittableRandom(seed).nextLong());
        Kind kind = pick(List.of(NUMBER, STRING, OBJECT, OBJECT, ARRAY, ARRAY));
        schema = schema(kind, DEPTH, 0);
        if (schema instanceof ObjectNode object) {
            ObjectNode definitions = object.putObject("$defs");
            for (int i = 0; i < DEFINITIONS; i++) {
                definitions.set("d" + i, schema(oneIn(2) ? kind : pick(KINDS), DEPTH - 1, i + 1));
            }
        }
        value = value(schema, DEPTH);
    }

    JsonNode schema() {
        return schema;
    }

    JsonNode value() {
        return value;
    }

    /**
     * Returns a schema.
     *
     * @param definition the first definition that the schema may refer to, or {@link #ANY}. To prevent endless
     *     references, a definition refers only to later ones, except below a keyword that descends into the value.
     */
    private JsonNode schema(Kind kind, int depth, int definition) {
        if (oneIn(depth == DEPTH ? 100 : 12)) {
            return BooleanNode.valueOf(!oneIn(3));
        }
        ObjectNode made = NODES.objectNode();
        if (oneIn(3)) {
            add("type", made, kind, depth, definition);
        }
        if (oneIn(12)) {
            add(oneIn(2) ? "const" : "enum", made, kind, depth, definition);
        }
        for (int i = random.nextInt(4); i > 0; i--) {
            add(pick(kind.keywords), made, kind, depth, definition);
        }
        for (int i = depth == 0 ? 0 : random.nextInt(3); i > 0; i--) {
            add(pick(APPLICATORS), made, kind, depth, definition);
        }
        return made;
    }

    private void add(String keyword, ObjectNode to, Kind kind, int depth, int definition) {
        Supplier<JsonNode> same = () -> schema(oneIn(8) ? pick(KINDS) : kind, depth - 1, definition);
        Supplier<JsonNode> child = () -> depth == 0
                ? NODES.objectNode().put("type", pick(pick(KINDS).types))
                : schema(pick(KINDS), depth - 1, ANY);
        switch (keyword) {
            case "type" -> to.set(keyword, type(kind));
            case "const" -> to.set(keyword, any(kind, 2));
            case "enum" -> to.set(keyword, list(1, 4, () -> any(kind, 2)));
            case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum" ->
                to.set(keyword, number(new BigDecimal(pick(NUMBERS))));
            // Python uses floating-point arithmetic if the divisor has a decimal point
            case "multipleOf" -> to.put(keyword, pick(List.of(1, 2, 3, 7)));
            case "minLength", "minItems", "minProperties" -> to.set(keyword, oneIn(20) ? LARGE_COUNT : count(0, 2));
            case "maxLength", "maxItems", "maxProperties" -> to.set(keyword, oneIn(20) ? LARGE_COUNT : count(1, 4));
            case "pattern" -> to.put(keyword, pick(PATTERNS));
            case "properties" -> to.set(keyword, members(TEXTS, child));
            case "patternProperties" -> to.set(keyword, members(PATTERNS, child));
            case "required" -> to.set(keyword, names());
            case "dependentRequired" -> to.set(keyword, members(TEXTS, this::names));
            case "propertyNames" -> to.set(keyword, schema(STRING, 0, ANY));
            case "additionalProperties", "unevaluatedProperties", "items", "unevaluatedItems" ->
                to.set(keyword, oneIn(3) ? BooleanNode.FALSE : child.get());
            case "prefixItems" -> to.set(keyword, list(1, 3, child));
            case "contains" -> {
                to.set(keyword, child.get());
                if (oneIn(2)) {
                    to.set("maxContains", count(1, 2));
                }
            }
            case "minContains" -> to.set(keyword, count(0, 2)); // ignored without contains
            // Python considers [[1],[true],[1]] unique, because it sorts 1 and true as equals; the seeds in use avoid
            // such values
            case "uniqueItems" -> to.put(keyword, !oneIn(4));
            case "allOf", "anyOf", "oneOf" -> to.set(keyword, list(1, 3, same));
            case "not" -> to.set(keyword, same.get());
            case "if" -> {
                // then and else are ignored without if
                Stream.of("if", "then", "else").filter(part -> !oneIn(6)).forEach(part -> to.set(part, same.get()));
            }
            case "$ref" -> {
                if (definition < DEFINITIONS) {
                    int target = random.nextInt(definition, DEFINITIONS);
                    to.put(keyword, target < 0 ? "#" : "#/$defs/d" + target);
                }
            }
            default -> throw new IllegalArgumentException(keyword);
        }
    }

    private JsonNode type(Kind kind) {
        return oneIn(2)
                ? TextNode.valueOf(pick(kind.types))
                : array(distinct(1, 3, () -> pick(oneIn(2) ? kind.types : pick(KINDS).types)).stream()
                        .<JsonNode>map(TextNode::valueOf)
                        .toList());
    }

    private ArrayNode names() {
        return array(distinct(0, 2, () -> pick(TEXTS)).stream()
                .<JsonNode>map(TextNode::valueOf)
                .toList());
    }

    private ObjectNode members(List<String> names, Supplier<? extends JsonNode> member) {
        ObjectNode made = NODES.objectNode();
        distinct(1, 3, () -> pick(names)).forEach(name -> made.set(name, member.get()));
        return made;
    }

    private ArrayNode list(int least, int most, Supplier<? extends JsonNode> element) {
        return array(Stream.generate(element)
                .limit(random.nextInt(least, most + 1))
                .<JsonNode>map(made -> made)
                .toList());
    }

    private static ArrayNode array(List<JsonNode> elements) {
        return NODES.arrayNode().addAll(elements);
    }

    private Set<String> distinct(int least, int most, Supplier<String> element) {
        Set<String> made = new LinkedHashSet<>();
        for (int i = random.nextInt(least, most + 1); i > 0; i--) {
            made.add(element.get());
        }
        return made;
    }

    private JsonNode count(int least, int most) {
        return number(BigDecimal.valueOf(random.nextInt(least, most + 1)));
    }

    /**
     * Returns a number; sometimes writes an integer with a decimal point. Python reads a number with a decimal point as
     * a double, which can distinguish short fractions but not large integers.
     */
    private JsonNode number(BigDecimal number) {
        if (number.stripTrailingZeros().scale() > 0) {
            return DecimalNode.valueOf(oneIn(6) ? number.setScale(3) : number);
        }
        return oneIn(6) && new BigDecimal(number.doubleValue()).compareTo(number) == 0
                ? DecimalNode.valueOf(number.setScale(1))
                : BigIntegerNode.valueOf(number.toBigIntegerExact());
    }

    /** Returns a value that does not depend on a schema. */
    private JsonNode any(Kind kind, int depth) {
        return value(NODES.objectNode().put("type", pick(kind.types)), depth);
    }

    /** Returns a value that is likely to satisfy a schema. */
    private JsonNode value(JsonNode near, int depth) {
        ObjectNode guide = NODES.objectNode();
        collect(near, guide);
        if (oneIn(16)) {
            guide.removeAll();
        }
        if (guide.has("const") && !oneIn(4)) {
            return guide.get("const");
        }
        if (guide.has("enum") && !oneIn(4)) {
            return pick(elements(guide.get("enum")));
        }
        return switch (typeNear(guide)) {
            case "null" -> NullNode.instance;
            case "boolean" -> BooleanNode.valueOf(random.nextBoolean());
            case "string" -> TextNode.valueOf(text(guide));
            case "array" -> arrayNear(guide, depth);
            case "object" -> objectNear(guide, depth);
            case "integer" -> number(numberNear(guide, true));
            default -> number(numberNear(guide, false));
        };
    }

    /**
     * Adds the keywords of a schema, and of some of the schemas that it applies to the same value, to the guide. If a
     * keyword exists there, only the missing members of an object and the names of {@code required} are added.
     */
    private void collect(JsonNode from, ObjectNode guide) {
        from.properties().forEach(keyword -> {
            JsonNode old = guide.get(keyword.getKey());
            if (old == null) {
                guide.set(keyword.getKey(), keyword.getValue().deepCopy());
            } else if (old instanceof ObjectNode members && keyword.getValue() instanceof ObjectNode more) {
                more.properties().forEach(member -> members.putIfAbsent(member.getKey(), member.getValue()));
            } else if (keyword.getKey().equals("required")) {
                ((ArrayNode) old).addAll((ArrayNode) keyword.getValue());
            }
        });
        if (!from.isObject()) {
            return;
        }
        elements(from.path("allOf")).forEach(part -> collect(part, guide));
        Stream.of(from.path("anyOf"), from.path("oneOf"))
                .filter(parts -> !parts.isEmpty())
                .forEach(parts -> collect(pick(elements(parts)), guide));
        boolean condition = random.nextBoolean();
        if (condition) {
            collect(from.path("if"), guide);
        }
        collect(from.path(condition ? "then" : "else"), guide);
        if (from.has("$ref")) {
            collect(schema.at(from.get("$ref").asText().substring(1)), guide);
        }
    }

    private String typeNear(ObjectNode guide) {
        JsonNode types = guide.path("type");
        if (!types.isMissingNode() && !oneIn(8)) {
            return types.isTextual() ? types.asText() : pick(elements(types)).asText();
        }
        List<Kind> restricted = KINDS.stream()
                .filter(kind -> kind.keywords.stream().anyMatch(guide::has))
                .toList();
        return pick(pick(restricted.isEmpty() || oneIn(8) ? KINDS : restricted).types);
    }

    private BigDecimal numberNear(ObjectNode guide, boolean integer) {
        List<JsonNode> limits =
                NUMBER.keywords.stream().filter(guide::has).map(guide::get).toList();
        BigDecimal limit = limits.isEmpty() || oneIn(4)
                ? new BigDecimal(pick(NUMBERS))
                : pick(limits).decimalValue();
        BigDecimal step = new BigDecimal(pick(STEPS));
        // a double can't represent a large number with a fraction
        BigDecimal near = limit.abs().compareTo(MOST_WITH_FRACTION) < 0 || step.scale() <= 0 ? limit.add(step) : limit;
        if (guide.has("multipleOf") && !oneIn(3)) {
            BigDecimal factor = guide.get("multipleOf").decimalValue();
            return near.divideToIntegralValue(factor).multiply(factor);
        }
        return integer ? near.setScale(0, RoundingMode.FLOOR) : near;
    }

    private String text(ObjectNode guide) {
        Pattern pattern = Pattern.compile(guide.path("pattern").asText());
        int least = guide.path("minLength").asInt();
        int most = guide.path("maxLength").asInt(Integer.MAX_VALUE);
        List<String> texts = TEXTS.stream()
                .filter(text -> pattern.matcher(text).find())
                .filter(text -> text.codePointCount(0, text.length()) >= least)
                .filter(text -> text.codePointCount(0, text.length()) <= most)
                .toList();
        return pick(texts.isEmpty() || oneIn(4) ? TEXTS : texts);
    }

    private JsonNode arrayNear(ObjectNode guide, int depth) {
        ArrayNode made = NODES.arrayNode();
        if (depth == 0) {
            return made;
        }
        int least = Math.min(
                4, guide.path("minItems").asInt(guide.path("minContains").asInt()));
        int most = Math.min(4, Math.max(least, guide.path("maxItems").asInt(4)));
        JsonNode prefix = guide.path("prefixItems");
        int length = oneIn(6) ? random.nextInt(5) : random.nextInt(least, most + 1);
        for (int i = 0; i < length; i++) {
            JsonNode near = i < prefix.size()
                    ? prefix.get(i)
                    : pick(List.of(guide.path("items"), guide.path("contains"), guide.path("unevaluatedItems")));
            made.add(!made.isEmpty() && oneIn(6) ? pick(elements(made)) : value(near, depth - 1));
        }
        return made;
    }

    private JsonNode objectNear(ObjectNode guide, int depth) {
        ObjectNode made = NODES.objectNode();
        if (depth == 0) {
            return made;
        }
        JsonNode properties = guide.path("properties");
        Set<String> names = new LinkedHashSet<>();
        properties.fieldNames().forEachRemaining(name -> {
            if (!oneIn(4)) {
                names.add(name);
            }
        });
        if (!oneIn(6)) {
            elements(guide.path("required")).forEach(name -> names.add(name.asText()));
        }
        int least = Math.min(4, guide.path("minProperties").asInt());
        while (names.size() < least || oneIn(3)) {
            names.add(pick(TEXTS));
        }
        for (String name : List.copyOf(names)) {
            if (!oneIn(4)) {
                elements(guide.path("dependentRequired").path(name)).forEach(other -> names.add(other.asText()));
            }
        }
        List<String> ordered = new ArrayList<>(names);
        Collections.shuffle(ordered, random);
        for (String name : ordered) {
            JsonNode near = properties.path(name);
            if (near.isMissingNode()) {
                near = guide.path("patternProperties").properties().stream()
                        .filter(member ->
                                Pattern.compile(member.getKey()).matcher(name).find())
                        .map(Map.Entry::getValue)
                        .findFirst()
                        .orElse(guide.path(oneIn(2) ? "additionalProperties" : "unevaluatedProperties"));
            }
            made.set(name, value(near, depth - 1));
        }
        return made;
    }

    private static List<JsonNode> elements(JsonNode array) {
        return IntStream.range(0, array.size()).mapToObj(array::get).toList();
    }

    private <T> T pick(List<T> list) {
        return list.get(random.nextInt(list.size()));
    }

    private boolean oneIn(int n) {
        return random.nextInt(n) == 0;
    }

    /** A kind of values: their types, and the keywords that restrict values of these types. */
    private record Kind(List<String> types, List<String> keywords) {}
}
