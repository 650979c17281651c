// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.Sha256;
import dev.flk.canonical.Utf8Buffer;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Optional;

/**
 * The id of a certificate: 64 lower-case hex digits, the SHA-256 of {@code merkle_root|epoch|shard_id} in UTF-8. A
 * value of this type always has that form, so it can be logged without escaping.
 */
public final class PcsId implements Comparable<PcsId> {
    /** The number of hex digits in an id. */
    public static final int LENGTH = 64;

    private final String hex;
    private final byte[] bytes;

    private PcsId(String hex, byte[] bytes) {
        this.hex = hex;
        this.bytes = bytes;
    }

    /** Returns the id that belongs to these three signed fields. */
    public static PcsId of(String merkleRoot, long epoch, String shardId) {
        return of(Sha256.start(), merkleRoot, epoch, shardId);
    }

    /**
     * Returns the id that belongs to these three signed fields. Computes the id with {@code sha256}, a digest that has
     * no input before and after the call.
     */
    static PcsId of(MessageDigest sha256, String merkleRoot, long epoch, String shardId) {
        Utf8Buffer text = new Utf8Buffer(LENGTH + 22 + shardId.length());
        text.append(merkleRoot).append('|').append(epoch).append('|').append(shardId);
        text.update(sha256);
        byte[] bytes = sha256.digest();
        return new PcsId(HexFormat.of().formatHex(bytes), bytes);
    }

    /** Parses an id; returns empty unless {@code text} is exactly 64 lower-case hex digits. */
    public static Optional<PcsId> parse(String text) {
        return isHex64(text) ? Optional.of(new PcsId(text, HexFormat.of().parseHex(text))) : Optional.empty();
    }

    /** Returns whether {@code text} is 64 lower-case hex digits. */
    public static boolean isHex64(String text) {
        if (text.length() != LENGTH) {
            return false;
        }
        for (int i = 0; i < LENGTH; i++) {
            char c = text.charAt(i);
            if ((c < '0' || c > '9') && (c < 'a' || c > 'f')) {
                return false;
            }
        }
        return true;
    }

    /** Returns a copy of the 32 bytes that the digits encode. */
    public byte[] toBytes() {
        return bytes.clone();
    }

    @Override
    public int compareTo(PcsId other) {
        return hex.compareTo(other.hex);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PcsId that && hex.equals(that.hex);
    }

    @Override
    public int hashCode() {
        return hex.hashCode();
    }

    /** Returns the 64 hex digits. */
    @Override
    public String toString() {
        return hex;
    }
}
