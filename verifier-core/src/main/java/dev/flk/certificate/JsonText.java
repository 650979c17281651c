// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.Utf8Buffer;
import java.math.BigInteger;
import org.jspecify.annotations.Nullable;

/**
 * The tokens of one body. A reader rejects a body that is not valid UTF-8, begins with a byte order mark, is nested
 * more than 32 deep, or has a string with a lone surrogate. {@link JsonBytes} reads every certificate. If it rejects
 * the body, {@link JacksonText} reads the body again to find the error message. Both must accept the same bodies.
 */
interface JsonText {
    int MAX_NESTING = 32;

    /** The greatest number of characters in a 64-bit integer. */
    int MAX_INT64_CHARS = 20;

    /** Advances to the next token and returns it. */
    JsonToken next() throws MalformedCertificate;

    /** Checks that nothing but white space follows. */
    void end() throws MalformedCertificate;

    /** Returns the token that {@link #next} returned last. */
    JsonToken token();

    /** Returns the current name or string with its escapes decoded, or the current number as it is spelled. */
    String text();

    /** Returns whether {@link #text} equals a text that consists of ASCII characters. */
    default boolean is(String ascii) {
        return text().equals(ascii);
    }

    /**
     * Appends the current name, string, number or literal in the normal form of {@link ContentDigest}: a string with
     * only its necessary escapes, a number as it is spelled, except that {@code -0} becomes {@code 0}.
     */
    void appendNormalTo(Utf8Buffer out);

    /** Returns whether the current token is an integer that fits into 64 bits. */
    default boolean isInt64() {
        return token() == JsonToken.VALUE_NUMBER_INT
                && text().length() <= MAX_INT64_CHARS
                && new BigInteger(text()).bitLength() < Long.SIZE;
    }

    /** Returns the current integer; if it exceeds 64 bits, returns the nearest 64-bit integer. */
    default long int64() {
        if (isInt64()) {
            return Long.parseLong(text());
        }
        return text().charAt(0) == '-' ? Long.MIN_VALUE : Long.MAX_VALUE;
    }

    /** Returns the field with the current name; null if the name is unknown. */
    default @Nullable Field field() {
        return Field.named(text());
    }

    /** Returns the double nearest to the current number; an infinity if the number is out of range. */
    double real();
}
