// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import java.util.ArrayList;
import java.util.List;

/**
 * A JSON value as it was written, with members in their original order and numbers in their original spelling. Used for
 * diagnosis only; certificates are read by {@link CertificateReader}.
 */
public sealed interface JsonValue {
    /** A string, with its escapes decoded. */
    record Text(String value) implements JsonValue {}

    /** A number in its original spelling. */
    record Numeral(String literal) implements JsonValue {
        /** Returns whether the number has neither a fraction nor an exponent. */
        public boolean isInteger() {
            return literal.chars().allMatch(c -> c == '-' || (c >= '0' && c <= '9'));
        }
    }

    /** {@code true}, {@code false} or {@code null}. */
    record Literal(String name) implements JsonValue {}

    record Array(List<JsonValue> elements) implements JsonValue {
        public Array {
            elements = List.copyOf(elements);
        }
    }

    /** An object. */
    record Members(List<Member> members) implements JsonValue {
        public Members {
            members = List.copyOf(members);
        }
    }

    record Member(String name, JsonValue value) {}

    /**
     * Reads one object as strictly as a certificate is read, except that repeated keys are accepted.
     *
     * @throws MalformedCertificate if the body is not one well-formed JSON object
     */
    static Members parse(byte[] body) throws MalformedCertificate {
        try (JacksonText in = JacksonText.of(body)) {
            if (in.next() != JsonToken.START_OBJECT) {
                throw new MalformedCertificate("malformed JSON: a certificate is an object");
            }
            Members object = members(in);
            in.end();
            return object;
        }
    }

    private static Members members(JacksonText in) throws MalformedCertificate {
        List<Member> members = new ArrayList<>();
        while (in.next() == JsonToken.FIELD_NAME) {
            String name = in.text();
            in.next();
            members.add(new Member(name, value(in)));
        }
        return new Members(members);
    }

    private static JsonValue value(JacksonText in) throws MalformedCertificate {
        return switch (in.token()) {
            case START_OBJECT -> members(in);
            case START_ARRAY -> {
                List<JsonValue> elements = new ArrayList<>();
                while (in.next() != JsonToken.END_ARRAY) {
                    elements.add(value(in));
                }
                yield new Array(elements);
            }
            case VALUE_STRING -> new Text(in.text());
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> new Numeral(in.text());
            default -> new Literal(in.text());
        };
    }
}
