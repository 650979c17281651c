// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.Sha256;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * The digest by which two bodies under one id are compared: the SHA-256 of a certificate's content, in a form in which
 * key order, white space, escaping and the spelling of known numbers do not matter. The content is everything except
 * {@code attempt}, {@code sent_at}, {@code sig} and {@code ft}. The digests are stored, so their preimage is fixed. It
 * consists of three lines in UTF-8, each ended by a line feed:
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

    static ContentDigest ofPreimage(byte[] canonicalForm, byte[] unsignedContent, byte[] vStar) {
        byte[] lineFeed = {'\n'};
        return new ContentDigest(Sha256.of(canonicalForm, lineFeed, unsignedContent, lineFeed, vStar, lineFeed));
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
}
