// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.Error;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaException;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import com.networknt.schema.path.PathType;
import com.networknt.schema.regex.RegularExpression;
import dev.flk.state.Schemas.Compiled;
import dev.flk.state.Schemas.Violation;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.jspecify.annotations.Nullable;

/**
 * A compiler of JSON Schemas of draft 2020-12. A schema can't load other documents: each reference leads into the
 * schema itself or to a meta-schema that the library contains. Values are not checked against {@code format}, because
 * formats are only annotations by default in this draft. Regular expressions have the syntax of Java. If the check of a
 * value still matches regular expressions one second after its start, the check fails.
 */
final class JsonSchemas {
    private static final String TOO_LARGE_EXPONENT = "a number has too large an exponent";
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();
    private static final String DRAFT = SpecificationVersion.DRAFT_2020_12.getDialectId();
    private static final int MOST_DIGITS = 400;
    private static final long MOST_MATCHING_NANOS = Duration.ofSeconds(1).toNanos();
    private static final ThreadLocal<Long> MATCHING_ENDS = new ThreadLocal<>();

    private static final SchemaRegistryConfig CONFIG = SchemaRegistryConfig.builder()
            .locale(Locale.ENGLISH)
            .pathType(PathType.JSON_POINTER)
            .formatAssertionsEnabled(false)
            .regularExpressionFactory(JsonSchemas::expression)
            .failFast(true)
            .preloadSchema(true)
            .build();

    private JsonSchemas() {}

    /**
     * Compiles a schema.
     *
     * @throws StateException INVALID if the text is not a JSON Schema; the message says why
     */
    static Compiled compile(String json) {
        JsonNode document = read(json);
        if (!document.isObject() && !document.isBoolean()) {
            throw notASchema("it must be an object, true or false");
        }
        if (document.has("$schema")
                && !document.path("$schema").asText().replaceAll("#$", "").equals(DRAFT)) {
            throw notASchema("$schema must be " + DRAFT);
        }
        try {
            Optional<Violation> mistake = first(registry().getSchema(SchemaLocation.of(DRAFT)), document);
            if (mistake.isPresent()) {
                throw notASchema(mistake.get().toString());
            }
            Schema schema = registry().getSchema(document);
            schema.initializeValidators(); // resolves all references
            return value -> {
                try {
                    return first(schema, comparable(JSON.readTree(value)));
                } catch (JsonProcessingException e) {
                    return Optional.of(new Violation("", "can't be checked: " + e.getOriginalMessage()));
                } catch (NumberFormatException e) {
                    return Optional.of(new Violation("", "can't be checked: " + TOO_LARGE_EXPONENT));
                } catch (SchemaException e) {
                    return Optional.of(new Violation("", "can't be checked: " + e.getMessage()));
                } catch (StateException e) { // a pattern takes too long; other values can still be checked
                    return Optional.of(new Violation("", "can't be checked: " + e.getMessage()));
                } catch (StackOverflowError e) {
                    return Optional.of(new Violation(
                            "",
                            "can't be checked: the schema refers to itself without end, or one of its patterns needs too"
                                    + " much memory for the value"));
                }
            };
        } catch (SchemaException e) {
            throw notASchema(e.getMessage());
        } catch (StackOverflowError e) {
            throw notASchema("it refers to itself without end");
        }
    }

    /** Returns a registry that contains only the meta-schemas of the library. */
    private static SchemaRegistry registry() {
        return SchemaRegistry.withDefaultDialect(
                CorrectedKeywords.dialect(),
                builder -> builder.schemaRegistryConfig(CONFIG)
                        .schemaLoader(loader -> loader.fetchRemoteResources(false)
                                .allow(iri -> iri.toString().startsWith("https://json-schema.org/"))));
    }

    private static Optional<Violation> first(Schema schema, JsonNode value) {
        MATCHING_ENDS.set(System.nanoTime() + MOST_MATCHING_NANOS);
        try {
            List<Error> errors = schema.validate(value);
            return errors.stream()
                    .findFirst()
                    .map(error -> new Violation(error.getInstanceLocation().toString(), error.getMessage()));
        } finally {
            MATCHING_ENDS.remove();
        }
    }

    private static JsonNode read(String json) {
        try {
            return comparable(JSON.readTree(json));
        } catch (JsonProcessingException e) {
            throw notASchema(e.getOriginalMessage());
        } catch (NumberFormatException e) {
            throw notASchema(TOO_LARGE_EXPONENT);
        }
    }

    /**
     * Replaces, in a value, the numbers that the validator would round before it compares them. The validator is exact
     * only for integers and short fractions. A number such as {@code 1e3} becomes an integer. A number with more than
     * {@value #MOST_DIGITS} digits before or after the point becomes a shorter number that is on the same side of every
     * limit of usual size.
     */
    private static JsonNode comparable(JsonNode node) {
        if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) {
                array.set(i, comparable(array.get(i)));
            }
        } else if (node instanceof ObjectNode object) {
            object.properties().forEach(member -> member.setValue(comparable(member.getValue())));
        } else if (node.isBigDecimal()) {
            BigDecimal number = node.decimalValue();
            long digits = (long) number.precision() - number.scale();
            if (digits > MOST_DIGITS) {
                return BigIntegerNode.valueOf(
                        BigInteger.TEN.pow(MOST_DIGITS).multiply(BigInteger.valueOf(number.signum())));
            }
            if (number.signum() == 0 || number.stripTrailingZeros().scale() <= 0) {
                return BigIntegerNode.valueOf(number.signum() == 0 ? BigInteger.ZERO : number.toBigIntegerExact());
            }
            if (digits < -MOST_DIGITS) {
                return DecimalNode.valueOf(BigDecimal.valueOf(number.signum()).movePointLeft(MOST_DIGITS));
            }
            return number.scale() <= MOST_DIGITS
                    ? node
                    : DecimalNode.valueOf(number.setScale(MOST_DIGITS, RoundingMode.UP));
        }
        return node;
    }

    private static RuntimeException notASchema(@Nullable String why) {
        return Reason.INVALID.because("the text is not a JSON Schema of draft 2020-12: " + why);
    }

    private static RegularExpression expression(String text) {
        try {
            Pattern pattern = Pattern.compile(text);
            return value -> pattern.matcher(new Bounded(value)).find();
        } catch (PatternSyntaxException e) {
            throw notASchema("'" + text + "' is not a regular expression: " + e.getDescription());
        }
    }

    /** A text whose characters can be read until the time for matching has passed; reading a character later throws. */
    private record Bounded(CharSequence text) implements CharSequence {
        @Override
        public char charAt(int index) {
            Long end = MATCHING_ENDS.get();
            if (end != null && System.nanoTime() - end > 0) {
                throw Reason.INVALID.because("a pattern of the schema takes too long to match the value; simplify it");
            }
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return new Bounded(text.subSequence(start, end));
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }
}
