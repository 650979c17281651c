// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Utf8Buffer;
import dev.flk.certificate.ContentDigest.NormalObject;
import dev.flk.certificate.FieldValues.Reals;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/**
 * A reader that scans the bytes of a body once. For a name or value in ASCII without escapes, the reader creates no
 * objects as long as the text is only checked or copied. A token is a range of the body. The grammar is that of RFC
 * 8259, without extensions:
 *
 * <table>
 * <caption>Grammar</caption>
 * <tr><td>object</td><td><code>{</code> [ string <code>:</code> value ( <code>,</code> string <code>:</code> value )*
 *   ] <code>}</code></td></tr>
 * <tr><td>array</td><td><code>[</code> [ value ( <code>,</code> value )* ] <code>]</code></td></tr>
 * <tr><td>value</td><td>object | array | string | number | <code>true</code> | <code>false</code> | <code>null</code>
 *   </td></tr>
 * <tr><td>string</td><td><code>"</code> ( character from U+0020 except <code>"</code> and <code>\</code> |
 *   <code>\</code> one of <code>"\/bfnrt</code> | <code>\</code><code>u</code> 4 hex digits )* <code>"</code></td></tr>
 * <tr><td>number</td><td>[ <code>-</code> ] ( <code>0</code> | digit from 1 digit* ) [ <code>.</code> digit+ ]
 *   [ ( <code>e</code> | <code>E</code> ) [ <code>+</code> | <code>-</code> ] digit+ ]</td></tr>
 * <tr><td>space</td><td>tab, line feed, carriage return and space character, before and after each token</td></tr>
 * </table>
 *
 * The exceptions have no details, because {@link JacksonText} says what is wrong. Not thread-safe.
 */
final class JsonBytes implements JsonText {
    /** The length in characters up to which every integer literal fits into 64 bits. */
    private static final int SAFE_CHARS = 18;

    private final byte[] body;
    private int at;

    /** The last token, which also determines which tokens may follow it. */
    private JsonToken token = JsonToken.NOT_AVAILABLE;

    /** The range of the last token's text, without quotes. */
    private int start;

    private int end;

    /** The last name or scalar value with its escapes decoded; null if it contains no escape. */
    private @Nullable String unescaped;

    /** Whether the last token is ASCII. */
    private boolean isAscii = true;

    /** A decoder of strings that are not ASCII; null until the first such string is read. */
    private @Nullable CharsetDecoder decoder;

    private int depth;

    /**
     * One bit for each open container: 1 for an object, 0 for an array. The lowest bit describes the innermost
     * container.
     */
    private long objects;

    /** Opens {@code body}; the first call of {@link #next} returns the first token of the body. */
    JsonBytes(byte[] body) {
        this.body = body;
    }

    private static MalformedCertificate malformed() {
        return new MalformedCertificate("malformed JSON");
    }

    @Override
    public JsonToken next() throws MalformedCertificate {
        byte first = afterSpace();
        boolean isFirst = switch (token) {
            case START_OBJECT, START_ARRAY, FIELD_NAME, NOT_AVAILABLE -> true;
            default -> false;
        };
        if (depth == 0 && !isFirst) {
            throw malformed();
        }
        boolean isObject = (objects & 1) != 0;
        if (token != JsonToken.FIELD_NAME && depth > 0) {
            if (first == (isObject ? '}' : ']')) {
                return close(isObject ? JsonToken.END_OBJECT : JsonToken.END_ARRAY);
            }
            if (!isFirst) {
                if (first != ',') {
                    throw malformed();
                }
                at++;
                first = afterSpace();
            }
            if (isObject) {
                return name(first);
            }
        }
        return value(first);
    }

    @Override
    public void end() throws MalformedCertificate {
        if (skipSpace() < body.length) {
            throw malformed();
        }
    }

    /** Skips white space, and returns the next byte without advancing beyond it. */
    private byte afterSpace() throws MalformedCertificate {
        if (skipSpace() == body.length) {
            throw malformed();
        }
        return body[at];
    }

    private int skipSpace() {
        int i = at;
        while (i < body.length && (body[i] == ' ' || body[i] == '\n' || body[i] == '\r' || body[i] == '\t')) {
            i++;
        }
        at = i;
        return i;
    }

    private JsonToken close(JsonToken closed) {
        at++;
        depth--;
        objects >>>= 1;
        token = closed;
        return closed;
    }

    private JsonToken open(JsonToken opened) throws MalformedCertificate {
        at++;
        depth++;
        if (depth > MAX_NESTING) {
            throw malformed();
        }
        objects = objects << 1 | (opened == JsonToken.START_OBJECT ? 1 : 0);
        token = opened;
        return opened;
    }

    private JsonToken name(byte first) throws MalformedCertificate {
        if (first != '"') {
            throw malformed();
        }
        string();
        if (afterSpace() != ':') {
            throw malformed();
        }
        at++;
        token = JsonToken.FIELD_NAME;
        return token;
    }

    private JsonToken value(byte first) throws MalformedCertificate {
        switch (first) {
            case '{' -> {
                return open(JsonToken.START_OBJECT);
            }
            case '[' -> {
                return open(JsonToken.START_ARRAY);
            }
            case '"' -> {
                string();
                token = JsonToken.VALUE_STRING;
            }
            case 't' -> token = literal("true", JsonToken.VALUE_TRUE);
            case 'f' -> token = literal("false", JsonToken.VALUE_FALSE);
            case 'n' -> token = literal("null", JsonToken.VALUE_NULL);
            default -> token = number();
        }
        return token;
    }

    /** Reads a string, the first quote of which is the next byte. */
    private void string() throws MalformedCertificate {
        start = ++at;
        boolean isEscaped = false;
        int i = at;
        int all = 0;
        while (i < body.length && body[i] != '"') {
            byte b = body[i++];
            all |= b;
            if (b == '\\') {
                isEscaped = true;
                i = afterEscape(i);
            } else if (b >= 0 && b < ' ') {
                throw malformed();
            }
        }
        if (i == body.length) {
            throw malformed();
        }
        end = i;
        at = i + 1;
        isAscii = all >= 0;
        if (!isAscii) {
            requireUtf8();
        }
        unescaped = isEscaped ? decoded() : null;
        if (unescaped != null && !CanonicalString.isWellFormed(unescaped)) {
            throw malformed();
        }
    }

    private void requireUtf8() throws MalformedCertificate {
        try {
            // This decoder rejects what String's constructor would replace: overlong forms, encoded surrogates and
            // truncated sequences.
            decoder = decoder == null ? StandardCharsets.UTF_8.newDecoder() : decoder;
            decoder.decode(ByteBuffer.wrap(body, start, end - start));
        } catch (CharacterCodingException e) {
            throw malformed();
        }
    }

    /** Returns the index after the escape whose backslash is before {@code i}. */
    private int afterEscape(int i) throws MalformedCertificate {
        if (i == body.length || "\"\\/bfnrtu".indexOf(body[i]) < 0) {
            throw malformed();
        }
        int after = i + (body[i] == 'u' ? 5 : 1);
        for (int digit = i + 1; digit < after; digit++) {
            if (digit == body.length || body[digit] < 0 || Character.digit(body[digit], 16) < 0) {
                throw malformed();
            }
        }
        return after;
    }

    private JsonToken literal(String name, JsonToken literal) throws MalformedCertificate {
        start = at;
        end = at + name.length();
        unescaped = null;
        isAscii = true;
        if (end > body.length || !is(name)) {
            throw malformed();
        }
        at = end;
        return literal;
    }

    private JsonToken number() throws MalformedCertificate {
        JsonToken kind = JsonToken.VALUE_NUMBER_INT;
        start = at;
        unescaped = null;
        isAscii = true;
        skip('-');
        if (!skip('0')) {
            digits();
        }
        if (skip('.')) {
            kind = JsonToken.VALUE_NUMBER_FLOAT;
            digits();
        }
        if (skip('e') || skip('E')) {
            kind = JsonToken.VALUE_NUMBER_FLOAT;
            if (!skip('+')) {
                skip('-');
            }
            digits();
        }
        end = at;
        return kind;
    }

    private boolean skip(char c) {
        boolean isNext = at < body.length && body[at] == c;
        at += isNext ? 1 : 0;
        return isNext;
    }

    /** Skips one digit or more. */
    private void digits() throws MalformedCertificate {
        int i = at;
        while (i < body.length && body[i] >= '0' && body[i] <= '9') {
            i++;
        }
        if (i == at) {
            throw malformed();
        }
        at = i;
    }

    @Override
    public JsonToken token() {
        return token;
    }

    @Override
    public String text() {
        return unescaped != null ? unescaped : string(start, end);
    }

    private String string(int from, int to) {
        Charset charset = isAscii ? StandardCharsets.ISO_8859_1 : StandardCharsets.UTF_8;
        return new String(body, from, to - from, charset);
    }

    private String decoded() {
        StringBuilder text = new StringBuilder(end - start);
        int plain = start;
        for (int i = start; i < end; i++) {
            if (body[i] == '\\') {
                if (plain < i) {
                    text.append(string(plain, i));
                }
                i++;
                char escape = (char) body[i];
                if (escape == 'u') {
                    text.append((char) Integer.parseInt(string(i + 1, i + 5), 16));
                    i += 4;
                } else {
                    int known = "bfnrt".indexOf(escape);
                    text.append(known < 0 ? escape : "\b\f\n\r\t".charAt(known));
                }
                plain = i + 1;
            }
        }
        return plain < end ? text.append(string(plain, end)).toString() : text.toString();
    }

    @Override
    public boolean is(String ascii) {
        if (unescaped != null) {
            return unescaped.equals(ascii);
        }
        int length = ascii.length();
        if (end - start != length) {
            return false;
        }
        for (int i = 0; i < length; i++) {
            if (body[start + i] != ascii.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    @Override
    public void appendNormalTo(Utf8Buffer out) {
        boolean isQuoted = token == JsonToken.VALUE_STRING || token == JsonToken.FIELD_NAME;
        if (unescaped != null) {
            NormalObject.appendQuoted(out, unescaped);
        } else if (isQuoted) {
            out.append(body, start - 1, end + 1);
        } else if (is("-0")) {
            out.append('0');
        } else {
            out.append(body, start, end);
        }
    }

    @Override
    public boolean isInt64() {
        return token == JsonToken.VALUE_NUMBER_INT && (end - start <= SAFE_CHARS || JsonText.super.isInt64());
    }

    @Override
    public long int64() {
        if (end - start > SAFE_CHARS) {
            return JsonText.super.int64();
        }
        boolean isNegative = body[start] == '-';
        long value = 0;
        for (int i = isNegative ? start + 1 : start; i < end; i++) {
            value = 10 * value + (body[i] - '0');
        }
        return isNegative ? -value : value;
    }

    @Override
    public double real() {
        return Reals.parse(body, start, end);
    }

    @Override
    public @Nullable Field field() {
        return unescaped != null ? Field.named(unescaped) : Field.named(body, start, end);
    }
}
