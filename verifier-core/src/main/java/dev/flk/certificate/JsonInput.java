// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;

/** The tokens of JSON, one after the other: of a text ({@link JsonText}), or of what was read before. One thread's own. */
abstract class JsonInput implements AutoCloseable {
    /** Goes to the next token. */
    abstract JsonToken next() throws MalformedCertificate;

    /** Goes to the last token of the value on whose first one it stands, which was checked before. */
    abstract void skipChildren();

    /** The token that {@link #next} went to. */
    abstract JsonToken token();

    /** The present name or string, unescaped, or the present number as it is spelled. */
    abstract String text();

    /** Appends {@link #text} without making a string of it. */
    abstract void appendTextTo(StringBuilder out);

    /** How long {@link #text} is, in UTF-16 code units, without making it. */
    abstract int textLength();

    @Override
    public abstract void close();

    /** What was recorded, as the members of one object. */
    static JsonInput of(RecordedTokens recorded) {
        return new Replayed(recorded);
    }

    private static final class Replayed extends JsonInput {
        private final RecordedTokens recorded;
        /** Before the first one stands the beginning of the object. */
        private int at = -2;

        Replayed(RecordedTokens recorded) {
            this.recorded = recorded;
        }

        @Override
        JsonToken next() {
            at++;
            return token();
        }

        @Override
        void skipChildren() {
            int depth = 0;
            do {
                JsonToken token = token();
                depth += token.isStructStart() ? 1 : token.isStructEnd() ? -1 : 0;
                at++;
            } while (depth > 0);
            at--;
        }

        @Override
        JsonToken token() {
            if (at < 0) {
                return JsonToken.START_OBJECT;
            }
            return at < recorded.count() ? recorded.token(at) : JsonToken.END_OBJECT;
        }

        @Override
        String text() {
            return recorded.text(at);
        }

        @Override
        void appendTextTo(StringBuilder out) {
            out.append(text());
        }

        @Override
        int textLength() {
            return text().length();
        }

        @Override
        public void close() {
            // nothing is open
        }
    }
}
