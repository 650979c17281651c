// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import java.util.Arrays;

/**
 * The tokens of some members as they were read, so that the second phase need not read their text again. Bounded: a certificate with more
 * is read twice. One thread's own until it is read from.
 */
final class RecordedTokens {
    /** A usual certificate has about forty. */
    private static final int MOST = 512;

    private JsonToken[] tokens = new JsonToken[64];
    private String[] texts = new String[64];
    private int count;
    private boolean tooMany;

    /** Adds a token with its text, "" where it needs none. */
    void add(JsonToken token, String text) {
        if (count == MOST) {
            tooMany = true;
            return;
        }
        if (count == tokens.length) {
            tokens = Arrays.copyOf(tokens, 4 * count);
            texts = Arrays.copyOf(texts, 4 * count);
        }
        tokens[count] = token;
        texts[count] = text;
        count++;
    }

    /** Whether some are missing, and none should be read. */
    boolean isIncomplete() {
        return tooMany;
    }

    int count() {
        return count;
    }

    JsonToken token(int index) {
        return tokens[index];
    }

    String text(int index) {
        return texts[index];
    }
}
