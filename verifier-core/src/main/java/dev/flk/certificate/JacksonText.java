// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.io.JsonEOFException;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.ContentDigest.NormalObject;
import dev.flk.certificate.FieldValues.Reals;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * A reader whose exceptions say what is wrong with a body, or at least where. Names are neither interned nor cached, so
 * that nothing of a body stays in memory. Not thread-safe.
 */
final class JacksonText implements JsonText, AutoCloseable {
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

    private JacksonText(JsonParser parser, boolean mayHaveSurrogates) {
        this.parser = parser;
        this.mayHaveSurrogates = mayHaveSurrogates;
    }

    /** Opens {@code body}; the first call of {@link #next} returns the first token of the body. */
    static JacksonText of(byte[] body) throws MalformedCertificate {
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

    private static JacksonText ofUtf8(byte[] body) throws MalformedCertificate {
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

    private static JacksonText of(char[] text, int from, int length, boolean mayHaveSurrogates) {
        try {
            // The parser reads characters: given bytes, it would also accept UTF-16, UTF-32 and some invalid UTF-8.
            return new JacksonText(FACTORY.createParser(text, from, length), mayHaveSurrogates);
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    @Override
    public JsonToken next() throws MalformedCertificate {
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

    @Override
    public void end() throws MalformedCertificate {
        JsonToken token = read();
        if (token != null) {
            throw new MalformedCertificate("malformed JSON: something follows the object");
        }
    }

    @Override
    public JsonToken token() {
        return parser.currentToken();
    }

    @Override
    public String text() {
        try {
            return parser.getText();
        } catch (IOException e) {
            throw unreachable(e);
        }
    }

    @Override
    public void appendNormalTo(Utf8Buffer out) {
        switch (token()) {
            case FIELD_NAME, VALUE_STRING -> NormalObject.appendQuoted(out, text());
            case VALUE_NUMBER_INT -> out.append(text().equals("-0") ? "0" : text());
            default -> out.append(text());
        }
    }

    @Override
    public double real() {
        byte[] ascii = text().getBytes(StandardCharsets.US_ASCII);
        return Reals.parse(ascii, 0, ascii.length);
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
