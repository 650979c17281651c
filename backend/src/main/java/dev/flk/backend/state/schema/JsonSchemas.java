// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.state.schema;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.DecimalNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.networknt.schema.Error;
import com.networknt.schema.OutputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaException;
import com.networknt.schema.SchemaLocation;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SchemaRegistryConfig;
import com.networknt.schema.SpecificationVersion;
import com.networknt.schema.dialect.Dialect;
import com.networknt.schema.path.PathType;
import dev.flk.state.Schemas.Compiled;
import dev.flk.state.Schemas.Steps;
import dev.flk.state.Schemas.Violation;
import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A compiler of JSON Schemas of draft 2020-12. A schema can't load other documents: each reference leads into the
 * schema itself or to a meta-schema that the library contains. Values are not checked against {@code format}, because
 * formats are only annotations by default in this draft. Regular expressions have the syntax of Java, without the flag
 * {@code x}. Everything that the library does for a schema or a value counts as {@link Steps}, so that neither can take
 * more time or memory than these allow.
 */
public final class JsonSchemas {
    private static final String TOO_LARGE_EXPONENT = "a number has too large an exponent";
    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();
    private static final String DRAFT = SpecificationVersion.DRAFT_2020_12.getDialectId();
    private static final int MOST_DIGITS = 400;
    private static final Dialect DIALECT = CountedKeyword.of(CorrectedKeywords.dialect());
    private static final int MOST_CHARS = 256 << 10;

    private static final SchemaRegistryConfig CONFIG = SchemaRegistryConfig.builder()
            .locale(Locale.ENGLISH)
            .pathType(PathType.JSON_POINTER)
            .formatAssertionsEnabled(false)
            .regularExpressionFactory(BoundedPattern::new)
            .failFast(true)
            .preloadSchema(true)
            .build();

    private JsonSchemas() {}

    /** The meta-schema, to which all schemas must conform. */
    private static final class Meta {
        static final Schema SCHEMA = Metered.compiling(new Steps(() -> false, () -> 0), () -> {
            Schema schema = registry().getSchema(SchemaLocation.of(DRAFT));
            schema.initializeValidators();
            return schema;
        });
    }

    /**
     * Compiles a schema.
     *
     * @throws StateException INVALID if the text is not a JSON Schema, is too long, or takes too many steps; the message
     *     says why. Any other exception of {@code steps}
     */
    public static Compiled compile(String json, Steps steps) {
        if (json.length() > MOST_CHARS) {
            throw notASchema("it is longer than " + MOST_CHARS + " characters");
        }
        JsonNode document = read(json);
        if (!document.isObject() && !document.isBoolean()) {
            throw notASchema("it must be an object, true or false");
        }
        if (document.has("$schema")
                && !document.path("$schema").asText().replaceAll("#$", "").equals(DRAFT)) {
            throw notASchema("$schema must be " + DRAFT);
        }
        try {
            Schema meta = Meta.SCHEMA;
            Optional<Violation> mistake = Metered.checking(steps, () -> first(meta, document));
            if (mistake.isPresent()) {
                throw notASchema(mistake.get().toString());
            }
            Schema schema = Metered.compiling(steps, () -> {
                Schema constructed = registry().getSchema(document);
                constructed.initializeValidators(); // resolves all references
                return constructed;
            });
            return (value, taken) -> violation(schema, value, taken);
        } catch (Metered.Stopped e) {
            throw e.why().reason() == Reason.INVALID ? notASchema(e.getMessage()) : e.why();
        } catch (SchemaException e) {
            throw notASchema(e.getMessage());
        } catch (StackOverflowError e) {
            throw notASchema("its parts are nested too deeply");
        }
    }

    private static Optional<Violation> violation(Schema schema, String value, Steps steps) {
        try {
            JsonNode read = comparable(JSON.readTree(value));
            return Metered.checking(steps, () -> first(schema, read));
        } catch (JsonProcessingException e) {
            return unchecked(e.getOriginalMessage());
        } catch (NumberFormatException e) {
            return unchecked(TOO_LARGE_EXPONENT);
        } catch (Metered.Stopped e) {
            if (e.why().reason() != Reason.INVALID) {
                throw e.why();
            }
            return unchecked(e.getMessage() + "; simplify the schema or the value");
        } catch (SchemaException e) {
            return unchecked(e.getMessage());
        } catch (StackOverflowError e) {
            return unchecked("a pattern of the schema needs too much memory for the value");
        }
    }

    private static Optional<Violation> unchecked(@Nullable String why) {
        return Optional.of(new Violation("", "can't be checked: " + why));
    }

    /** Returns a registry that contains only the meta-schemas of the library. */
    private static SchemaRegistry registry() {
        return SchemaRegistry.withDefaultDialect(
                DIALECT,
                builder -> builder.schemaRegistryConfig(CONFIG)
                        .schemaLoader(loader -> loader.fetchRemoteResources(false)
                                .allow(iri -> iri.toString().startsWith("https://json-schema.org/"))));
    }

    private static Optional<Violation> first(Schema schema, JsonNode value) {
        List<Error> errors = schema.validate(Metered.current(), value, OutputFormat.DEFAULT);
        return errors.stream()
                .findFirst()
                .map(error -> new Violation(error.getInstanceLocation().toString(), error.getMessage()));
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
}
