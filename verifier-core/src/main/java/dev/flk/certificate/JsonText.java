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
 * The tokens of one body, read strictly: UTF-8 and nothing else, without byte order mark, nested at most 32 deep, no lone
 * surrogate in any string. One thread's own. Numbers are kept as text until someone asks, and then read in linear time;
 * names are neither interned nor shared, so that a body leaves nothing behind.
 */
final class JsonText implements AutoCloseable {
    static final int MAX_NESTING = 32;

    private static final char BYTE_ORDER_MARK = '\uFEFF';

    // The size of the body bounds lengths already; the limits of the library would only be other ones.
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
    /** Whether a string may hold a surrogate: in ASCII without an escape there is none. */
    private final boolean maySurrogate;

    private JsonText(JsonParser parser, boolean maySurrogate) {
        this.parser = parser;
        this.maySurrogate = maySurrogate;
    }

    /** Opens {@code body}; the first call of {@link #next} gives its first token. */
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
            // A new decoder reports what String's constructor would replace: overlong forms, encoded surrogates, cut
            // ends.
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(body));
        } catch (CharacterCodingException e) {
            throw new MalformedCertificate("malformed JSON: not valid UTF-8");
        }
        if (text.length() > 0 && text.charAt(0) == BYTE_ORDER_MARK) {
            throw new MalformedCertificate("malformed JSON: begins with a byte order mark");
        }
        return of(text.array(), text.arrayOffset(), text.length(), true);
    }

    private static JsonText of(char[] text, int from, int length, boolean maySurrogate) {
        try {
            // From characters, since from bytes the library would guess at UTF-16 and UTF-32 and be lenient on UTF-8.
            return new JsonText(FACTORY.createParser(text, from, length), maySurrogate);
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** Goes to the next token. */
    JsonToken next() throws MalformedCertificate {
        JsonToken token = read();
        if (token == null) {
            throw new MalformedCertificate("malformed JSON: ends too early");
        }
        if (maySurrogate
                && (token == JsonToken.FIELD_NAME || token == JsonToken.VALUE_STRING)
                && !CanonicalString.isWellFormed(text())) {
            throw new MalformedCertificate("malformed JSON: a string has a surrogate without its partner");
        }
        return token;
    }

    /** Makes sure that nothing but white space is left. */
    void end() throws MalformedCertificate {
        JsonToken token = read();
        if (token != null) {
            throw new MalformedCertificate("malformed JSON: something follows the object");
        }
    }

    /** The token that {@link #next} went to. */
    JsonToken token() {
        return parser.currentToken();
    }

    /** The present name or string, unescaped, or the present number as it is spelled. */
    String text() {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** Appends {@link #text} without making a string of it. */
    void appendTextTo(StringBuilder out) {
        try {
            out.append(parser.getTextCharacters(), parser.getTextOffset(), parser.getTextLength());
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    /** The length of {@link #text} in UTF-16 code units, without making it. */
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
            // Strings are unescaped lazily; here is where a bad escape has to show.
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
        return new UncheckedIOException("text that was read before can't be read", e);
    }
}
