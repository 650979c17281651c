// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.cli;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.cfg.EnumFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.util.RawValue;
import java.nio.charset.StandardCharsets;

/**
 * What commands print with {@code --json}: a result's record as one object per line, in ASCII. Members are the record's components in
 * snake_case; a component that is null is left out; enum constants are in lower case. Safe for any thread.
 */
public final class Json {
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .propertyNamingStrategy(PropertyNamingStrategies.SNAKE_CASE)
            .defaultPropertyInclusion(
                    JsonInclude.Value.construct(JsonInclude.Include.NON_NULL, JsonInclude.Include.ALWAYS))
            .enable(EnumFeature.WRITE_ENUMS_TO_LOWERCASE)
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .enable(StreamWriteFeature.WRITE_BIGDECIMAL_AS_PLAIN)
            .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
            .build();

    private Json() {}

    /** A record, map or list as one line, with its end. */
    public static String line(Object result) {
        try {
            return MAPPER.writeValueAsString(result) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a result that JSON can show: " + result, e);
        }
    }

    /** The same without its end, in bytes. */
    public static byte[] bytes(Object result) {
        return line(result).strip().getBytes(StandardCharsets.US_ASCII);
    }

    /** A text that is JSON already, as a component of a result. */
    public static RawValue raw(String json) {
        return new RawValue(json);
    }

    /** The same of its bytes in UTF-8. */
    public static RawValue raw(byte[] json) {
        return raw(new String(json, StandardCharsets.UTF_8));
    }
}
