// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.flk.state.Schemas.Violation;
import dev.flk.state.StateException;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonSchemasTest {
    /** A schema with the constraints of a typical database table: a range, an enumeration, required fields. */
    private static final String SCORE = """
            {"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","required":["score","state"],
            "properties":{
                "score":{"type":"integer","minimum":0,"maximum":100},
                "state":{"enum":["open","closed",null,1]},
                "share":{"type":["number","null"],"exclusiveMinimum":0,"exclusiveMaximum":1},
                "tags":{"type":"array","maxItems":2,"minItems":1,"items":{"type":"string","maxLength":3,"minLength":1}},
                "a/b":{"additionalProperties":false,"properties":{"x":true}},
                "at":{"type":"string","format":"date-time"}}}""";

    private static Optional<Violation> violation(String schema, String value) {
        return JsonSchemas.compile(schema).violation(value);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{\"score\":90,\"state\":\"open\"} |",
                "{\"score\":100.0,\"state\":null,\"more\":{\"a\":[1]},\"at\":\"x\"} |",
                "{\"score\":1e2,\"state\":1.0,\"share\":null,\"tags\":[\"äöü\",\"😀😀😀\"],\"a/b\":{\"x\":[]}} |",
                "{\"score\":101,\"state\":1} | /score must be at most 100, but is 101",
                "{\"score\":1e999999999,\"state\":1} | /score must be at most 100, but is 1e999999999",
                "{\"score\":1e99999999999,\"state\":1} | /score must not have so large an exponent",
                "{\"score\":100e2147483647,\"state\":1} | /score must not have so large an exponent",
                "{\"score\":-1,\"state\":1} | /score must be at least 0, but is -1",
                "{\"score\":1.5,\"state\":1} | /score must be of type integer, but is of type number",
                "{\"score\":\"1\",\"state\":1} | /score must be of type integer, but is of type string",
                "{\"score\":1} | the value must have a member state",
                "{\"score\":1,\"state\":\"gone\"} | /state must be one of \"closed\", \"open\", 1, null",
                "{\"score\":1,\"state\":[]} | /state must be one of \"closed\", \"open\", 1, null",
                "{\"score\":1,\"state\":1,\"share\":1} | /share must be less than 1, but is 1",
                "{\"score\":1,\"state\":1,\"share\":0} | /share must be more than 0, but is 0",
                "{\"score\":1,\"state\":1,\"share\":true} | /share must be of type null or number, but is of type boolean",
                "{\"score\":1,\"state\":1,\"tags\":[\"a\",\"long\"]} | /tags/1 must have at most 3 characters, but has 4",
                "{\"score\":1,\"state\":1,\"tags\":[\"\"]} | /tags/0 must have at least 1 characters, but has 0",
                "{\"score\":1,\"state\":1,\"tags\":[\"a\",\"b\",\"c\"]} | /tags must have at most 2 elements, but has 3",
                "{\"score\":1,\"state\":1,\"tags\":[]} | /tags must have at least 1 elements, but has 0",
                "{\"score\":1,\"state\":1,\"a/b\":{\"y\":1}} | /a~1b/y must be absent: the schema allows no value",
                "[] | the value must be of type object, but is of type array",
            })
    void violation_namesThePathAndTheExpectation(String value, String violation) {
        assertThat(violation(SCORE, value).map(Violation::toString).orElse(""))
                .isEqualTo(violation == null ? "" : violation);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{ | is not JSON",
                "{\"type\":\"null\",\"type\":\"null\"} | is not JSON: Duplicate field 'type'",
                "1 | it must be an object, true or false",
                "{\"type\":\"decimal\"} | /type must be one or several of",
                "{\"properties\":[]} | /properties must be an object",
                "{\"properties\":{\"a/b\":{\"minimum\":\"1\"}}} | /properties/a~1b/minimum must be a number",
                "{\"maxLength\":-1} | /maxLength must be a whole number",
                "{\"required\":[1]} | /required must be an array of different texts",
                "{\"enum\":[]} | /enum must be an array of 1 to 1000 values",
                "{\"enum\":[1,{}]} | /enum/1 must be a text, a number, true, false or null",
                "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"} | /$schema must be https://json-schema.org",
                "{\"items\":{\"$ref\":\"#\"}} | /items/$ref is a keyword that is not supported",
                "{\"$defs\":{}} | /$defs is a keyword that is not supported",
                "{\"anyOf\":[true]} | /anyOf is a keyword that is not supported",
                "{\"pattern\":\"^(a+)+$\"} | /pattern is a keyword that is not supported",
                "{\"const\":100e2147483647} | it has a number with too large an exponent",
                "{\"minimum\":1e99999999999} | it has a number with too large an exponent",
            })
    void compile_notSupported_isRefusedByName(String text, String why) {
        assertThatThrownBy(() -> JsonSchemas.compile(text))
                .isInstanceOf(StateException.class)
                .hasMessageStartingWith("the text is not a JSON Schema that the state supports: ")
                .hasMessageContaining(why);
    }

    @Test
    void compile_atItsBounds_isAccepted_andRefusedBeyond() {
        assertThat(violation("{\"items\":".repeat(32) + "{\"type\":\"null\"}" + "}".repeat(32), "1"))
                .isEmpty();
        assertThatThrownBy(() -> JsonSchemas.compile("{\"items\":".repeat(33) + "{}" + "}".repeat(33)))
                .hasMessageContaining("more than 32 levels deep");
        assertThat(violation("{\"enum\":" + numbers(1_000) + "}", "999.0")).isEmpty();
        assertThatThrownBy(() -> JsonSchemas.compile("{\"enum\":" + numbers(1_001) + "}"))
                .hasMessageContaining("1 to 1000 values");
        assertThatThrownBy(() -> JsonSchemas.compile("{\"title\":\"" + "a".repeat(256 << 10) + "\"}"))
                .hasMessageContaining("longer than 262144 characters");
        assertThatThrownBy(() -> JsonSchemas.compile("{\"minimum\":" + "1".repeat(401) + "}"))
                .hasMessageContaining("/minimum must have at most 400 digits");
    }

    private static String numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]"));
    }

    @Test
    void violation_longNumbers_areComparedUpTo400Digits_andIgnoredWhereNothingComparesThem() {
        String schema = "{\"properties\":{\"n\":{\"minimum\":1}}}";
        assertThat(violation(schema, "{\"n\":" + "1".repeat(400) + "}")).isEmpty();
        assertThat(violation(schema, "{\"n\":" + "1".repeat(401) + "}").map(Violation::toString))
                .hasValue("/n must have at most 400 digits");
        assertThat(violation(schema, "{\"n\":" + "1".repeat(1_000_000) + "}").map(Violation::toString))
                .hasValue("/n must have at most 400 digits");
        assertThat(violation(schema, "{\"m\":" + "1".repeat(1_000_000) + "}")).isEmpty();
        assertThat(violation("{\"const\":9007199254740993}", "9007199254740992"))
                .isPresent();
        assertThat(violation("{\"const\":1}", "10e-1")).isEmpty();
    }

    /** What is shown of a value is bounded, because a message must fit into the headers of an answer. */
    @ParameterizedTest
    @ValueSource(
            strings = {"{\"required\":[\"%s\"]}", "{\"enum\":[\"%s\"]}", "{\"properties\":{\"a\":{\"const\":\"%s\"}}}"})
    void violation_longTexts_areCut(String schema) {
        String name = "x".repeat(100_000);
        String text =
                violation(schema.formatted(name), "{\"a\":1}").orElseThrow().toString();
        assertThat(text).contains("100").hasSizeLessThan(1_000);
        String nested = "{\"additionalProperties\":".repeat(30) + "false" + "}".repeat(30);
        String value = ("{\"" + name + "\":").repeat(30) + "1" + "}".repeat(30);
        assertThat(violation(nested, value).orElseThrow().toString()).hasSizeLessThan(2_000);
    }

    @Test
    void violation_largeValue_isChecked() {
        String value = "[" + "1,".repeat(499_999) + "1]";
        assertThat(violation("{\"items\":{\"type\":\"integer\",\"minimum\":0}}", value))
                .isEmpty();
        assertThat(violation("{\"items\":{\"enum\":" + numbers(1_000) + "}}", value))
                .isEmpty();
    }

    @Test
    void violation_longName_isRead() {
        assertThat(violation("{\"type\":\"object\"}", "{\"" + "n".repeat(100_000) + "\":1}"))
                .isEmpty();
    }

    /** Compares the verdicts on random schemas and values with those of a library. */
    @Test
    void violation_randomValues_agreesWithALibrary() throws JsonProcessingException {
        SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
        int valid = 0;
        for (int seed = 0; seed < 3_000; seed++) {
            Random random = new Random(new SplittableRandom(seed).nextLong());
            String schema = schema(random, 3);
            String value = value(random, 3);
            JsonNode document = new JsonMapper().readTree(schema);
            boolean isValid = registry.getSchema(document)
                    .validate(new JsonMapper().readTree(value))
                    .isEmpty();
            assertThat(violation(schema, value).isEmpty())
                    .as("seed %d: %s %s", seed, schema, value)
                    .isEqualTo(isValid);
            valid += isValid ? 1 : 0;
        }
        assertThat(valid).isBetween(500, 2_500);
    }

    private static <T> T pick(Random random, List<T> from) {
        return from.get(random.nextInt(from.size()));
    }

    private static String scalar(Random random) {
        return pick(random, List.of("null", "true", "false", "0", "1", "1.0", "-2.5", "7", "\"\"", "\"a\"", "\"b😀\""));
    }

    private static String schema(Random random, int depth) {
        return Stream.generate(() -> keyword(random, depth))
                .limit(1 + random.nextInt(3))
                .collect(Collectors.toMap(
                        text -> text.substring(0, text.indexOf(':')), text -> text, (one, other) -> one))
                .values()
                .stream()
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static String keyword(Random random, int depth) {
        String below = depth == 0 ? pick(random, List.of("true", "false", "{}")) : schema(random, depth - 1);
        String number = pick(random, List.of("0", "1", "-2.5", "3"));
        return switch (random.nextInt(depth == 0 ? 10 : 16)) {
            case 0 -> "\"type\":\"" + pick(random, List.of("null", "boolean", "integer", "number", "string")) + "\"";
            case 1 -> "\"type\":[\"array\",\"object\",\"integer\"]";
            case 2 -> "\"enum\":[" + scalar(random) + "," + scalar(random) + "]";
            case 3 -> "\"const\":" + scalar(random);
            case 4 -> "\"minimum\":" + number;
            case 5 -> "\"maximum\":" + number;
            case 6 -> "\"exclusiveMinimum\":" + number;
            case 7 -> "\"exclusiveMaximum\":" + number;
            case 8 -> "\"minLength\":" + random.nextInt(3);
            case 9 -> "\"maxLength\":" + random.nextInt(3);
            case 10 -> "\"minItems\":" + random.nextInt(3);
            case 11 -> "\"maxItems\":" + random.nextInt(3);
            case 12 -> "\"required\":[\"" + pick(random, List.of("a", "b")) + "\"]";
            case 13 -> "\"properties\":{\"a\":" + below + "}";
            case 14 -> "\"additionalProperties\":" + below;
            default -> "\"items\":" + below;
        };
    }

    private static String value(Random random, int depth) {
        int size = random.nextInt(3);
        return switch (depth == 0 ? 0 : random.nextInt(4)) {
            case 1 ->
                Stream.generate(() -> value(random, depth - 1)).limit(size).collect(Collectors.joining(",", "[", "]"));
            case 2 ->
                Stream.of("\"a\":", "\"b\":", "\"c\":")
                        .limit(size)
                        .map(name -> name + value(random, depth - 1))
                        .collect(Collectors.joining(",", "{", "}"));
            default -> scalar(random);
        };
    }
}
