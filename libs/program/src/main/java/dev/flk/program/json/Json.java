// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.json;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.cfg.EnumFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.ser.std.ToStringSerializer;
import com.fasterxml.jackson.databind.util.RawValue;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;

/**
 * Formats the output of commands with {@code --json}: each result, usually a Java record, as one JSON object on one
 * line. The members of the object are the components of the record, with names in snake_case; null components are
 * omitted; enum constants are in lower case. Strings are escaped to ASCII; JSON from {@link #raw} is written unchanged,
 * so commands print through {@code Output} or {@code Printable.json}. Safe for any thread.
 */
public final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder(withoutLimits())
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .defaultPropertyInclusion(
                    JsonInclude.Value.construct(JsonInclude.Include.NON_NULL, JsonInclude.Include.ALWAYS))
            .enable(EnumFeature.WRITE_ENUMS_TO_LOWERCASE)
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .enable(StreamWriteFeature.WRITE_BIGDECIMAL_AS_PLAIN)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
            .addModule(new SimpleModule().addSerializer(Instant.class, ToStringSerializer.instance))
            .build();

    private Json() {}

    /** Returns a record, map or list as one line of JSON that ends with a line feed. */
    public static String line(Object result) {
        try {
            return MAPPER.writeValueAsString(result) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("the result can't be written as JSON: " + result, e);
        }
    }

    /** Returns a record as one line, with a first member {@code type} that distinguishes the line from other lines. */
    public static String line(String type, Object result) {
        ObjectNode line = MAPPER.createObjectNode().put("type", type);
        return line(line.setAll((ObjectNode) MAPPER.valueToTree(result)));
    }

    /** Returns a record, map or list in UTF-8, without a line end. */
    public static byte[] bytes(Object result) {
        return line(result).strip().getBytes(StandardCharsets.UTF_8);
    }

    /**
     * Parses JSON whose size was limited when it was written, and which may have names of any length.
     *
     * @throws JsonProcessingException if the text is not JSON
     */
    public static JsonNode parse(String json) throws JsonProcessingException {
        return MAPPER.readTree(json);
    }

    /**
     * Returns JSON on several indented lines. Keeps the digits of numbers, and repeated members.
     *
     * @throws JsonProcessingException if the text is not JSON
     */
    public static String pretty(String json) throws JsonProcessingException {
        StringWriter pretty = new StringWriter();
        JsonFactory factory = withoutLimits();
        try (JsonParser parser = factory.createParser(json);
                JsonGenerator generator =
                        factory.createGenerator(pretty).setPrettyPrinter(new DefaultPrettyPrinter())) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (token.isNumeric()) {
                    generator.writeNumber(parser.getText());
                } else {
                    generator.copyCurrentEvent(parser);
                }
            }
        } catch (JsonProcessingException e) {
            throw e;
        } catch (IOException e) {
            throw new UncheckedIOException("a text in memory can't be read or written", e);
        }
        return pretty.toString();
    }

    /** Returns a factory that reads names, strings and numbers of any length. */
    public static JsonFactory withoutLimits() {
        return JsonFactory.builder()
                .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
                .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNameLength(Integer.MAX_VALUE)
                        .maxStringLength(Integer.MAX_VALUE)
                        .maxNumberLength(Integer.MAX_VALUE)
                        .build())
                .build();
    }

    /** Wraps JSON text for use as a component of a result. */
    public static RawValue raw(String json) {
        return new RawValue(json);
    }

    /** Wraps JSON in UTF-8 for use as a component of a result. */
    public static RawValue raw(byte[] json) {
        return raw(new String(json, StandardCharsets.UTF_8));
    }
}
