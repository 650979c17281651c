// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The members of one JSON object, each value as the bytes it was written with: what is not replaced goes out as it came
 * in, unknown fields and the spelling of numbers included. Not for several threads.
 */
final class Members {
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    private final Map<String, byte[]> values = new LinkedHashMap<>();

    /** Reads an object that the strict reader of certificates has let through, or a part of one. */
    static Members parse(byte[] object) {
        Members members = new Members();
        try (JsonParser parser = JSON.createParser(object)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("not a JSON object");
            }
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                int start = (int) parser.currentTokenLocation().getByteOffset();
                parser.skipChildren();
                parser.finishToken();
                int end = (int) parser.currentLocation().getByteOffset();
                members.values.put(name, Arrays.copyOfRange(object, start, end));
            }
        } catch (IOException e) {
            throw new UncheckedIOException("not a JSON object", e);
        }
        return members;
    }

    /** The bytes of a value, or null. */
    byte @Nullable [] get(String name) {
        return values.get(name);
    }

    /** Replaces a value in its place, or adds it at the end. */
    void set(String name, String json) {
        set(name, json.getBytes(StandardCharsets.UTF_8));
    }

    void set(String name, byte[] json) {
        values.put(name, json);
    }

    /** Takes a member out, if there is one. */
    void remove(String name) {
        values.remove(name);
    }

    /** The object on one line: line breaks, which JSON has between tokens only, become spaces. */
    byte[] toLine() {
        var out = new ByteArrayOutputStream(2048);
        out.write('{');
        boolean first = true;
        for (Map.Entry<String, byte[]> member : values.entrySet()) {
            if (!first) {
                out.write(',');
            }
            first = false;
            out.write('"');
            out.writeBytes(JsonStringEncoder.getInstance().quoteAsUTF8(member.getKey()));
            out.write('"');
            out.write(':');
            for (byte b : member.getValue()) {
                out.write(b == '\n' || b == '\r' ? ' ' : b);
            }
        }
        out.write('}');
        return out.toByteArray();
    }
}
