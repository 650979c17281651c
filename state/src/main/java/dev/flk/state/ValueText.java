// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import dev.flk.state.StateException.Reason;
import java.io.IOException;

/**
 * Checks that a text is one JSON value, and takes white space between its tokens away. Everything else stays to the letter: numbers,
 * escapes, the order and the repetition of members.
 */
final class ValueText {
    private static final int MAX_NESTING = 128;
    private static final int MAX_NUMBER_CHARS = 1_000;

    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_NESTING)
                    .maxNumberLength(MAX_NUMBER_CHARS)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .configure(JsonFactory.Feature.INTERN_FIELD_NAMES, false)
            .configure(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES, false)
            .build();

    private ValueText() {}

    /**
     * The value without white space between its tokens.
     *
     * @throws StateException INVALID: what is wrong and where; VALUE_TOO_LARGE: longer than {@code maxBytes} in UTF-8
     */
    static String compact(String json, int maxBytes) {
        if (json.length() > maxBytes || Key.utf8(json).length > maxBytes) {
            throw Reason.VALUE_TOO_LARGE.because(
                    "the value is longer than " + maxBytes + " bytes: " + Key.utf8(json).length);
        }
        requireUnicode(json);
        requireValue(json);
        return withoutSpace(json);
    }

    private static void requireValue(String json) {
        try (JsonParser parser = JSON.createParser(json)) {
            int depth = 0;
            boolean isWhole = false;
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                if (isWhole) {
                    throw Reason.INVALID.because("something stands behind the value, at character "
                            + parser.currentTokenLocation().getCharOffset());
                }
                if (token.isNumeric() && parser.getTextLength() > MAX_NUMBER_CHARS) {
                    throw Reason.INVALID.because("a number is longer than " + MAX_NUMBER_CHARS + " characters");
                }
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                isWhole = depth == 0;
            }
            if (!isWhole) {
                throw Reason.INVALID.because("the value is empty; the shortest one is null");
            }
        } catch (StreamConstraintsException e) {
            throw Reason.INVALID.because("the value is nested deeper than " + MAX_NESTING
                    + " levels, or a number is longer than " + MAX_NUMBER_CHARS + " characters");
        } catch (JsonProcessingException e) {
            throw Reason.INVALID.because("the value is no JSON at character "
                    + e.getLocation().getCharOffset() + ": " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new AssertionError("reading a text fails", e);
        }
    }

    private static String withoutSpace(String json) {
        StringBuilder kept = new StringBuilder(json.length());
        boolean isInString = false;
        for (int at = 0; at < json.length(); at++) {
            char c = json.charAt(at);
            if (isInString && c == '\\') {
                kept.append(c);
                at++;
                kept.append(json.charAt(at));
                continue;
            }
            isInString ^= c == '"';
            if (isInString || (c != ' ' && c != '\t' && c != '\n' && c != '\r')) {
                kept.append(c);
            }
        }
        return kept.length() == json.length() ? json : kept.toString();
    }

    /** What can't be written in UTF-8 would come back as something else. */
    private static void requireUnicode(String json) {
        for (int at = 0; at < json.length(); at++) {
            char c = json.charAt(at);
            if (Character.isSurrogate(c)) {
                if (at + 1 == json.length() || !Character.isSurrogatePair(c, json.charAt(at + 1))) {
                    throw Reason.INVALID.because("the value is no valid UTF-8: half of a surrogate pair at character "
                            + at + "; write it as an escape");
                }
                at++;
            }
        }
    }
}
