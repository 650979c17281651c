// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.flk.state.Schemas.Compiled;
import dev.flk.state.Schemas.Steps;
import dev.flk.state.Schemas.Violation;
import dev.flk.state.StateException;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonSchemasTest {
    /** A schema with the constraints of a typical database table: a range, an enumeration, required fields. */
    private static final String SCORE = """
            {"type":"object","required":["score","state"],"properties":{
                "score":{"type":"integer","minimum":0,"maximum":100},
                "state":{"enum":["open","closed"]},
                "tags":{"type":"array","items":{"$ref":"#/$defs/tag"},"uniqueItems":true},
                "at":{"type":"string","format":"date-time"},
                "slow":{"pattern":"^(a+)+$"}},
            "$defs":{"tag":{"type":"string","maxLength":3}}}""";

    private static Steps steps() {
        return new Steps(() -> false, () -> 0);
    }

    private static Optional<Violation> violation(String schema, String value) {
        return JsonSchemas.compile(schema, steps()).violation(value, steps());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{\"score\":90,\"state\":\"open\"} |",
                "{\"score\":100.0,\"state\":\"open\",\"more\":1,\"at\":\"x\"} |",
                "{\"score\":101,\"state\":\"open\"} | /score must have a maximum value of 100",
                "{\"score\":1e400,\"state\":\"open\"} | /score must have a maximum value of 100",
                "{\"score\":18446744073709551616.0,\"state\":\"open\"} | /score must have a maximum value of 100",
                "{\"score\":-1e999999999,\"state\":\"open\"} | /score must have a minimum value of 0",
                "{\"score\":1e-999999999,\"state\":\"open\"} | /score number found, integer expected",
                "{\"score\":1e99999999999,\"state\":\"open\"} | the value can't be checked: a number has too large an exponent",
                "{\"score\":-1,\"state\":\"open\"} | /score must have a minimum value of 0",
                "{\"score\":1.5,\"state\":\"open\"} | /score number found, integer expected",
                "{\"score\":1} | the value required property 'state' not found",
                "{\"score\":1,\"state\":\"gone\"} | /state does not have a value in the enumeration",
                "{\"score\":1,\"state\":\"open\",\"tags\":[\"a\",\"long\"]} | /tags/1 must be at most 3 characters long",
                "{\"score\":1,\"state\":\"open\",\"tags\":[\"a\",\"a\"]} | /tags must have only unique items",
                "[] | the value array found, object expected",
            })
    void violation_namesThePathAndTheExpectation(String value, String violation) {
        String found = violation(SCORE, value).map(Violation::toString).orElse("");
        assertThat(found).startsWith(violation == null ? "" : violation);
        assertThat(found.isEmpty()).isEqualTo(violation == null);
    }

    /** Checks values for which the library, without {@code CorrectedKeywords}, deviates from the draft. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{\"multipleOf\":2} | 9007199254740993 | the value must be multiple of 2",
                "{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"multipleOf\":3} | 9007199254740993 |",
                "{\"multipleOf\":3} | 27670116110564327424 |",
                "{\"multipleOf\":3} | 27670116110564327424.5 | the value must be multiple of 3",
                "{\"multipleOf\":1e-400} | 1e-399 |",
                "{\"maxLength\":4294967295} | \"ab\" |",
                "{\"minLength\":4294967296} | \"ab\" | the value must be at least",
                "{\"maxItems\":9007199254740991} | [1] |",
                "{\"minItems\":4294967296} | [1] | the value must have at least",
                "{\"maxProperties\":1e999} | {\"a\":1} |",
                "{\"minProperties\":4294967296} | {\"a\":1} | the value must have at least",
                "{\"contains\":true,\"minContains\":2,\"maxContains\":1} | {} |",
                "{\"contains\":true,\"minContains\":2,\"maxContains\":1} | [1] | the value must contain at least 2",
                "{\"contains\":true,\"minContains\":2,\"maxContains\":1} | [1,2] | the value must contain at most 1",
                "{\"uniqueItems\":true} | {\"a\":1,\"b\":1} |",
                "{\"uniqueItems\":true} | [0.5,0.50] | the value must have only unique items",
            })
    void violation_correctedKeywords_followTheDraft(String schema, String value, String violation) {
        String found = violation(schema, value).map(Violation::toString).orElse("");
        assertThat(found).startsWith(violation == null ? "" : violation);
        assertThat(found.isEmpty()).isEqualTo(violation == null);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{ | ",
                "1 | it must be an object, true or false",
                "{\"type\":\"decimal\"} | /type",
                "{\"properties\":[]} | /properties",
                "{\"minimum\":\"1\"} | /minimum",
                "{\"pattern\":\"(\"} | '(' is not a regular expression",
                "{\"$schema\":\"http://json-schema.org/draft-07/schema#\"} | $schema must be https://json-schema.org/draft/2020-12/schema",
                "{\"$ref\":\"http://127.0.0.1:1/x\"} | ",
                "{\"$ref\":\"file:///etc/hostname\"} | ",
                "{\"$ref\":\"classpath:x\"} | ",
                "{\"$ref\":\"#/$defs/none\"} | ",
            })
    void compile_notASchema_isRefused(String text, String why) {
        assertThatThrownBy(() -> violation(text, "{}").ifPresent(violation -> {
                    throw new AssertionError(violation.toString());
                }))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("not a JSON Schema of draft 2020-12")
                .hasMessageContaining(why == null ? "" : why);
    }

    /** Checks that validation gives up on a pattern that would take hours and on a schema that refers to itself. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"pattern\":\"^(.*a){12}c$\"}",
                "{\"$ref\":\"#\"}",
                "{\"items\":{\"$ref\":\"#\"},\"pattern\":\"^(.*a){12}c$\"}"
            })
    void violation_slowPatternOrRecursiveSchema_terminates(String text) {
        String value = '"' + "a".repeat(100) + "b\"";
        Compiled schema;
        try {
            schema = JsonSchemas.compile(text, steps());
        } catch (StateException e) {
            assertThat(e).hasMessageContaining("within one another");
            return;
        }
        assertThat(schema.violation(value, steps()).orElseThrow().message())
                .containsPattern("can't be checked: .*(steps|within one another)");
    }

    private static String repeated(int times, String text) {
        return "[" + (text + ",").repeat(times - 1) + text + "]";
    }

    private static String numbers(int count) {
        return IntStream.range(0, count).mapToObj(Integer::toString).collect(Collectors.joining(",", "[", "]"));
    }

    /** Returns a schema of 40 definitions, each of which applies the next one twice by a keyword. */
    private static String doubling(String keyword, String last) {
        StringBuilder definitions = new StringBuilder("\"d40\":" + last);
        for (int i = 39; i >= 0; i--) {
            String next = "{\"$ref\":\"#/$defs/d" + (i + 1) + "\"}";
            definitions.append(",\"d" + i + "\":{\"" + keyword + "\":[" + next + "," + next + "]}");
        }
        return "{\"$ref\":\"#/$defs/d0\",\"$defs\":{" + definitions + "}}";
    }

    static Stream<Arguments> expensive() {
        String integers = repeated(1_000, "1");
        return Stream.of(
                arguments(doubling("allOf", "{\"type\":\"integer\"}"), "1"),
                arguments(doubling("anyOf", "{\"type\":\"string\"}"), "1"),
                arguments(doubling("oneOf", "{\"type\":\"string\"}"), "1"),
                arguments("{\"allOf\":" + repeated(1_000, "{\"uniqueItems\":true}") + "}", numbers(9_999)),
                arguments("{\"allOf\":" + repeated(2_000, "{\"contains\":true}") + "}", numbers(2_000)),
                arguments("{\"items\":{\"not\":{\"enum\":" + repeated(4_000, "2") + "}}}", integers),
                arguments("{\"items\":{\"anyOf\":[{\"const\":" + repeated(4_000, "2") + "},true]}}", integers),
                arguments("{\"items\":{\"multipleOf\":0.1}}", repeated(90_000, "1")),
                arguments("{\"pattern\":\"^(.*a){12}c$\"}", '"' + "a".repeat(100) + "b\""),
                arguments("{\"pattern\":\".*.*.*=$\"}", '"' + "a".repeat(10_000) + "\""),
                arguments("{\"pattern\":\"" + "^".repeat(10_000) + "x\"}", '"' + "a".repeat(100_000) + "\""));
    }

    @ParameterizedTest
    @MethodSource("expensive")
    void violation_tooManySteps_isAViolationWithThatReason(String schema, String value) {
        assertThat(violation(schema, value))
                .hasValueSatisfying(violation -> assertThat(violation.toString())
                        .startsWith("the value ")
                        .contains("it needs more than 3000000 steps"));
    }

    /** The steps of this schema are the slowest that we could think of. */
    @Test
    @Tag("thorough")
    void violation_tooManySlowSteps_isAViolationWithThatReason() {
        violation_tooManySteps_isAViolationWithThatReason(doubling("allOf", "{\"unevaluatedProperties\":false}"), "{}");
    }

    /** Checks values of the maximum size that a value may have. */
    @Test
    void violation_largeValueOfASimpleSchema_isChecked() {
        assertThat(violation("{\"items\":{\"type\":\"integer\",\"minimum\":0}}", repeated(500_000, "1")))
                .isEmpty();
        assertThat(violation("{\"pattern\":\"^[a-z]+$\",\"maxLength\":1048576}", '"' + "a".repeat(1_000_000) + "\""))
                .isEmpty();
        assertThat(violation("{\"uniqueItems\":true}", numbers(100_000))).isEmpty();
    }

    /** Matching these patterns would take years without reading one character. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)(|)x",
                "(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?(?:a*)?x",
                "((){1000000000}){1000000000}x",
                "()\\\\Q\\\\E{1000000000}x",
                "(?<=^x{0,1000000000})y",
                "(?x)( ) {1000000000}"
            })
    void compile_patternThatReadsNothing_isRefused(String pattern) {
        assertThatThrownBy(() -> JsonSchemas.compile("{\"pattern\":\"" + pattern + "\"}", steps()))
                .isInstanceOf(StateException.class)
                .hasMessageContaining("not a JSON Schema")
                .hasMessageMatching("(?s).*(too expensive|flag x).*");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            quoteCharacter = '~',
            value = {
                "^[A-Z][a-z]*( [A-Z][a-z]*)*$ ; New York ; true",
                "^(\\\\+\\\\d{1,3})?(-\\\\d+)*$ ; +44-20 ; true",
                "^(?:(?:25[0-5]|2[0-4]\\\\d|1?\\\\d?\\\\d)(?:\\\\.(?!$)|$)){4}$ ; 10.0.0.255 ; true",
                "^(?=.*[0-9])(?=.*[a-z]).{8,64}$ ; abcdefg1 ; true",
                "^(?<year>\\\\d{4})-\\\\k<year>$ ; 2026-2026 ; true",
                "(?i)^[]a-z[0-9&&[^3]]]+$ ; X]4 ; true",
                "^\\\\p{Lu}\\\\x{41}\\\\b$ ; ÄA ; true",
                "\\\\Q(|)\\\\E{2} ; (|)) ; true",
                "^a{2,4}+b ; aab ; true",
            })
    void pattern_ofUsualKinds_isAccepted(String pattern, String value, boolean matches) {
        assertThat(violation("{\"pattern\":\"" + pattern + "\"}", '"' + value + '"')
                        .isEmpty())
                .isEqualTo(matches);
    }

    static Stream<Arguments> tooLarge() {
        String chain = IntStream.range(0, 2_000)
                .mapToObj(i -> "\"d" + i + "\":{\"$ref\":\"#/$defs/d" + (i + 1) + "\"}")
                .collect(Collectors.joining(",", "{", ",\"d2000\":true}"));
        return Stream.of(
                arguments("{\"enum\":[\"" + "a".repeat(300_000) + "\"]}", "longer than 262144 characters"),
                arguments("{\"$ref\":\"#/$defs/d0\",\"$defs\":" + chain + "}", "more than 1000 keywords"),
                arguments("{\"anyOf\":" + repeated(20_000, "{\"not\":{}}") + "}", "more than 3000000 steps"));
    }

    @ParameterizedTest
    @MethodSource("tooLarge")
    void compile_schemaTooLarge_isRefused(String schema, String why) {
        assertThatThrownBy(() -> JsonSchemas.compile(schema, steps()))
                .isInstanceOf(StateException.class)
                .hasMessageContaining(why);
    }

    @Test
    void enumAndUniqueItems_equalNumbersWithinObjects_areEqual() {
        assertThat(violation("{\"enum\":[{\"a\":1,\"b\":[2.50]}]}", "{\"b\":[2.5],\"a\":1.0}"))
                .isEmpty();
        assertThat(violation("{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]"))
                .isPresent();
    }
}
