// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import com.fasterxml.jackson.core.JsonToken;
import dev.flk.canonical.CanonicalString;
import dev.flk.canonical.Utf8Buffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;

/**
 * The digest by which two bodies under one id are compared. It is the SHA-256 of the preimage, a normal form of the
 * certificate's content. The content is everything except {@code attempt}, {@code sent_at}, {@code sig} and {@code ft}.
 * The preimage does not depend on key order, white space, escaping, or the spelling of numbers in known fields. Because
 * digests are stored, the form of the preimage must never change. It has three lines in UTF-8, each ended by a line
 * feed:
 *
 * <table>
 * <caption>Preimage</caption>
 * <tr><td>1</td><td>the canonical form that is signed</td></tr>
 * <tr><td>2</td><td>the rest of the content except {@code v_star} as one JSON object without white space: the keys of
 *   every object sorted by UTF-16 code units; strings with only quote, backslash and U+0000 to U+001F escaped (the
 *   two-character escape if there is one, otherwise {@code \}{@code u00xx} in lower case); numbers as the body spells
 *   them, except that the integer {@code -0} is written {@code 0}</td></tr>
 * <tr><td>3</td><td>{@code v_star} if present, otherwise nothing: each element's IEEE 754 bits as 16 lower-case hex
 *   digits, in {@code [}{@code ]}, separated by commas</td></tr>
 * </table>
 */
public final class ContentDigest {
    /** The number of bytes in a digest. */
    public static final int LENGTH_BYTES = 32;

    private final byte[] sha256;

    private ContentDigest(byte[] sha256) {
        this.sha256 = sha256;
    }

    /**
     * Creates a digest from stored bytes.
     *
     * @throws IllegalArgumentException unless {@code sha256} has 32 bytes
     */
    public static ContentDigest of(byte[] sha256) {
        if (sha256.length != LENGTH_BYTES) {
            throw new IllegalArgumentException("a content digest has 32 bytes, not " + sha256.length);
        }
        return new ContentDigest(sha256.clone());
    }

    /**
     * Computes the digest of a preimage.
     *
     * @param afterLine1 a digest whose input is line 1; it has no input afterwards
     */
    static ContentDigest ofPreimage(MessageDigest afterLine1, Utf8Buffer line2, Utf8Buffer line3) {
        afterLine1.update((byte) '\n');
        line2.update(afterLine1);
        afterLine1.update((byte) '\n');
        line3.update(afterLine1);
        afterLine1.update((byte) '\n');
        return new ContentDigest(afterLine1.digest());
    }

    /** Returns a copy of the 32 bytes. */
    public byte[] toBytes() {
        return sha256.clone();
    }

    /** Returns the bytes as 64 lower-case hex digits. */
    public String hex() {
        return HexFormat.of().formatHex(sha256);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof ContentDigest that && Arrays.equals(sha256, that.sha256);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(sha256);
    }

    @Override
    public String toString() {
        return hex();
    }

    /**
     * A writer of a JSON object in the normal form of line 2 of the preimage. The writer also detects repeated keys.
     * The writer appends members in the order of the body, and sorts them when the object ends, so that memory stays
     * within a small multiple of the body. Not thread-safe.
     */
    static final class NormalObject {
        private final Utf8Buffer out;
        private final int start;
        private final List<Member> members = new ArrayList<>();
        private int memberStart;
        /** Whether the keys so far are in strictly ascending order. */
        private boolean inOrder = true;

        /** Starts an object at the end of {@code out}. */
        NormalObject(Utf8Buffer out) {
            this.out = out;
            this.start = out.length();
            out.append('{');
        }

        /** The range of a member's text in the output, including the comma after the member. */
        private record Member(String key, int start, int end) implements Comparable<Member> {
            @Override
            public int compareTo(Member other) {
                return key.compareTo(other.key);
            }
        }

        /** A callback for each element or member of a value. */
        @FunctionalInterface
        interface Child {
            Child IGNORED = name -> {};

            /**
             * Handles the element or member that was just appended. The input is positioned at the last token of that
             * element, or of that member's value.
             *
             * @param name the name of the member; empty in an array
             */
            void appended(String name) throws MalformedCertificate;
        }

        /** Appends the name of a member, which is the current token, and advances to the first token of its value. */
        JsonToken name(JsonText in) throws MalformedCertificate {
            memberStart = out.length();
            in.appendNormalTo(out);
            out.append(':');
            return in.next();
        }

        /**
         * Appends the value of a member after its name. Before the call, {@code in} is at the value's first token;
         * afterwards, {@code in} is at the last.
         *
         * @param key the name, for the order of the members
         */
        void value(String key, JsonText in) throws MalformedCertificate {
            value(key, in, Child.IGNORED);
        }

        /**
         * Appends the value of a member as {@link #value(String, JsonText)} does, and calls {@code child} for each
         * element or member of this value.
         */
        void value(String key, JsonText in, Child child) throws MalformedCertificate {
            int start = memberStart;
            appendValue(out, in, child);
            out.append(',');
            int last = members.size() - 1;
            inOrder &= last < 0 || members.get(last).key().compareTo(key) < 0;
            members.add(new Member(key, start, out.length()));
        }

        void close() throws MalformedCertificate {
            if (members.isEmpty()) {
                out.append('}');
                return;
            }
            if (inOrder) {
                out.set(out.length() - 1, '}');
                return;
            }
            Collections.sort(members);
            for (int i = 1; i < members.size(); i++) {
                if (members.get(i).key().equals(members.get(i - 1).key())) {
                    throw MalformedCertificate.repeatedKey(members.get(i).key());
                }
            }
            int first = start + 1;
            byte[] unsorted = out.removeFrom(first);
            for (Member member : members) {
                out.append(unsorted, member.start() - first, member.end() - first);
            }
            out.set(out.length() - 1, '}');
        }

        /**
         * Skips a value, but checks it like a value that is appended. Before the call, {@code in} is at the value's
         * first token; afterwards, {@code in} is at the last.
         */
        static void skipValue(JsonText in) throws MalformedCertificate {
            if (!in.token().isScalarValue()) {
                appendValue(new Utf8Buffer(0), in, Child.IGNORED);
            }
        }

        /**
         * Appends a value. Before the call, {@code in} is at the value's first token; afterwards, {@code in} is at the
         * last.
         */
        static void appendValue(Utf8Buffer out, JsonText in, Child child) throws MalformedCertificate {
            switch (in.token()) {
                case START_OBJECT -> {
                    NormalObject object = new NormalObject(out);
                    while (in.next() == JsonToken.FIELD_NAME) {
                        String key = in.text();
                        object.name(in);
                        object.value(key, in);
                        child.appended(key);
                    }
                    object.close();
                }
                case START_ARRAY -> {
                    out.append('[');
                    while (in.next() != JsonToken.END_ARRAY) {
                        appendValue(out, in, Child.IGNORED);
                        child.appended("");
                        out.append(',');
                    }
                    if (out.at(out.length() - 1) == ',') {
                        out.set(out.length() - 1, ']');
                    } else {
                        out.append(']');
                    }
                }
                default -> in.appendNormalTo(out);
            }
        }

        /** Appends a string in quotes, with only its necessary escapes. */
        static void appendQuoted(Utf8Buffer out, String text) {
            for (int i = 0; i < text.length(); i++) {
                if (isEscaped(text.charAt(i))) {
                    appendEscaped(out, text);
                    return;
                }
            }
            out.append('"').append(text).append('"');
        }

        private static boolean isEscaped(char c) {
            return c < ' ' || c == '"' || c == '\\';
        }

        private static void appendEscaped(Utf8Buffer out, String text) {
            StringBuilder quoted = new StringBuilder(text.length() + 2).append('"');
            for (int i = 0; i < text.length(); i++) {
                char c = text.charAt(i);
                if (isEscaped(c)) {
                    CanonicalString.appendEscaped(quoted, c);
                } else {
                    quoted.append(c);
                }
            }
            out.append(quoted.append('"').toString());
        }
    }
}
