// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.flk.canonical.CanonicalString;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * A strict reader of the tokens of one body. The body must be valid UTF-8 without a byte order mark, nested at most 32
 * deep, and without a lone surrogate in any string. Numbers are kept as text until they are needed, and are then parsed
 * in linear time. Names are neither interned nor cached, so that nothing of a body stays in memory. Not thread-safe.
 */
final class JsonText implements AutoCloseable {
    static final int MAX_NESTING = 32;

    private static final char BYTE_ORDER_MARK = '\uFEFF';

    // The size of the body already bounds all lengths, so the library's own limits on lengths are lifted.
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private final JsonParser parser;
    /** Whether a string may contain a surrogate. In a body of ASCII, only an escape can produce one. */
    private final boolean mayHaveSurrogates;

    private JsonText(JsonParser parser, boolean mayHaveSurrogates) {
        this.parser = parser;
        this.mayHaveSurrogates = mayHaveSurrogates;
    }

    /** Opens {@code body}; the first call of {@link #next} returns the first token of the body. */
    static JsonText of(byte[] body) throws MalformedCertificate {
        int all = 0;
        for (byte b : body) {
            all |= b;
        }
        if (all < 0) {
            return ofUtf8(body);
        }
        char[] ascii = new char[body.length];
        boolean escaped = false;
        for (int i = 0; i < body.length; i++) {
            ascii[i] = (char) body[i];
            escaped |= body[i] == '\\';
        }
        return of(ascii, 0, ascii.length, escaped);
    }

    private static JsonText ofUtf8(byte[] body) throws MalformedCertificate {
        CharBuffer text;
        try {
            // A new decoder rejects what String's constructor would replace: overlong forms, encoded surrogates and
            // truncated sequences.
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body));
        } catch (CharacterCodingException e) {
            throw new MalformedCertificate("malformed JSON: not valid UTF-8");
        }
        if (text.length() > 0 && text.charAt(0) == BYTE_ORDER_MARK) {
            throw new MalformedCertificate("malformed JSON: begins with a byte order mark");
        }
        return of(text.array(), text.arrayOffset(), text.length(), true);
    }

    private static JsonText of(char[] text, int from, int length, boolean mayHaveSurrogates) {
        try {
            // The parser reads characters: given bytes, it would also accept UTF-16, UTF-32 and some invalid UTF-8.
            return new JsonText(FACTORY.createParser(text, from, length), mayHaveSurrogates);
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** Advances to the next token and returns it. */
    JsonToken next() throws MalformedCertificate {
        JsonToken token = read();
        if (token == null) {
            throw new MalformedCertificate("malformed JSON: ends too early");
        }
        if (mayHaveSurrogates
                && (token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING)
                && !CanonicalString.isWellFormed(text())) {
            throw new MalformedCertificate("malformed JSON: a string has a surrogate without its partner");
        }
        return token;
    }

    /** Checks that nothing but white space follows. */
    void end() throws MalformedCertificate {
        JsonToken token = read();
        if (token != null) {
            throw new MalformedCertificate("malformed JSON: something follows the object");
        }
    }

    /** Returns the token that {@link #next} returned last. */
    JsonToken token() {
        return parser.currentToken();
    }

    /** Returns the current name or string with its escapes decoded, or the current number as it is spelled. */
    String text() {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** Appends {@link #text} without creating a string. */
    void appendTextTo(StringBuilder out) {
        try {
            out.append(parser.getTextCharacters(), parser.getTextOffset(), parser.getTextLength());
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** Returns the length of {@link #text} in UTF-16 code units without creating the string. */
    int textLength() {
        try {
            return parser.getTextLength();
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    @Override
    public void close() {
        try {
            parser.close();
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    private JsonToken read() throws MalformedCertificate {
        try {
            JsonToken token = parser.nextToken();
            // Strings are unescaped lazily; this call reports a bad escape.
            parser.finishToken();
            return token;
        } catch (StreamConstraintsException e) {
            throw new MalformedCertificate("malformed JSON: nested more than " + MAX_NESTING + " deep");
        } catch (JsonEOFException e) {
            throw new MalformedCertificate("malformed JSON: ends too early");
        } catch (IOException e) {
            throw new MalformedCertificate("malformed JSON: near line "
                    + parser.currentLocation().getLineNr() + ", column "
                    + parser.currentLocation().getColumnNr());
        }
    }

    private static UncheckedIOException unreachable(IOException e) {
        return new UncheckedIOException("text in memory can't be read", e);
    }
}
