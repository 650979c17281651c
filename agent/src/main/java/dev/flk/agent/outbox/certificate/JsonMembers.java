// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox.certificate;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.io.JsonStringEncoder;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The members of one JSON object, each with the original bytes of its value. Values that are not replaced, for example
 * the values of unknown fields, therefore keep their exact bytes, including the spelling of numbers. Not safe for
 * several threads.
 */
public final class JsonMembers {
    private final Map<String, byte[]> values = new LinkedHashMap<>();

    /**
     * Returns a builder of a factory of parsers that accept tokens of any length. The caller must therefore limit the
     * length of the input. A factory keeps the names that its parsers have read, however long: it must be used for one
     * input, or be built without that.
     */
    public static JsonFactoryBuilder unbounded() {
        return new JsonFactoryBuilder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNumberLength(Integer.MAX_VALUE)
                        .maxStringLength(Integer.MAX_VALUE)
                        .maxNameLength(Integer.MAX_VALUE)
                        .build())
                .disable(JsonFactory.Feature.INTERN_FIELD_NAMES);
    }

    /**
     * Reads an object.
     *
     * @throws IOException if the text is not exactly one JSON object in UTF-8. The message does not quote the text
     */
    public static JsonMembers parse(byte[] object) throws IOException {
        JsonMembers members = new JsonMembers();
        try (JsonParser parser = unbounded().build().createParser(object)) {
            boolean isObject = parser.nextToken() == JsonToken.START_OBJECT;
            while (isObject && parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                int start = (int) parser.currentTokenLocation().getByteOffset();
                parser.skipChildren();
                parser.finishToken();
                int end = (int) parser.currentLocation().getByteOffset();
                if (start < 0) {
                    throw new IOException("not UTF-8");
                }
                members.values.put(name, Arrays.copyOfRange(object, start, end));
            }
            if (!isObject || parser.nextToken() != null) {
                throw new IOException("not a JSON object");
            }
            return members;
        } catch (JsonProcessingException e) {
            throw new IOException("not a JSON object", e);
        }
    }

    /** Returns the bytes of a value; null if the member is missing. */
    public byte @Nullable [] get(String name) {
        return values.get(name);
    }

    /** Returns the name of the last member; empty if the object has no members. */
    public String last() {
        return values.keySet().stream().reduce("", (before, name) -> name);
    }

    /**
     * Returns the value of a member as text if the value is a string, number or literal. Returns {@code missing} if the
     * member is missing, or if its value is an object or array.
     */
    public String text(String name, String missing) throws IOException {
        try (JsonParser parser = unbounded().build().createParser(values.getOrDefault(name, new byte[0]))) {
            JsonToken token = parser.nextToken();
            return token != null && token.isScalarValue() ? parser.getText() : missing;
        }
    }

    /** Replaces the value of a member; the member keeps its position. If the member is missing, adds it at the end. */
    public JsonMembers set(String name, byte[] json) {
        values.put(name, json);
        return this;
    }

    /** Replaces or adds a member, as {@link #set(String, byte[])} does; {@code json} is the JSON text of its value. */
    public JsonMembers set(String name, String json) {
        return set(name, json.getBytes(StandardCharsets.UTF_8));
    }

    /** Replaces or adds a member whose value is a JSON string with this text. */
    public JsonMembers setText(String name, String text) {
        return set(name, quoted(text));
    }

    private static byte[] quoted(String text) {
        var out = new ByteArrayOutputStream();
        out.write('"');
        out.writeBytes(JsonStringEncoder.getInstance().quoteAsUTF8(text));
        out.write('"');
        return out.toByteArray();
    }

    /** Returns the object as one line of JSON, without a line end; line breaks between tokens become spaces. */
    public byte[] toLine() {
        // a line can be long, and its buffer should not grow
        int bytes = values.values().stream().mapToInt(value -> value.length).sum();
        var out = new ByteArrayOutputStream(bytes + 2048);
        char before = '{';
        for (Map.Entry<String, byte[]> member : values.entrySet()) {
            out.write(before);
            out.writeBytes(quoted(member.getKey()));
            out.write(':');
            out.writeBytes(onOneLine(member.getValue()));
            before = ',';
        }
        if (values.isEmpty()) {
            out.write('{');
        }
        out.write('}');
        return out.toByteArray();
    }

    /** Returns a JSON text with spaces in place of its line breaks. Valid JSON has line breaks only between tokens. */
    public static byte[] onOneLine(byte[] json) {
        byte[] line = json.clone();
        for (int i = 0; i < line.length; i++) {
            if (line[i] == '\n' || line[i] == '\r') {
                line[i] = ' ';
            }
        }
        return line;
    }
}
