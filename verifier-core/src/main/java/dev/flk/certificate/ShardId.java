// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import dev.flk.canonical.CanonicalString;

/** The rule for the id of a shard, the source of a curve of measurements. */
public final class ShardId {
    /** The largest number of code points. */
    static final int MAX_CODE_POINTS = 256;
    /**
     * The character that Java substitutes for bytes of the command line that the locale can't decode. An id with it is
     * rejected, because different ids on the command line could become the same text.
     */
    private static final char UNREADABLE = '\uFFFD';

    private ShardId() {}

    /** Throws if certificates of a shard with this id would be rejected, or if the id was perhaps misread. */
    public static void check(String shardId) {
        int length = shardId.codePointCount(0, shardId.length());
        if (length < 1 || length > MAX_CODE_POINTS) {
            throw new IllegalArgumentException(
                    "a shard id must have 1 to " + MAX_CODE_POINTS + " characters, not " + length);
        }
        if (!CanonicalString.isWellFormed(shardId) || shardId.indexOf(UNREADABLE) >= 0) {
            throw new IllegalArgumentException(
                    "the shard id contains U+FFFD or half of a surrogate pair; if it was typed in a terminal, set"
                            + " LC_ALL=C.UTF-8");
        }
    }
}
